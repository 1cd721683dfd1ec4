-- Ours. Times are Unix seconds. Names compare by code point.

-- active_key: at most one build of a name is queued or running; the database says which. It is
-- NULL, and so free, once the build has ended or is to be cancelled.
CREATE TABLE IF NOT EXISTS api_job (
  id BIGINT NOT NULL AUTO_INCREMENT,
  uuid CHAR(36) NOT NULL,
  kind VARCHAR(32) NOT NULL,
  state VARCHAR(16) NOT NULL,
  subject VARCHAR(255) NOT NULL,
  image_name VARCHAR(255),
  provider_name VARCHAR(255),
  dib_image_id BIGINT,
  host VARCHAR(255),
  worker VARCHAR(255),
  attempts INTEGER NOT NULL DEFAULT 0,
  lease_until BIGINT,
  not_before BIGINT,
  cancel_requested TINYINT NOT NULL DEFAULT 0,
  progress DOUBLE,
  phase VARCHAR(255),
  error TEXT,
  created BIGINT NOT NULL,
  started BIGINT,
  finished BIGINT,
  active_key VARCHAR(255) GENERATED ALWAYS AS (
    CASE WHEN kind = 'build' AND finished IS NULL AND cancel_requested = 0
         THEN image_name END) STORED,
  PRIMARY KEY (id),
  UNIQUE KEY ux_api_job_active_key (active_key),
  KEY ix_api_job_state (state, kind, id),
  KEY ix_api_job_subject (subject),
  KEY ix_api_job_dib_image_id (dib_image_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS api_dib_file (
  dib_image_id BIGINT NOT NULL,
  host VARCHAR(255) NOT NULL,
  type VARCHAR(16) NOT NULL,
  size BIGINT NOT NULL,
  sha256 CHAR(64) NOT NULL,
  PRIMARY KEY (dib_image_id, host, type)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
