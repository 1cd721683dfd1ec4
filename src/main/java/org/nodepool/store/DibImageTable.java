package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.mysqlclient.MySQLClient;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.Tuple;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.nodepool.model.DibFile;
import org.nodepool.model.DibImage;
import org.nodepool.model.Event;
import org.nodepool.model.Problem;
import org.nodepool.model.State;

/** The table {@code dib_image}, and {@code api_dib_file}: the verified files of our builds. */
public final class DibImageTable {
  /** The column's width. */
  private static final int FILENAME_LIMIT = 255;

  // The collation may take more names for equal than the code points do; this is what decides.
  private static final String SAME_NAME = " AND CAST(image_name AS BINARY) = CAST(? AS BINARY)";
  private static final String NAMED =
      "WHERE r.image_name = ?" + SAME_NAME + " ORDER BY r.id FOR UPDATE";
  // Newest first.
  private static final String READY_IN_FORMAT =
      """
      JOIN api_dib_file f ON f.dib_image_id = r.id AND f.type = ?
      WHERE r.image_name = ? AND r.state = 2
      """
          + SAME_NAME
          + """
           ORDER BY r.version DESC, r.id DESC
          LIMIT 1
          FOR UPDATE
          """;
  private static final String READY =
      """
      JOIN api_dib_file f ON f.dib_image_id = r.id AND f.type = ?
      WHERE r.id = ? AND r.state = 2
      ORDER BY f.host
      LIMIT 1
      FOR UPDATE
      """;
  private static final String NEWEST_VERSION =
      "SELECT MAX(version) AS version FROM dib_image WHERE image_name = ?" + SAME_NAME;
  private static final String INSERT =
      "INSERT INTO dib_image (image_name, version, state, state_time) VALUES (?, ?, ?, ?)";
  private static final String SET_FILENAME = "UPDATE dib_image SET filename = ? WHERE id = ?";
  private static final String INSERT_FILE =
      "INSERT INTO api_dib_file (dib_image_id, host, type, size, sha256) VALUES (?, ?, ?, ?, ?)";
  private static final String FILES =
      """
      SELECT dib_image_id, host, type, size, sha256 FROM api_dib_file
       WHERE dib_image_id = ? ORDER BY host, type
      """;
  private static final String HOST =
      "SELECT MIN(host) AS host FROM api_dib_file WHERE dib_image_id = ?";
  private static final String DELETE_FILES = "DELETE FROM api_dib_file WHERE dib_image_id = ?";

  private final PoolRows<DibImage> rows =
      new PoolRows<>(Columns.DIB_IMAGE, DibImage::state, DibImage::with);
  private final Database db;
  private final boolean removeFailed;

  /**
   * @param removeFailed whether the row of a failed build is removed, not kept as failed
   */
  public DibImageTable(Database db, boolean removeFailed) {
    this.db = db;
    this.removeFailed = removeFailed;
  }

  /** Every dib image, by id. */
  public Future<List<DibImage>> list() {
    return db.read(rows::list);
  }

  /** The dib image; empty when there is none. */
  public Future<Optional<DibImage>> find(long id) {
    return db.read(c -> rows.find(c, id));
  }

  /** The dib image, locked until the transaction ends; empty when there is none. */
  public Future<Optional<DibImage>> lock(Tx tx, long id) {
    return rows.lock(tx, id);
  }

  /** Every dib image of that name, by id; locked. */
  public Future<List<DibImage>> lockNamed(Tx tx, String imageName) {
    return rows.select(tx.connection(), NAMED, Tuple.of(imageName, imageName));
  }

  /** The newest ready build of that diskimage that was verified in that format; locked. */
  public Future<Optional<DibImage>> lockNewestReady(Tx tx, String imageName, String type) {
    return rows.select(tx.connection(), READY_IN_FORMAT, Tuple.of(type, imageName, imageName))
        .map(found -> found.stream().findFirst());
  }

