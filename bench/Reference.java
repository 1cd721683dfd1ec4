import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.vertx.core.Context;
import io.vertx.core.DeploymentOptions;
import io.vertx.core.Future;
import io.vertx.core.VerticleBase;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.mysqlclient.MySQLBuilder;
import io.vertx.mysqlclient.MySQLConnectOptions;
import io.vertx.mysqlclient.MySQLConnection;
import io.vertx.sqlclient.Pool;
import io.vertx.sqlclient.PoolOptions;
import io.vertx.sqlclient.PreparedStatement;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The servers that a poll is measured by. They send what the service sends, status line, headers
 * and body, which {@code polls.sh} has fetched from it into a directory; a PUT makes them fetch it
 * from there again.
 *
 * <p>{@code java Reference MODE PORT DIRECTORY LOOPS DBURI}; the modes are A, D and B.
 */
public final class Reference extends VerticleBase {
  /** What the service answers; the body is one buffer for all. */
  private record Answer(Buffer body, List<Header> headers, String etag, List<Header> notModified) {
    private record Header(CharSequence name, CharSequence value) {}

    static Answer read(Path directory) throws IOException {
      List<Header> headers = headers(directory.resolve("200"));
      Path notModified = directory.resolve("304");
      return new Answer(
          Buffer.buffer(Files.readAllBytes(directory.resolve("body"))),
          headers,
          headers.stream()
              .filter(header -> header.name().toString().equalsIgnoreCase("etag"))
              .map(header -> header.value().toString())
              .findFirst()
              .orElse(null),
          Files.exists(notModified) ? headers(notModified) : List.of());
    }

    private static List<Header> headers(Path file) throws IOException {
      List<Header> headers = new ArrayList<>();
      for (String line : Files.readAllLines(file)) {
        int colon = line.indexOf(": ");
        if (colon > 0) {
          headers.add(
              new Header(
                  HttpHeaders.createOptimized(line.substring(0, colon)),
                  HttpHeaders.createOptimized(line.substring(colon + 2))));
        }
      }
      return headers;
    }

    void send(HttpServerRequest request) {
      HttpServerResponse response = request.response();
      if (etag != null && etag.equals(request.getHeader(HttpHeaders.IF_NONE_MATCH))) {
        notModified.forEach(header -> response.putHeader(header.name(), header.value()));
        response.setStatusCode(304).end();
      } else {
        headers.forEach(header -> response.putHeader(header.name(), header.value()));
        response.end(body);
      }
    }

    /** The same headers, with a body of its own. */
    void send(HttpServerRequest request, Buffer own) {
      HttpServerResponse response = request.response();
      headers.forEach(header -> response.putHeader(header.name(), header.value()));
      response.putHeader(HttpHeaders.CONTENT_LENGTH, Integer.toString(own.length())).end(own);
    }
  }

  /** How a request gets its answer. */
  private interface Mode {
    Future<Void> start(Vertx vertx);

    void handle(HttpServerRequest request, Answer answer);
  }

  /** A: at once. */
  private static final class Bare implements Mode {
    @Override
    public Future<Void> start(Vertx vertx) {
      return Future.succeededFuture();
    }

    @Override
    public void handle(HttpServerRequest request, Answer answer) {
      answer.send(request);
    }
  }

  /**
   * D: after a probe of the database that began when the request was there already, one at a time
   * on this event loop, each for all requests that waited for it: the least that a fresh answer
   * takes.
   */
  private static final class Probed implements Mode {
    private static final String PROBE = "SELECT (SELECT MAX(id) FROM %s)";

    /** Of this benchmark, for a service that has no such table yet. */
    private static final String SCRATCH = "bench_change";

    private final MySQLConnectOptions database;
    private List<HttpServerRequest> waiting = new ArrayList<>();
    private Context context;
    private PreparedStatement probe;
    private boolean isProbing;

    Probed(MySQLConnectOptions database) {
      this.database = database;
    }

