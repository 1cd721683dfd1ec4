package org.nodepool;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.http.HttpHeaders;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.GZIPInputStream;

/**
 * One connection to the service, byte by byte: for what a library's client would not send, and to
 * see which bytes come back. Text is sent as Latin-1, so that a char is a byte. Every answer is
 * held against the {@link Contract}, but those of {@link #readUnchecked}.
 */
final class Wire implements AutoCloseable {
  private static final AtomicInteger CONNECTIONS = new AtomicInteger();

  private final Socket socket;
  private final InputStream in;

  /**
   * From an address that nobody else comes from, of the 16 million that this machine is: whatever
   * is counted by address begins at nothing.
   */
  Wire(int port) throws IOException {
    this(port, 0);
  }

  /** With a receive buffer of that many bytes; 0 for the usual one. */
  Wire(int port, int bufferBytes) throws IOException {
    this(port, bufferBytes, ownAddress());
  }

  /** From that address of this machine. */
  Wire(int port, String address) throws IOException {
    this(port, 0, address);
  }

  private Wire(int port, int bufferBytes, String address) throws IOException {
    socket = new Socket();
    socket.bind(new InetSocketAddress(address, 0));
    if (bufferBytes > 0) {
      socket.setReceiveBufferSize(bufferBytes);
    }
    socket.connect(new InetSocketAddress("127.0.0.1", port));
    socket.setSoTimeout(10_000);
    socket.setTcpNoDelay(true);
    in = new BufferedInputStream(socket.getInputStream());
  }

  /** One that no other connection has come from. */
  static String ownAddress() {
    int number = CONNECTIONS.incrementAndGet();
    return "127.%d.%d.%d".formatted(1 + number / 62_500, number / 250 % 250, 1 + number % 250);
  }

  /** A request without a body; headers are pairs of name and value. */
  Http.Answer ask(String method, String target, String... headers) throws IOException {
    return ask(method, target, new byte[0], headers);
  }

  /** Content-Length is added when there is a body. */
  Http.Answer ask(String method, String target, byte[] body, String... headers) throws IOException {
    StringBuilder head =
        new StringBuilder(method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n");
    for (int i = 0; i < headers.length; i += 2) {
      head.append(headers[i]).append(": ").append(headers[i + 1]).append("\r\n");
    }
    if (body.length > 0) {
      head.append("Content-Length: ").append(body.length).append("\r\n");
    }
    ByteArrayOutputStream request = new ByteArrayOutputStream();
    request.writeBytes(head.append("\r\n").toString().getBytes(ISO_8859_1));
    request.writeBytes(body);
    send(request.toByteArray());
    return read(method, target);
  }

  void send(String text) throws IOException {
    send(text.getBytes(ISO_8859_1));
  }

  void send(byte[] bytes) throws IOException {
    socket.getOutputStream().write(bytes);
    socket.getOutputStream().flush();
  }

  /**
   * The next answer, which is to the request with this method and target; with its body, unless
   * that is a stream. Fails when there is none.
   */
  Http.Answer read(String method, String target) throws IOException {
    Http.Answer answer = method.equals("HEAD") ? readHead() : readUnchecked();
    Contract.SERVED.check(method, target, answer);
    return answer;
  }

  /** The next answer to what is no request, so that the contract has no place for it. */
  Http.Answer readUnchecked() throws IOException {
    Http.Answer head = readHead();
    String length = head.header("Content-Length");
    String body = "";
    if ("chunked".equals(head.header("Transfer-Encoding"))) {
      body = isStream(head) ? "" : new String(chunks(), UTF_8);
    } else if (length != null) {
      byte[] bytes = in.readNBytes(Integer.parseInt(length));
      body =
          new String(
              "gzip".equals(head.header("Content-Encoding")) ? unzipped(bytes) : bytes, UTF_8);
    } else if (head.status() != 204 && head.status() != 304 && head.status() / 100 != 1) {
      body = new String(in.readAllBytes(), UTF_8);
    }
    return new Http.Answer(head.status(), body, head.headers());
  }

  private static byte[] unzipped(byte[] bytes) throws IOException {
    try (GZIPInputStream zipped = new GZIPInputStream(new ByteArrayInputStream(bytes))) {
      return zipped.readAllBytes();
    }
  }

  /** The next answer as far as its body, which is read by {@link #chunk}. */
  Http.Answer readStreamHead() throws IOException {
    return readHead();
  }

  /** Whether an answer goes on for ever. */
  static boolean isStream(Http.Answer answer) {
    return "text/event-stream".equals(answer.header("Content-Type"));
  }

  /** The next answer as far as the blank line. */
  private Http.Answer readHead() throws IOException {
    String statusLine = line();
    Map<String, List<String>> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    for (String line = line(); !line.isEmpty(); line = line()) {
      String[] header = line.split(": *", 2);
      headers.computeIfAbsent(header[0], name -> new ArrayList<>()).add(header[1]);
    }
    int status = Integer.parseInt(statusLine.split(" ")[1]);
    return new Http.Answer(status, "", HttpHeaders.of(headers, (name, value) -> true));
  }

  private byte[] chunks() throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (byte[] chunk = chunk(); chunk.length > 0; chunk = chunk()) {
      all.writeBytes(chunk);
    }
    return all.toByteArray();
  }

  /** The next chunk of a chunked answer; empty at its end. */
  byte[] chunk() throws IOException {
    byte[] chunk = in.readNBytes(Integer.parseInt(line(), 16));
    line();
    return chunk;
  }

  private String line() throws IOException {
    StringBuilder line = new StringBuilder();
    for (int c = in.read(); c != '\n'; c = in.read()) {
      if (c < 0) {
        throw new EOFException("the service closed the connection after: " + line);
      }
      line.append((char) c);
    }
    return line.toString().strip();
  }

  /** What still comes until the service ends the connection. */
  byte[] rest() throws IOException {
    return in.readAllBytes();
  }

  /** How long a read waits. */
  void patience(int milliseconds) throws IOException {
    socket.setSoTimeout(milliseconds);
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
