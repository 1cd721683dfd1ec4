package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aJob;
import static org.nodepool.Rows.aNode;
import static org.nodepool.Rows.aSubnode;
import static org.nodepool.Rows.anAttempt;
import static org.nodepool.Rows.anImage;

import io.vertx.sqlclient.Row;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.nodepool.model.Failpoint;

/**
 * The packaged service dies before and after commits and effects outside the database, all of them
 * when the run is a long one, and is started again: what was asked is done, and nothing else is
 * there.
 */
@RunsBesideOthers
@Execution(ExecutionMode.CONCURRENT)
class FailpointIT {
  private static final int ONE_MIB = 1 << 20;
  private static final long LONG_AGO = 1_416_832_000;

  /** What the process is called on its jobs. */
  private static final String OURS = UUID.randomUUID().toString();

  /** Some of a job's life, and one of each other case that takes less than a minute. */
  private static final List<String> FEW =
      List.of(
          "claim.after",
          "failure.before",
          "success.after",
          "external-id.after",
          "publish-copy.before",
          "delete-leftovers.before",
          "delete-files.after",
          "delete-copy.before",
          "remove-record.after",
          "cancel.before",
          "set-node-state.after",
          "take-over.before",
          "put-back.after",
          "swept.before",
          "clean-up.after",
          "prune.before",
          "delete-server.after");

  static List<String> names() {
    assertThat(Failpoint.names()).containsAll(FEW);
    return Extent.isLong() ? Failpoint.names() : FEW;
  }

  @ParameterizedTest
  @MethodSource("names")
  void a_process_that_dies_there_is_started_again_and_all_is_as_it_was_asked(String name)
      throws Exception {
    Case tried =
        caseOf(
            Failpoint.valueOf(
                name.substring(0, name.indexOf('.')).toUpperCase(Locale.ROOT).replace('-', '_')));
    try (Site site = Site.named("failpoint-" + name)) {
      tried.surround(site);
      ServiceProcess process = site.process("service");
      Files.createDirectories(process.dir().resolve("var/log/jobs"));
      process.write("var/installation", OURS + "\n");
      tried.prepare(site, process);

      boolean isAnswered = diesAt(name, tried, site, process);

      tried.mend(site);
      process.jvm(ServiceProcess.QUICK).start();
      site.awaitReady(process);
      if (!isAnswered) { // as a client does
        Http.Answer again = tried.ask(process.http());
        assertThat(again.status()).as("asked again: %s", again).isIn(200, 201, 204, 404, 409);
      }
      Settled.await(site);
      tried.check(site);
      assertThat(process.isAlive()).as("it runs; it said: %s", process.err()).isTrue();
    }
  }

  /** Whether what was asked was answered, or nothing was. */
  private static boolean diesAt(String name, Case tried, Site site, ServiceProcess process)
      throws Exception {
    process.jvm(ServiceProcess.QUICK, "-D" + Failpoint.PROPERTY + "=" + name);
    boolean isAnswered = true;
    if (tried.comesWithTheStart()) {
      process.startOnly();
    } else {
      process.start();
      site.awaitReady(process);
      isAnswered = isAnswered(tried, process.http());
    }
    assertThat(process.awaitEnd())
        .as("the status of a process that halts; it said: %s", process.err())
        .isEqualTo(Failpoint.STATUS);
    return isAnswered;
  }

  private static boolean isAnswered(Case tried, Http http) throws Exception {
    try {
      Http.Answer answer = tried.ask(http);
      assertThat(answer.status()).as("%s", answer).isIn(200, 201, 204);
      return true;
    } catch (AssertionError e) {
      if (e.getCause() instanceof IOException) {
        return false;
      }
      throw e;
    }
  }

  /** Something that reaches a failpoint. */
  private interface Case {
    /** Says what is around the process, before that is made. */
    default void surround(Site site) {}

    /** Puts in place what it needs, before the process is started. */
    default void prepare(Site site, ServiceProcess process) throws Exception {}

    /** The answer to its request; not asked when it comes with the start. */
    default Http.Answer ask(Http http) throws Exception {
      throw new IllegalStateException("comes with the start");
    }

    default boolean comesWithTheStart() {
      return false;
    }

    /** Ends what was wrong with its surroundings, before the process is started again. */
    default void mend(Site site) throws Exception {}

    /** What holds at the end. */
    void check(Site site) throws Exception;
  }

