package org.nodepool;

import static com.tngtech.archunit.core.domain.JavaModifier.FINAL;
import static com.tngtech.archunit.core.domain.JavaModifier.SYNTHETIC;
import static com.tngtech.archunit.core.domain.properties.CanBeAnnotated.Predicates.annotatedWith;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaType;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.nodepool.model.AttemptEnd;
import org.nodepool.model.Problem;

/** The rooms of the house, and who may know whom; docs/architecture.md draws them. */
class ArchitectureTest {
  private static final String BASE = "org.nodepool";
  private static final JavaClasses CODE =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages(BASE);
  private static final JavaClasses TESTS =
      new ClassFileImporter()
          .withImportOption(new ImportOption.OnlyIncludeTests())
          .importPackages(BASE);

  /** A class that no round of pom.xml runs, or runs without the packaged service, shows nothing. */
  @Test
  void every_class_of_tests_is_run() {
    ArchCondition<JavaClass> beRun =
        new ArchCondition<>("be run by one of the rounds") {
          @Override
          public void check(JavaClass item, ConditionEvents events) {
            boolean isMarked =
                item.isAnnotatedWith(RunsBesideOthers.class)
                    || item.isAnnotatedWith(RunsAlone.class);
            boolean isRun =
                item.getSimpleName().endsWith("Test")
                    || item.getSimpleName().endsWith("IT") && isMarked;
            events.add(new SimpleConditionEvent(item, isRun, item.getName()));
          }
        };
    classes()
        .that()
        .containAnyMethodsThat(
            annotatedWith(Test.class)
                .or(annotatedWith(ParameterizedTest.class))
                .or(annotatedWith(Property.class)))
        .should(beRun)
        .check(TESTS);
  }

  @Test
  void the_model_is_plain_java() {
    room("model").knowsOnly("java..").check();
  }

  @Test
  void the_configuration_knows_no_room() {
    room("config").knowsOnly("java..", "org.yaml.snakeyaml..", "org.slf4j..").check();
  }

  @Test
  void the_store_knows_the_model() {
    room("store").knowsNoRoomBut("model").check();
  }

  @Test
  void the_view_knows_the_store() {
    room("view").knowsNoRoomBut("model", "store").andLibraries("io.netty.buffer..").check();
  }

  @Test
  void events_know_the_store_and_the_view() {
    room("events").knowsNoRoomBut("model", "store", "view").check();
  }

  @Test
  void a_provider_knows_its_configuration() {
    room("provider").knowsNoRoomBut("model", "config").andLibraries("org.jsoup..").check();
  }

  @Test
  void jobs_know_the_store_and_the_providers() {
    room("jobs").knowsNoRoomBut("model", "config", "store", "provider").check();
  }

  @Test
  void the_api_knows_no_provider_and_no_configuration() {
    room("api")
        .knowsNoRoomBut("model", "store", "view", "events", "jobs", "api.http")
        .andLibraries(
            "javax.crypto..",
            "javax.net.ssl..",
            "org.bouncycastle..",
            "io.netty.channel..",
            "io.micrometer..")
        .check();
  }

  @Test
  void http_itself_knows_no_room() {
    room("api.http").knowsNoRoomBut().check();
  }

  @Test
  void no_room_knows_main() {
    noClasses()
        .that()
        .resideOutsideOfPackage(BASE)
        .should()
        .dependOnClassesThat()
        .resideInAPackage(BASE)
        .check(CODE);
  }

  @Test
  void rooms_have_no_cycles() {
    slices().matching(BASE + ".(*)..").should().beFreeOfCycles().check(CODE);
  }

  @Test
  void the_sql_client_stays_in_the_store() {
    only("store").mayUse("io.vertx.sqlclient..", "io.vertx.mysqlclient..");
  }

  @Test
  void http_routing_stays_in_the_api() {
    only("api").mayUse("io.vertx.ext.web", "io.vertx.ext.web.handler..", "io.vertx.ext.auth..");
  }

