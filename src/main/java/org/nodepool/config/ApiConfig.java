package org.nodepool.config;

import static java.util.Objects.requireNonNull;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * How the service runs: {@code api.yaml}. All paths are absolute; {@code conf/api.yaml} documents
 * every key, its default and its range.
 *
 * @param nodepoolConfFile the pool's file, for {@link PoolConfig#read}; may not exist
 * @param secureConfFile a file of secrets; null: none
 * @param cloudsFile the clouds' credentials; null: where {@link CloudsFile#of} looks
 * @param apiUser the user that may write; without a colon, as HTTP Basic needs it
 * @param apiPassword as it is, or a hash of it; null: one is made, and kept in {@code
 *     admin-password} in the stateDir
 * @param stateDir where the service keeps the admin password, the installation's id, build
 *     directories
 * @param roles what this process does; at least one
 */
public record ApiConfig(
    Path nodepoolConfFile,
    Path secureConfFile,
    Path cloudsFile,
    String apiUser,
    String apiPassword,
    Path stateDir,
    Server server,
    Auth auth,
    Database database,
    Jobs jobs,
    Cleanup cleanup,
    Set<Role> roles) {

  private static final String PASSWORD_VARIABLE = "NODEPOOL_API_PASSWORD";
  private static final Map<String, Integer> DEFAULT_PORTS = Map.of("http", 80, "https", 443);
  private static final Pattern HOST = Pattern.compile("[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?");
  private static final Pattern ORIGIN =
      Pattern.compile(
          "(?<scheme>[a-z][a-z0-9+.-]*)://(?<host>[a-z0-9._-]+|\\[[0-9a-f:.]+])"
              + "(?::(?<port>[0-9]{1,5}))?");

  public ApiConfig {
    requireNonNull(nodepoolConfFile, "nodepoolConfFile");
    requireNonNull(apiUser, "apiUser");
    requireNonNull(stateDir, "stateDir");
    requireNonNull(server, "server");
    requireNonNull(auth, "auth");
    requireNonNull(database, "database");
    requireNonNull(jobs, "jobs");
    requireNonNull(cleanup, "cleanup");
    roles = Set.copyOf(roles);
  }

  /** What a process does. */
  public enum Role {
    /** Answers requests. */
    API,
    /** Runs jobs. */
    WORKER;

    /** In api.yaml. */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * Where to listen.
   *
   * @param port 0 to 65535; 0 is any free port
   * @param tls null: plain HTTP
   * @param maxConnections at one time; those beyond are refused. Null: as many as there is room for
   * @param trustedProxies addresses and networks of proxies whose word counts
   * @param forwarded whether they say it in {@code Forwarded}, and not in {@code X-Forwarded-*}
   * @param hosts names that the service is asked for by, besides those of its machine
   * @param allowedOrigins of web pages that may call the service, as browsers write them: lower
   *     case, without a default port
   */
  public record Server(
      String host,
      int port,
      Tls tls,
      Integer maxConnections,
      List<String> trustedProxies,
      boolean forwarded,
      List<String> hosts,
      List<String> allowedOrigins) {
    public Server {
      requireNonNull(host, "host");
      trustedProxies = List.copyOf(trustedProxies);
      hosts = List.copyOf(hosts);
      allowedOrigins = List.copyOf(allowedOrigins);
    }
  }

  /** PEM files, which were there when the configuration was read. */
  public record Tls(Path cert, Path key) {
    public Tls {
      requireNonNull(cert, "cert");
      requireNonNull(key, "key");
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
   * How jobs are run, and how long they are kept.
   *
   * @param buildWorkers builds at one time in this process, 1 to 64
   * @param uploadWorkers uploads at one time in this process, 1 to 64
   * @param buildTimeout the longest a build may take, however much it still says
   * @param uploadTimeout the longest an upload may take
   * @param maxAttempts how many attempts may be lost, because their worker died, before the job has
   *     failed; 1 to 100
   * @param keep how long a job is kept after its end
   * @param keepMost how many jobs are kept that have ended, and those besides that somebody needs
   * @param lookInterval after so long a worker looks again at what a provider holds
   * @param diskFloorBytes no build begins with less room than this; 0: none is too little
   * @param logDir one log file a job
   */
  public record Jobs(
      int buildWorkers,
      int uploadWorkers,
      Duration buildTimeout,
      Duration uploadTimeout,
      int maxAttempts,
      Duration keep,
      int keepMost,
      Duration lookInterval,
      long diskFloorBytes,
      Path logDir) {
    public Jobs {
      requireNonNull(buildTimeout, "buildTimeout");
      requireNonNull(uploadTimeout, "uploadTimeout");
      requireNonNull(keep, "keep");
      requireNonNull(lookInterval, "lookInterval");
      requireNonNull(logDir, "logDir");
    }
  }

  /**
   * The removal of images that newer ones replace.
   *
   * @param enabled null: by whose the pool's tables are
   * @param imageAge how old such an image must be
   */
  public record Cleanup(Boolean enabled, Duration imageAge) {
    public Cleanup {
      requireNonNull(imageAge, "imageAge");
    }
  }

  /**
   * Reads the file; an empty one means all defaults.
   *
   * @param environment the process's; {@code NODEPOOL_API_PASSWORD} is used before the file's
   * @throws ConfigException with everything that is wrong in both
   */
  public static ApiConfig read(Path file, Map<String, String> environment) throws ConfigException {
    Findings findings = new Findings();
    ApiConfig config = read(file, environment, findings);
    findings.finish();
    return config;
  }

  /** What is wrong are findings; only a file that cannot be read at all is an exception. */
  static ApiConfig read(Path file, Map<String, String> environment, Findings findings)
      throws ConfigException {
    YamlFile yaml = YamlFile.read(file, findings);
    yaml.repeatedKeys().forEach(place -> yaml.mistake(place, "is given more than once"));
    Section root = yaml.root();
    Section server = root.section("server");
    Section auth = root.section("auth");
    Section database = root.section("database");
    Section jobs = root.section("jobs");
    Section cleanup = root.section("cleanup");
    ApiConfig config =
        new ApiConfig(
            root.path("nodepool_conf_file", "nodepool.yaml"),
            root.path("secure_conf_file", null),
            root.path("clouds_file", null),
            user(root),
            password(root, environment, findings),
            root.path("state_dir", "../var"),
            server(server),
            new Auth(auth.bool("protect_reads", false)),
            database(database),
            jobs(jobs),
            new Cleanup(cleanup.bool("enabled"), cleanup.duration("image_age", "PT8H")),
            roles(root));
    notYet(root);
    List.of(root, server, auth, database, jobs, cleanup).forEach(Section::refuseRest);
    return config;
  }

  private static String user(Section root) {
    String user = root.text("api_user", "admin");
    if (user.contains(":")) {
      root.mistake("api_user", "must not have a colon"); // what follows it may be a password
    }
    return user;
  }

  private static String password(Section root, Map<String, String> environment, Findings findings) {
    String inFile = root.secret("api_password");
    String inEnvironment = environment.get(PASSWORD_VARIABLE);
    if (inEnvironment == null) {
      return inFile;
    }
    if (inEnvironment.isEmpty()) {
      findings.mistake(PASSWORD_VARIABLE, "must not be empty");
    }
    return inEnvironment;
  }

  private static Server server(Section server) {
    return new Server(
        server.text("host", "127.0.0.1"),
        server.integer("port", 8080, 0, 65535, "a port"),
        tls(server.section("tls")),
        server.integer("max_connections", 1, 1_000_000, "a number of connections"),
        server.texts("trusted_proxies"),
        server
            .choice("forwarded", "x-forwarded", List.of("x-forwarded", "forwarded"))
            .equals("forwarded"),
        hosts(server),
        allowedOrigins(server));
  }

  private static Tls tls(Section tls) {
    Path cert = pemFile(tls, "cert", "key");
    Path key = pemFile(tls, "key", "cert");
    tls.refuseRest();
    return cert == null || key == null ? null : new Tls(cert, key);
  }

  /** Null when there is none that can be read. */
  private static Path pemFile(Section tls, String key, String other) {
    Path file = tls.path(key, null);
    if (tls.isAbsent(key) && !tls.isAbsent(other)) {
      tls.mistake(key, "is required beside " + other);
    }
    if (file != null && !(Files.isRegularFile(file) && Files.isReadable(file))) {
      tls.mistake(key, "must be a file that can be read, is " + file);
      return null;
    }
    return file;
  }

  private static List<String> hosts(Section server) {
    List<String> hosts = server.texts("hosts");
    for (int i = 0; i < hosts.size(); i++) {
      if (!HOST.matcher(hosts.get(i)).matches()) {
        server.mistake("hosts[" + i + "]", "must be a host name alone, as in pool.example.org");
      }
    }
    return hosts;
  }

  private static List<String> allowedOrigins(Section server) {
    Set<String> origins = new LinkedHashSet<>();
    List<String> given = server.texts("allowed_origins");
    for (int i = 0; i < given.size(); i++) {
      String origin = origin(given.get(i));
      if (origin == null) {
        server.mistake(
            "allowed_origins[" + i + "]",
            "must be a web page's scheme://host[:port] alone, as in https://ci.example.org");
      } else {
        origins.add(origin);
      }
    }
    return List.copyOf(origins);
  }

  /** Null when it is none. */
  private static String origin(String text) {
    Matcher origin = ORIGIN.matcher(text.toLowerCase(Locale.ROOT));
    if (!origin.matches()) {
      return null;
    }
    String scheme = origin.group("scheme");
    String withoutPort = scheme + "://" + origin.group("host");
    if (origin.group("port") == null) {
      return withoutPort;
    }
    int port = Integer.parseInt(origin.group("port"));
    if (port < 1 || port > 65535) {
      return null;
    }
    return DEFAULT_PORTS.getOrDefault(scheme, 0) == port ? withoutPort : withoutPort + ":" + port;
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
        jobs.integer("max_attempts", 2, 1, 100, "a number"),
        jobs.duration("keep", "P30D"),
        jobs.integer("keep_most", 20_000, 1, 100_000, "a number"),
        jobs.duration("look_interval", "PT1M"),
        jobs.size("disk_floor", "1 GiB"),
        jobs.path("log_dir", "../var/log/jobs"));
  }

  private static Set<Role> roles(Section root) {
    List<String> all = Arrays.stream(Role.values()).map(Role::toString).toList();
    return root.choices("roles", all).stream()
        .map(role -> Role.valueOf(role.toUpperCase(Locale.ROOT)))
        .collect(Collectors.toUnmodifiableSet());
  }

  /** The settings that this version knows and does not act on. */
  private static void notYet(Section root) {
    if (!root.isOff("cluster")) {
      root.section("cluster").unsupportedRest();
    }
  }

  /** Without the password. */
  @Override
  public String toString() {
    return "ApiConfig[nodepoolConfFile=%s, secureConfFile=%s, cloudsFile=%s, apiUser=%s, apiPassword=%s, stateDir=%s, %s, %s, %s, %s, %s, roles=%s]"
        .formatted(
            nodepoolConfFile,
            secureConfFile,
            cloudsFile,
            apiUser,
            apiPassword == null ? "none" : "***",
            stateDir,
            server,
            auth,
            database,
            jobs,
            cleanup,
            roles);
  }
}
