package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Vertx;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.junit5.VertxExtension;
import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.mysqlclient.MySQLConnection;
import io.vertx.sqlclient.SqlConnection;
import io.vertx.sqlclient.Tuple;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Every poll that began after a commit was acknowledged shows it: checked from what writers and
 * pollers recorded, after they have ended. {@code -Dnodepool.freshness.seconds} is how long they go
 * on.
 */
@RunsAlone("its load is counted")
@ExtendWith(VertxExtension.class)
class FreshnessIT {
  private static final int POLLERS = 64;

  /** Nodes written through the first service, through the second process, and by plain SQL. */
  private static final int NODES_A_WRITER = 4;

  private static final int SQL_WRITERS = 3;
  private static final int NODES = NODES_A_WRITER * (2 + SQL_WRITERS);

  /** One write of a node, by its only writer; times of {@link System#nanoTime}. */
  record Write(String value, long begun, long acknowledged) {}

  /**
   * What a poll showed.
   *
   * @param values by node what it is; null where the answer does not tell
   */
  record Shown(String what, long begun, long ended, String[] values) {}

  /** Of each node, what was written, one after the other. */
  private static final class History {
    private final List<List<Write>> writes =
        IntStream.range(0, NODES)
            .mapToObj(node -> Collections.synchronizedList(new ArrayList<Write>()))
            .toList();

    void add(int node, String value, long begun) {
      writes.get(node).add(new Write(value, begun, System.nanoTime()));
    }

    int size() {
      return writes.stream().mapToInt(List::size).sum();
    }

    /** Why the poll may not show that; null when it may. */
    String fault(Shown poll, int node) {
      String value = poll.values()[node];
      if (value == null) {
        return null;
      }
      List<Write> all = writes.get(node);
      int last = lastAcknowledged(all, poll.begun());
      for (int i = Math.max(0, last); i < all.size() && all.get(i).begun() <= poll.ended(); i++) {
        if (all.get(i).value().equals(value)) {
          return null;
        }
      }
      return "%s shows node %d as %s; acknowledged before it began was %s"
          .formatted(poll.what(), node, value, last < 0 ? "nothing" : all.get(last).value());
    }

    /** The place of the last one that was acknowledged by then, -1 for none. */
    private static int lastAcknowledged(List<Write> all, long time) {
      // ten minutes make thousands of writes to a node, and half a million polls
      int place =
          Collections.binarySearch(
              all, new Write(null, time, time), Comparator.comparingLong(Write::acknowledged));
      return place >= 0 ? place : -place - 2;
    }
  }

  private final TestService one = TestService.shared();
  private final History history = new History();
  private final long[] ids = new long[NODES];
  private final Map<Long, Integer> nodeOf = new HashMap<>();
  private final AtomicInteger refused = new AtomicInteger();
  private volatile boolean isOver;

  @Test
  void a_history_with_a_fault_is_found_out() {
    History planted = new History();
    planted.writes.get(0).add(new Write("a", 0, 10));
    planted.writes.get(0).add(new Write("b", 20, 30));
    planted.writes.get(0).add(new Write("c", 90, 95));

    assertThat(planted.fault(shown(40, 50, "b"), 0)).isNull();
    assertThat(planted.fault(shown(25, 50, "a"), 0)).isNull();
    assertThat(planted.fault(shown(25, 50, "b"), 0)).isNull();
    assertThat(planted.fault(shown(40, 50, "a"), 0)).contains("was b");
    assertThat(planted.fault(shown(40, 50, "c"), 0)).contains("was b");
    assertThat(planted.fault(shown(40, 50, "never"), 0)).contains("was b");
  }

  private static Shown shown(long begun, long ended, String value) {
    String[] values = new String[NODES];
    values[0] = value;
    return new Shown("a poll", begun, ended, values);
  }

