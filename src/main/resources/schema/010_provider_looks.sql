-- Ours. The last look of a worker at each provider: of one that is on one host alone, a look of each
-- host's; else host is ''. Counts, limits and alien servers are NULL where servers were not looked at; a
-- limit also where there is none that is known. Aliens are JSON.
CREATE TABLE IF NOT EXISTS api_provider_look (
  provider VARCHAR(255) NOT NULL,
  host VARCHAR(255) NOT NULL,
  time BIGINT NOT NULL,
  most_servers INTEGER,
  servers INTEGER,
  most_ram_mib BIGINT,
  ram_mib BIGINT,
  alien_servers MEDIUMTEXT,
  alien_images MEDIUMTEXT NOT NULL,
  PRIMARY KEY (provider, host)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
