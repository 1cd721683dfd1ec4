package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Vertx;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.core.json.pointer.JsonPointer;
import io.vertx.json.schema.Draft;
import io.vertx.json.schema.JsonSchema;
import io.vertx.json.schema.JsonSchemaOptions;
import io.vertx.json.schema.OutputFormat;
import io.vertx.json.schema.SchemaRepository;
import io.vertx.json.schema.Validator;
import io.vertx.junit5.VertxExtension;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.api.DeclaredRoutes;

/** The document at {@code /openapi.json}. */
@ExtendWith(VertxExtension.class)
class OpenApiTest {
  private static final String OPENAPI = "https://spec.openapis.org/oas/3.1/schema/2022-10-07";
  private static final Pattern PARAMETER = Pattern.compile("\\{(\\w+)}");

  private final JsonObject document = Contract.DOCUMENT;

  @Test
  void it_is_served_as_it_is() {
    Http.Answer answer = TestService.shared().http().anonymous().get("/openapi.json");

    assertThat(answer.status()).isEqualTo(200);
    assertThat(answer.header("Content-Type")).isEqualTo("application/json");
    assertThat(answer.json()).isEqualTo(document);
  }

  @Test
  void it_takes_no_parameters() {
    Http.Answer answer = TestService.shared().http().get("/openapi.json?x=1");

    assertThat(answer.slug()).isEqualTo("bad-value");
  }

  @Test
  void its_version_is_the_projects() throws IOException {
    String pom = Files.readString(Path.of("pom.xml"));
    String version = pom.split("<artifactId>nodepool</artifactId>\\s*<version>")[1].split("<")[0];

    assertThat(document.getJsonObject("info").getString("version")).isEqualTo(version);
  }

