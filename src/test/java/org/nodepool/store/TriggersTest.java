package org.nodepool.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.Vertx;
import java.time.Clock;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.nodepool.ExternalMariaDb;

/** How the triggers come to be, and what the operator is told when they cannot. */
class TriggersTest {
  private static final ExternalMariaDb SERVER = ExternalMariaDb.shared();

  private final Vertx vertx = Vertx.vertx();
  private final Database db =
      new Database(vertx, SERVER.newDatabase("triggers_test"), Clock.systemUTC(), new ChangeLog());

  @AfterEach
  void close() {
    vertx.close().await();
  }

  @Test
  void all_are_made_once() {
    Schema.apply(db).await();
    assertThat(areInPlace()).isFalse();

    assertThat(Triggers.ensure(db).await()).isEmpty();

    assertThat(areInPlace()).isTrue();
    assertThat(Triggers.ensure(db).await()).isEmpty();
  }

  private boolean areInPlace() {
    return db.read(Triggers::areInPlace).await();
  }
}
