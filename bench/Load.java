import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Queue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/**
 * The polls that wrk cannot make. Latencies are counted from when a request should have been sent,
 * not from when it was, so that a server that stalls cannot hide it. Prints lines for {@code
 * Report}.
 *
 * <pre>
 * Load latency NODES RATE ROUNDS SECONDS NAME=URL...
 *                        polls at a fixed rate, round by round each contender in turn
 * Load pollers CONNECTIONS PERIOD SECONDS URL
 *                        each connection polls once a period
 * Load waiters CONNECTIONS CHANGES URL DBURI
 *                        each connection waits for each change, about one a second
 * </pre>
 */
public final class Load {
  private static final int LATENCY_CONNECTIONS = 64;
  private static final int WARM_UP_SECONDS = 2;
  private static final int WARM_UP_CHANGES = 60;

  /** A poll that has no answer by then has failed. */
  private static final int LIMIT_SECONDS = 5;

  private Load() {}

  public static void main(String[] arguments) throws Exception {
    Queue<String> left = new ArrayDeque<>(List.of(arguments));
    switch (left.remove()) {
      case "latency" ->
          latency(number(left), number(left), number(left), number(left), List.copyOf(left));
      case "pollers" -> pollers(number(left), number(left), number(left), left.remove());
      case "waiters" -> waiters(number(left), number(left), left.remove(), left.remove());
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  private static int number(Queue<String> left) {
    return Integer.parseInt(left.remove());
  }

  private static void print(Object... values) {
    List<String> texts = new ArrayList<>();
    for (Object value : values) {
      texts.add(
          value instanceof Double number
              ? String.format(Locale.ROOT, "%.3f", number)
              : String.valueOf(value));
    }
    System.out.println(String.join("\t", texts));
  }

  private static long seconds(long count) {
    return TimeUnit.SECONDS.toNanos(count);
  }

  /** Times in nanoseconds. */
  private static final class Latencies {
    private long[] values = new long[1 << 12];
    private int count;

    void add(long nanos) {
      if (count == values.length) {
        values = Arrays.copyOf(values, 2 * count);
      }
      values[count++] = nanos;
    }

    int count() {
      return count;
    }

    void sort() {
      Arrays.sort(values, 0, count);
    }

    /** In milliseconds, when they are sorted. */
    double quantile(double part) {
      return count == 0 ? Double.NaN : values[(int) Math.ceil(part * count) - 1] / 1e6;
    }
  }

  /** Sends at a fixed rate, whether or not what was sent before is answered. */
  private static final class Polls extends Client {
    /** Whether each connection has its own times; otherwise any that is free is taken. */
    private final boolean isByTurns;

    private final byte[] request = request("");
    private final Queue<Connection> free = new ArrayDeque<>();
    private final Queue<Long> due = new ArrayDeque<>();
    private Latencies latencies = new Latencies();
    private long next;
    private long interval;
    private long last;
    private long sent;

    Polls(String url, int connections, boolean isByTurns) throws IOException {
      super(url, connections);
      this.isByTurns = isByTurns;
      free.addAll(connections());
    }

    /** The latencies, sorted. */
    Latencies run(double rate, int seconds) throws IOException {
      latencies = new Latencies();
      forgetErrors();
      interval = (long) (1e9 / rate);
      next = System.nanoTime();
      last = next + seconds(seconds);
      runUntil(last);
      long limit = System.nanoTime() + seconds(LIMIT_SECONDS);
      while (isWaiting() && System.nanoTime() < limit) {
        runUntil(System.nanoTime() + seconds(1) / 20);
      }
      due.forEach(poll -> error("could not be sent"));
      due.clear();
      connections().stream().filter(Connection::isBusy).forEach(busy -> error("no answer"));
      latencies.sort();
      return latencies;
    }

    private boolean isWaiting() {
      return !due.isEmpty() || connections().stream().anyMatch(Connection::isBusy);
    }

    @Override
    void tick(long now) {
      for (; next <= now && next < last; next += interval) {
        if (isByTurns) {
          Connection connection = connections().get((int) (sent++ % connections().size()));
          if (connection.isBusy()) {
            error("no answer before the next poll");
          } else {
            send(connection, request, next);
          }
        } else {
          due.add(next);
        }
      }
      sendDue();
    }

    private void sendDue() {
      while (!due.isEmpty() && !free.isEmpty()) {
        Connection connection = free.remove();
        if (connection.isOpen()) {
          send(connection, request, due.remove());
        }
      }
    }

    @Override
    void answered(Connection connection, long now) {
      latencies.add(now - connection.due());
      if (connection.status() != 200) {
        error("status " + connection.status());
      }
      connected(connection);
    }

    @Override
    void connected(Connection connection) {
      if (!isByTurns) {
        free.add(connection);
        sendDue();
      }
    }
  }

  private static void latency(int nodes, int rate, int rounds, int seconds, List<String> contenders)
      throws IOException {
    List<Polls> polls = new ArrayList<>();
    for (String contender : contenders) {
      String url = contender.substring(contender.indexOf('=') + 1);
      polls.add(new Polls(url, LATENCY_CONNECTIONS, false));
      polls.get(polls.size() - 1).run(rate, WARM_UP_SECONDS);
    }
    for (int round = 0; round < rounds; round++) {
      for (int turn = 0; turn < contenders.size(); turn++) {
        int contender = (round + turn) % contenders.size();
        Polls poll = polls.get(contender);
        Latencies latencies = poll.run(rate, seconds);
        print(
            "latency",
            nodes,
            contenders.get(contender).replaceFirst("=.*", ""),
            rate,
            latencies.quantile(0.5),
            latencies.quantile(0.99),
            latencies.quantile(0.999),
            poll.errors());
      }
    }
  }

  private static void pollers(int count, int period, int seconds, String url) throws IOException {
    Polls polls = new Polls(url, count, true);
    Latencies latencies = polls.run((double) count / period, seconds);
    print(
        "pollers",
        count,
        period,
        latencies.count(),
        polls.errors(),
        latencies.quantile(0.5),
        latencies.quantile(0.99),
        latencies.quantile(1));
    polls.close();
  }

  /** Each asks for the list, and then waits for the next one, again and again. */
  private static final class Waiters extends Client {
    /** When each change was begun: an instant before it was committed. */
    private final List<Long> changes = new CopyOnWriteArrayList<>();

    private final byte[] first = request("");
    private final Queue<Connection> fresh = new ArrayDeque<>(connections());
    private final Latencies latencies = new Latencies();
    private String etag = "";
    private byte[] wait;
    private volatile int waiting;
    private volatile boolean isMeasured;

    /** How many have seen the last change. */
    private volatile int woken;

    Waiters(String url, int connections) throws IOException {
      super(url, connections);
    }

    @Override
    void tick(long now) {
      // a few at a time: they are to wait, not to come all at once
      for (int i = 0; i < 5 && !fresh.isEmpty(); i++) {
        Connection connection = fresh.remove();
        if (connection.isOpen()) {
          connection.wakes = -1;
          send(connection, first, now);
        }
      }
    }

    @Override
    void answered(Connection connection, long now) {
      if (connection.status() == 200) {
        if (connection.wakes < 0) {
          connection.wakes = changes.size();
          waiting++;
        } else if (connection.wakes == changes.size()) {
          error("woken without a change");
        } else {
          // from the oldest change that it had not seen: there are more if a wake was lost
          long change = changes.get(connection.wakes);
          connection.wakes = changes.size();
          woken++;
          if (isMeasured) {
            latencies.add(now - change);
          }
        }
      } else if (connection.status() != 304) {
        error("status " + connection.status());
      }
      String current = connection.etag();
      if (current == null) {
        error("no ETag");
      } else if (!current.equals(etag)) {
        etag = current;
        wait = request("Prefer: wait=60\r\nIf-None-Match: %s\r\n".formatted(etag));
      }
      send(connection, wait, now);
    }

    @Override
    void connected(Connection connection) {
      fresh.add(connection);
    }

    int lost() {
      return (int) connections().stream().filter(c -> c.wakes < changes.size()).count();
    }
  }

  private static void waiters(int count, int changes, String url, String dburi) throws Exception {
    try (Data data = new Data(dburi)) {
      Waiters waiters = new Waiters(url, count);
      Changes writer = new Changes(data, waiters, changes, URI.create(url).resolve("/metrics"));
      writer.start();
      while (writer.isAlive()) {
        waiters.runUntil(System.nanoTime() + seconds(1) / 10);
      }
      waiters.latencies.sort();
      print(
          "waiters",
          count,
          changes,
          waiters.lost(),
          waiters.errors(),
          waiters.latencies.quantile(0.5),
          waiters.latencies.quantile(0.99),
          waiters.latencies.quantile(1),
          writer.selects,
          writer.probes);
      waiters.close();
    }
  }

  /** The changes that are waited for, and what the waiting costs the database meanwhile. */
  private static final class Changes extends Thread {
    private final Data data;
    private final Waiters waiters;
    private final int count;
    private final URI metrics;

    /** A second, of all that the database was asked; what the service says. */
    double selects = Double.NaN;

    double probes = Double.NaN;

    Changes(Data data, Waiters waiters, int count, URI metrics) {
      this.data = data;
      this.waiters = waiters;
      this.count = count;
      this.metrics = metrics;
    }

    @Override
    public void run() {
      try {
        long limit = System.nanoTime() + seconds(30);
        while (waiters.waiting < waiters.connections().size() && System.nanoTime() < limit) {
          TimeUnit.MILLISECONDS.sleep(20);
        }
        change(0, WARM_UP_CHANGES, 0);
        waiters.isMeasured = true;
        long began = System.nanoTime();
        long selectsBefore = data.selects();
        double probesBefore = probes();
        change(WARM_UP_CHANGES, count, 1_000);
        double took = (System.nanoTime() - began) / 1e9;
        selects = (data.selects() - selectsBefore) / took;
        probes = (probes() - probesBefore) / took;
      } catch (Exception e) {
        e.printStackTrace();
      }
    }

    /**
     * The next change comes when all have seen the last one, so that a wake is of one change.
     *
     * @param apartMs how long after the last one at least
     */
    private void change(int from, int howMany, long apartMs) throws Exception {
      for (int number = from; number < from + howMany; number++) {
        waiters.woken = 0;
        waiters.changes.add(System.nanoTime());
        data.changeNow(1 + number % 100, number);
        TimeUnit.MILLISECONDS.sleep(apartMs);
        long limit = System.nanoTime() + seconds(LIMIT_SECONDS);
        while (waiters.woken < waiters.connections().size() && System.nanoTime() < limit) {
          TimeUnit.MILLISECONDS.sleep(20);
        }
      }
    }

    /** Not a number without such a metric. */
    private double probes() throws IOException, InterruptedException {
      HttpResponse<String> answer =
          HttpClient.newHttpClient()
              .send(HttpRequest.newBuilder(metrics).build(), HttpResponse.BodyHandlers.ofString());
      return answer
          .body()
          .lines()
          .filter(line -> line.matches("nodepool_probes_total[ {].*"))
          .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
          .reduce(Double::sum)
          .orElse(Double.NaN);
    }
  }
}
