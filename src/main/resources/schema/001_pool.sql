-- The four tables of Nodepool's SQL years, as SQLAlchemy made them on MySQL; engine InnoDB as from
-- 0.2.0. A database that has them already keeps its own.

CREATE TABLE IF NOT EXISTS dib_image (
  id INTEGER NOT NULL AUTO_INCREMENT,
  image_name VARCHAR(255) NOT NULL,
  filename VARCHAR(255),
  version INTEGER,
  state INTEGER,
  state_time INTEGER,
  PRIMARY KEY (id),
  KEY ix_dib_image_image_name (image_name)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS snapshot_image (
  id INTEGER NOT NULL AUTO_INCREMENT,
  provider_name VARCHAR(255) NOT NULL,
  image_name VARCHAR(255) NOT NULL,
  hostname VARCHAR(255),
  version INTEGER,
  external_id VARCHAR(255),
  server_external_id VARCHAR(255),
  state INTEGER,
  state_time INTEGER,
  PRIMARY KEY (id),
  KEY ix_snapshot_image_image_name (image_name),
  KEY ix_snapshot_image_provider_name (provider_name)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS node (
  id INTEGER NOT NULL AUTO_INCREMENT,
  provider_name VARCHAR(255) NOT NULL,
  label_name VARCHAR(255) NOT NULL,
  target_name VARCHAR(255) NOT NULL,
  hostname VARCHAR(255),
  nodename VARCHAR(255),
  external_id VARCHAR(255),
  az VARCHAR(255),
  ip VARCHAR(255),
  ip_private VARCHAR(255),
  state INTEGER,
  state_time INTEGER,
  PRIMARY KEY (id),
  KEY ix_node_hostname (hostname),
  KEY ix_node_label_name (label_name),
  KEY ix_node_nodename (nodename),
  KEY ix_node_provider_name (provider_name),
  KEY ix_node_target_name (target_name)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS subnode (
  id INTEGER NOT NULL AUTO_INCREMENT,
  node_id INTEGER NOT NULL,
  hostname VARCHAR(255),
  external_id VARCHAR(255),
  ip VARCHAR(255),
  ip_private VARCHAR(255),
  state INTEGER,
  state_time INTEGER,
  PRIMARY KEY (id),
  KEY ix_subnode_hostname (hostname),
  KEY ix_subnode_node_id (node_id)
) ENGINE=InnoDB;