    @Override
    public Future<Void> start(Vertx vertx) {
      context = vertx.getOrCreateContext();
      return MySQLConnection.connect(vertx, database)
          .compose(
              connection ->
                  connection
                      .prepare(PROBE.formatted("api_change"))
                      .recover(e -> withScratchTable(connection)))
          .map(
              statement -> {
                probe = statement;
                return null;
              });
    }

    private static Future<PreparedStatement> withScratchTable(MySQLConnection connection) {
      return connection
          .query("CREATE TABLE IF NOT EXISTS " + SCRATCH + " (id BIGINT PRIMARY KEY)")
          .execute()
          .compose(v -> connection.query("INSERT IGNORE INTO " + SCRATCH + " VALUES (1)").execute())
          .compose(v -> connection.prepare(PROBE.formatted(SCRATCH)));
    }

    @Override
    public void handle(HttpServerRequest request, Answer answer) {
      waiting.add(request);
      probeLater(answer);
    }

    /** When the loop has read all requests that are there: they share the probe. */
    private void probeLater(Answer answer) {
      if (!isProbing && !waiting.isEmpty()) {
        isProbing = true;
        context.runOnContext(v -> probe(answer));
      }
    }

    private void probe(Answer answer) {
      List<HttpServerRequest> sharing = waiting;
      waiting = new ArrayList<>();
      probe
          .query()
          .execute()
          .onComplete(
              rows -> {
                for (HttpServerRequest request : sharing) {
                  if (rows.succeeded()) {
                    answer.send(request);
                  } else {
                    request.response().setStatusCode(503).end();
                  }
                }
                isProbing = false;
                probeLater(answer);
              });
    }
  }

  /** B: every request reads the rows and writes them as JSON. */
  private static final class Reading implements Mode {
    /** The service's own. */
    private static final String LIST =
        """
        SELECT n.id, n.provider_name, n.label_name, n.target_name, n.hostname, n.nodename,
               n.external_id, n.az, n.ip, n.ip_private, n.state, n.state_time,
               s.id AS subnode_id, s.hostname AS subnode_hostname,
               s.external_id AS subnode_external_id, s.ip AS subnode_ip,
               s.ip_private AS subnode_ip_private, s.state AS subnode_state,
               s.state_time AS subnode_state_time
          FROM node n LEFT JOIN subnode s ON s.node_id = n.id
         ORDER BY n.id, s.id
        """;

    private static final List<String> TEXTS =
        List.of(
            "provider_name",
            "label_name",
            "target_name",
            "hostname",
            "nodename",
            "external_id",
            "az",
            "ip",
            "ip_private");
    private static final List<String> SUBNODE_TEXTS =
        List.of("hostname", "external_id", "ip", "ip_private");
    private static final String[] STATES = {
      null, "building", "ready", "used", "delete", "hold", "test", "failed"
    };
    private static final Comparator<List<Row>> LIST_ORDER =
        Comparator.comparing((List<Row> node) -> node.get(0).getString("provider_name"))
            .thenComparing(node -> node.get(0).getString("label_name"))
            .thenComparing(node -> node.get(0).getLong("id"));
    private static final JsonFactory JSON = new JsonFactory();

    private final Pool pool;

    Reading(Pool pool) {
      this.pool = pool;
    }

    @Override
    public Future<Void> start(Vertx vertx) {
      return Future.succeededFuture();
    }

    @Override
    public void handle(HttpServerRequest request, Answer answer) {
      pool.preparedQuery(LIST)
          .execute()
          .map(Reading::json)
          .onSuccess(body -> answer.send(request, body))
          .onFailure(e -> request.response().setStatusCode(503).end());
    }

