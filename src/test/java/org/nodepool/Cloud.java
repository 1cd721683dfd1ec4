package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/**
 * A real OpenStack of Keystone and Glance on this machine, as {@code src/test/openstack/up.sh}
 * makes it. It ends with this JVM, however that ends.
 */
final class Cloud {
  static final String USER = "nodepool";
  static final String PASSWORD = "nodepool-secret";
  static final String PROJECT = "nodepool";

  private static final Path ALL = Scratch.dir("openstack");
  private static final Path TEMPLATE = Path.of("target/openstack-template").toAbsolutePath();
  private static final Path SCRIPTS = Path.of("src/test/openstack").toAbsolutePath();

  private static Cloud shared;

  private final Path dir;
  private final int identityPort = FreePort.next();
  private final int imagePort = FreePort.next();
  private final CloudProxy identityProxy = new CloudProxy(identityPort);
  private final CloudProxy imageProxy = new CloudProxy(imagePort);
  private final Map<String, String> options;
  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  private Cloud(String name, Map<String, String> options) {
    this.dir = ALL.resolve(name);
    this.options = options;
  }

  /** The one that all tests share; started by the first. */
  static synchronized Cloud shared() {
    if (shared == null) {
      shared = start("shared", Map.of());
    }
    return shared;
  }

  /**
   * An empty one.
   *
   * @param options variables of up.sh, as {@code TOKEN_SECONDS}
   */
  static Cloud start(String name, Map<String, String> options) {
    Cloud made = new Cloud(name, options);
    made.script("down.sh", "--wipe");
    made.stay();
    return made;
  }

