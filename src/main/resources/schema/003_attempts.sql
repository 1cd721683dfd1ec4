-- Ours. Who works on this database, and what became of each attempt at a job.

-- needs_host: only a worker there can do it, for it has the files; NULL: any worker.
ALTER TABLE api_job ADD COLUMN needs_host VARCHAR(255);

-- lost: attempts that a worker began and did not live to end. They alone count as failures.
ALTER TABLE api_job ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;

-- is_cleanup: nobody asked for it; the service removes what is old.
ALTER TABLE api_job ADD COLUMN is_cleanup TINYINT NOT NULL DEFAULT 0;

-- is_swept: whether its worker knows that nothing of the attempt is left outside the database.
CREATE TABLE IF NOT EXISTS api_job_attempt (
  job_id BIGINT NOT NULL,
  attempt INTEGER NOT NULL,
  host VARCHAR(255) NOT NULL,
  worker VARCHAR(255) NOT NULL,
  started BIGINT NOT NULL,
  finished BIGINT,
  error TEXT,
  is_swept TINYINT NOT NULL DEFAULT 0,
  PRIMARY KEY (job_id, attempt),
  KEY ix_api_job_attempt_worker (worker, is_swept)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row an installation. seen is by the database's clock, and 0 after an orderly stop; trouble
-- says why it begins no build now.
CREATE TABLE IF NOT EXISTS api_worker (
  worker VARCHAR(255) NOT NULL,
  host VARCHAR(255) NOT NULL,
  builds_dir TEXT NOT NULL,
  log_dir TEXT NOT NULL,
  seen BIGINT NOT NULL,
  trouble TEXT,
  PRIMARY KEY (worker)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
