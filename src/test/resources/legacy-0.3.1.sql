-- A database as Nodepool 0.3.1 leaves it: its schema, and rows that are odd in every way that the
-- schema allows. {engine} and {charset} are put in by the test.

CREATE TABLE dib_image (
  id INTEGER NOT NULL AUTO_INCREMENT,
  image_name VARCHAR(255) NOT NULL,
  filename VARCHAR(255),
  version INTEGER,
  state INTEGER,
  state_time INTEGER,
  PRIMARY KEY (id)
) ENGINE={engine} DEFAULT CHARSET={charset};
CREATE INDEX ix_dib_image_image_name ON dib_image (image_name);

CREATE TABLE snapshot_image (
  id INTEGER NOT NULL AUTO_INCREMENT,
  provider_name VARCHAR(255) NOT NULL,
  image_name VARCHAR(255) NOT NULL,
  hostname VARCHAR(255),
  version INTEGER,
  external_id VARCHAR(255),
  server_external_id VARCHAR(255),
  state INTEGER,
  state_time INTEGER,
  PRIMARY KEY (id)
) ENGINE={engine} DEFAULT CHARSET={charset};
CREATE INDEX ix_snapshot_image_image_name ON snapshot_image (image_name);
CREATE INDEX ix_snapshot_image_provider_name ON snapshot_image (provider_name);

CREATE TABLE node (
  id INTEGER NOT NULL AUTO_INCREMENT,
  provider_name VARCHAR(255) NOT NULL,
  label_name VARCHAR(255) NOT NULL,
  target_name VARCHAR(255) NOT NULL,
  manager_name VARCHAR(255),
  hostname VARCHAR(255),
  nodename VARCHAR(255),
  external_id VARCHAR(255),
  az VARCHAR(255),
  ip VARCHAR(255),
  ip_private VARCHAR(255),
  state INTEGER,
  state_time INTEGER,
  comment VARCHAR(255),
  PRIMARY KEY (id)
) ENGINE={engine} DEFAULT CHARSET={charset};
CREATE INDEX ix_node_hostname ON node (hostname);
CREATE INDEX ix_node_label_name ON node (label_name);
CREATE INDEX ix_node_nodename ON node (nodename);
CREATE INDEX ix_node_provider_name ON node (provider_name);
CREATE INDEX ix_node_target_name ON node (target_name);

CREATE TABLE subnode (
  id INTEGER NOT NULL AUTO_INCREMENT,
  node_id INTEGER NOT NULL,
  hostname VARCHAR(255),
  external_id VARCHAR(255),
  ip VARCHAR(255),
  ip_private VARCHAR(255),
  state INTEGER,
  state_time INTEGER,
  PRIMARY KEY (id)
) ENGINE={engine} DEFAULT CHARSET={charset};
CREATE INDEX ix_subnode_hostname ON subnode (hostname);
CREATE INDEX ix_subnode_node_id ON subnode (node_id);

CREATE TABLE job (
  id INTEGER NOT NULL AUTO_INCREMENT,
  name VARCHAR(255),
  hold_on_failure INTEGER,
  PRIMARY KEY (id)
) ENGINE={engine} DEFAULT CHARSET={charset};
CREATE INDEX ix_job_name ON job (name);

INSERT INTO job VALUES (1, 'gate-tempest-dsvm-full', 2), (2, NULL, NULL);

INSERT INTO node (id, provider_name, label_name, target_name, manager_name, hostname, nodename,
                  external_id, az, ip, ip_private, state, state_time, comment) VALUES
  (3, 'rax-dfw', 'devstack-trusty', 'jenkins01', 'jenkins01', 'devstack-trusty-rax-dfw-3.example.org', 'devstack-trusty-rax-dfw-3', '0a1b', NULL, '192.0.2.3', '10.0.0.3', 2, 1416832000, NULL),
  (4, 'rax-dfw', 'devstack-trusty', 'jenkins01', 'jenkins01', 'devstack-trusty-rax-dfw-4.example.org', 'devstack-trusty-rax-dfw-4', '0a1c', 'az1', '192.0.2.4', '10.0.0.4', 5, 1416832001, 'kept for Ann: café'),
  (5, 'RAX-DFW', 'Devstack-Trusty ', 'jenkins02', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1416832002, NULL),
  (6, 'rax-dfw ', 'devstack-trusty', '', '', '', '', '', '', '', '', NULL, NULL, ''),
  (7, 'rax-dfw', 'devstack-trusty', 'jenkins01', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 99, -1, NULL),
  (8, 'gone', 'devstack-trusty', 'jenkins01', NULL, NULL, NULL, 'x', NULL, NULL, NULL, 4, 0, NULL),
  (9, 'gone', 'l', 't', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 3, 2147483647, NULL),
  (10, 'gone', 'l', 't', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 6, 1416832000, NULL);

INSERT INTO subnode (id, node_id, hostname, external_id, ip, ip_private, state, state_time) VALUES
  (1, 3, 'sub-1', '0b1', '192.0.2.31', '10.0.0.31', 2, 1416832000),
  (2, 3, NULL, NULL, NULL, NULL, NULL, NULL),
  (3, 999, 'an orphan', 'y', NULL, NULL, 42, 1416832000);

INSERT INTO snapshot_image (id, provider_name, image_name, hostname, version, external_id,
                            server_external_id, state, state_time) VALUES
  (1, 'directory', 'tiny-image', 'tiny-image-1416832000', 1416832000, 'img-1', 'srv-1', 2, 1416832000),
  (2, 'DIRECTORY', 'tiny-image', NULL, NULL, NULL, NULL, 1, NULL),
  (3, 'directory', 'Tiny-Image ', NULL, NULL, NULL, NULL, NULL, NULL),
  (4, 'gone', 'tiny-image', NULL, -1, NULL, NULL, 99, 0),
  (5, 'gone', 'tiny-image', NULL, 1416832000, 'img-5', NULL, 4, 1416832000);

INSERT INTO dib_image (id, image_name, filename, version, state, state_time) VALUES
  (1, 'tiny', '/nowhere/images/tiny-1416832000', 1416832000, 2, 1416832000),
  (2, 'TINY', '/nowhere/images/TINY-1416832000', 2147483647, 2, 1416832000),
  (3, 'tiny ', NULL, NULL, 1, NULL),
  (4, 'gone', NULL, NULL, NULL, NULL),
  (5, 'gone', '', -1, 99, -1),
  (6, 'gone', NULL, NULL, 4, 1416832000);