  private void stay() {
    try {
      Files.createDirectories(dir);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    File log = ALL.resolve(dir.getFileName() + ".log").toFile();
    Process up =
        keep(
            builder("setpriv", "--pdeathsig", "TERM", SCRIPTS.resolve("up.sh").toString(), "--stay")
                .redirectOutput(Redirect.to(log))
                .redirectErrorStream(true));
    Poll.until(
        "the cloud is up; see " + log,
        () -> {
          assertThat(up.isAlive())
              .as("up.sh runs; it said: %s", Files.readString(log.toPath()))
              .isTrue();
          return Files.readString(log.toPath()).contains("Image at");
        });
  }

  /** Started by a thread that lives as long as this JVM: with it, by the kernel, ends the child. */
  private static Process keep(ProcessBuilder builder) {
    CompletableFuture<Process> started = new CompletableFuture<>();
    Thread keeper =
        new Thread(
            () -> {
              try {
                started.complete(builder.start());
                started.join().onExit().join();
              } catch (IOException e) {
                started.completeExceptionally(e);
              }
            },
            "openstack");
    keeper.setDaemon(true);
    keeper.start();
    return started.join();
  }

  private ProcessBuilder builder(String... command) {
    ProcessBuilder builder = new ProcessBuilder(command).redirectInput(new File("/dev/null"));
    builder.environment().put("OSTACK_RUN", dir.toString());
    builder.environment().put("TEMPLATE", TEMPLATE.toString());
    builder.environment().put("KS_PORT", Integer.toString(identityPort));
    builder.environment().put("GL_PORT", Integer.toString(imagePort));
    builder.environment().put("IMAGE_URL", "http://127.0.0.1:" + imageProxy.port());
    builder.environment().putAll(options);
    return builder;
  }

  private void script(String script, String... arguments) {
    try {
      Files.createDirectories(ALL);
      List<String> command = new ArrayList<>();
      command.add(SCRIPTS.resolve(script).toString());
      command.addAll(List.of(arguments));
      Process process = builder(command.toArray(String[]::new)).redirectErrorStream(true).start();
      String said = new String(process.getInputStream().readAllBytes());
      assertThat(process.waitFor()).as("%s: %s", command, said).isZero();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** Ends it; what it holds is gone. */
  void stop() {
    script("down.sh", "--wipe");
  }

  /** Ends Glance; what it holds stays. */
  void stopGlance() {
    script("down.sh", "glance");
  }

  /** Starts what does not run. */
  void start() {
    script("up.sh");
  }

  /** Sends a signal to {@code glance} or {@code keystone}, with its children. */
  void signal(String service, String signal) {
    try {
      String pid = Files.readString(dir.resolve("pid/" + service)).split(" ")[0];
      ServiceProcess.run("bash", "-c", "kill -s $0 -- -$1", signal, pid);
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  /** Where Glance keeps its data. */
  Path store() {
    return dir.resolve("images");
  }

  /** Before Identity. */
  CloudProxy identity() {
    return identityProxy;
  }

  /** Before Image. */
  CloudProxy image() {
    return imageProxy;
  }

  /** Nothing goes wrong any more. */
  void mend() {
    identityProxy.reset();
    imageProxy.reset();
  }

  /** Without a version. */
  String authUrl() {
    return "http://127.0.0.1:" + identityProxy.port();
  }

  private String identityUrl() {
    return "http://127.0.0.1:%d/v3".formatted(identityPort);
  }

  /**
   * An entry of nodepool.yaml.
   *
   * @param lines of which the last ones count, among them {@code images}
   */
  String provider(String name, String... lines) {
    List<String> all =
        new ArrayList<>(
            List.of(
                "name: " + name,
                "username: " + USER,
                "password: " + PASSWORD,
                "project-name: " + PROJECT,
                "auth-url: " + authUrl(),
                "region-name: RegionOne",
                "rate: 0"));
    all.addAll(List.of(lines));
    return "  - " + String.join("\n    ", all) + "\n";
  }

  /** What the project has, in no order. */
  List<JsonObject> images() {
    JsonObject answer = ask("GET", "/v2/images?limit=1000&visibility=all", null);
    return answer.getJsonArray("images").stream().map(JsonObject.class::cast).toList();
  }

  /** What the project has of that name. */
  List<JsonObject> images(String name) {
    return images().stream().filter(image -> name.equals(image.getString("name"))).toList();
  }

  JsonObject image(String id) {
    return ask("GET", "/v2/images/" + id, null);
  }

  /** Makes an image without data; its id. */
  String makeImage(String name) {
    return makeImage(name, Map.of());
  }

  /** As above, with these properties. */
  String makeImage(String name, Map<String, String> properties) {
    JsonObject image =
        new JsonObject()
            .put("name", name)
            .put("disk_format", "raw")
            .put("container_format", "bare");
    properties.forEach(image::put);
    return ask("POST", "/v2/images", image).getString("id");
  }

  void delete(String id) {
    ask("DELETE", "/v2/images/" + id, null);
  }

  /** From now on it can be deleted, or not. */
  void protect(String id, boolean isProtected) {
    send(
        request("/v2/images/" + id)
            .header("Content-Type", "application/openstack-images-v2.1-json-patch")
            .method(
                "PATCH",
                BodyPublishers.ofString(
                    new JsonArray()
                        .add(
                            new JsonObject()
                                .put("op", "replace")
                                .put("path", "/protected")
                                .put("value", isProtected))
                        .encode())));
  }

  /** An application credential of the user's; its id and secret. */
  JsonObject applicationCredential(String name) {
    HttpResponse<String> login = logIn();
    String user =
        new JsonObject(login.body()).getJsonObject("token").getJsonObject("user").getString("id");
    JsonObject body =
        new JsonObject().put("application_credential", new JsonObject().put("name", name));
    HttpResponse<String> made =
        send(
            HttpRequest.newBuilder(
                    URI.create(identityUrl() + "/users/" + user + "/application_credentials"))
                .header("X-Auth-Token", login.headers().firstValue("X-Subject-Token").get())
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(body.encode())));
    return new JsonObject(made.body()).getJsonObject("application_credential");
  }

  private HttpResponse<String> logIn() {
    JsonObject domain = new JsonObject().put("id", "default");
    JsonObject auth =
        new JsonObject()
            .put(
                "identity",
                new JsonObject()
                    .put("methods", new JsonArray().add("password"))
                    .put(
                        "password",
                        new JsonObject()
                            .put(
                                "user",
                                new JsonObject()
                                    .put("name", USER)
                                    .put("password", PASSWORD)
                                    .put("domain", domain))))
            .put(
                "scope",
                new JsonObject()
                    .put("project", new JsonObject().put("name", PROJECT).put("domain", domain)));
    return send(
        HttpRequest.newBuilder(URI.create(identityUrl() + "/auth/tokens"))
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString(new JsonObject().put("auth", auth).encode())));
  }

  private HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + imagePort + path))
        .header("X-Auth-Token", logIn().headers().firstValue("X-Subject-Token").get());
  }

  private JsonObject ask(String method, String path, JsonObject body) {
    HttpRequest.Builder request =
        request(path)
            .header("Content-Type", "application/json")
            .method(
                method,
                body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body.encode()));
    String answer = send(request).body();
    return answer.isEmpty() ? new JsonObject() : new JsonObject(answer);
  }

  private HttpResponse<String> send(HttpRequest.Builder request) {
    try {
      HttpResponse<String> answer = client.send(request.build(), BodyHandlers.ofString());
      assertThat(answer.statusCode()).as(answer.body()).isBetween(200, 299);
      return answer;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
