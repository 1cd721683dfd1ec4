package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.json.JsonObject;
import io.vertx.sqlclient.Row;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.StringJoiner;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * What holds of a {@link Site} once its processes run and nobody disturbs them: every job has
 * ended, once; every row that says so has its files, whole; nothing else is there.
 */
final class Settled {
  private static final String IN_BETWEEN =
      """
      SELECT CONCAT('/v1/dib_images/', id) AS path, state FROM dib_image WHERE state IN (1, 4)
       UNION ALL
      SELECT CONCAT('/v1/images/', id), state FROM snapshot_image WHERE state IN (1, 4)
       UNION ALL
      SELECT CONCAT('/v1/nodes/', id), state FROM node WHERE state = 4
      """;

  /** The last of the jobs that made each row. */
  private static final String MAKERS =
      """
      SELECT j.id, j.state, j.subject,
             (SELECT COUNT(*) FROM api_job d WHERE d.subject = j.subject AND d.id > j.id
                 AND d.kind IN ('delete-image', 'delete-dib-image')) AS deletions,
             COALESCE((SELECT state FROM dib_image
                        WHERE j.subject = CONCAT('/v1/dib_images/', id)),
                      (SELECT state FROM snapshot_image
                        WHERE j.subject = CONCAT('/v1/images/', id))) AS made
        FROM api_job j
       WHERE j.kind IN ('build', 'upload', 'update')
         AND j.id = (SELECT MAX(l.id) FROM api_job l WHERE l.subject = j.subject
                        AND l.kind IN ('build', 'upload', 'update'))
      """;

  private static final String SERVERS =
      """
      SELECT external_id FROM node WHERE provider_name = 'machines' AND external_id IS NOT NULL
       UNION ALL
      SELECT s.external_id FROM subnode s JOIN node n ON n.id = s.node_id
       WHERE n.provider_name = 'machines' AND s.external_id IS NOT NULL
      """;

  private static final int READY = 2;
  private static final int FAILED = 7;

  private final Site site;
  private final List<String> found = new ArrayList<>();

  private Settled(Site site) {
    this.site = site;
  }

  /** Waits for all of it to hold; the failure lists what does not. */
  static void await(Site site) throws Exception {
    assertThat(violationsAfter(site, Poll.LONGEST)).isEmpty();
  }

  /** What does not hold when it has had this long; empty as soon as all does. */
  static List<String> violationsAfter(Site site, Duration limit) throws Exception {
    long end = System.nanoTime() + limit.toNanos();
    List<String> violations = violations(site);
    while (!violations.isEmpty() && System.nanoTime() < end) {
      TimeUnit.MILLISECONDS.sleep(500); // to look is work
      violations = violations(site);
    }
    return violations;
  }

  /** What does not hold now, each with what is needed to find out why. */
  static List<String> violations(Site site) throws Exception {
    return new Settled(site).look();
  }

  private List<String> look() throws Exception {
    jobs();
    for (Row row : site.sql(IN_BETWEEN)) {
      String path = row.getString("path");
      found.add("%s is in state %d%s".formatted(path, row.getInteger("state"), jobsOf(path)));
    }
    if (!found.isEmpty()) {
      return found; // the files may still change
    }
    made();
    Set<Path> files = new HashSet<>();
    dibImages(files);
    images(files);
    cloud();
    strangers(files);
    for (String line : Leftovers.below(site.dir())) {
      found.add("left on the machine: " + line);
    }
    return found;
  }

  private void jobs() throws IOException {
    for (Row job : site.sql("SELECT id FROM api_job WHERE finished IS NULL")) {
      found.add("a job has not ended" + told(job.getLong("id")));
    }
    for (Row attempt :
        site.sql("SELECT DISTINCT job_id FROM api_job_attempt WHERE finished IS NULL")) {
      found.add("an attempt has not ended" + told(attempt.getLong("job_id")));
    }
    for (ServiceProcess process : site.processes()) { // only the worker whose it is may say so
      for (Row attempt :
          site.sql(
              "SELECT DISTINCT job_id FROM api_job_attempt WHERE is_swept = 0 AND worker = ?",
              process.installation())) {
        found.add("an attempt is not swept" + told(attempt.getLong("job_id")));
      }
    }
    for (Row job :
        site.sql(
            "SELECT id FROM api_job j WHERE attempts <>"
                + " (SELECT COUNT(*) FROM api_job_attempt WHERE job_id = j.id)")) {
      found.add("attempts are missing or too many" + told(job.getLong("id")));
    }
    for (Row job :
        site.sql(
            "SELECT a.job_id FROM api_job_attempt a JOIN api_job_attempt b"
                + " ON b.job_id = a.job_id AND b.attempt = a.attempt + 1"
                + " WHERE b.started < a.finished")) {
      found.add("attempts overlap" + told(job.getLong("job_id")));
    }
    for (Row job :
        site.sql(
            "SELECT job_id FROM api_job_attempt WHERE error IS NULL"
                + " GROUP BY job_id HAVING COUNT(*) > 1")) {
      found.add("several attempts succeeded" + told(job.getLong("job_id")));
    }
  }

