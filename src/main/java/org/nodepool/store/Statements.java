package org.nodepool.store;

import static java.util.Collections.nCopies;
import static java.util.stream.Collectors.mapping;
import static java.util.stream.Collectors.toUnmodifiableList;

import io.vertx.core.Future;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.SqlResult;
import java.util.List;
import java.util.function.Function;

/** Lists of values in a statement, and in what it answers. */
final class Values {
  private Values() {}

  /** The places of that many values, to stand in {@code IN (…)}; there must be one at least. */
  static String places(int count) {
    return String.join(", ", nCopies(count, "?"));
  }

  /** All that a statement without values answers, in its order. */
  static <T> Future<List<T>> list(SqlClient client, String sql, Function<Row, T> row) {
    return client
        .preparedQuery(sql)
        .collecting(mapping(row, toUnmodifiableList()))
        .execute()
        .map(SqlResult::value);
  }
}
