package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aNode;

import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import io.vertx.sqlclient.Row;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Two workers and an API process on one database; clients ask for all there is to ask for, while
 * processes are killed and stopped, and the database goes away. When all is quiet again, nothing
 * that was accepted is lost and nothing is left over.
 */
@RunsBesideOthers
@Timeout(value = 26, unit = TimeUnit.HOURS)
@ExtendWith(VertxExtension.class)
class TortureIT {
  private static final double MINUTES =
      Double.parseDouble(
          System.getProperty("nodepool.torture.minutes", Extent.isLong() ? "10" : "0.5"));
  private static final long SEED =
      Long.getLong("nodepool.torture.seed", System.nanoTime() % 1_000_000);

  /** In a short run nothing that boots gets far. */
  private static final boolean BOOTS = MINUTES >= 5;

  private static final Duration SETTLING = Duration.ofSeconds(300);

  private final Disturbances disturbances = new Disturbances();
  private final List<String> violations = new ArrayList<>();

  @Test
  void nothing_is_lost_and_nothing_is_left_whatever_dies(Vertx vertx) throws Exception {
    System.out.printf(
        "torture: %s minutes; again with -Dnodepool.torture.seed=%d%n", MINUTES, SEED);
    ExternalMariaDb server = ExternalMariaDb.in("torture").start();
    ExecutorService thread = Executors.newSingleThreadExecutor();
    Cloud cloud = Cloud.start("torture", Map.of());
    try (Site site = Site.on(server, "torture").with(cloud).withMachines()) {
      DatabaseProxy proxy = new DatabaseProxy(vertx, "127.0.0.1", server.port());
      site.through(proxy).slow(Duration.ofSeconds(10));
      site.readyDibImage("tiny", "raw", Installation.hostName(), 1 << 20); // to upload at once
      if (BOOTS) {
        site.makesByScript();
      }
      ServiceProcess api = site.api("api").start();
      site.awaitReady(api);
      List<ServiceProcess> workers = new ArrayList<>();
      for (String name : List.of("first", "second")) {
        workers.add(
            site.startWorker(
                site.worker(name)
                    .replace("api.yaml", "build_workers: 2", "build_workers: 2, max_attempts: 3")));
      }
      TortureLoad load = new TortureLoad(site, api, new Random(SEED));
      long end = System.nanoTime() + (long) (MINUTES * 60e9);
      Future<?> loading =
          thread.submit(
              () -> {
                while (System.nanoTime() < end) {
                  load.ask();
                }
                return null;
              });

      disturbances.run(new Random(SEED + 1), end, server, proxy, cloud.image(), api, workers);
      loading.get(60, TimeUnit.SECONDS);
      long quiet = System.nanoTime();
      disturbances.end();
      violations.addAll(Settled.violationsAfter(site, SETTLING));
      Duration settling = Duration.ofNanos(System.nanoTime() - quiet);

      violations.addAll(load.violations());
      for (ServiceProcess process : site.processes()) {
        if (!process.isAlive()) {
          violations.add("has ended by itself: " + process.dir() + "\n" + process.err());
        }
      }
      print(site, load, settling);
    } finally {
      thread.shutdownNow();
      server.stop();
      cloud.stop();
    }
    assertThat(violations).as("seed %d; files below target/processes/torture", SEED).isEmpty();
  }

  private void print(Site site, TortureLoad load, Duration settling) {
    System.out.printf("torture: seed %d, settled in %d s%n", SEED, settling.toSeconds());
    System.out.println("torture: disturbances " + disturbances.counts);
    System.out.println("torture: requests " + load.counts());
    Map<String, Long> jobs = new TreeMap<>();
    for (Row row :
        site.sql("SELECT kind, state, COUNT(*) AS number FROM api_job GROUP BY kind, state")) {
      jobs.put(row.getString("kind") + " " + row.getString("state"), row.getLong("number"));
    }
    System.out.println("torture: jobs " + jobs);
    System.out.printf(
        "torture: attempts %d, of which a worker did not live to end %d%n",
        site.number("SELECT COUNT(*) FROM api_job_attempt"),
        site.number("SELECT CAST(COALESCE(SUM(lost), 0) AS SIGNED) FROM api_job"));
    violations.forEach(violation -> System.out.println("torture: VIOLATION " + violation));
  }

  /** What goes wrong around the service, and what puts it right again. */
  private final class Disturbances {
    private final Map<String, Integer> counts = new TreeMap<>();

    /** What is to be put right, and when; by what it is done to. */
    private final Map<Object, Mending> mendings = new HashMap<>();

    private record Mending(long when, Act act) {}

    private interface Act {
      void run() throws Exception;
    }

    void run(
        Random random,
        long end,
        ExternalMariaDb server,
        DatabaseProxy proxy,
        CloudProxy images,
        ServiceProcess api,
        List<ServiceProcess> workers)
        throws Exception {
      long next = System.nanoTime() + seconds(random, 2, 6);
      while (System.nanoTime() < end) {
        mendWhatIsDue(System.nanoTime());
        if (System.nanoTime() > next) {
          disturb(random, server, proxy, images, api, workers);
          next = System.nanoTime() + seconds(random, 2, 6);
        }
        TimeUnit.MILLISECONDS.sleep(100);
      }
    }