  private static Case caseOf(Failpoint point) {
    return switch (point) {
      case ACCEPT_BUILD, CLAIM, LOOK, PROGRESS, FAILURE, MAKE_SPACE, START_BUILD, SWEEP_BUILD ->
          new FailingBuild();
      case SUCCESS, PUBLISH_IMAGES, SETTLE_BUILD -> new Build();
      case ACCEPT_UPLOAD, EXTERNAL_ID, WRITE_COPY, PUBLISH_COPY, WRITE_SIDECAR -> new Upload();
      case CREATE_IMAGE, SEND_IMAGE -> new CloudUpload();
      case DELETE_LEFTOVERS -> new FailingUpload();
      case ACCEPT_UPDATE -> new FailingUpdate();
      case ACCEPT_DELETION, DELETE_FILES -> new DibImageDeletion();
      case DELETE_COPY -> new ImageDeletion();
      case REMOVE_RECORD -> new RecordRemoval();
      case CANCEL -> new Cancel();
      case SET_NODE_STATE -> new Hold();
      case TAKE_OVER -> new LostDeletion();
      case PUT_BACK -> new LateUpload();
      case SWEPT -> new UnsweptAttempt();
      case CLEAN_UP -> new CleanUp();
      case PRUNE, DELETE_LOG -> new Prune();
      case PRUNE_CHANGES -> new LongLog();
      case CREATE_SERVER, START_SERVER, TAKE_SNAPSHOT -> new UpdateByScript();
      case DELETE_SERVER -> new NodeWithServers();
    };
  }

  private static class FailingBuild implements Case {
    @Override
    public Http.Answer ask(Http http) {
      return http.post("/v1/dib_images/tells/build");
    }

    @Override
    public void check(Site site) {
      assertThat(site.number("SELECT COUNT(*) FROM dib_image WHERE state = 7")).isPositive();
      assertThat(site.text("SELECT error FROM api_job ORDER BY id DESC LIMIT 1"))
          .contains("I tell you");
    }
  }

  private static class Build implements Case {
    @Override
    public Http.Answer ask(Http http) {
      return http.post("/v1/dib_images/unlisted/build");
    }

    @Override
    public void check(Site site) {
      assertThat(site.number("SELECT COUNT(*) FROM dib_image WHERE state = 2")).isEqualTo(1);
      assertThat(site.number("SELECT COUNT(*) FROM dib_image")).isEqualTo(1);
    }
  }

  private static class Upload implements Case {
    @Override
    public void prepare(Site site, ServiceProcess process) throws Exception {
      site.readyDibImage("tiny", "raw", Installation.hostName(), ONE_MIB);
    }

    @Override
    public Http.Answer ask(Http http) {
      return http.post(
          "/v1/dib_images/tiny/upload", "provider_name=raw-directory&image_name=first");
    }

    @Override
    public void check(Site site) {
      assertThat(site.number("SELECT COUNT(*) FROM snapshot_image WHERE state = 2")).isPositive();
      assertThat(site.number("SELECT COUNT(*) FROM snapshot_image WHERE state <> 2")).isZero();
    }
  }

  /** To a real OpenStack, of which {@link Settled} looks at what it holds. */
  private static final class CloudUpload extends Upload {
    @Override
    public void surround(Site site) {
      site.with(Cloud.shared());
    }

    @Override
    public Http.Answer ask(Http http) {
      return http.post("/v1/dib_images/tiny/upload", "provider_name=cloud");
    }
  }

  /** Of a file that, so the row says, is not what was built. */
  private static final class FailingUpload extends Upload {
    @Override
    public void prepare(Site site, ServiceProcess process) throws Exception {
      super.prepare(site, process);
      site.sql("UPDATE api_dib_file SET sha256 = ?", "0".repeat(64));
    }

    @Override
    public void mend(Site site) throws Exception {
      for (Row row : site.sql("SELECT filename FROM dib_image")) {
        Path file = Path.of(row.getString("filename") + ".raw");
        site.sql("UPDATE api_dib_file SET sha256 = ?", Site.sha256(file));
      }
    }
  }

  /** To a provider that is away. */
  private static final class LateUpload extends Upload {
    @Override
    public void prepare(Site site, ServiceProcess process) throws Exception {
      super.prepare(site, process);
      Files.writeString(site.dir().resolve("raw-provider"), "a file, where a directory is to be");
    }

    @Override
    public void mend(Site site) throws Exception {
      Files.delete(site.dir().resolve("raw-provider"));
    }
  }

  private static final class FailingUpdate implements Case {
    @Override
    public Http.Answer ask(Http http) {
      return http.post("/v1/images/fails/update", "provider_name=directory");
    }

