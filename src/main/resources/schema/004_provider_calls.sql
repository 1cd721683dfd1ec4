-- Ours. The newest call to each provider, by whichever worker; error is NULL when it succeeded.
CREATE TABLE IF NOT EXISTS api_provider_call (
  provider VARCHAR(255) NOT NULL,
  time BIGINT NOT NULL,
  error TEXT,
  PRIMARY KEY (provider)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
