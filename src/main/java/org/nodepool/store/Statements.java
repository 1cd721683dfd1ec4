package org.nodepool.store;

import static java.util.Collections.nCopies;
import static java.util.stream.Collectors.mapping;
import static java.util.stream.Collectors.toUnmodifiableList;

import io.vertx.core.Future;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.SqlResult;
import io.vertx.sqlclient.Tuple;
import java.util.List;
import java.util.function.Function;

/** What the statements of all tables have in common. */
final class Statements {
  private Statements() {}

  /** The places of that many values, to stand in {@code IN (…)}; there must be one at least. */
  static String places(int count) {
    return String.join(", ", nCopies(count, "?"));
  }

  /** All that a statement answers, in its order. */
  static <T> Future<List<T>> list(
      SqlClient client, String sql, Tuple values, Function<Row, T> row) {
    return client
        .preparedQuery(sql)
        .collecting(mapping(row, toUnmodifiableList()))
        .execute(values)
        .map(SqlResult::value);
  }
}