    private static long seconds(Random random, int from, int to) {
      return Duration.ofMillis(random.nextLong(from * 1000L, to * 1000L)).toNanos();
    }

    private void disturb(
        Random random,
        ExternalMariaDb server,
        DatabaseProxy proxy,
        CloudProxy images,
        ServiceProcess api,
        List<ServiceProcess> workers)
        throws Exception {
      ServiceProcess worker = workers.get(random.nextInt(workers.size()));
      int kind = random.nextInt(24);
      if (kind < 7 && isWell(worker)) {
        kill(worker, seconds(random, 0, 10));
      } else if (kind < 11 && isWell(worker) && workers.stream().allMatch(this::isWell)) {
        count("SIGSTOP of a worker past its lease");
        worker.signal("STOP");
        mend(worker, seconds(random, 31, 40), () -> worker.signal("CONT"));
      } else if (kind < 13 && isWell(api)) {
        kill(api, seconds(random, 0, 3));
      } else if (kind < 17 && isWell(proxy)) {
        count("cut of the database's connections");
        proxy.cut();
      } else if (kind == 17 && isWell(proxy)) {
        count("network to the database refuses");
        proxy.refuse();
        mend(proxy, seconds(random, 1, 5), proxy::accept);
      } else if (kind == 18 && isWell(proxy)) {
        count("network to the database stalls");
        proxy.stall();
        mend(proxy, seconds(random, 1, 8), proxy::go);
      } else if (kind == 19 && isWell(server)) {
        count("kill -9 of the database");
        server.kill();
        mend(server, seconds(random, 0, 4), server::start);
      } else if (kind >= 20 && isWell(images)) {
        disturb(random, images);
        mend(images, seconds(random, 2, 8), images::mend);
      }
    }

    /** For the next request that it can be done to. */
    private void disturb(Random random, CloudProxy images) {
      switch (random.nextInt(5)) {
        case 0 -> {
          count("cut of an upload to the cloud");
          images.cut("PUT", "/file", random.nextInt(1 << 20));
        }
        case 1 -> {
          count("stall of an upload to the cloud");
          images.stall("PUT", "/file", random.nextInt(1 << 20));
        }
        case 2 -> {
          count("lost answer of the cloud");
          images.loseAnswer(random.nextBoolean() ? "POST" : "PUT", "/images");
        }
        case 3 -> {
          count("hidden answer of the cloud");
          images.hideAnswer(random.nextBoolean() ? "GET" : "DELETE", "/images");
        }
        default -> {
          count("busy cloud");
          for (String method : List.of("GET", "POST", "PUT", "DELETE")) {
            images.answer(3, method, "/images", 503, Map.of(), "busy");
          }
        }
      }
    }

    private boolean isWell(Object one) {
      return !mendings.containsKey(one);
    }

    private void kill(ServiceProcess process, long pause) throws Exception {
      String name = process.dir().getFileName().toString();
      count("kill -9 of " + (name.equals("api") ? "the API" : "a worker"));
      if (!process.isAlive()) {
        violations.add("has ended by itself: " + process.dir() + "\n" + process.err());
      }
      process.kill9();
      mend(process, pause, name.equals("api") ? process::start : process::startOnly);
    }

    private void mend(Object one, long pause, Act act) {
      mendings.put(one, new Mending(System.nanoTime() + pause, act));
    }

    private void mendWhatIsDue(long now) throws Exception {
      for (Object one : List.copyOf(mendings.keySet())) {
        if (mendings.get(one).when <= now) {
          mendings.remove(one).act.run();
        }
      }
    }

    /** Puts everything right. */
    void end() throws Exception {
      mendWhatIsDue(Long.MAX_VALUE);
    }

    private void count(String what) {
      counts.merge(what, 1, Integer::sum);
    }
  }

  /** Clients, one request after the other; it notes what they were promised. */
  private static final class TortureLoad {
    private static final Set<Integer> EXPECTED = Set.of(200, 201, 204, 404, 409, 503);
    private static final int MOST_UNFINISHED = 6;

    /** The id of another database: what carries its mark is not swept, but goes with its row. */
    private static final String ANOTHER = UUID.randomUUID().toString();

    private final Site site;
    private final ServiceProcess api;
    private final Random random;
    private final List<String> jobs = new ArrayList<>();
    private final List<String> images = new ArrayList<>();
    private final List<String> dibImages = new ArrayList<>();
    private final List<String> violations = new ArrayList<>();
    private final Map<String, Map<String, Integer>> counts = new TreeMap<>();
    private int nodes;

    TortureLoad(Site site, ServiceProcess api, Random random) {
      this.site = site;
      this.api = api;
      this.random = random;
    }

