/** OpenStack clouds: Identity v3, Image v2. The web client lives only here. */
package org.nodepool.provider.openstack;
