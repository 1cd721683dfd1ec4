package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.Tuple;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.nodepool.model.Resource;
import org.nodepool.model.State;

/** What the classes of the pool's tables do alike. */
final class PoolRows<T extends Resource> {
  /** A row in another state. */
  interface Restated<T> {
    T with(T row, State next, long stateTime);
  }

  private final Columns<T> columns;
  private final Function<T, State> state;
  private final Restated<T> restated;
  private final String select;
  private final String find;
  private final String setState;
  private final String delete;

  PoolRows(Columns<T> columns, Function<T, State> state, Restated<T> restated) {
    this.columns = columns;
    this.state = state;
    this.restated = restated;
    this.select = columns.select("r");
    this.find = select + "WHERE r.id = ?";
    this.setState =
        "UPDATE %s SET state = ?, state_time = ? WHERE id = ? AND state <=> ?"
            .formatted(columns.table());
    this.delete = "DELETE FROM %s WHERE id = ?".formatted(columns.table());
  }

  /** Every row, by id. */
  Future<List<T>> list(SqlClient client) {
    return select(client, "ORDER BY r.id", Tuple.tuple());
  }

  /** The rows of the table, as {@code r}, that the rest of the SELECT leaves, in its order. */
  Future<List<T>> select(SqlClient client, String rest, Tuple values) {
    return Statements.list(client, select + rest, values, columns::read);
  }

  /** The row; empty when there is none. */
  Future<Optional<T>> find(SqlClient client, long id) {
    return one(client, find, id);
  }

  /** The row, locked until the transaction ends; empty when there is none. */
  Future<Optional<T>> lock(Tx tx, long id) {
    return one(tx.connection(), find + " FOR UPDATE", id);
  }

  private Future<Optional<T>> one(SqlClient client, String sql, long id) {
    return Statements.list(client, sql, Tuple.of(id), columns::read)
        .map(rows -> rows.stream().findFirst());
  }

  /** Sets the state if it is still the one that was read; whether it did. */
  Future<Boolean> setState(Tx tx, T row, State next) {
    Tuple values = Tuple.of(next.code(), tx.now(), row.id(), State.code(state.apply(row)));
    return tx.change(setState, values, row.stateName(), restated.with(row, next, tx.now()));
  }

  /** Ends a row in this way, if it is still in building. */
  Future<Void> endBuilding(Tx tx, long id, Function<T, Future<?>> end) {
    return lock(tx, id)
        .compose(
            row ->
                row.filter(r -> State.BUILDING.equals(state.apply(r))).isPresent()
                    ? end.apply(row.get()).mapEmpty()
                    : Future.succeededFuture());
  }

  /** Removes the row. */
  Future<Void> remove(Tx tx, T row) {
    return tx.remove(delete, row);
  }
}
