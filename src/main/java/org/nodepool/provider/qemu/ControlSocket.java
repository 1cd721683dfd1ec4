package org.nodepool.provider.qemu;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonObject;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;

/**
 * The socket on which a machine takes commands (QMP). It serves one client at a time, and the next
 * one waits in silence: so one connects, asks, and leaves, and never waits for long.
 */
final class ControlSocket implements AutoCloseable {
  private static final Duration LIMIT = Duration.ofSeconds(5);
  private static final long PAUSE_MS = 5;
  private static final int MOST_BYTES = 1 << 20;

  private final SocketChannel channel;
  private final long end = System.nanoTime() + LIMIT.toNanos();
  private final ByteBuffer read = ByteBuffer.allocate(4096).flip();

  /** By way of the process, for the path of a socket may have 107 bytes and no more. */
  private ControlSocket(long pid) throws IOException {
    Path socket = Path.of("/proc", Long.toString(pid), "cwd", MachineDirectory.CONTROL_SOCKET);
    channel = SocketChannel.open(StandardProtocolFamily.UNIX);
    try {
      channel.configureBlocking(false); // with many that wait, a connect would wait, too
      if (!channel.connect(UnixDomainSocketAddress.of(socket))) {
        throw new IOException("the machine's control socket is busy");
      }
    } catch (IOException e) {
      channel.close();
      throw e;
    }
  }

  /**
   * Has a machine do that. Blocks, a few seconds at most.
   *
   * @param pid of the machine's process
   * @throws IOException when nobody listens there, or answers in time, or the answer is an error
   */
  static void execute(long pid, String command) throws IOException {
    try (ControlSocket socket = new ControlSocket(pid)) {
      socket.answer(); // it greets
      socket.ask("qmp_capabilities");
      socket.ask(command);
    }
  }

  private void ask(String command) throws IOException {
    ByteBuffer line =
        ByteBuffer.wrap((new JsonObject().put("execute", command).encode() + "\n").getBytes(UTF_8));
    while (line.hasRemaining()) {
      channel.write(line);
      checkTime();
    }
    JsonObject answer = answer();
    while (answer.containsKey("event")) {
      answer = answer();
    }
    if (!answer.containsKey("return")) {
      throw new IOException("the machine refused %s: %s".formatted(command, answer.encode()));
    }
  }

  private JsonObject answer() throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    while (true) {
      while (read.hasRemaining()) {
        byte next = read.get();
        if (next == '\n') {
          return json(line.toString(UTF_8));
        }
        line.write(next);
      }
      if (line.size() > MOST_BYTES) {
        throw new IOException("the machine's answer is too long");
      }
      fill();
    }
  }

  private static JsonObject json(String text) throws IOException {
    try {
      return new JsonObject(text);
    } catch (DecodeException e) {
      throw new IOException("the machine's answer is not JSON", e);
    }
  }

  private void fill() throws IOException {
    read.clear();
    int bytes = channel.read(read);
    read.flip();
    if (bytes < 0) {
      throw new EOFException("the machine has ended");
    }
    checkTime();
  }

  /** For the next byte; what goes on without end is cut off. */
  private void checkTime() throws IOException {
    if (System.nanoTime() > end) {
      throw new SocketTimeoutException("no answer on the machine's control socket");
    }
    if (!read.hasRemaining()) {
      Pauses.pause(PAUSE_MS);
    }
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
