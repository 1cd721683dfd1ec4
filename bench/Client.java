import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Many connections to one server, in one thread, with as little work as can be: it shares the
 * machine with what it measures. Of an answer it takes the status and the ETag, and knows only
 * HTTP/1.1 with a Content-Length or without a body, as the service answers.
 */
abstract class Client {
  /** One request at a time. */
  static final class Connection {
    private static final byte[] END = {'\r', '\n', '\r', '\n'};
    private static final Pattern LENGTH =
        Pattern.compile("\r\ncontent-length: *([0-9]+)", Pattern.CASE_INSENSITIVE);
    private static final Pattern ETAG =
        Pattern.compile("\r\netag: *([^\r]+)", Pattern.CASE_INSENSITIVE);

    private final SocketChannel channel;
    private final byte[] head = new byte[2048];
    private int headLength;
    private boolean isInBody;
    private long bodyLeft;
    private boolean isBusy;
    private long due;
    private int status;

    /** How often it was woken; for those that wait. */
    int wakes;

    private Connection(InetSocketAddress server) throws IOException {
      channel = SocketChannel.open(server);
      channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
      channel.configureBlocking(false);
    }

    /** Whether an answer is to come. */
    boolean isBusy() {
      return isBusy;
    }

    boolean isOpen() {
      return channel.isOpen();
    }

    /** When the request should have been sent. */
    long due() {
      return due;
    }

    int status() {
      return status;
    }

    /** Of the answer; null without one. */
    String etag() {
      Matcher etag = ETAG.matcher(head());
      return etag.find() ? etag.group(1) : null;
    }

    private String head() {
      return new String(head, 0, headLength, StandardCharsets.ISO_8859_1);
    }

    /** Whether the answer is complete. */
    private boolean read(ByteBuffer in) throws IOException {
      int read;
      do {
        in.clear();
        read = channel.read(in);
        if (read < 0) {
          throw new IOException("closed by the server");
        }
        if (read > 0 && !isBusy) {
          throw new IOException("an answer that nobody asked for");
        }
        in.flip();
        while (!isInBody && in.hasRemaining()) {
          head[headLength++] = in.get();
          if (headLength >= END.length
              && Arrays.equals(head, headLength - END.length, headLength, END, 0, END.length)) {
            beginBody();
          }
        }
        bodyLeft -= in.remaining();
      } while (read == in.capacity());
      return isInBody && bodyLeft <= 0;
    }

    private void beginBody() {
      String text = head();
      status = Integer.parseInt(text.substring(9, 12));
      Matcher length = LENGTH.matcher(text);
      bodyLeft = status != 304 && length.find() ? Long.parseLong(length.group(1)) : 0;
      isInBody = true;
    }
  }

  private final ByteBuffer in = ByteBuffer.allocateDirect(1 << 18);
  private final Selector selector = Selector.open();
  private final URI uri;
  private final List<Connection> connections = new ArrayList<>();
  private int errors;

  Client(String url, int count) throws IOException {
    uri = URI.create(url);
    for (int i = 0; i < count; i++) {
      connections.add(connect());
    }
  }

  private Connection connect() throws IOException {
    Connection connection = new Connection(new InetSocketAddress(uri.getHost(), uri.getPort()));
    connection.channel.register(selector, SelectionKey.OP_READ, connection);
    return connection;
  }

  final List<Connection> connections() {
    return connections;
  }

  final int errors() {
    return errors;
  }

  /**
   * A poll.
   *
   * @param headers each ends its line
   */
  final byte[] request(String headers) {
    return "GET %s HTTP/1.1\r\nHost: %s:%d\r\n%s\r\n"
        .formatted(uri.getPath(), uri.getHost(), uri.getPort(), headers)
        .getBytes(StandardCharsets.ISO_8859_1);
  }

  final void send(Connection connection, byte[] request, long due) {
    connection.due = due;
    connection.isBusy = true;
    connection.headLength = 0;
    connection.isInBody = false;
    connection.bodyLeft = 0;
    try {
      // some hundred bytes always fit into what is empty
      if (connection.channel.write(ByteBuffer.wrap(request)) != request.length) {
        throw new IOException("a request could not be written at once");
      }
    } catch (IOException e) {
      replace(connection, e);
    }
  }

  /** Counts an error; the first few are told. */
  final void error(String what) {
    errors++;
    if (errors <= 5) {
      System.err.println("bench: " + uri + ": " + what);
    }
  }

  final void forgetErrors() {
    errors = 0;
  }

  /** Sends what is due. */
  abstract void tick(long now);

  /** The answer is there. */
  abstract void answered(Connection connection, long now);

  /** The connection stands for one that broke, so that the load stays the same. */
  abstract void connected(Connection connection);

  private void replace(Connection connection, IOException reason) {
    error(reason.toString());
    try {
      connection.channel.close();
      Connection next = connect();
      connections.set(connections.indexOf(connection), next);
      connected(next);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Works until then. A request is sent at most a millisecond late, which its latency includes. */
  final void runUntil(long end) throws IOException {
    for (long now = System.nanoTime(); now < end; now = System.nanoTime()) {
      tick(now);
      selector.select(this::read, 1);
    }
  }

  private void read(SelectionKey key) {
    Connection connection = (Connection) key.attachment();
    try {
      if (connection.read(in)) {
        connection.isBusy = false;
        answered(connection, System.nanoTime());
      }
    } catch (IOException e) {
      replace(connection, e);
    }
  }

  final void close() throws IOException {
    for (Connection connection : connections) {
      connection.channel.close();
    }
    selector.close();
  }
}
