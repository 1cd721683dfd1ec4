package org.nodepool.store;

import static java.util.stream.Collectors.mapping;
import static java.util.stream.Collectors.toUnmodifiableList;

import io.vertx.core.Future;
import io.vertx.mysqlclient.MySQLClient;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.SqlResult;
import io.vertx.sqlclient.Tuple;
import java.util.List;
import java.util.Optional;
import java.util.function.LongFunction;
import org.nodepool.model.Event;
import org.nodepool.model.Problem;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.State;

/** The table {@code snapshot_image}. */
public final class SnapshotImageTable {
  private static final String SELECT =
      """
      SELECT id, provider_name, image_name, hostname, version, external_id, server_external_id,
             state, state_time
        FROM snapshot_image
      """;
  private static final String LIST = SELECT + " ORDER BY id";
  private static final String GET = SELECT + " WHERE id = ?";
  private static final String LOCK = GET + " FOR UPDATE";
  // The collation may take more names for equal than the code points do.
  private static final String NAMED =
      """
       WHERE provider_name = ? AND image_name = ?
         AND CAST(provider_name AS BINARY) = CAST(? AS BINARY)
         AND CAST(image_name AS BINARY) = CAST(? AS BINARY)
      """;
  private static final String LOCK_NAMED = SELECT + NAMED + " ORDER BY id FOR UPDATE";
  private static final String NEWEST_VERSION =
      "SELECT MAX(version) AS version FROM snapshot_image" + NAMED;
  private static final String INSERT =
      """
      INSERT INTO snapshot_image (provider_name, image_name, hostname, version, state, state_time)
      VALUES (?, ?, ?, ?, ?, ?)
      """;
  private static final String SET_STATE =
      "UPDATE snapshot_image SET state = ?, state_time = ? WHERE id = ? AND state <=> ?";
  private static final String SET_EXTERNAL_ID =
      "UPDATE snapshot_image SET external_id = ? WHERE id = ?";
  private static final String DELETE = "DELETE FROM snapshot_image WHERE id = ?";

  private final Database db;
  private final boolean removeFailed;

  /**
   * @param removeFailed whether the row of an image that could not be made is removed, not kept as
   *     failed
   */
  public SnapshotImageTable(Database db, boolean removeFailed) {
    this.db = db;
    this.removeFailed = removeFailed;
  }

  /** Every image, by id. */
  public Future<List<SnapshotImage>> list() {
    return db.read(SnapshotImageTable::list);
  }

  public static Future<List<SnapshotImage>> list(SqlClient client) {
    return select(client, LIST, Tuple.tuple());
  }

  /** The image; fails with {@link Problem.NotFound}. */
  public Future<SnapshotImage> get(long id) {
    return find(id).map(row -> row.orElseThrow(() -> Problem.NotFound.row("image", id)));
  }

  /** The image; empty when there is none. */
  public Future<Optional<SnapshotImage>> find(long id) {
    return db.read(c -> select(c, GET, Tuple.of(id))).map(rows -> rows.stream().findFirst());
  }

  /** The image, locked until the transaction ends; empty when there is none. */
  public Future<Optional<SnapshotImage>> lock(Tx tx, long id) {
    return select(tx.connection(), LOCK, Tuple.of(id)).map(rows -> rows.stream().findFirst());
  }

  /** Every image of that name at that provider, by id; locked. */
  public Future<List<SnapshotImage>> lockNamed(Tx tx, String providerName, String imageName) {
    Tuple names = Tuple.of(providerName, imageName, providerName, imageName);
    return select(tx.connection(), LOCK_NAMED, names);
  }

  /**
   * A new image in building, of a version of its own.
   *
   * @param hostname the image's name at the provider, by its version
   */
  public Future<SnapshotImage> insert(
      Tx tx, String providerName, String imageName, LongFunction<String> hostname) {
    return tx.nextVersion(
            NEWEST_VERSION, Tuple.of(providerName, imageName, providerName, imageName))
        .compose(version -> insert(tx, providerName, imageName, version, hostname.apply(version)))
        .map(
            image -> {
              tx.record(Event.inserted(image, tx.now()));
              return image;
            });
  }

  private static Future<SnapshotImage> insert(
      Tx tx, String providerName, String imageName, long version, String hostname) {
    long now = tx.now();
    State state = State.BUILDING;
    return tx.connection()
        .preparedQuery(INSERT)
        .execute(Tuple.of(providerName, imageName, hostname, version, state.code(), now))
        .map(
            inserted -> {
              long id = inserted.property(MySQLClient.LAST_INSERTED_ID);
              return new SnapshotImage(
                  id, providerName, imageName, hostname, version, null, null, state, now);
            });
  }

  /** Sets the state if it is still the one that was read; whether it did. */
  public Future<Boolean> setState(Tx tx, SnapshotImage image, State next) {
    Tuple values = Tuple.of(next.code(), tx.now(), image.id(), State.code(image.state()));
    return tx.change(SET_STATE, values, image.stateName(), image.with(next, tx.now()));
  }

  /**
   * Records what the provider calls the image, or with null that it holds nothing; whether there
   * still is such a row. Of this column alone, so that nobody's other change is lost.
   */
  public Future<Boolean> setExternalId(Tx tx, long id, String externalId) {
    return tx.connection()
        .preparedQuery(SET_EXTERNAL_ID)
        .execute(Tuple.of(externalId, id))
        .map(updated -> updated.rowCount() > 0);
  }

  /**
   * Ends a row that is still in building: its image could not be made.
   *
   * @param isGone false when the provider may still hold something: then the row stays, and says
   *     what, so that it can be deleted
   */
  public Future<Void> abandon(Tx tx, long id, boolean isGone) {
    return lock(tx, id)
        .compose(
            row -> {
              if (row.isEmpty() || !State.BUILDING.equals(row.get().state())) {
                return Future.succeededFuture();
              }
              SnapshotImage image = row.get();
              if (!isGone) {
                return setState(tx, image, State.FAILED).mapEmpty();
              }
              return removeFailed
                  ? remove(tx, image)
                  : setExternalId(tx, id, null)
                      .compose(v -> setState(tx, image.withoutExternalId(), State.FAILED))
                      .mapEmpty();
            });
  }

  /** The provider holds nothing any more of what a failed row names: the row says so, or goes. */
  public Future<Void> emptied(Tx tx, SnapshotImage failed) {
    return removeFailed ? remove(tx, failed) : setExternalId(tx, failed.id(), null).mapEmpty();
  }

  /** Removes a row that is still in building: nothing is to become of it. */
  public Future<Void> discard(Tx tx, long id) {
    return lock(tx, id)
        .compose(
            row ->
                row.filter(image -> State.BUILDING.equals(image.state())).isPresent()
                    ? remove(tx, row.get())
                    : Future.succeededFuture());
  }

  /** Removes the row. */
  public Future<Void> remove(Tx tx, SnapshotImage image) {
    return tx.remove(DELETE, image);
  }

  private static Future<List<SnapshotImage>> select(SqlClient client, String sql, Tuple values) {
    return client
        .preparedQuery(sql)
        .collecting(mapping(SnapshotImageTable::image, toUnmodifiableList()))
        .execute(values)
        .map(SqlResult::value);
  }

  public static SnapshotImage image(Row row) {
    return new SnapshotImage(
        row.getLong("id"),
        row.getString("provider_name"),
        row.getString("image_name"),
        row.getString("hostname"),
        row.getLong("version"),
        row.getString("external_id"),
        row.getString("server_external_id"),
        State.ofCode(row.getInteger("state")),
        row.getLong("state_time"));
  }
}
