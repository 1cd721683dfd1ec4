package org.nodepool.changes;

import io.vertx.core.Future;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.SqlConnection;
import io.vertx.sqlclient.Tuple;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.nodepool.changes.SeenChanges.Gap;
import org.nodepool.changes.SeenChanges.Ids;

/**
 * Finds out which ids of the change log have been committed, in one snapshot, however long the log
 * is. The scan counts the rows of each ten thousand ids: where the count is that of the ids that
 * can occur, no id is missing, and the scan adds the range as it is. The scan reads the ids
 * themselves only of a range in which some are missing, which become gaps. A scan is made for one
 * use.
 */
final class LogScan {
  /** So many ranges where ids are missing are read. */
  private static final int MOST_READ = 200;

  /**
   * So many gaps are looked into by one statement: if all are long it takes 15 ms, twice as many
   * 57.
   */
  private static final int GAPS_A_READ = 500;

  /** So many gaps are held; those that come after them are found when these are fewer. */
  private static final int MOST_GAPS = 20_000;

  /** More than that in the gaps, and the whole log is counted instead. */
  private static final int MOST_IDS = 100_000;

  private static final String RANGES =
      """
      SELECT COUNT(*) AS ids, MIN(id) AS least, MAX(id) AS greatest
        FROM api_change
       WHERE id > ?
       GROUP BY id DIV 10000
       ORDER BY least
       LIMIT 50000
      """;

  private final SqlConnection connection;
  private final ChangeTable table;
  private final Ids possible;
  private final List<Gap> gaps = new ArrayList<>();
  private long greatest;
  private int read;

  /**
   * @param possible ids that cannot occur make no gap
   */
  LogScan(SqlConnection connection, ChangeTable table, Ids possible) {
    this.connection = connection;
    this.table = table;
    this.possible = possible;
  }

  /**
   * The ids that have been seen with this snapshot, and with the reads before. When they are too
   * many for one scan, the newer part is left to the next one: its changes are read with that, and
   * no change is lost by being applied once more, after all that came before it.
   */
  Future<SeenChanges> seen(SeenChanges before) {
    return inGaps(before.gaps(), new ArrayList<>())
        .compose(
            ids -> {
              SeenChanges base =
                  ids.size() > MOST_IDS ? before.forgotten() : before.with(ids, possible);
              gaps.addAll(base.gaps());
              greatest = base.greatest();
              return newer().map(v -> base.with(greatest, gaps));
            });
  }

  private Future<List<Long>> inGaps(List<Gap> left, List<Long> found) {
    if (left.isEmpty() || found.size() > MOST_IDS) {
      return Future.succeededFuture(found);
    }
    int some = Math.min(left.size(), GAPS_A_READ);
    return table
        .ids(connection, left.subList(0, some), MOST_IDS + 1)
        .compose(
            ids -> {
              found.addAll(ids);
              return inGaps(left.subList(some, left.size()), found);
            });
  }

  private Future<Void> newer() {
    return connection
        .preparedQuery(RANGES)
        .execute(Tuple.of(greatest))
        .compose(ranges -> add(ranges.iterator()));
  }

  private Future<Void> add(Iterator<Row> ranges) {
    while (ranges.hasNext() && gaps.size() <= MOST_GAPS && read < MOST_READ) {
      Row range = ranges.next();
      Gap whole = new Gap(range.getLong("least"), range.getLong("greatest"));
      if (range.getLong("ids") != possible.count(whole.from(), whole.to())) {
        read++;
        return table
            .ids(connection, List.of(whole), Integer.MAX_VALUE)
            .compose(
                ids -> {
                  ids.forEach(id -> add(id, id));
                  return add(ranges);
                });
      }
      add(whole.from(), whole.to());
    }
    return Future.succeededFuture();
  }

  private void add(long from, long to) {
    SeenChanges.addGap(gaps, greatest + 1, from - 1, possible);
    greatest = to;
  }
}