    @Override
    public void check(Site site) {
      assertThat(site.number("SELECT COUNT(*) FROM snapshot_image WHERE state = 7")).isPositive();
      assertThat(site.number("SELECT COUNT(*) FROM dib_image WHERE state = 7")).isPositive();
    }
  }

  private static final class DibImageDeletion implements Case {
    private long id;

    @Override
    public void prepare(Site site, ServiceProcess process) throws Exception {
      id = site.readyDibImage("unlisted", "qcow2", Installation.hostName(), ONE_MIB);
    }

    @Override
    public Http.Answer ask(Http http) {
      return http.delete("/v1/dib_images/" + id);
    }

    @Override
    public void check(Site site) {
      assertThat(site.number("SELECT COUNT(*) FROM dib_image")).isZero();
    }
  }

  private static final class ImageDeletion implements Case {
    private long id;

    @Override
    public void prepare(Site site, ServiceProcess process) throws Exception {
      Path provider = Files.createDirectories(site.dir().resolve("provider"));
      Files.writeString(provider.resolve("to-delete.qcow2"), "");
      Files.writeString(provider.resolve("to-delete.qcow2.json"), "");
      id = anImage().externalId("to-delete.qcow2").in(site);
    }

    @Override
    public Http.Answer ask(Http http) {
      return http.delete("/v1/images/" + id);
    }

    @Override
    public void check(Site site) {
      assertThat(site.number("SELECT COUNT(*) FROM snapshot_image")).isZero();
    }
  }

  private abstract static class OnANode implements Case {
    long node;

    @Override
    public void prepare(Site site, ServiceProcess process) throws Exception {
      node = aNode().in(site);
    }
  }

  /** A node and a subnode, each with a machine that has ended. */
  private static final class NodeWithServers implements Case {
    private long node;

    @Override
    public void surround(Site site) {
      site.withMachines();
    }

    @Override
    public void prepare(Site site, ServiceProcess process) throws Exception {
      EndedMachines machines = new EndedMachines(site.machines());
      String any = UUID.randomUUID().toString();
      node = aNode().provider("machines").externalId(machines.made(any, 1)).in(site);
      aSubnode(node).with("external_id", machines.made(any, 1)).in(site);
    }

    @Override
    public Http.Answer ask(Http http) {
      return http.delete("/v1/nodes/" + node);
    }

    @Override
    public void check(Site site) throws Exception {
      assertThat(site.number("SELECT COUNT(*) FROM node")).isZero();
      assertThat(site.number("SELECT COUNT(*) FROM subnode")).isZero();
    }
  }

  /** On a machine that boots. */
  private static final class UpdateByScript implements Case {
    @Override
    public void surround(Site site) {
      site.withMachines();
    }

    @Override
    public void prepare(Site site, ServiceProcess process) throws Exception {
      site.makesByScript();
    }

    @Override
    public Http.Answer ask(Http http) {
      return http.post("/v1/images/made/update", "provider_name=machines");
    }

    @Override
    public void check(Site site) {
      assertThat(site.number("SELECT COUNT(*) FROM snapshot_image WHERE state <> 2")).isZero();
      assertThat(site.number("SELECT COUNT(*) FROM snapshot_image WHERE image_name = 'made'"))
          .isPositive();
    }
  }

  private static final class RecordRemoval extends OnANode {
    @Override
    public Http.Answer ask(Http http) {
      return http.delete("/v1/nodes/" + node + "?record_only=true");
    }

    @Override
    public void check(Site site) {
      assertThat(site.number("SELECT COUNT(*) FROM node")).isZero();
    }
  }

  private static final class Hold extends OnANode {
    @Override
    public Http.Answer ask(Http http) {
      return http.put("/v1/nodes/" + node, "state=hold");
    }

    @Override
    public void check(Site site) {
      assertThat(site.number("SELECT state FROM node")).isEqualTo(5);
    }
  }

  private static final class Cancel implements Case {
    @Override
    public Http.Answer ask(Http http) {
      Http.Answer build = http.post("/v1/dib_images/slow-root/build");
      return http.delete(build.job());
    }

    @Override
    public void check(Site site) {
      assertThat(site.number("SELECT COUNT(*) FROM dib_image")).isZero();
      assertThat(site.number("SELECT COUNT(*) FROM api_job WHERE state <> 'cancelled'")).isZero();
    }
  }

  /** A deletion that a worker began, and did not live to end. */
  private static final class LostDeletion extends OnANode {
    @Override
    public void prepare(Site site, ServiceProcess process) throws Exception {
      super.prepare(site, process);
      site.sql("UPDATE node SET state = 4");
      attempted(site, "running", "/v1/nodes/" + node, "a worker that is gone", null);
    }