  private void made() throws IOException {
    for (Row job : site.sql(MAKERS)) {
      Integer made = job.getInteger("made");
      boolean isRight =
          switch (job.getString("state")) {
            case "succeeded" -> made == null ? job.getLong("deletions") > 0 : made == READY;
            case "failed" -> made == null || made == FAILED;
            default -> made == null;
          };
      if (!isRight) {
        found.add(
            "%s is %s and its job is %s%s"
                .formatted(
                    job.getString("subject"),
                    made == null ? "gone" : "in state " + made,
                    job.getString("state"),
                    told(job.getLong("id"))));
      }
    }
  }

  /** Each ready one has its files; they are added. */
  private void dibImages(Set<Path> files) throws Exception {
    for (Row image : site.sql("SELECT id, filename FROM dib_image WHERE state = 2")) {
      String path = "/v1/dib_images/" + image.getLong("id");
      int count = 0;
      for (Row file :
          site.sql(
              "SELECT type, size, sha256 FROM api_dib_file WHERE dib_image_id = ?",
              image.getLong("id"))) {
        count++;
        Path named = Path.of(image.getString("filename") + "." + file.getString("type"));
        whole(path, named, file.getLong("size"), file.getString("sha256"));
        files.add(named);
        files.add(Path.of(named + ".md5"));
        files.add(Path.of(named + ".sha256"));
      }
      if (count == 0) {
        found.add(path + " is ready and has no file" + jobsOf(path));
      }
    }
    for (Row file :
        site.sql(
            "SELECT dib_image_id FROM api_dib_file f"
                + " WHERE NOT EXISTS (SELECT 1 FROM dib_image WHERE id = f.dib_image_id)")) {
      found.add("api_dib_file has a file of a dib image that is gone: " + file.getLong(0));
    }
  }

  /** Each ready one has its file at the provider, of which its source is the measure; added. */
  private void images(Set<Path> files) throws Exception {
    for (Row image :
        site.sql(
            "SELECT id, provider_name, image_name, external_id FROM snapshot_image"
                + " WHERE state = 2 AND provider_name <> 'cloud'")) {
      String path = "/v1/images/" + image.getLong("id");
      if (image.getString("external_id") == null) {
        found.add(path + " is ready and has no external id" + jobsOf(path));
        continue;
      }
      Path file =
          directoryOf(image.getString("provider_name")).resolve(image.getString("external_id"));
      Path sidecar = Path.of(file + ".json");
      files.add(file);
      files.add(sidecar);
      if (Files.notExists(sidecar)) {
        found.add("%s is ready and %s is not there%s".formatted(path, sidecar, jobsOf(path)));
        continue;
      }
      JsonObject known = new JsonObject(Files.readString(sidecar));
      if (image.getString("image_name").equals("made")) { // of a server: nobody knows what it is
        if (Files.notExists(file)) {
          found.add("%s is ready and %s is not there%s".formatted(path, file, jobsOf(path)));
        }
        continue;
      }
      whole(path, file, known.getLong("size"), known.getString("sha256"));
      for (Row source :
          site.sql(
              "SELECT sha256 FROM api_dib_file WHERE dib_image_id = ? AND type = ?",
              known.getLong("dib_image_id"),
              known.getString("type"))) {
        if (!source.getString("sha256").equals(known.getString("sha256"))) {
          found.add("%s is not its source's copy: %s%s".formatted(path, known, jobsOf(path)));
        }
      }
    }
  }