  @Test
  @Timeout(value = 20, unit = TimeUnit.MINUTES)
  void every_poll_shows_what_was_acknowledged_before_it_began(Vertx vertx) throws Exception {
    long seconds = Long.getLong("nodepool.freshness.seconds", Extent.isLong() ? 60 : 20);
    one.empty();
    ServiceProcess two = sharing();
    for (int node = 0; node < NODES; node++) {
      long begun = System.nanoTime();
      ids[node] = one.node("directory", 2);
      one.sql("UPDATE node SET hostname = 'ready' WHERE id = ?", ids[node]);
      nodeOf.put(ids[node], node);
      history.add(node, "ready", begun);
    }
    ExecutorService threads = Executors.newCachedThreadPool();
    List<Future<?>> writers = new ArrayList<>();
    List<Future<List<Shown>>> pollers = new ArrayList<>();
    try {
      writers.add(threads.submit(() -> writeThrough(one.http(), 0)));
      writers.add(threads.submit(() -> writeThrough(two.http(), NODES_A_WRITER)));
      for (int i = 0; i < SQL_WRITERS; i++) {
        int first = NODES_A_WRITER * (2 + i);
        writers.add(threads.submit(() -> writeBySql(vertx, first)));
      }
      for (int i = 0; i < POLLERS; i++) {
        int port = i % 2 == 0 ? one.http().port() : two.port();
        int seed = i;
        pollers.add(threads.submit(() -> new Poller(port, seed).poll()));
      }
      TimeUnit.SECONDS.sleep(seconds); // the load's length, no wait for anything
      isOver = true;
      for (Future<?> writer : writers) {
        writer.get();
      }
      List<String> faults = new ArrayList<>();
      long polls = 0;
      long unchanged = 0;
      for (Future<List<Shown>> poller : pollers) {
        for (Shown shown : poller.get()) {
          polls++;
          unchanged += shown.what().startsWith("304") ? 1 : 0;
          for (int node = 0; node < NODES; node++) {
            String fault = history.fault(shown, node);
            if (fault != null) {
              faults.add(fault);
            }
          }
        }
      }
      System.out.printf(
          "freshness: %d s, %d polls (%d of them 304), %d refused, %d writes, %d violations%n",
          seconds, polls, unchanged, refused.get(), history.size(), faults.size());
      assertThat(faults.stream().limit(10)).isEmpty();
      assertThat(polls).isGreaterThan(100 * seconds);
      assertThat(unchanged).isPositive();
      assertThat((long) refused.get()).isLessThan(polls / 100);
      assertThat(history.size()).isGreaterThan((int) (5 * seconds));
    } finally {
      isOver = true;
      threads.shutdown();
      threads.awaitTermination(30, TimeUnit.SECONDS);
      two.close();
    }
  }

  /** Another process, on the same database, that answers requests alone. */
  private ServiceProcess sharing() throws Exception {
    MySQLConnectOptions at = one.database();
    String dburi =
        "mysql://%s:%s@%s:%d/%s"
            .formatted(
                at.getUser(), at.getPassword(), at.getHost(), at.getPort(), at.getDatabase());
    return ServiceProcess.sharing(one.dir(), "fresh")
        .replace("api.yaml", "server:", "roles: [api]\nserver:")
        .with("NODEPOOL_DBURI", dburi)
        .start();
  }

  private Void writeThrough(Http http, int first) throws Exception {
    Random random = new Random(first);
    boolean[] isHeld = new boolean[NODES_A_WRITER];
    while (!isOver) {
      int i = random.nextInt(NODES_A_WRITER);
      String state = isHeld[i] ? "ready" : "hold";
      long begun = System.nanoTime();
      int status = http.put("/v1/nodes/" + ids[first + i], "state=" + state).status();
      if (status != 200) {
        throw new AssertionError("a write is answered " + status);
      }
      history.add(first + i, state, begun);
      isHeld[i] = !isHeld[i];
      TimeUnit.MILLISECONDS.sleep(random.nextInt(60));
    }
    return null;
  }

