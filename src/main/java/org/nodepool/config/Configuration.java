package org.nodepool.config;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * All that is configured: {@code api.yaml}, the {@code nodepool.yaml} and {@code secure.conf} that
 * it names, and the environment.
 *
 * @param pool as it is now; {@link PoolFile} follows its changes
 * @param database an external one; empty: the embedded one
 * @param warnings what was ignored in any of them, or is unwise
 */
public record Configuration(
    ApiConfig api, PoolConfig pool, Optional<DbUri> database, List<String> warnings) {

  private static final String DBURI_VARIABLE = "NODEPOOL_DBURI";

  public Configuration {
    warnings = List.copyOf(warnings);
  }

  /**
   * Reads all of it. The database is that of {@code NODEPOOL_DBURI}, else of secure.conf, else of
   * nodepool.yaml; only the one that is used must be right.
   *
   * @param environment the process's
   * @throws ConfigException with everything that is wrong anywhere
   */
  public static Configuration read(Path apiYaml, Map<String, String> environment)
      throws ConfigException {
    Findings findings = new Findings();
    ApiConfig api = ApiConfig.read(apiYaml, environment, findings);
    PoolConfig pool = pool(api.nodepoolConfFile(), findings);
    DbUri database = database(api, pool, environment.get(DBURI_VARIABLE), findings);
    findings.finish();
    return new Configuration(api, pool, Optional.ofNullable(database), findings.warnings());
  }

  /** Null when there is nothing to go on with. */
  private static PoolConfig pool(Path file, Findings findings) {
    try {
      return PoolReader.read(file, TextFile.read(file), findings);
    } catch (ConfigException e) {
      findings.add(e);
      return null;
    }
  }

  private static DbUri database(
      ApiConfig api, PoolConfig pool, String inEnvironment, Findings findings) {
    SecureConf secure = new SecureConf(null);
    if (api.secureConfFile() != null) {
      try {
        secure = SecureConf.read(api.secureConfFile(), findings);
      } catch (ConfigException e) {
        findings.add(e);
        return null; // whether the one of nodepool.yaml counts is not known
      }
    }
    if (inEnvironment != null) {
      return DbUri.parse(DBURI_VARIABLE, inEnvironment, findings);
    }
    if (secure.dburi() != null) {
      String place = SecureConf.placeOfDburi(api.secureConfFile());
      return DbUri.parse(place, secure.dburi().value(), findings);
    }
    if (pool != null && pool.dburi() != null) {
      String place = api.nodepoolConfFile().getFileName() + ": dburi";
      return DbUri.parse(place, pool.dburi().value(), findings);
    }
    return null;
  }
}