    @Override
    public boolean comesWithTheStart() {
      return true;
    }

    @Override
    public void check(Site site) {
      assertThat(site.number("SELECT COUNT(*) FROM node")).isZero();
      assertThat(site.text("SELECT state FROM api_job")).isEqualTo("succeeded");
      assertThat(site.number("SELECT attempts FROM api_job")).isGreaterThanOrEqualTo(2);
    }
  }

  /** A job that has ended, of whose attempt the worker did not say that nothing is left. */
  private static final class UnsweptAttempt implements Case {
    @Override
    public void prepare(Site site, ServiceProcess process) throws Exception {
      attempted(site, "succeeded", "/v1/nodes/1", OURS, LONG_AGO);
    }

    @Override
    public boolean comesWithTheStart() {
      return true;
    }

    @Override
    public void check(Site site) {
      assertThat(site.number("SELECT is_swept FROM api_job_attempt")).isEqualTo(1);
    }
  }

  private static void attempted(
      Site site, String state, String subject, String worker, Long finished) {
    String host = Installation.hostName();
    long job =
        aJob()
            .kind("delete-node")
            .subject(subject)
            .provider("directory")
            .begunBy(host, worker)
            .with("lease_until", LONG_AGO)
            .state(state)
            .finished(finished)
            .in(site);
    anAttempt(job).host(host).worker(worker).finished(finished).in(site);
  }

  private static final class CleanUp implements Case {
    @Override
    public void prepare(Site site, ServiceProcess process) throws Exception {
      process.replace(
          "api.yaml", "state_dir", "cleanup: {enabled: true, image_age: PT1S}\nstate_dir");
      for (int i = 0; i < 4; i++) {
        long id = site.readyDibImage("unlisted", "qcow2", Installation.hostName(), ONE_MIB);
        // else it may be somebody else's
        aJob()
            .subject("/v1/dib_images/" + id)
            .image("unlisted")
            .dibImage(id)
            .ended("succeeded")
            .in(site);
      }
      site.sql("UPDATE dib_image SET state_time = ?, version = ? + id", LONG_AGO, LONG_AGO);
    }

    @Override
    public boolean comesWithTheStart() {
      return true;
    }

    @Override
    public void check(Site site) throws Exception {
      // it may begin after all seemed settled
      Poll.until(
          "the two newest are left",
          () ->
              site.number("SELECT COUNT(*) FROM dib_image") == 2
                  && Settled.violations(site).isEmpty());
      assertThat(site.number("SELECT MIN(id) FROM dib_image")).isEqualTo(3);
    }
  }

  private static final class Prune extends OnANode {
    private Path oldLog;

    @Override
    public void prepare(Site site, ServiceProcess process) throws Exception {
      super.prepare(site, process); // of what is there the last job stays
      process.replace("api.yaml", "build_workers: 3", "build_workers: 3, keep: PT1S");
      for (int i = 0; i < 2; i++) {
        attempted(site, "succeeded", "/v1/nodes/" + node, OURS, LONG_AGO);
      }
      site.sql("UPDATE api_job_attempt SET is_swept = 1");
      String uuid = site.text("SELECT uuid FROM api_job WHERE id = 1");
      oldLog = process.dir().resolve("var/log/jobs/" + uuid + ".log");
      Files.writeString(oldLog, "old\n");
    }

    @Override
    public boolean comesWithTheStart() {
      return true;
    }

    @Override
    public void check(Site site) throws Exception {
      Poll.until("the old job is gone", () -> site.number("SELECT COUNT(*) FROM api_job") == 1);
      Poll.until("its log is gone", () -> Files.notExists(oldLog));
      assertThat(site.number("SELECT id FROM api_job")).isEqualTo(2);
    }
  }

  /** More than is kept of the log of changes. */
  private static final class LongLog extends OnANode {
    private static final String COUNT = "SELECT COUNT(*) FROM api_change";

    @Override
    public void prepare(Site site, ServiceProcess process) throws Exception {
      super.prepare(site, process);
      site.sql(
          "INSERT INTO api_change (of_table, old_id, time)"
              + " SELECT 'node', 1000000, 0 FROM seq_1_to_11000");
    }

    @Override
    public boolean comesWithTheStart() {
      return true;
    }

    @Override
    public void check(Site site) {
      Poll.until("it is short again", () -> site.number(COUNT) <= 10_000);
      assertThat(site.number(COUNT)).isGreaterThan(9_000);
    }
  }
}