  /** Each ready one is active there, with the data of its source, and nothing else is there. */
  private void cloud() throws IOException {
    if (site.cloud() == null) {
      return;
    }
    Map<String, JsonObject> held = new HashMap<>();
    for (JsonObject image : site.cloud().images()) {
      if (image.getString("name").startsWith(site.imagePrefix())) {
        held.put(image.getString("id"), image);
      }
    }
    for (Row row :
        site.sql(
            "SELECT id, external_id, state FROM snapshot_image"
                + " WHERE provider_name = 'cloud' AND (state = 2 OR external_id IS NOT NULL)")) {
      String path = "/v1/images/" + row.getLong("id");
      JsonObject image = held.remove(row.getString("external_id"));
      if (row.getInteger("state") != READY) {
        found.add("%s is not ready and has an external id%s".formatted(path, jobsOf(path)));
      } else if (image == null) {
        found.add("%s is ready and the cloud does not have it%s".formatted(path, jobsOf(path)));
      } else if (!isWhole(image)) {
        found.add("%s is ready, and at the cloud %s%s".formatted(path, image, jobsOf(path)));
      }
    }
    held.values().forEach(image -> found.add("belongs to no row: " + image));
  }

  private boolean isWhole(JsonObject image) {
    boolean isWhole = "active".equals(image.getString("status"));
    for (Row source :
        site.sql(
            "SELECT size FROM api_dib_file WHERE dib_image_id = ? AND type = 'raw'",
            Long.parseLong(image.getString("nodepool_dib_image_id")))) {
      isWhole &= source.getLong("size").equals(image.getLong("size"));
    }
    return isWhole;
  }

  private Path directoryOf(String provider) {
    return switch (provider) {
      case "directory" -> site.dir().resolve("provider");
      case "raw-directory" -> site.dir().resolve("raw-provider");
      case "machines" -> site.machines();
      default -> throw new AssertionError(provider);
    };
  }

  private void whole(String path, Path file, long size, String sha256) throws Exception {
    String is =
        Files.notExists(file) ? "not there" : Files.size(file) + " bytes, " + Site.sha256(file);
    if (!is.equals(size + " bytes, " + sha256)) {
      found.add(
          "%s is ready, and its file %s is %s, not %d bytes, %s%s"
              .formatted(path, file, is, size, sha256, jobsOf(path)));
    }
  }

  /** What is there and belongs to no row. */
  private void strangers(Set<Path> files) throws IOException {
    List<Path> dirs = new ArrayList<>();
    Path servers = site.machines().resolve("servers");
    files.add(servers);
    for (Row server : site.sql(SERVERS)) {
      files.add(servers.resolve(server.getString("external_id")));
    }
    for (String key : List.of("id_ed25519", "id_ed25519.pub")) {
      files.add(site.machines().resolve(key));
    }
    for (String shared :
        List.of("images", "provider", "raw-provider", "machines", "machines/servers")) {
      dirs.add(site.dir().resolve(shared));
    }
    site.processes().forEach(process -> dirs.add(process.dir().resolve("var/builds")));
    for (Path dir : dirs) {
      for (Path file : list(dir)) {
        if (!files.contains(file)) {
          found.add("belongs to no row: " + file);
        }
      }
    }
  }

  private static List<Path> list(Path dir) throws IOException {
    try (Stream<Path> files = Files.list(dir)) {
      return files.sorted().toList();
    } catch (NoSuchFileException e) {
      return List.of();
    }
  }

  private String jobsOf(String path) throws IOException {
    StringBuilder told = new StringBuilder();
    for (Row job : site.sql("SELECT id FROM api_job WHERE subject = ? ORDER BY id", path)) {
      told.append(told(job.getLong("id")));
    }
    return told.toString();
  }

  /** A job, its attempts and its logs, each in a line. */
  private String told(long id) throws IOException {
    StringJoiner lines = new StringJoiner("\n    ", "\n    ", "");
    String uuid = "";
    for (Row job : site.sql("SELECT * FROM api_job WHERE id = ?", id)) {
      lines.add("job " + job.toJson());
      uuid = job.getString("uuid");
    }
    for (Row attempt :
        site.sql("SELECT * FROM api_job_attempt WHERE job_id = ? ORDER BY attempt", id)) {
      lines.add("attempt " + attempt.toJson());
    }
    for (Path log : site.logs(uuid)) {
      if (Files.exists(log)) {
        lines.add("log " + log);
      }
    }
    return lines.toString();
  }
}
