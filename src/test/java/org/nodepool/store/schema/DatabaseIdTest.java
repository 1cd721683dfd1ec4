package org.nodepool.store.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.junit5.VertxExtension;
import java.time.Clock;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.nodepool.ExternalMariaDb;
import org.nodepool.model.Problem;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;
import org.nodepool.store.SchemaRefused;

/** By what a database is known outside of it. */
@ExtendWith(VertxExtension.class)
class DatabaseIdTest {
  private static final ExternalMariaDb SERVER = ExternalMariaDb.shared();
  private static final String NAME = "database_id_test";

  private final Database.Address address = SERVER.newDatabase(NAME);
  private Vertx vertx;

  @BeforeEach
  void use(Vertx vertx) {
    this.vertx = vertx;
  }

  @Test
  void it_is_a_uuid_that_is_made_once_and_stays_over_restarts() {
    String first = idAfterStart();

    assertThat(UUID.fromString(first)).hasToString(first);
    assertThat(idAfterStart()).isEqualTo(first);
  }

  @Test
  void all_that_start_at_once_on_an_empty_database_have_the_same() {
    assertThat(idsAfterStartsAtOnce()).doesNotContainNull().hasSize(8).containsOnly(stored());
  }

  @Test
  void all_that_start_at_once_on_a_database_of_before_have_the_same() {
    idAfterStart();
    SERVER.sqlIn(NAME, "DELETE FROM api_schema WHERE version = -2");

    assertThat(idsAfterStartsAtOnce()).doesNotContainNull().hasSize(8).containsOnly(stored());
  }

  @Test
  void a_copy_has_that_of_the_original_until_it_is_given_its_own() {
    String original = idAfterStart();

    String given = renew().orElseThrow();

    assertThat(UUID.fromString(given)).hasToString(given);
    assertThat(given).isNotEqualTo(original);
    assertThat(idAfterStart()).isEqualTo(given);
    assertThat(renew()).isPresent().get().isNotEqualTo(given);
  }

  @Test
  void a_copy_of_a_database_of_before_is_given_one_too() {
    idAfterStart();
    SERVER.sqlIn(NAME, "DELETE FROM api_schema WHERE version = -2");

    String given = renew().orElseThrow();

    assertThat(idAfterStart()).isEqualTo(given);
  }

  @Test
  void it_stays_while_a_service_uses_the_database() {
    Database inUse = started();
    Schema.noteUse(inUse).await();
    String before = stored();

    assertThatThrownBy(this::renew)
        .isInstanceOf(SchemaRefused.class)
        .hasMessageContaining("a service uses it, and was seen");

    assertThat(stored()).isEqualTo(before);
    Schema.forgetUse(inUse).await();
    assertThat(renew()).isPresent();
  }

  @Test
  void one_that_runs_notices_another_id_at_once() {
    Database running = started();
    DatabaseId.of(running).await();

    String given = renew().orElseThrow(); // it was thought dead

    assertThat(DatabaseId.of(running).await()).isEqualTo(given);
  }

  @Test
  void where_nothing_of_ours_is_none_is_given_and_nothing_made() {
    assertThat(renew()).isEmpty();
    assertThat(SERVER.sqlIn(NAME, "SHOW TABLES")).isEmpty();
  }

  @Test
  void with_what_is_ours_it_goes() {
    String before = idAfterStart();

    Schema.remove(database(), connection -> Future.succeededFuture(0)).await();

    assertThat(idAfterStart()).isNotEqualTo(before);
  }

  @Test
  void one_that_somebody_has_deleted_is_missed_until_the_next_look_at_the_schema() {
    Database db = started();
    SERVER.sqlIn(NAME, "DELETE FROM api_schema WHERE version = -2");

    assertThatThrownBy(() -> DatabaseId.of(db).await()).isInstanceOf(Problem.Unavailable.class);

    Schema.apply(db).await();
    assertThat(DatabaseId.of(db).await()).isEqualTo(stored());
  }

  private Database database() {
    return new Database(vertx, address, Clock.systemUTC(), new ChangeLog());
  }

  private Database started() {
    Database db = database();
    Schema.apply(db).await();
    return db;
  }

  private String idAfterStart() {
    return DatabaseId.of(started()).await();
  }

  private List<String> idsAfterStartsAtOnce() {
    List<Future<String>> starts =
        IntStream.range(0, 8)
            .mapToObj(i -> database())
            .map(db -> Schema.apply(db).compose(v -> DatabaseId.of(db)))
            .toList();
    return starts.stream().map(start -> start.await()).toList();
  }

  private Optional<String> renew() {
    return DatabaseId.renew(database()).await();
  }

  private static String stored() {
    return SERVER
        .sqlIn(NAME, "SELECT name FROM api_schema WHERE version = -2")
        .iterator()
        .next()
        .getString("name");
  }
}