    private static Buffer json(RowSet<Row> rows) {
      // the rows of a node follow each other, one a subnode
      List<List<Row>> nodes = new ArrayList<>();
      for (Row row : rows) {
        List<Row> last = nodes.isEmpty() ? null : nodes.get(nodes.size() - 1);
        if (last == null || !last.get(0).getLong("id").equals(row.getLong("id"))) {
          last = new ArrayList<>(1);
          nodes.add(last);
        }
        last.add(row);
      }
      nodes.sort(LIST_ORDER);
      ByteArrayOutputStream bytes = new ByteArrayOutputStream(512 * nodes.size());
      try (JsonGenerator out = JSON.createGenerator(bytes)) {
        out.writeStartArray();
        for (List<Row> node : nodes) {
          writeNode(out, node);
        }
        out.writeEndArray();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      return Buffer.buffer(bytes.toByteArray());
    }

    private static void writeNode(JsonGenerator out, List<Row> rows) throws IOException {
      Row node = rows.get(0);
      out.writeStartObject();
      out.writeNumberField("id", node.getLong("id"));
      for (String key : TEXTS) {
        out.writeStringField(key, node.getString(key));
      }
      writeState(out, node, "");
      out.writeArrayFieldStart("subnodes");
      for (Row subnode : rows) {
        if (subnode.getLong("subnode_id") != null) {
          out.writeStartObject();
          out.writeNumberField("id", subnode.getLong("subnode_id"));
          out.writeNumberField("node_id", node.getLong("id"));
          for (String key : SUBNODE_TEXTS) {
            out.writeStringField(key, subnode.getString("subnode_" + key));
          }
          writeState(out, subnode, "subnode_");
          out.writeEndObject();
        }
      }
      out.writeEndArray();
      out.writeEndObject();
    }

    private static void writeState(JsonGenerator out, Row row, String prefix) throws IOException {
      out.writeStringField("state", STATES[row.getInteger(prefix + "state")]);
      out.writeNumberField("state_time", row.getLong(prefix + "state_time"));
    }
  }

  private final Mode mode;
  private final int port;
  private final Path directory;
  private final AtomicReference<Answer> answer;

  private Reference(Mode mode, int port, Path directory, AtomicReference<Answer> answer) {
    this.mode = mode;
    this.port = port;
    this.directory = directory;
    this.answer = answer;
  }

  @Override
  public Future<?> start() {
    return mode.start(vertx)
        .compose(
            v ->
                vertx
                    .createHttpServer(new HttpServerOptions().setHttp2ClearTextEnabled(false))
                    .requestHandler(this::handle)
                    .listen(port, "127.0.0.1"));
  }

  private void handle(HttpServerRequest request) {
    if (request.method() == HttpMethod.PUT) {
      fetch(request);
    } else {
      mode.handle(request, answer.get());
    }
  }

  private void fetch(HttpServerRequest request) {
    vertx
        .executeBlocking(() -> Answer.read(directory))
        .onSuccess(
            read -> {
              answer.set(read);
              request.response().setStatusCode(204).end();
            })
        .onFailure(e -> request.response().setStatusCode(500).end(e.toString()));
  }

  public static void main(String[] arguments) throws IOException {
    String mode = arguments[0];
    int port = Integer.parseInt(arguments[1]);
    Path directory = Path.of(arguments[2]);
    int loops = Integer.parseInt(arguments[3]);
    MySQLConnectOptions database =
        MySQLConnectOptions.fromUri(arguments[4]).setCachePreparedStatements(true);
    Vertx vertx = Vertx.vertx();
    Pool pool =
        MySQLBuilder.pool()
            .with(new PoolOptions().setMaxSize(16))
            .connectingTo(database)
            .using(vertx)
            .build();
    AtomicReference<Answer> answer = new AtomicReference<>(Answer.read(directory));
    vertx
        .deployVerticle(
            () -> new Reference(mode(mode, database, pool), port, directory, answer),
            new DeploymentOptions().setInstances(loops))
        .onSuccess(id -> System.out.println("ready"))
        .onFailure(
            e -> {
              e.printStackTrace();
              System.exit(1);
            });
  }

  private static Mode mode(String name, MySQLConnectOptions database, Pool pool) {
    return switch (name) {
      case "A" -> new Bare();
      case "D" -> new Probed(database);
      case "B" -> new Reading(pool);
      default -> throw new IllegalArgumentException(name);
    };
  }
}