  @Test
  void clouds_are_called_by_providers_alone() {
    only("provider").mayUse("io.vertx.ext.web.client..", "org.jsoup..");
  }

  @Test
  void hashes_of_passwords_stay_in_the_api() {
    only("api").mayUse("org.bouncycastle..");
  }

  @Test
  void yaml_stays_in_the_configuration() {
    only("config").mayUse("org.yaml..");
  }

  @Test
  void programs_are_run_by_jobs_and_by_the_embedded_database_alone() {
    noClasses()
        .that()
        .resideOutsideOfPackage(BASE + ".jobs")
        .and()
        .doNotHaveFullyQualifiedName(BASE + ".store.EmbeddedMariaDb")
        .should()
        .dependOnClassesThat()
        .haveFullyQualifiedName("java.lang.ProcessBuilder")
        .orShould()
        .callMethod(Runtime.class, "exec", String.class)
        .orShould()
        .callMethod(Runtime.class, "exec", String[].class)
        .check(CODE);
  }

  @Test
  void main_alone_ends_the_process() {
    noClasses()
        .that()
        .doNotHaveFullyQualifiedName(BASE + ".Main")
        .should()
        .callMethod(System.class, "exit", int.class)
        .check(CODE);
  }

  @Test
  void static_fields_are_final() {
    fields()
        .that()
        .areStatic()
        .and()
        .doNotHaveModifier(SYNTHETIC)
        .should()
        .haveModifier(FINAL)
        .check(CODE);
  }

  @Test
  void no_class_of_ours_is_extended_but_the_sealed_families_of_the_model() {
    assertThat(CODE.stream())
        .filteredOn(c -> c.getRawSuperclass().map(JavaType::getName).orElse("").startsWith(BASE))
        .allMatch(c -> c.isAssignableTo(Problem.class) || c.isAssignableTo(AttemptEnd.class));
  }

  /** What a class does is seen at once where it has few states. */
  @Test
  void no_class_that_runs_jobs_is_long_or_has_many_fields_that_change() throws IOException {
    for (JavaClass each : CODE) {
      if (each.getPackageName().startsWith(BASE + ".jobs")) {
        assertThat(each.getFields())
            .as(each.getName())
            .filteredOn(field -> !field.getModifiers().contains(FINAL))
            .hasSizeLessThanOrEqualTo(6);
      }
    }
    try (Stream<Path> files = Files.walk(Path.of("src/main/java/org/nodepool/jobs"))) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        assertThat(Files.readAllLines(file)).as("%s", file).hasSizeLessThanOrEqualTo(300);
      }
    }
  }

  private static Room room(String name) {
    return new Room(name, List.of());
  }

  private static Only only(String name) {
    return new Only(name);
  }

  private record Only(String room) {
    void mayUse(String... packages) {
      noClasses()
          .that()
          .resideOutsideOfPackage(BASE + "." + room)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(packages)
          .check(CODE);
    }
  }

  private record Room(String name, List<String> allowed) {
    Room knowsOnly(String... packages) {
      List<String> all = new ArrayList<>(List.of(packages));
      all.add(BASE + "." + name);
      return new Room(name, all);
    }

    Room knowsNoRoomBut(String... rooms) {
      List<String> all = new ArrayList<>();
      all.add(BASE + "." + name);
      for (String room : rooms) {
        all.add(BASE + "." + room);
      }
      for (String library :
          List.of("java..", "io.vertx..", "org.slf4j..", "com.fasterxml.jackson.core..")) {
        all.add(library);
      }
      return new Room(name, all);
    }

    Room andLibraries(String... packages) {
      List<String> all = new ArrayList<>(allowed);
      all.addAll(List.of(packages));
      return new Room(name, all);
    }

    void check() {
      classes()
          .that()
          .resideInAPackage(BASE + "." + name)
          .should()
          .onlyDependOnClassesThat()
          .resideInAnyPackage(allowed.toArray(String[]::new))
          .check(CODE);
    }
  }
}