    /** Asks something, or waits a moment. */
    void ask() throws Exception {
      TimeUnit.MILLISECONDS.sleep(random.nextInt(200, 1200));
      switch (random.nextInt(20)) {
        case 0, 1, 2, 3 -> build(pick("tiny", "tiny", "unlisted"));
        case 4 -> build(pick("slow-root", "slow-install", "slow-finalise"));
        case 5 -> build(pick("fails", "tells"));
        case 6 -> upload(pick("first", "second"), "raw-directory");
        case 7, 8 -> upload("tiny-image", "cloud");
        case 9, 10 -> upload("tiny-image", "directory");
        case 11 -> update("tiny-image");
        case 12 -> update(BOOTS ? "made" : "tiny-image");
        case 13, 14 -> delete("deletion of an image", images);
        case 15 -> delete("deletion of a dib image", dibImages);
        case 16, 17 -> delete("cancel", jobs);
        case 18 -> retry();
        default -> deleteNode();
      }
    }

    private String pick(String... names) {
      return names[random.nextInt(names.length)];
    }

    private void build(String diskImage) {
      if (isBusy()) {
        return;
      }
      Http.Answer answer = post("build", "/v1/dib_images/" + diskImage + "/build", null);
      if (isAccepted(answer)) {
        dibImages.add(answer.location());
      }
    }

    private void upload(String image, String provider) {
      Http.Answer answer =
          post(
              "upload",
              "/v1/dib_images/tiny/upload",
              "provider_name=" + provider + "&image_name=" + image);
      if (isAccepted(answer)) {
        images.add(answer.location());
      }
    }

    /** The one that a script makes takes long: one at a time. */
    private void update(String image) {
      boolean isByScript = image.equals("made");
      if (isBusy() || (isByScript && isMaking())) {
        return;
      }
      Http.Answer answer =
          post(
              isByScript ? "update by script" : "update",
              "/v1/images/" + image + "/update",
              "provider_name=" + (isByScript ? "machines" : "directory"));
      if (isAccepted(answer)) {
        images.add(answer.location());
      }
    }

    private void retry() {
      if (!jobs.isEmpty() && !isBusy() && !isMaking()) {
        post("retry", jobs.get(random.nextInt(jobs.size())) + "/retry", null);
      }
    }

    private void delete(String what, List<String> paths) {
      if (paths.isEmpty()) {
        return;
      }
      // rather the newest: there is more under way with them
      int back = Math.min(random.nextInt(1, 6), paths.size());
      String path = paths.get(paths.size() - back);
      note(what, "DELETE", path, null);
    }

    private void deleteNode() throws Exception {
      long node;
      EndedMachines machines = new EndedMachines(site.machines());
      String server = machines.made(ANOTHER, 1);
      try {
        node = aNode().provider("machines").externalId(server).in(site);
      } catch (Exception e) { // the database is away; await() throws what it awaited
        ServiceProcess.run("rm", "-rf", machines.of(server).toString());
        return;
      }
      nodes++;
      note("deletion of a node", "DELETE", "/v1/nodes/" + node, null);
    }

    private Http.Answer post(String what, String path, String form) {
      return note(what, "POST", path, form);
    }

    /** The answer; null when there was none. */
    private Http.Answer note(String what, String method, String path, String form) {
      Http.Answer answer = answer(method, path, form);
      String status = answer == null ? "none" : Integer.toString(answer.status());
      counts.computeIfAbsent(what, w -> new TreeMap<>()).merge(status, 1, Integer::sum);
      if (answer == null) {
        return null;
      }
      if (!EXPECTED.contains(answer.status())) {
        violations.add("%s %s was answered %s".formatted(method, path, answer));
      }
      if (answer.status() < 300 && answer.header("Link") != null) {
        jobs.add(answer.job());
      } else if (answer.status() == 201) {
        jobs.add(answer.location()); // a retry
      }
      return answer;
    }

    private Http.Answer answer(String method, String path, String form) {
      try {
        return api.http()
            .send(method, path, form == null ? null : "application/x-www-form-urlencoded", form);
      } catch (IOException e) {
        return null;
      } catch (AssertionError e) {
        if (e.getCause() instanceof IOException) { // the process is down
          return null;
        }
        violations.add("%s %s: %s".formatted(method, path, e.getMessage()));
        return null;
      }
    }

    private static boolean isAccepted(Http.Answer answer) {
      return answer != null && answer.status() == 201;
    }

    /** Whether there is more to be built than can be before the end. */
    private boolean isBusy() {
      return unfinished("kind IN ('build', 'update')") >= MOST_UNFINISHED;
    }

    private boolean isMaking() {
      return unfinished("image_name = 'made'") > 0;
    }

    /** How many such jobs; very many while the database is away. */
    private long unfinished(String which) {
      try {
        return site.number("SELECT COUNT(*) FROM api_job WHERE finished IS NULL AND " + which);
      } catch (Exception e) { // await() throws what it awaited
        return Long.MAX_VALUE;
      }
    }

    /** What was answered as it must not be, or promised and not held. */
    List<String> violations() {
      for (String job : new TreeSet<>(jobs)) {
        long ended =
            site.number(
                "SELECT COUNT(*) FROM api_job WHERE id = ? AND finished IS NOT NULL", Site.id(job));
        if (ended != 1) {
          violations.add(job + " was promised, and has no end in the database");
        }
      }
      return violations;
    }

    String counts() {
      return counts + ", nodes made " + nodes;
    }
  }
}