  @Test
  void it_is_valid_openapi_3_1(Vertx vertx) throws IOException {
    assertThat(faults(vertx, document)).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/info/title",
        "/paths/~1v1~1nodes/get/responses/200/description",
        "/paths/~1v1~1nodes~1{id}/put/requestBody/content",
        "/components/parameters/Id/in",
        "/components/securitySchemes/administrator/scheme"
      })
  void without_what_openapi_requires_it_would_not_be_valid(String pointer, Vertx vertx)
      throws IOException {
    JsonObject broken = document.copy();
    remove(broken, pointer);

    assertThat(faults(vertx, broken)).isNotEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/components/schemas/Problem/type",
        "/components/schemas/Problem/properties/title/type",
        "/components/headers/Monitor/schema/type",
        "/paths/~1v1~1events/get/responses/200/content/text~1event-stream/schema/type",
        "/paths/~1v1~1events/get/parameters/0/schema/type"
      })
  void with_a_type_that_there_is_not_it_would_not_be_valid(String pointer, Vertx vertx)
      throws IOException {
    JsonObject broken = document.copy();
    assertThat(JsonPointer.from(pointer).queryJson(broken)).isNotNull();
    JsonPointer.from(pointer).writeJson(broken, "thing");

    assertThat(faults(vertx, broken)).isNotEmpty();
  }

  @Test
  void every_route_is_in_it_and_every_operation_in_it_is_a_route() {
    assertThat(Contract.SERVED.operations())
        .containsExactlyInAnyOrderElementsOf(DeclaredRoutes.all());
  }

  @Test
  void every_operation_has_a_name_of_its_own_and_says_what_it_is_about() {
    Set<Object> tags = Set.copyOf(values(document.getJsonArray("tags"), "name"));
    List<String> names = new ArrayList<>();
    for (Operation operation : operations()) {
      names.add(operation.json().getString("operationId"));
      assertThat(operation.json().getString("summary")).as(operation.name()).isNotBlank();
      assertThat(tags).as(operation.name()).containsAll(operation.json().getJsonArray("tags"));
    }

    assertThat(names).doesNotContainNull().doesNotHaveDuplicates();
  }

  @Test
  void what_needs_the_login_says_so_and_the_others_say_that_they_may() {
    List<String> secret =
        DeclaredRoutes.withLogin().stream().map(route -> route.replaceAll(":\\w+", "{}")).toList();
    JsonArray needed = new JsonArray("[{\"administrator\": []}]");
    JsonArray optional = new JsonArray("[{}, {\"administrator\": []}]");
    for (Operation operation : operations()) {
      JsonArray security = operation.json().getJsonArray("security");
      if (operation.name().equals("get /healthz")) {
        assertThat(security).isEmpty();
        continue;
      }
      assertThat(security)
          .as(operation.name())
          .isEqualTo(secret.contains(operation.declared()) ? needed : optional);
      assertThat(operation.json().getJsonObject("responses").fieldNames()).contains("401");
    }
  }

  @Test
  void the_parameters_of_a_path_are_declared() {
    for (var path : document.getJsonObject("paths")) {
      List<String> names = new ArrayList<>();
      for (Object each : ((JsonObject) path.getValue()).getJsonArray("parameters")) {
        String reference = ((JsonObject) each).getString("$ref");
        JsonObject parameter = (JsonObject) (reference == null ? each : at(reference.substring(1)));
        if (parameter.getString("in").equals("path")) {
          names.add(parameter.getString("name"));
        }
      }
      assertThat(names)
          .as(path.getKey())
          .isEqualTo(PARAMETER.matcher(path.getKey()).results().map(m -> m.group(1)).toList());
    }
  }

  @Test
  void every_example_fits_its_schema() {
    List<String> examples = new ArrayList<>();
    checkExamples("", document, examples);

    assertThat(examples).hasSizeGreaterThan(10);
  }

  /** Where there are a schema and examples side by side, down from here. */
  private static void checkExamples(String where, JsonObject json, List<String> seen) {
    if (json.getValue("examples") instanceof JsonObject examples) {
      Validator schema = Contract.SERVED.validator(json.getJsonObject("schema"));
      for (var example : examples) {
        seen.add(where + "/" + example.getKey());
        Object value = ((JsonObject) example.getValue()).getValue("value");
        assertThat(Contract.faults(schema, value)).as(where + "/" + example.getKey()).isEmpty();
        if (where.endsWith("text/event-stream")) {
          checkEvents((String) value);
        }
      }
      return;
    }
    for (var entry : json) {
      if (entry.getValue() instanceof JsonObject inner) {
        checkExamples(where + "/" + entry.getKey(), inner, seen);
      }
    }
  }

  private static void checkEvents(String stream) {
    List<MatchResult> events =
        Pattern.compile("(?m)^data: (.*)$").matcher(stream).results().toList();
    assertThat(events).isNotEmpty();
    events.forEach(event -> Contract.SERVED.checkEvent(new JsonObject(event.group(1))));
  }

  private record Operation(String name, String method, JsonObject json) {
    /** As {@link DeclaredRoutes} has it, without the names of parameters. */
    String declared() {
      String path = name.substring(method.length());
      return method.toUpperCase(Locale.ROOT) + PARAMETER.matcher(path).replaceAll("{}");
    }
  }

  private List<Operation> operations() {
    List<Operation> operations = new ArrayList<>();
    for (var path : document.getJsonObject("paths")) {
      for (var entry : (JsonObject) path.getValue()) {
        if (entry.getValue() instanceof JsonObject operation) {
          String name = entry.getKey() + " " + path.getKey();
          operations.add(new Operation(name, entry.getKey(), operation));
        }
      }
    }
    assertThat(operations).hasSizeGreaterThan(10);
    return operations;
  }

  private static List<Object> values(JsonArray objects, String key) {
    return objects.stream().map(object -> ((JsonObject) object).getValue(key)).toList();
  }

  private Object at(String pointer) {
    return JsonPointer.from(pointer).queryJson(document);
  }

  private static void remove(JsonObject json, String pointer) {
    int last = pointer.lastIndexOf('/');
    JsonObject parent = (JsonObject) JsonPointer.from(pointer.substring(0, last)).queryJson(json);
    assertThat(parent.remove(pointer.substring(last + 1))).isNotNull();
  }

  /** What the schemas of OpenAPI and of JSON Schema say against a document. */
  private static List<String> faults(Vertx vertx, JsonObject document) throws IOException {
    SchemaRepository schemas =
        SchemaRepository.create(
            new JsonSchemaOptions()
                .setBaseUri("urn:nodepool:openapi")
                .setDraft(Draft.DRAFT202012)
                .setOutputFormat(OutputFormat.Basic));
    schemas.preloadMetaSchema(vertx.fileSystem(), Draft.DRAFT202012);
    schemas.dereference(OPENAPI, JsonSchema.of(openApiSchema()));
    Validator jsonSchema = schemas.validator("https://json-schema.org/draft/2020-12/schema");
    List<String> faults = new ArrayList<>(Contract.faults(schemas.validator(OPENAPI), document));
    schemas(document).forEach(schema -> faults.addAll(Contract.faults(jsonSchema, schema)));
    return faults;
  }

  /** All that stands in the place of a schema. */
  private static List<Object> schemas(JsonObject document) {
    List<Object> schemas = new ArrayList<>();
    document
        .getJsonObject("components")
        .getJsonObject("schemas")
        .forEach(entry -> schemas.add(entry.getValue()));
    collect("schema", document, schemas);
    assertThat(schemas).hasSizeGreaterThan(40);
    return schemas;
  }

  private static void collect(String key, Object json, List<Object> values) {
    if (json instanceof JsonArray array) {
      array.forEach(item -> collect(key, item, values));
    } else if (json instanceof JsonObject object) {
      for (var entry : object) {
        if (entry.getKey().equals(key)) {
          values.add(entry.getValue());
        } else {
          collect(key, entry.getValue(), values);
        }
      }
    }
  }

  /** The official one, from the library that has it. */
  private static JsonObject openApiSchema() throws IOException {
    String file = "/" + OPENAPI.replace("https://", "");
    try (InputStream in = OpenApiTest.class.getResourceAsStream(file)) {
      return new JsonObject(new String(in.readAllBytes(), StandardCharsets.UTF_8));
    }
  }
}
