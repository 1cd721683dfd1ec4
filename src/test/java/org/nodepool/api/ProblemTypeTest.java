package org.nodepool.api;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.json.JsonObject;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** The kinds of problems, as the OpenAPI document has them. */
class ProblemTypeTest {
  private final JsonObject components =
      OpenApiHandlers.read().toJsonObject().getJsonObject("components");

  @Test
  void the_document_knows_every_kind_of_problem() {
    JsonObject problem = components.getJsonObject("schemas").getJsonObject("Problem");
    List<?> types =
        problem.getJsonObject("properties").getJsonObject("type").getJsonArray("enum").getList();

    assertThat(Arrays.stream(ProblemType.values()).map(ProblemType::uri)).allMatch(types::contains);
  }

  @Test
  void the_document_has_a_response_for_every_kind_of_problem_with_its_status() {
    Map<String, Integer> statuses = new TreeMap<>();
    for (var response : components.getJsonObject("responses")) {
      JsonObject content = ((JsonObject) response.getValue()).getJsonObject("content");
      if (content != null) {
        JsonObject properties =
            content
                .getJsonObject(Failures.CONTENT_TYPE)
                .getJsonObject("schema")
                .getJsonObject("properties");
        int status = properties.getJsonObject("status").getInteger("const");
        JsonObject type = properties.getJsonObject("type");
        if (type.containsKey("const")) {
          statuses.put(type.getString("const"), status);
        } else {
          type.getJsonArray("enum").forEach(each -> statuses.put((String) each, status));
        }
      }
    }

    for (ProblemType type : ProblemType.values()) {
      assertThat(statuses).containsEntry(type.uri(), type.status);
    }
  }
}
