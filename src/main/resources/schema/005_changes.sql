-- Ours. What was committed to the pool's four tables and to api_job, whoever wrote it: the triggers
-- of store.Triggers append a row for each row that is inserted, changed or deleted. Ids commit out
-- of order, and those of transactions that were rolled back are never seen.

-- A trigger must not fail the writer that it stands behind: so every column may be NULL that a row
-- could leave out, texts are as long as there can be, and whole numbers as wide.

-- old_id is NULL for an insert, new_id for a delete. old_state and new_state are a job's state, or
-- the pool's code as text. old_node_id is a subnode's node before an update or a delete. Then, under
-- their own names, the values of the row as it now is, of a deleted one as it was; the pool's
-- column state is state_code.
CREATE TABLE IF NOT EXISTS api_change (
  id BIGINT NOT NULL AUTO_INCREMENT,
  of_table VARCHAR(16) NOT NULL,
  old_id BIGINT,
  new_id BIGINT,
  old_state VARCHAR(32),
  new_state VARCHAR(32),
  time BIGINT NOT NULL,
  old_node_id BIGINT,
  provider_name LONGTEXT,
  label_name LONGTEXT,
  target_name LONGTEXT,
  image_name LONGTEXT,
  hostname LONGTEXT,
  nodename LONGTEXT,
  external_id LONGTEXT,
  server_external_id LONGTEXT,
  az LONGTEXT,
  ip LONGTEXT,
  ip_private LONGTEXT,
  filename LONGTEXT,
  node_id BIGINT,
  version BIGINT,
  state_code BIGINT,
  state_time BIGINT,
  uuid LONGTEXT,
  kind LONGTEXT,
  subject LONGTEXT,
  host LONGTEXT,
  needs_host LONGTEXT,
  worker LONGTEXT,
  phase LONGTEXT,
  error LONGTEXT,
  progress DOUBLE,
  dib_image_id BIGINT,
  attempts BIGINT,
  lost BIGINT,
  is_cleanup BIGINT,
  cancel_requested BIGINT,
  not_before BIGINT,
  created BIGINT,
  started BIGINT,
  finished BIGINT,
  PRIMARY KEY (id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