  /** That dib image, when it is ready and was verified in that format; locked. */
  public Future<Optional<DibImage>> lockReady(Tx tx, long id, String type) {
    return rows.select(tx.connection(), READY, Tuple.of(type, id))
        .map(found -> found.stream().findFirst());
  }

  /**
   * A new dib image in building, of a version of its own, to be written to {@code
   * <imagesDir>/<name>-<version>-<id>}. Fails with {@link Problem.Conflict} when that is longer
   * than the table can hold.
   */
  public Future<DibImage> insert(Tx tx, String imageName, Path imagesDir) {
    long now = tx.now();
    return tx.nextVersion(NEWEST_VERSION, Tuple.of(imageName, imageName))
        .compose(version -> insert(tx, imageName, imagesDir, version))
        .map(
            image -> {
              tx.record(Event.inserted(image, now));
              return image;
            });
  }

  private static Future<DibImage> insert(Tx tx, String imageName, Path imagesDir, long version) {
    long now = tx.now();
    return tx.connection()
        .preparedQuery(INSERT)
        .execute(Tuple.of(imageName, version, State.BUILDING.code(), now))
        .compose(
            inserted -> {
              long id = inserted.property(MySQLClient.LAST_INSERTED_ID);
              String filename =
                  imagesDir.resolve("%s-%d-%d".formatted(imageName, version, id)).toString();
              if (filename.length() > FILENAME_LIMIT) {
                throw new Problem.Conflict(
                    "The path of images-dir in nodepool.yaml is too long: file names may have %d"
                            .formatted(FILENAME_LIMIT)
                        + " characters.");
              }
              return tx.connection()
                  .preparedQuery(SET_FILENAME)
                  .execute(Tuple.of(filename, id))
                  .map(new DibImage(id, imageName, filename, version, State.BUILDING, now));
            });
  }

  /** Sets the state if it is still the one that was read; whether it did. */
  public Future<Boolean> setState(Tx tx, DibImage image, State next) {
    return rows.setState(tx, image, next);
  }

  /** Ends a row that is still in building: its build failed. */
  public Future<Void> abandon(Tx tx, long id) {
    return rows.endBuilding(
        tx, id, image -> removeFailed ? remove(tx, image) : setState(tx, image, State.FAILED));
  }

  /** Removes a row that is still in building: nothing is to become of it. */
  public Future<Void> discard(Tx tx, long id) {
    return rows.endBuilding(tx, id, image -> remove(tx, image));
  }

  /** Records the verified files of a build. */
  public Future<Void> insertFiles(Tx tx, List<DibFile> files) {
    return tx.connection()
        .preparedQuery(INSERT_FILE)
        .executeBatch(
            files.stream()
                .map(f -> Tuple.of(f.dibImageId(), f.host(), f.type(), f.sizeBytes(), f.sha256()))
                .toList())
        .mapEmpty();
  }

  /** The verified files of a build, by host and type. */
  public Future<List<DibFile>> files(long dibImageId) {
    return db.read(c -> Statements.list(c, FILES, Tuple.of(dibImageId), DibImageTable::file));
  }

  /** The host that has a build's files; null when there are none. */
  public Future<String> hostOf(Tx tx, long dibImageId) {
    return tx.connection()
        .preparedQuery(HOST)
        .execute(Tuple.of(dibImageId))
        .map(hosts -> hosts.iterator().next().getString("host"));
  }

  /** Removes the row and what is recorded of its files. */
  public Future<Void> remove(Tx tx, DibImage image) {
    return tx.connection()
        .preparedQuery(DELETE_FILES)
        .execute(Tuple.of(image.id()))
        .compose(v -> rows.remove(tx, image));
  }

  private static DibFile file(Row row) {
    return new DibFile(
        row.getLong("dib_image_id"),
        row.getString("host"),
        row.getString("type"),
        row.getLong("size"),
        row.getString("sha256"));
  }
}
