package org.nodepool.changes;

import io.vertx.core.Future;
import io.vertx.mysqlclient.MySQLClient;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.RowSet;
import io.vertx.sqlclient.Tuple;
import org.nodepool.store.Database;
import org.nodepool.store.Tx;

/**
 * The table {@code api_turn}: which process decides, for each purpose. A turn is a lease by the
 * database's clock, with a token that grows by one each time it changes hands. Thread-safe.
 */
public final class Turns {
  /** So long a turn is its holder's without a word of him, and up to a second more. */
  static final int LEASE_SECONDS = 6;

  // also one that runs out later than any can: the clock has been set back
  private static final String IS_FREE =
      "lease_until NOT BETWEEN UNIX_TIMESTAMP() AND UNIX_TIMESTAMP() + " + LEASE_SECONDS;
  private static final String LOOK =
      "SELECT " + IS_FREE + " AS is_free FROM api_turn WHERE purpose = ?";
  private static final String MAKE =
      "INSERT IGNORE INTO api_turn (purpose, token, lease_until, holder) VALUES (?, 0, 0, '')";
  private static final String TAKE =
      """
      UPDATE api_turn SET token = LAST_INSERT_ID(token + 1), holder = ?,
             lease_until = UNIX_TIMESTAMP() + %d
       WHERE purpose = ? AND %s
      """
          .formatted(LEASE_SECONDS, IS_FREE);

  // The holder besides: after a failover or a restore a token may be given out once more.
  private static final String FENCE = " WHERE purpose = ? AND token = ? AND holder = ?";
  private static final String RENEW =
      "UPDATE api_turn SET lease_until = UNIX_TIMESTAMP() + " + LEASE_SECONDS + FENCE;
  private static final String GIVE_UP = "UPDATE api_turn SET lease_until = 0" + FENCE;
  private static final String LOCK = "SELECT token FROM api_turn" + FENCE + " FOR UPDATE";

  private final Database db;
  private final String holder;

  /**
   * @param holder names this process, and no other one; 255 characters at most
   */
  public Turns(Database db, String holder) {
    this.db = db;
    this.holder = holder;
  }

  /**
   * Contends for the turn of that purpose, from now on until {@link Turn#stop}.
   *
   * @param purpose 64 characters at most
   */
  public Turn contend(String purpose) {
    Turn turn = new Turn(db, this, purpose);
    turn.start();
    return turn;
  }

  /**
   * Takes the turn if nobody has it: the token, or 0. Looks before, for an UPDATE would wait for a
   * transaction of the holder.
   */
  Future<Long> take(String purpose) {
    return db.read(c -> c.preparedQuery(LOOK).execute(Tuple.of(purpose)))
        .compose(
            rows -> {
              if (rows.size() == 0) {
                return change(MAKE, Tuple.of(purpose)).compose(made -> takeFree(purpose));
              }
              boolean isFree = rows.iterator().next().getInteger("is_free") != 0;
              return isFree ? takeFree(purpose) : Future.succeededFuture(0L);
            });
  }

  private Future<Long> takeFree(String purpose) {
    return change(TAKE, Tuple.of(holder, purpose))
        .map(taken -> taken.rowCount() == 0 ? 0L : taken.property(MySQLClient.LAST_INSERTED_ID));
  }

  /** Prolongs the turn; false when it is another's. One that ran out may be prolonged, too. */
  Future<Boolean> renew(String purpose, long token) {
    return change(RENEW, Tuple.of(purpose, token, holder)).map(renewed -> renewed.rowCount() > 0);
  }

  /** Lets others take the turn at once. */
  Future<Void> giveUp(String purpose, long token) {
    return change(GIVE_UP, Tuple.of(purpose, token, holder)).mapEmpty();
  }

  /** Keeps the turn from changing hands until the transaction ends; fails with {@link TurnLost}. */
  Future<Void> lock(Tx tx, String purpose, long token) {
    return tx.connection()
        .preparedQuery(LOCK)
        .execute(Tuple.of(purpose, token, holder))
        .compose(
            rows ->
                rows.size() > 0
                    ? Future.succeededFuture()
                    : Future.failedFuture(new TurnLost(purpose)));
  }

  private Future<RowSet<Row>> change(String sql, Tuple values) {
    return db.note(c -> c.preparedQuery(sql).execute(values));
  }
}
