package org.nodepool.ssh;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Proxy;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.Arrays;

/**
 * Looks whether an SSH server speaks, which needs nothing from us (RFC 4253, 4.2); passt yet
 * finishes a machine's connection only when we have said something. QEMU's user network accepts
 * connections long before the machine listens, and one that was made too early never gets better:
 * so looks are short, and each has its own.
 */
final class Banner {
  /** A server may say other lines before. */
  private static final int MOST_BYTES = 8 * 1024;

  private static final byte[] OURS = "SSH-2.0-nodepool\r\n".getBytes(ISO_8859_1);

  private final Target target;
  private final Stop stop;

  Banner(Target target, Stop stop) {
    this.target = target;
    this.stop = stop;
  }

  enum Sight {
    NO_CONNECTION,
    SILENCE,
    BANNER
  }

  /**
   * @param why for people, when there is no banner
   */
  record Look(Sight sight, String why) {}

  /** Looks for so long. */
  Look look(Duration limit) {
    Deadline deadline = new Deadline(limit);
    boolean isConnected = false;
    try (Socket socket = new Socket(Proxy.NO_PROXY)) {
      stop.ends(() -> close(socket));
      socket.connect(target.address(), millis(deadline));
      isConnected = true;
      socket.getOutputStream().write(OURS);
      return hasBanner(socket, deadline)
          ? new Look(Sight.BANNER, "")
          : new Look(Sight.SILENCE, "something else was said, or nothing");
    } catch (SocketTimeoutException e) {
      return new Look(isConnected ? Sight.SILENCE : Sight.NO_CONNECTION, "no answer");
    } catch (IOException e) {
      return new Look(isConnected ? Sight.SILENCE : Sight.NO_CONNECTION, e.getMessage());
    } finally {
      stop.endsNothing();
    }
  }

  private static boolean hasBanner(Socket socket, Deadline deadline) throws IOException {
    InputStream in = socket.getInputStream();
    var said = new ByteArrayOutputStream();
    byte[] chunk = new byte[1024];
    while (said.size() < MOST_BYTES && !deadline.isOver()) {
      socket.setSoTimeout(millis(deadline));
      int read = in.read(chunk);
      if (read < 0) {
        return false;
      }
      said.write(chunk, 0, read);
      if (Arrays.stream(said.toString(ISO_8859_1).split("\n"))
          .anyMatch(l -> l.startsWith("SSH-"))) {
        return true;
      }
    }
    return false;
  }

  private static int millis(Deadline deadline) {
    return (int) deadline.left(deadline.limit()).toMillis();
  }

  private static void close(Socket socket) {
    try {
      socket.close();
    } catch (IOException e) {
      // then it was closed before
    }
  }
}
