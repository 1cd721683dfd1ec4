-- Ours. Who decides something for all processes: for each purpose one at a time. token grows by one
-- each time the turn changes hands. lease_until is by the database's clock; it is 0 when nobody has
-- the turn.
CREATE TABLE IF NOT EXISTS api_turn (
  purpose VARCHAR(64) NOT NULL,
  token BIGINT NOT NULL,
  lease_until BIGINT NOT NULL,
  holder VARCHAR(255) NOT NULL,
  PRIMARY KEY (purpose)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
