package org.nodepool.changes;

import io.vertx.core.Vertx;
import io.vertx.sqlclient.Tuple;
import java.time.Clock;
import java.util.concurrent.TimeUnit;
import org.nodepool.model.Failpoint;
import org.nodepool.store.ChangeLog;
import org.nodepool.store.Database;

/**
 * A process that contends for a turn, and writes rows with its token while it has it: two in each
 * transaction, with a pause between what it knows and what it writes, and one between the rows.
 */
final class TurnHolder {
  static final String PURPOSE = "test";

  private static final String INSERT = "INSERT INTO written (token, holder) VALUES (?, ?)";
  private static final long PAUSE_MS = 10;

  private TurnHolder() {}

  /** Host, port, database, user, password, and how it is called. */
  public static void main(String[] args) throws InterruptedException {
    Vertx vertx = Vertx.vertx();
    var address =
        new Database.Address(args[0], Integer.parseInt(args[1]), args[2], args[3], args[4]);
    Database db = new Database(vertx, address, Clock.systemUTC(), new ChangeLog());
    db.setOpen(true);
    Turn turn = new Turns(db, args[5]).contend(PURPOSE);
    while (true) {
      if (turn.isHeld()) {
        TimeUnit.MILLISECONDS.sleep(PAUSE_MS);
        turn.transaction(
                Failpoint.PRUNE,
                (tx, token) -> {
                  var insert = tx.connection().preparedQuery(INSERT);
                  return insert
                      .execute(Tuple.of(token, args[5]))
                      .compose(v -> vertx.timer(PAUSE_MS, TimeUnit.MILLISECONDS))
                      .compose(v -> insert.execute(Tuple.of(token, args[5])));
                })
            .otherwiseEmpty()
            .await();
      } else {
        TimeUnit.MILLISECONDS.sleep(PAUSE_MS);
      }
    }
  }
}
