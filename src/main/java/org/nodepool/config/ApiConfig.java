package org.nodepool.config;

import static java.util.Objects.requireNonNull;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * How the service runs: {@code api.yaml}. All paths are absolute; {@code conf/api.yaml} documents
 * every key, its default and its range.
 *
 * @param nodepoolConfFile the pool's file, for {@link PoolConfig#read}; may not exist
 * @param apiUser who may write; without a colon, as HTTP Basic needs it
 * @param apiPassword null: one is made, and kept in {@code admin-password} in the stateDir
 * @param stateDir what the service keeps for itself: the admin password, the installation's id,
 *     build directories
 */
public record ApiConfig(
    Path nodepoolConfFile,
    String apiUser,
    String apiPassword,
    Path stateDir,
    Server server,
    Auth auth,
    Database database,
    Jobs jobs) {

  private static final String PASSWORD_VARIABLE = "NODEPOOL_API_PASSWORD";
  private static final String DBURI_VARIABLE = "NODEPOOL_DBURI";

  public ApiConfig {
    requireNonNull(nodepoolConfFile, "nodepoolConfFile");
    requireNonNull(apiUser, "apiUser");
    requireNonNull(stateDir, "stateDir");
    requireNonNull(server, "server");
    requireNonNull(auth, "auth");
    requireNonNull(database, "database");
    requireNonNull(jobs, "jobs");
  }

  /**
   * Where to listen.
   *
   * @param port 0 to 65535; 0 is any free port
   */
  public record Server(String host, int port) {
    public Server {
      requireNonNull(host, "host");
    }
  }

  /**
   * Who needs a login; writes always do.
   *
   * @param protectReads whether reads need one, too
   */
  public record Auth(boolean protectReads) {}

  /**
   * The embedded server.
   *
   * @param dataDir its files
   * @param removeFailedRows whether the row of a failed build or upload is deleted, not kept as
   *     failed; for databases that a Nodepool still reads which does not know that state
   */
  public record Database(Path dataDir, boolean removeFailedRows) {
    public Database {
      requireNonNull(dataDir, "dataDir");
    }
  }

  /**
   * Builds and uploads.
   *
   * @param buildWorkers builds at one time in this process, 1 to 64
   * @param uploadWorkers uploads at one time in this process, 1 to 64
   * @param buildTimeout the longest a build may take, however much it still says
   * @param uploadTimeout the longest an upload may take
   * @param logDir one log file a job
   */
  public record Jobs(
      int buildWorkers,
      int uploadWorkers,
      Duration buildTimeout,
      Duration uploadTimeout,
      Path logDir) {
    public Jobs {
      requireNonNull(buildTimeout, "buildTimeout");
      requireNonNull(uploadTimeout, "uploadTimeout");
      requireNonNull(logDir, "logDir");
    }
  }

  /**
   * Reads the file; an empty one means all defaults.
   *
   * @param environment the process's; {@code NODEPOOL_API_PASSWORD} is used before the file's
   * @throws ConfigException with everything that is wrong in both
   */
  public static ApiConfig read(Path file, Map<String, String> environment) throws ConfigException {
    YamlFile yaml = YamlFile.read(file);
    yaml.repeatedKeys().forEach(place -> yaml.mistake(place, "is given more than once"));
    Section root = yaml.root();
    Section server = root.section("server");
    Section auth = root.section("auth");
    Section database = root.section("database");
    Section jobs = root.section("jobs");
    ApiConfig config =
        new ApiConfig(
            root.path("nodepool_conf_file", "nodepool.yaml"),
            user(root),
            password(root, environment, yaml),
            root.path("state_dir", "../var"),
            server(server),
            new Auth(auth.bool("protect_reads", false)),
            database(database),
            jobs(jobs));
    notYet(root, server, jobs);
    List.of(root, server, auth, database, jobs).forEach(Section::refuseRest);
    if (environment.containsKey(DBURI_VARIABLE)) {
      yaml.mistakeElsewhere(DBURI_VARIABLE, "external databases are not supported by this version");
    }
    yaml.finish();
    return config;
  }

  private static String user(Section root) {
    String user = root.text("api_user", "admin");
    if (user.contains(":")) {
      root.mistake("api_user", "must not have a colon"); // what follows it may be a password
    }
    return user;
  }

  private static String password(Section root, Map<String, String> environment, YamlFile yaml) {
    String inFile = root.secret("api_password");
    String inEnvironment = environment.get(PASSWORD_VARIABLE);
    if (inEnvironment == null) {
      return inFile;
    }
    if (inEnvironment.isEmpty()) {
      yaml.mistakeElsewhere(PASSWORD_VARIABLE, "must not be empty");
    }
    return inEnvironment;
  }

  private static Server server(Section server) {
    return new Server(
        server.text("host", "127.0.0.1"), server.integer("port", 8080, 0, 65535, "a port"));
  }

  private static Database database(Section database) {
    return new Database(
        database.path("data_dir", "../var/db"),
        database.choice("failed_rows", "keep", List.of("keep", "remove")).equals("remove"));
  }

  private static Jobs jobs(Section jobs) {
    return new Jobs(
        jobs.integer("build_workers", 1, 1, 64, "a number"),
        jobs.integer("upload_workers", 4, 1, 64, "a number"),
        jobs.duration("build_timeout", "PT8H"),
        jobs.duration("upload_timeout", "PT6H"),
        jobs.path("log_dir", "../var/log/jobs"));
  }

  /** The settings that this version knows and does not act on. */
  private static void notYet(Section root, Section server, Section jobs) {
    root.unsupported("secure_conf_file", null);
    root.unsupported("clouds_file", null);
    root.unsupported("roles", List.of("api", "worker"));
    server.unsupported("max_connections", 20000);
    server.unsupported("allowed_origins", List.of());
    jobs.unsupported("max_attempts", 2);
    jobs.unsupported("keep", "P30D");
    jobs.unsupported("disk_floor", "1 GiB");

    Section tls = server.section("tls");
    tls.unsupported("cert", null);
    tls.unsupported("key", null);
    tls.refuseRest();

    Section cleanup = root.section("cleanup");
    cleanup.unsupported("enabled", true);
    cleanup.unsupported("image_age", "PT8H");
    cleanup.refuseRest();

    if (!root.isOff("cluster")) {
      root.section("cluster").unsupportedRest();
    }
  }

  /** Without the password. */
  @Override
  public String toString() {
    return "ApiConfig[nodepoolConfFile=%s, apiUser=%s, apiPassword=%s, stateDir=%s, %s, %s, %s, %s]"
        .formatted(
            nodepoolConfFile,
            apiUser,
            apiPassword == null ? "none" : "***",
            stateDir,
            server,
            auth,
            database,
            jobs);
  }
}
