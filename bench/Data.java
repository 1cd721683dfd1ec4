import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.mysqlclient.MySQLBuilder;
import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.sqlclient.Pool;
import io.vertx.sqlclient.PoolOptions;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.Tuple;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * What is done to the service's database behind its back, by plain SQL.
 *
 * <pre>
 * Data rows DBURI NODES       so many nodes, and no others
 * Data changes DBURI NODES    reads numbers, one a line: so many nodes a second change their state
 *                             from then on. Each is answered by what came of the one before
 * Data probes DBURI SECONDS   looks at what the database does meanwhile
 * Data jobs DBURI JOBS        so many jobs more that have ended
 * Data count DBURI            of all jobs
 * Data version DBURI          of the database server
 * </pre>
 */
public final class Data implements AutoCloseable {
  private static final int ROWS_AT_ONCE = 500;
  private static final String INSERT =
      "INSERT INTO node (id, provider_name, label_name, target_name, hostname, nodename,"
          + " external_id, az, ip, ip_private, state, state_time)"
          + " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
  private static final String EVERY_TWENTIETH_HAS_A_SUBNODE =
      "INSERT INTO subnode (id, node_id, hostname, external_id, ip, ip_private, state, state_time)"
          + " SELECT id DIV 20, id, CONCAT('sub0-', hostname), REPLACE(external_id, '-', ''), ip,"
          + " ip_private, state, state_time FROM node WHERE id % 20 = 0 ORDER BY id";

  /** Probes of the change log and reads of the list that are under way; nothing else reads so. */
  private static final String READS =
      "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID()"
          + " AND command IN ('Query', 'Execute') AND info LIKE 'SELECT%'"
          + " AND (info LIKE '%MAX(id)%api_change%' OR info LIKE '%FROM node %')";

  /** Most are of nodes that are gone, a few built or sent an image; of ten one has failed. */
  private static final String INSERT_JOBS =
      "INSERT INTO api_job (uuid, kind, state, subject, image_name, provider_name, dib_image_id,"
          + " host, worker, attempts, created, started, finished, progress, error)"
          + " SELECT UUID(), ELT(1 + LEAST(2, n % 10), 'build', 'upload', 'delete-node'),"
          + " IF(n % 7 = 0, 'failed', 'succeeded'),"
          + " CONCAT(ELT(1 + LEAST(2, n % 10), '/v1/dib_images/', '/v1/images/', '/v1/nodes/'),"
          + " 1000000 + n), IF(n % 10 < 2, CONCAT('image-', n % 40), NULL),"
          + " ELT(1 + n % 3, 'rax-dfw', 'rax-iad', 'hpcloud-b1'), IF(n % 10 < 2, 1000000 + n, NULL),"
          + " 'worker-1.example.org', '0f2a4a56-34e6-4be5-8d3a-1f2c3b4d5e6f', 1,"
          + " UNIX_TIMESTAMP() - 600000 + n, UNIX_TIMESTAMP() - 600000 + n,"
          + " UNIX_TIMESTAMP() - 599990 + n, 1,"
          + " IF(n % 7 = 0, 'The server did not answer within PT10M.', NULL)"
          + " FROM (SELECT ? + seq AS n FROM seq_1_to_COUNT) numbers";

  private static final int JOBS_AT_ONCE = 5_000;

  private static final String[] PROVIDERS = {
    "rax-dfw", "rax-iad", "rax-ord", "hpcloud-b1", "hpcloud-b2"
  };
  private static final String[] LABELS = {
    "bare-precise", "bare-trusty", "devstack-trusty", "centos7", "py3k-precise"
  };

  private final Vertx vertx = Vertx.vertx();
  private final Pool pool;

  Data(String dburi) {
    pool =
        MySQLBuilder.pool()
            .with(new PoolOptions().setMaxSize(4))
            .connectingTo(MySQLConnectOptions.fromUri(dburi).setCachePreparedStatements(true))
            .using(vertx)
            .build();
  }

  public static void main(String[] arguments) throws Exception {
    try (Data data = new Data(arguments[1])) {
      int number = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 0;
      switch (arguments[0]) {
        case "rows" -> data.fill(number);
        case "jobs" -> data.addJobs(number);
        case "changes" -> data.serveChanges(number);
        case "probes" -> data.look(number);
        case "count" -> System.out.println(data.run("SELECT COUNT(*) FROM api_job").getLong(0));
        case "version" -> System.out.println(data.run("SELECT VERSION()").getString(0));
        default -> throw new IllegalArgumentException(arguments[0]);
      }
    }
  }

  private static <T> T await(Future<T> future) throws Exception {
    return future.toCompletionStage().toCompletableFuture().get(60, TimeUnit.SECONDS);
  }

  /** The first row; null without any. */
  private Row run(String sql) throws Exception {
    RowSet<Row> rows = await(pool.query(sql).execute());
    return rows.size() == 0 ? null : rows.iterator().next();
  }

