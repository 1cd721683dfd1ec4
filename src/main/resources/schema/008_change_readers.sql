-- Ours. Who reads api_change: rows from the id needs on are kept for a reader that was seen within the
-- last minute, by the database's clock.
CREATE TABLE IF NOT EXISTS api_change_reader (
  reader VARCHAR(255) NOT NULL,
  needs BIGINT NOT NULL,
  seen BIGINT NOT NULL,
  PRIMARY KEY (reader)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
