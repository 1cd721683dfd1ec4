package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.mysqlclient.MySQLClient;
import io.vertx.sqlclient.Tuple;
import java.util.List;
import java.util.Optional;
import java.util.function.LongFunction;
import org.nodepool.model.Event;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.State;

/** The table {@code snapshot_image}. */
public final class SnapshotImageTable {
  // The collation may take more names for equal than the code points do.
  private static final String NAMED =
      """
       WHERE provider_name = ? AND image_name = ?
         AND CAST(provider_name AS BINARY) = CAST(? AS BINARY)
         AND CAST(image_name AS BINARY) = CAST(? AS BINARY)
      """;
  private static final String LOCK_NAMED = NAMED + " ORDER BY id FOR UPDATE";
  private static final String NEWEST_VERSION =
      "SELECT MAX(version) AS version FROM snapshot_image" + NAMED;
  private static final String INSERT =
      """
      INSERT INTO snapshot_image (provider_name, image_name, hostname, version, state, state_time)
      VALUES (?, ?, ?, ?, ?, ?)
      """;
  private static final String NEWEST_READY =
      NAMED + " AND state = " + State.READY.code() + " ORDER BY version DESC, id DESC LIMIT 1";
  private static final String SET_EXTERNAL_ID =
      "UPDATE snapshot_image SET external_id = ? WHERE id = ?";
  private static final String SET_GONE =
      "UPDATE snapshot_image SET external_id = NULL, server_external_id = NULL WHERE id = ?";
  private static final String SET_SERVER_EXTERNAL_ID =
      "UPDATE snapshot_image SET server_external_id = ? WHERE id = ?";

  private final PoolRows<SnapshotImage> rows =
      new PoolRows<>(Columns.SNAPSHOT_IMAGE, SnapshotImage::state, SnapshotImage::with);
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
    return db.read(rows::list);
  }

  /** The image; empty when there is none. */
  public Future<Optional<SnapshotImage>> find(long id) {
    return db.read(c -> rows.find(c, id));
  }

  /** The image, locked until the transaction ends; empty when there is none. */
  public Future<Optional<SnapshotImage>> lock(Tx tx, long id) {
    return rows.lock(tx, id);
  }

  /** The newest ready image of that name at that provider; empty when there is none. */
  public Future<Optional<SnapshotImage>> newestReady(String providerName, String imageName) {
    Tuple names = Tuple.of(providerName, imageName, providerName, imageName);
    return db.read(c -> rows.select(c, NEWEST_READY, names))
        .map(found -> found.stream().findFirst());
  }

  /** Every image of that name at that provider, by id; locked. */
  public Future<List<SnapshotImage>> lockNamed(Tx tx, String providerName, String imageName) {
    Tuple names = Tuple.of(providerName, imageName, providerName, imageName);
    return rows.select(tx.connection(), LOCK_NAMED, names);
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
    return rows.setState(tx, image, next);
  }

  /**
   * Records what the provider calls the image; whether there still is such a row. Of this column
   * alone, so that nobody's other change is lost.
   */
  public Future<Boolean> setExternalId(Tx tx, long id, String externalId) {
    return tx.connection()
        .preparedQuery(SET_EXTERNAL_ID)
        .execute(Tuple.of(externalId, id))
        .map(updated -> updated.rowCount() > 0);
  }

  /** As {@link #setExternalId}, of the server out of which the image is made; null: it is gone. */
  public Future<Boolean> setServerExternalId(Tx tx, long id, String externalId) {
    return tx.connection()
        .preparedQuery(SET_SERVER_EXTERNAL_ID)
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
    return rows.endBuilding(
        tx, id, image -> isGone ? end(tx, image) : setState(tx, image, State.FAILED));
  }

  /** Its provider holds nothing of it. */
  private Future<?> end(Tx tx, SnapshotImage building) {
    return removeFailed
        ? remove(tx, building)
        : setGone(tx, building)
            .compose(v -> setState(tx, building.withoutExternalIds(), State.FAILED));
  }

  /** The provider holds nothing any more of what a failed row names: the row says so, or goes. */
  public Future<Void> noteGone(Tx tx, SnapshotImage failed) {
    return removeFailed ? remove(tx, failed) : setGone(tx, failed);
  }

  private static Future<Void> setGone(Tx tx, SnapshotImage image) {
    return tx.connection().preparedQuery(SET_GONE).execute(Tuple.of(image.id())).mapEmpty();
  }

  /** Removes a row that is still in building: nothing is to become of it. */
  public Future<Void> discard(Tx tx, long id) {
    return rows.endBuilding(tx, id, image -> remove(tx, image));
  }

  /** Removes the row. */
  public Future<Void> remove(Tx tx, SnapshotImage image) {
    return rows.remove(tx, image);
  }
}