  /** Deleted, not truncated: what is truncated fires no trigger. */
  private void fill(int nodes) throws Exception {
    run("DELETE FROM subnode");
    run("DELETE FROM node");
    for (int first = 1; first <= nodes; first += ROWS_AT_ONCE) {
      List<Tuple> rows = new ArrayList<>();
      for (int id = first; id <= Math.min(nodes, first + ROWS_AT_ONCE - 1); id++) {
        rows.add(node(id));
      }
      await(pool.withTransaction(c -> c.preparedQuery(INSERT).executeBatch(rows)));
    }
    run(EVERY_TWENTIETH_HAS_A_SUBNODE);
  }

  private void addJobs(int jobs) throws Exception {
    long before = run("SELECT COALESCE(MAX(id), 0) FROM api_job").getLong(0);
    for (int done = 0; done < jobs; done += JOBS_AT_ONCE) {
      String insert = INSERT_JOBS.replace("COUNT", "" + Math.min(jobs - done, JOBS_AT_ONCE));
      await(pool.preparedQuery(insert).execute(Tuple.of(before + done)));
    }
  }

  private static Tuple node(int id) {
    String provider = PROVIDERS[id % PROVIDERS.length];
    String label = LABELS[id / PROVIDERS.length % LABELS.length];
    String hostname = "%s-%s-%d.slave.example.org".formatted(label, provider, id);
    String externalId = "%08x-7c1f-4a5e-9d30-%012x".formatted((int) (id * 2654435761L), id);
    String ip = "203.0.%d.%d".formatted(id / 250, id % 250 + 1);
    String inner = "10.208.%d.%d".formatted(id / 250, id % 250 + 1);
    // of ten, seven are used, two are ready, and one is building
    int state = id % 10 < 7 ? 3 : id % 10 < 9 ? 2 : 1;
    return Tuple.of(id, provider, label)
        .addString("jenkins01")
        .addString(hostname)
        .addString(hostname)
        .addString(externalId)
        .addString(null)
        .addString(ip)
        .addString(inner)
        .addInteger(state)
        .addInteger(1416832000 + id);
  }

  /** Commits a change of a node, the {@code number}th, so that no two make the same row. */
  Future<?> change(int node, int number) {
    return pool.preparedQuery("UPDATE node SET state = ?, state_time = ? WHERE id = ?")
        .execute(Tuple.of(2 + number % 2, 1416900000 + number, node));
  }

  /** As {@link #change}, and waits for the commit. */
  void changeNow(int node, int number) throws Exception {
    await(change(node, number));
  }

  /** How many reads the server has begun, for whomever. */
  long selects() throws Exception {
    return Long.parseLong(run("SHOW GLOBAL STATUS LIKE 'Com_select'").getString(1));
  }

  private void serveChanges(int nodes) throws Exception {
    Changer changer = new Changer(nodes);
    changer.setDaemon(true);
    changer.start();
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    System.out.println("ready");
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      System.out.printf("%.1f%n", changer.setRate(Integer.parseInt(line)));
    }
  }

  /** Changes nodes taken at random; at first none. */
  private final class Changer extends Thread {
    private static final long SECOND = 1_000_000_000;

    private final int nodes;
    private long began = System.nanoTime();
    private long committed;
    private int rate;

    Changer(int nodes) {
      this.nodes = nodes;
    }

    /** The changes a second that were committed since the last call. */
    synchronized double setRate(int next) {
      double achieved = committed * 1.0 * SECOND / (System.nanoTime() - began);
      began = System.nanoTime();
      committed = 0;
      rate = next;
      return achieved;
    }

    private synchronized void committed() {
      committed++;
    }

    private synchronized int rate() {
      return rate;
    }

    @Override
    public void run() {
      long due = System.nanoTime();
      for (int number = 0; ; number++) {
        int now = rate();
        if (now > 0) {
          int node = 1 + ThreadLocalRandom.current().nextInt(nodes);
          change(node, number).onSuccess(done -> committed());
          due += SECOND / now;
        } else {
          due = System.nanoTime() + SECOND / 100;
        }
        try {
          TimeUnit.NANOSECONDS.sleep(due - System.nanoTime());
        } catch (InterruptedException e) {
          return;
        }
      }
    }
  }

  private void look(int seconds) throws Exception {
    long began = System.nanoTime();
    long before = selects();
    long most = 0;
    int looks = 0;
    while (System.nanoTime() - began < TimeUnit.SECONDS.toNanos(seconds)) {
      most = Math.max(most, run(READS).getLong(0));
      looks++;
      TimeUnit.MILLISECONDS.sleep(5);
    }
    double took = (System.nanoTime() - began) / 1e9;
    System.out.printf("probes\t%d\t%.0f%n", most, (selects() - before - looks) / took);
  }

  @Override
  public void close() throws Exception {
    await(pool.close());
    await(vertx.close());
  }
}
