package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.nodepool.api.DeclaredRoutes;

/** {@code auth.protect_reads}. */
@RunsBesideOthers
@Tag("both-databases")
class ProtectedReadsTest {
  private static final Path DIR = Scratch.dir("test-service-2");

  @Test
  void with_protect_reads_every_read_needs_the_login_and_tells_nothing_without() throws Exception {
    TestService service = TestService.start(DIR, "auth: {protect_reads: true}");
    try {
      service.empty();
      Http http = service.http();
      Http anonymous = http.anonymous();
      String node = "/v1/nodes/" + service.node("directory", 2);
      List<String> paths =
          new ArrayList<>(
              DeclaredRoutes.all().stream()
                  .filter(route -> route.startsWith("GET ") && !route.endsWith(" /healthz"))
                  .map(route -> route.replace("GET ", "").replace(":id", "999999"))
                  .toList());
      paths.addAll(List.of(node, "/v1/nodes?x=1"));
      for (String path : paths) {
        try (Wire wire = new Wire(http.port())) {
          for (String login : List.of("", Http.basic("admin:wrong"))) {
            Http.Answer answer = wire.ask("GET", path, "Authorization", login);
            assertThat(answer.status()).as(path).isEqualTo(401);
            Problems.check(answer, path.replace("?x=1", ""));
            assertThat(answer.header("WWW-Authenticate"))
                .isEqualTo("Basic realm=\"nodepool\", charset=\"UTF-8\"");
            Http.Answer head = wire.ask("HEAD", path, "Authorization", login);
            assertThat(head.status()).as(path).isEqualTo(401);
          }
        }
      }

      assertThat(http.get(node).status()).isEqualTo(200);
      assertThat(http.get("/v1/nodes").array()).hasSize(1);
      assertThat(http.get("/v1/nodes/999999").status()).isEqualTo(404);
      assertThat(http.get("/v1/nodes?x=1").status()).isEqualTo(400);
      assertThat(anonymous.get("/healthz").body()).isEqualTo("{\"status\":\"ok\"}");
      assertThat(anonymous.get("/v1/nope").status()).isEqualTo(404);
      assertThat(anonymous.send("OPTIONS", node, null, null).status()).isEqualTo(204);
      assertThat(anonymous.post("/v1/nodes").status()).isEqualTo(405);
    } finally {
      service.stop();
    }
  }
}
