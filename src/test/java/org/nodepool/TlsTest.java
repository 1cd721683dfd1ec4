package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.List;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.nodepool.api.ApiVerticle.Tls;
import org.nodepool.api.BareApi;

/** HTTPS, with certificates that openssl makes. */
@RunsBesideOthers
@ExtendWith(VertxExtension.class)
class TlsTest {
  private static final String RSA = "rsa:2048";
  private static final String EC = "ec -pkeyopt ec_paramgen_curve:P-256";

  @TempDir static Path dir;

  private Vertx vertx;

  @BeforeAll
  static void make() throws Exception {
    openssl("req -x509 -newkey " + RSA + " -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=CA");
    Files.writeString(
        dir.resolve("ca.ext"), "basicConstraints=critical,CA:true\nkeyUsage=keyCertSign\n");
    Files.writeString(dir.resolve("server.ext"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
    issue("server", RSA, "ca", "server.ext");
    issue("intermediate", EC, "ca", "ca.ext");
    issue("leaf", EC, "intermediate", "server.ext");
    openssl("rsa -in server.key -traditional -out old.key");
    openssl("rsa -in server.key -aes128 -passout pass:hunter2 -out encrypted.key");
    Files.writeString(dir.resolve("chain.pem"), read("leaf.pem") + read("intermediate.pem"));
    Files.writeString(dir.resolve("turned.pem"), read("intermediate.pem") + read("leaf.pem"));
    Files.writeString(dir.resolve("no-chain.pem"), read("leaf.pem") + read("server.pem"));
    Files.writeString(dir.resolve("garbage"), "hunter2");
    Files.writeString(dir.resolve("empty"), "");
    Files.writeString(dir.resolve("cut.pem"), read("server.pem").substring(0, 200));
  }

  @BeforeEach
  void given(Vertx vertx) {
    this.vertx = vertx;
  }

  @Test
  void https_answers_in_http_1_1_to_whoever_trusts_the_authority() throws Exception {
    try (BareApi api = start("server.pem", "server.key")) {
      HttpResponse<String> answer = get(api, HttpClient.Version.HTTP_2);
      assertThat(answer.statusCode()).isEqualTo(200);
      assertThat(answer.body()).isEqualTo("{\"status\":\"ok\"}");
      assertThat(answer.version()).isEqualTo(HttpClient.Version.HTTP_1_1);
      assertThat(answer.sslSession().orElseThrow().getProtocol()).isEqualTo("TLSv1.3");
    }
  }

  @Test
  void a_chain_is_sent_whole() throws Exception {
    try (BareApi api = start("chain.pem", "leaf.key")) {
      assertThat(get(api, HttpClient.Version.HTTP_1_1).statusCode()).isEqualTo(200);
    }
  }

  @Test
  void files_that_change_are_read_again_and_what_cannot_be_used_changes_nothing() throws Exception {
    copy("server.pem", "now.pem");
    copy("server.key", "now.key");
    try (BareApi api = start("now.pem", "now.key")) {
      assertThat(certificate(api)).contains("CN=server");
      copy("chain.pem", "now.pem"); // without its key yet
      long twoLooks = System.nanoTime() + TimeUnit.SECONDS.toNanos(5);
      while (System.nanoTime() < twoLooks) {
        assertThat(certificate(api)).contains("CN=server");
      }
      copy("leaf.key", "now.key");
      Poll.until("it is the other one", () -> certificate(api).contains("CN=leaf"));
    }
  }

  private static void copy(String from, String to) throws IOException {
    Files.copy(dir.resolve(from), dir.resolve(to), StandardCopyOption.REPLACE_EXISTING);
  }

  private String certificate(BareApi api) throws Exception {
    HttpResponse<String> answer = get(api, HttpClient.Version.HTTP_1_1);
    return answer.sslSession().orElseThrow().getPeerPrincipal().getName();
  }

  @Test
  void keys_of_older_forms_are_read() throws Exception {
    assertThat(read("old.key")).contains("BEGIN RSA PRIVATE KEY");
    try (BareApi api = start("server.pem", "old.key")) {
      assertThat(get(api, HttpClient.Version.HTTP_1_1).statusCode()).isEqualTo(200);
    }
  }

  @Test
  void nothing_older_than_tls_1_2_is_spoken() throws Exception {
    try (BareApi api = start("server.pem", "server.key")) {
      for (String version : new String[] {"TLSv1.1", "TLSv1"}) {
        try (SSLSocket socket =
            (SSLSocket) trusting().getSocketFactory().createSocket("127.0.0.1", api.port())) {
          SSLParameters old = socket.getSSLParameters();
          old.setProtocols(new String[] {version});
          socket.setSSLParameters(old);
          assertThatThrownBy(socket::startHandshake).isInstanceOf(SSLHandshakeException.class);
        }
      }
    }
  }

  @Test
  void plain_http_on_the_port_gets_no_answer_and_the_connection_ends() throws Exception {
    try (BareApi api = start("server.pem", "server.key")) {
      for (String plain :
          List.of("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "x", "\r\n\r\n", "")) {
        try (Socket socket = new Socket()) {
          socket.connect(new InetSocketAddress("127.0.0.1", api.port()));
          socket.setSoTimeout(15_000); // a handshake may take ten seconds
          socket.getOutputStream().write(plain.getBytes());
          assertThat(new String(rest(socket.getInputStream()))).doesNotContain("HTTP", "status");
        }
      }
      assertThat(get(api, HttpClient.Version.HTTP_1_1).statusCode()).isEqualTo(200);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "nothing.pem,  server.key,     server.tls.cert: {nothing.pem} cannot be read",
    "server.pem,   nothing.key,    server.tls.key: {nothing.key} cannot be read",
    "server.pem,   .,              server.tls.key: {.} cannot be read",
    "server.key,   server.key,     server.tls.cert: {server.key} is no certificate in PEM form",
    "garbage,      server.key,     server.tls.cert: {garbage} is no certificate in PEM form",
    "empty,        server.key,     server.tls.cert: {empty} is no certificate in PEM form",
    "cut.pem,      server.key,     server.tls.cert: {cut.pem} is no certificate in PEM form",
    "server.pem,   server.pem,     server.tls.key: {server.pem} is no private key",
    "server.pem,   garbage,        server.tls.key: {garbage} is no private key",
    "server.pem,   empty,          server.tls.key: {empty} is no private key",
    "server.pem,   encrypted.key,  server.tls.key: {encrypted.key} is no private key",
    "server.pem,   ca.key,         server.tls.key: {ca.key} is not the key of the (first)",
    "server.pem,   leaf.key,       server.tls.key: {leaf.key} is no private key",
    "turned.pem,   leaf.key,       server.tls.key: {leaf.key} is not the key of the (first)",
    "no-chain.pem, leaf.key,       server.tls.cert: {no-chain.pem} is no chain",
  })
  void files_that_cannot_be_used_stop_the_start_and_are_named(
      String cert, String key, String message) {
    String named = message.substring(message.indexOf('{') + 1, message.indexOf('}'));
    assertThatThrownBy(() -> start(cert, key))
        .hasMessageContaining(message.replace("{" + named + "}", dir.resolve(named).toString()))
        .hasMessageNotContaining("hunter2")
        .hasMessageNotContaining("BEGIN");
  }

  private BareApi start(String cert, String key) {
    return new BareApi(vertx, new Tls(dir.resolve(cert), dir.resolve(key)), List.of(), null);
  }

  private HttpResponse<String> get(BareApi api, HttpClient.Version version) throws Exception {
    HttpClient client = HttpClient.newBuilder().sslContext(trusting()).version(version).build();
    URI uri = URI.create("https://127.0.0.1:" + api.port() + "/healthz");
    return client.send(HttpRequest.newBuilder(uri).build(), BodyHandlers.ofString());
  }

  /** Trusts the test's authority alone. */
  private SSLContext trusting() throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream pem = Files.newInputStream(dir.resolve("ca.pem"))) {
      store.setCertificateEntry(
          "ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
    }
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    return context;
  }

  /** What comes until the service closes, or resets, the connection. */
  private static byte[] rest(InputStream in) throws IOException {
    try {
      return in.readAllBytes();
    } catch (SocketException e) {
      return new byte[0];
    }
  }

  private static void issue(String name, String key, String by, String extensions)
      throws Exception {
    String subject = " -subj /CN=" + name;
    openssl(
        "req -newkey " + key + " -nodes -keyout " + name + ".key -out " + name + ".csr" + subject);
    openssl(
        "x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -CAcreateserial -days 2 -extfile %s -out %s.pem"
            .formatted(name, by, by, extensions, name));
  }

  private static String read(String name) throws IOException {
    return Files.readString(dir.resolve(name));
  }

  private static void openssl(String arguments) throws Exception {
    Process process =
        new ProcessBuilder(("openssl " + arguments).split(" "))
            .directory(dir.toFile())
            .redirectErrorStream(true)
            .redirectOutput(new File(dir.toFile(), "openssl.log"))
            .start();
    assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).as(arguments + read("openssl.log")).isZero();
  }
}
