package org.nodepool;

import static com.tngtech.archunit.core.domain.JavaModifier.FINAL;
import static com.tngtech.archunit.core.domain.JavaModifier.SYNTHETIC;
import static com.tngtech.archunit.core.domain.properties.CanBeAnnotated.Predicates.annotatedWith;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static java.util.Map.entry;
import static java.util.stream.Collectors.toSet;
import static java.util.stream.Collectors.toUnmodifiableSet;
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
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.nodepool.config.DriverConfig;
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

  /** Each package below the top one, sub-packages too; the top one may know all of them. */
  private static final Map<String, Room> ROOMS =
      Map.ofEntries(
          entry("async", Room.knowing().with("java..", "io.vertx..")),
          entry("model", Room.knowing().with("java..")),
          entry("config", Room.knowing().with("java..", "org.yaml.snakeyaml..", "org.slf4j..")),
          entry("store", Room.knowing("model").withVertx()),
          entry("store.schema", Room.knowing("async", "model", "store").withVertx()),
          entry("store.embedded", Room.knowing("programs", "store").withVertx()),
          entry("changes", Room.knowing("async", "model", "store", "store.schema").withVertx()),
          entry("view", Room.knowing("model", "store", "changes").withVertx("io.netty.buffer..")),
          entry("events", Room.knowing("model", "store", "view").withVertx()),
          entry("programs", Room.knowing().with("java..", "org.slf4j..")),
          entry("ssh", Room.knowing("programs").with("java..")),
          entry("provider", Room.knowing("model", "config").withVertx()),
          entry("provider.files", Room.knowing("model", "provider").withVertx()),
          entry(
              "provider.directory",
              Room.knowing("model", "config", "provider", "provider.files").withVertx()),
          entry(
              "provider.qemu",
              Room.knowing("model", "config", "programs", "provider", "provider.files")
                  .withVertx()),
          entry(
              "provider.openstack",
              Room.knowing("async", "model", "config", "provider", "provider.files")
                  .withVertx("org.jsoup..")),
          entry("jobs", Room.knowing("async", "model", "config", "store", "provider").withVertx()),
          entry("jobs.run", Room.knowing("async", "model", "config", "store", "jobs").withVertx()),
          entry(
              "jobs.build",
              Room.knowing("async", "model", "config", "programs", "store", "jobs", "jobs.run")
                  .withVertx()),
          entry(
              "jobs.image",
              Room.knowing(
                      "async",
                      "model",
                      "config",
                      "store",
                      "store.schema",
                      "programs",
                      "provider",
                      "ssh",
                      "jobs",
                      "jobs.run")
                  .withVertx()),
          entry(
              "jobs.node",
              Room.knowing(
                      "async", "model", "config", "store", "store.schema", "provider", "jobs.run")
                  .withVertx()),
          entry(
              "jobs.upkeep",
              Room.knowing("async", "model", "config", "store", "store.schema", "provider", "jobs")
                  .withVertx()),
          entry("api.http", Room.knowing().withVertx()),
          entry(
              "api",
              Room.knowing("model", "store", "view", "events", "jobs", "api.http")
                  .withVertx(
                      "javax.crypto..",
                      "javax.net.ssl..",
                      "org.bouncycastle..",
                      "com.sun.management",
                      "io.netty.buffer..",
                      "io.netty.channel..",
                      "io.netty.handler..",
                      "io.netty.util..",
                      "io.micrometer..")));

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
  void every_package_is_in_the_table() {
    Set<String> packages = CODE.stream().map(JavaClass::getPackageName).collect(toSet());
    packages.remove(BASE);
    assertThat(packages).as("a new one gets its line here").isEqualTo(in(ROOMS.keySet()));
  }

  static Set<String> rooms() {
    return ROOMS.keySet();
  }

  @ParameterizedTest
  @MethodSource("rooms")
  void a_package_knows_what_the_table_says(String name) {
    Room room = ROOMS.get(name);
    classes()
        .that()
        .resideInAPackage(BASE + "." + name)
        .should()
        .onlyDependOnClassesThat()
        .resideInAnyPackage(
            Stream.of(in(Set.of(name)), in(room.rooms()), room.libraries())
                .flatMap(Collection::stream)
                .toArray(String[]::new))
        .check(CODE);
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
  void packages_have_no_cycles() {
    slices().matching(BASE + ".(**)").should().beFreeOfCycles().check(CODE);
  }

  @Test
  void the_sql_client_stays_in_the_store_and_the_changes() {
    only("store", "changes").mayUse("io.vertx.sqlclient..", "io.vertx.mysqlclient..");
  }

  @Test
  void http_routing_stays_in_the_api() {
    only("api").mayUse("io.vertx.ext.web", "io.vertx.ext.web.handler..", "io.vertx.ext.auth..");
  }

  @Test
  void clouds_are_called_by_their_driver_alone() {
    only("provider.openstack").mayUse("io.vertx.ext.web.client..", "org.jsoup..");
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
  void programs_are_started_in_their_room_alone() {
    noClasses()
        .that()
        .resideOutsideOfPackage(BASE + ".programs")
        .should()
        .dependOnClassesThat()
        .belongToAnyOf(ProcessBuilder.class)
        .orShould()
        .callMethod(Runtime.class, "exec", String.class)
        .orShould()
        .callMethod(Runtime.class, "exec", String[].class)
        .check(CODE);
  }

  /** Where a job may run, and what is deleted how, are the provider's own answers. */
  @Test
  void no_other_room_asks_which_driver_a_provider_has() {
    noClasses()
        .that()
        .resideOutsideOfPackages(BASE + ".config", BASE + ".provider..")
        .should()
        .dependOnClassesThat()
        .belongToAnyOf(DriverConfig.class.getPermittedSubclasses())
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

  private static Only only(String... rooms) {
    return new Only(Set.of(rooms));
  }

  /** With the packages below them. */
  private record Only(Set<String> rooms) {
    void mayUse(String... packages) {
      noClasses()
          .that()
          .resideOutsideOfPackages(
              in(rooms).stream().map(room -> room + "..").toArray(String[]::new))
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(packages)
          .check(CODE);
    }
  }

  private static Set<String> in(Set<String> rooms) {
    return rooms.stream().map(room -> BASE + "." + room).collect(toUnmodifiableSet());
  }

  /**
   * What a package may know besides itself.
   *
   * @param rooms packages of ours, each by its whole name: {@code store} is not {@code
   *     store.schema}
   */
  private record Room(Set<String> rooms, Set<String> libraries) {
    static Room knowing(String... rooms) {
      return new Room(Set.of(rooms), Set.of());
    }

    Room with(String... more) {
      return new Room(
          rooms, Stream.concat(libraries.stream(), Stream.of(more)).collect(toUnmodifiableSet()));
    }

    Room withVertx(String... more) {
      return with("java..", "io.vertx..", "org.slf4j..", "com.fasterxml.jackson.core..").with(more);
    }
  }
}
