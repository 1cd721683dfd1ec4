#!/usr/bin/python3
"""What is in an empty Keystone before the first test: users, projects, the Image service.

seed.py IDENTITY-URL IMAGE-URL
"""
import sys

import openstack

identity_url, image_url = sys.argv[1:]
identity = openstack.connect(
    auth_url=identity_url, username='admin', password='admin-secret', project_name='admin',
    user_domain_id='default', project_domain_id='default', region_name='RegionOne').identity
roles = {role.name: role for role in identity.roles()}
roles.setdefault('service', None)
if roles['service'] is None:  # Keystone makes it itself from 2023.1 on; service tokens need it
    roles['service'] = identity.create_role(name='service')


def member(name, password, project_name, *role_names):
    project = identity.find_project(project_name) or identity.create_project(
        name=project_name, domain_id='default')
    user = identity.find_user(name) or identity.create_user(
        name=name, password=password, domain_id='default', default_project_id=project.id)
    for role in role_names:
        identity.assign_project_role_to_user(project, user, roles[role])
    return project


member('glance', 'service-secret', 'service', 'admin', 'service')
member('stranger', 'stranger-secret', 'other', 'member', 'reader')
ours = member('nodepool', 'nodepool-secret', 'nodepool', 'member', 'reader')
# the administrator can look into it, too
identity.assign_project_role_to_user(ours, identity.find_user('admin'), roles['admin'])

service = identity.create_service(name='glance', type='image')
for interface in ('public', 'internal', 'admin'):
    identity.create_endpoint(
        service_id=service.id, interface=interface, url=image_url, region_id='RegionOne')