  /** Several rows in a transaction that is open for a while, of which some are rolled back. */
  private Void writeBySql(Vertx vertx, int first) throws Exception {
    Random random = new Random(first);
    SqlConnection sql = MySQLConnection.connect(vertx, one.database()).await();
    for (int number = 0; !isOver; number++) {
      String value = first + "-" + number;
      int rows = 1 + random.nextInt(NODES_A_WRITER);
      boolean isKept = random.nextInt(4) > 0;
      long begun = System.nanoTime();
      sql.query("BEGIN").execute().await();
      for (int i = 0; i < rows; i++) {
        sql.preparedQuery("UPDATE node SET hostname = ? WHERE id = ?")
            .execute(Tuple.of(isKept ? value : "never", ids[first + i]))
            .await();
      }
      TimeUnit.MILLISECONDS.sleep(random.nextInt(3) == 0 ? random.nextInt(300) : 0);
      sql.query(isKept ? "COMMIT" : "ROLLBACK").execute().await();
      for (int i = 0; isKept && i < rows; i++) {
        history.add(first + i, value, begun);
      }
      TimeUnit.MILLISECONDS.sleep(random.nextInt(50));
    }
    sql.close().await();
    return null;
  }

  /** One connection. */
  private final class Poller {
    private final HttpClient client =
        HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final int port;
    private final Random random;
    private final List<Shown> seen = new ArrayList<>();

    /** By path the last ETag, and what it stands for. */
    private final Map<String, String> tags = new HashMap<>();

    private final Map<String, String[]> contents = new HashMap<>();

    Poller(int port, int seed) {
      this.port = port;
      this.random = new Random(seed);
    }

    List<Shown> poll() throws Exception {
      while (!isOver) {
        int node = random.nextInt(NODES);
        switch (random.nextInt(4)) {
          case 0 -> ask("/v1/nodes", body -> list(new JsonArray(body)));
          case 1 -> ask("/v1/nodes/" + ids[node], body -> list(new JsonArray("[" + body + "]")));
          case 2 -> ask("/v1/nodes?state=hold", body -> held(new JsonArray(body)));
          default ->
              ask(
                  "/v1/nodes/summary?by=state&id=" + ids[node % (2 * NODES_A_WRITER)],
                  body -> counted(node % (2 * NODES_A_WRITER), new JsonArray(body)));
        }
        TimeUnit.MILLISECONDS.sleep(random.nextInt(40));
      }
      return seen;
    }

    private interface Reader {
      String[] values(String body);
    }

    private void ask(String path, Reader reader) throws Exception {
      HttpRequest.Builder request =
          HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
              .timeout(Duration.ofSeconds(20));
      String tag = tags.get(path);
      boolean isConditional = tag != null && random.nextInt(3) > 0;
      if (isConditional) {
        request.header("If-None-Match", tag);
        if (random.nextInt(3) == 0) {
          request.header("Prefer", "wait=1");
        }
      }
      long begun = System.nanoTime();
      HttpResponse<String> answer = client.send(request.build(), BodyHandlers.ofString());
      long ended = System.nanoTime();
      String[] values;
      if (answer.statusCode() == 304 && isConditional) {
        values = contents.get(path);
      } else if (answer.statusCode() == 200) {
        values = reader.values(answer.body());
        tags.put(path, answer.headers().firstValue("ETag").orElseThrow());
        contents.put(path, values);
      } else if (answer.statusCode() == 503) {
        refused.incrementAndGet(); // a machine too busy to read in two seconds tells nothing stale
        return;
      } else {
        throw new AssertionError(path + " is answered " + answer.statusCode());
      }
      seen.add(new Shown(answer.statusCode() + " " + path, begun, ended, values));
    }

    /** A node that is written by its state shows that, the others their hostname. */
    private String[] list(JsonArray rows) {
      String[] values = new String[NODES];
      for (Object row : rows) {
        JsonObject json = (JsonObject) row;
        int node = nodeOf.get(json.getLong("id"));
        values[node] = json.getString(isByState(node) ? "state" : "hostname");
      }
      return values;
    }

    /** Those that are not among them are ready. */
    private String[] held(JsonArray rows) {
      String[] values = list(rows);
      for (int node = 0; node < NODES; node++) {
        if (!isByState(node)) {
          values[node] = null;
        } else if (values[node] == null) {
          values[node] = "ready";
        }
      }
      return values;
    }

    private String[] counted(int node, JsonArray groups) {
      String[] values = new String[NODES];
      assertThat(groups).hasSize(1);
      values[node] = groups.getJsonObject(0).getString("state");
      return values;
    }

    private boolean isByState(int node) {
      return node < 2 * NODES_A_WRITER;
    }
  }
}
