package org.nodepool;

import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A client of the service, as plain as curl. A call is made with the login unless it is said. Every
 * answer is held against the {@link Contract}.
 */
public final class Http {
  /** An answer; {@code body} is its text. */
  public record Answer(int status, String body, java.net.http.HttpHeaders headers) {
    /** All but the time, which two answers need not have in common. */
    public Map<String, List<String>> steadyHeaders() {
      Map<String, List<String>> steady = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
      steady.putAll(headers.map());
      steady.remove("Date");
      return steady;
    }

    public JsonObject json() {
      return new JsonObject(body);
    }

    public JsonArray array() {
      return new JsonArray(body);
    }

    /** The ids of a list's objects, in its order; fails when it is no list. */
    public List<Long> ids() {
      if (status != 200) {
        throw new AssertionError("no list: " + status + " " + body);
      }
      return array().stream().map(row -> ((JsonObject) row).getLong("id")).toList();
    }

    /** Null when it is not there. */
    public String header(String name) {
      return headers.firstValue(name).orElse(null);
    }

    /** The end of the problem's type; fails when it is no problem. */
    public String slug() {
      if (!"application/problem+json".equals(header("Content-Type"))) {
        throw new AssertionError("no problem: " + status + " " + body);
      }
      return json().getString("type").replace("urn:nodepool:problem:", "");
    }

    /** The row that was made. */
    public String location() {
      return header("Location");
    }

    /** The path of the job that goes on with it. */
    public String job() {
      String link = header("Link");
      return link.substring(1, link.indexOf('>'));
    }
  }

  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final int port;
  private final String login;
  private final boolean isChecked;

  public Http(int port, String user, String password) {
    this(port, user == null ? null : basic(user + ":" + password), true);
  }

  private Http(int port, String login, boolean isChecked) {
    this.port = port;
    this.login = login;
    this.isChecked = isChecked;
  }

  /** The same for a server of a test's own, whose answers no contract is about. */
  public Http unchecked() {
    return new Http(port, login, false);
  }

  static String basic(String userAndPassword) {
    return "Basic "
        + Base64.getEncoder().encodeToString(userAndPassword.getBytes(StandardCharsets.UTF_8));
  }

  /** The same without a login. */
  public Http anonymous() {
    return new Http(port, null, isChecked);
  }

  public Answer get(String path) {
    return send("GET", path, null, null);
  }

  public Answer put(String path, String form) {
    return form("PUT", path, form);
  }

  public Answer post(String path, String form) {
    return form("POST", path, form);
  }

  public Answer post(String path) {
    return send("POST", path, null, null);
  }

  public Answer delete(String path) {
    return send("DELETE", path, null, null);
  }

  private Answer form(String method, String path, String form) {
    return send(method, path, "application/x-www-form-urlencoded", form);
  }

  /**
   * Any request; headers are pairs of name and value, and an Authorization among them takes the
   * login's place.
   */
  public Answer send(String method, String path, String type, String body, String... headers) {
    byte[] bytes = body == null ? new byte[0] : body.getBytes(StandardCharsets.UTF_8);
    return sendBytes(method, path, type, bytes, headers);
  }

  /** As {@link #send}, of a body that need not be text. */
  public Answer sendBytes(String method, String path, String type, byte[] body, String... headers) {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
            .timeout(Duration.ofSeconds(30))
            .method(
                method,
                body.length == 0 ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body));
    if (type != null) {
      request.setHeader("Content-Type", type);
    }
    if (login != null) {
      request.setHeader("Authorization", login);
    }
    for (int i = 0; i < headers.length; i += 2) {
      request.setHeader(headers[i], headers[i + 1]);
    }
    try {
      HttpResponse<String> response = client.send(request.build(), BodyHandlers.ofString());
      Answer answer = new Answer(response.statusCode(), response.body(), response.headers());
      if (isChecked) {
        Contract.SERVED.check(method, path, answer);
      }
      return answer;
    } catch (IOException e) {
      throw new AssertionError(method + " " + path + " got no answer", e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  public int port() {
    return port;
  }
}
