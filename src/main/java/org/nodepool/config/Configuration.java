package org.nodepool.config;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * All that is configured: {@code api.yaml}, the {@code nodepool.yaml}, {@code secure.conf} and
 * {@code clouds.yaml} that it names, and the environment.
 *
 * @param clouds where the clouds are that the pool's providers name
 * @param pool as it is now; {@link PoolFile} follows its changes
 * @param database an external one; empty: the embedded one
 * @param poolHasDatabase whether the dburi of nodepool.yaml, or its absence, says which database
 * @param warnings what was ignored in any of them, or is unwise
 */
public record Configuration(
    ApiConfig api,
    CloudsFile clouds,
    PoolConfig pool,
    Optional<DbUri> database,
    boolean poolHasDatabase,
    List<String> warnings) {

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
    return read(apiYaml, environment, api -> List.of());
  }

  /**
   * As {@link #read(Path, Map)}; the user of the settings of api.yaml looks at them too.
   *
   * @param check gives further mistakes in them, each as {@code <dotted key>: <what is wrong>}
   */
  public static Configuration read(
      Path apiYaml, Map<String, String> environment, Function<ApiConfig, List<String>> check)
      throws ConfigException {
    Findings findings = new Findings();
    ApiConfig api = ApiConfig.read(apiYaml, environment, findings);
    check.apply(api).forEach(mistake -> findings.mistake(apiYaml.getFileName() + ": " + mistake));
    CloudsFile clouds = CloudsFile.of(api.cloudsFile(), environment);
    PoolConfig pool = pool(api.nodepoolConfFile(), clouds, findings);
    SecureConf secure = secure(api.secureConfFile(), findings);
    String inEnvironment = environment.get(DBURI_VARIABLE);
    // without a secure.conf that can be read it is not known which one counts
    DbUri database = secure == null ? null : database(api, secure, pool, inEnvironment, findings);
    findings.finish();
    return new Configuration(
        api,
        clouds,
        pool,
        Optional.ofNullable(database),
        inEnvironment == null && secure.dburi() == null,
        findings.warnings());
  }

  /** Null when there is nothing to go on with. */
  private static PoolConfig pool(Path file, CloudsFile clouds, Findings findings) {
    try {
      return PoolReader.read(file, TextFile.read(file), new Clouds(clouds), findings);
    } catch (ConfigException e) {
      findings.add(e);
      return null;
    }
  }

  /** Null when it cannot be read; empty when none is configured. */
  private static SecureConf secure(Path file, Findings findings) {
    if (file == null) {
      return new SecureConf(null);
    }
    try {
      return SecureConf.read(file, findings);
    } catch (ConfigException e) {
      findings.add(e);
      return null;
    }
  }

  private static DbUri database(
      ApiConfig api, SecureConf secure, PoolConfig pool, String inEnvironment, Findings findings) {
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
