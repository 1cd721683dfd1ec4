package org.nodepool.store;

import static java.util.stream.Collectors.mapping;
import static java.util.stream.Collectors.toUnmodifiableList;

import io.vertx.core.Future;
import io.vertx.mysqlclient.MySQLClient;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.SqlResult;
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

  private static final String COLUMNS =
      "d.id, d.image_name, d.filename, d.version, d.state, d.state_time";
  private static final String LIST = "SELECT " + COLUMNS + " FROM dib_image d ORDER BY d.id";
  private static final String GET = "SELECT " + COLUMNS + " FROM dib_image d WHERE d.id = ?";
  private static final String LOCK = GET + " FOR UPDATE";
  // The collation may take more names for equal than the code points do; this is what decides.
  private static final String SAME_NAME = " AND CAST(image_name AS BINARY) = CAST(? AS BINARY)";
  private static final String LOCK_NAMED =
      "SELECT "
          + COLUMNS
          + " FROM dib_image d WHERE d.image_name = ?"
          + SAME_NAME
          + " ORDER BY d.id FOR UPDATE";
  // Newest first.
  private static final String READY_IN_FORMAT =
      "SELECT "
          + COLUMNS
          + """
           FROM dib_image d JOIN api_dib_file f ON f.dib_image_id = d.id AND f.type = ?
          WHERE d.image_name = ? AND d.state = 2
          """
          + SAME_NAME
          + """
           ORDER BY d.version DESC, d.id DESC
          LIMIT 1
          FOR UPDATE
          """;
  private static final String LOCK_READY =
      "SELECT "
          + COLUMNS
          + """
           FROM dib_image d JOIN api_dib_file f ON f.dib_image_id = d.id AND f.type = ?
          WHERE d.id = ? AND d.state = 2
          ORDER BY f.host
          LIMIT 1
          FOR UPDATE
          """;
  private static final String NEWEST_VERSION =
      "SELECT MAX(version) AS version FROM dib_image WHERE image_name = ?" + SAME_NAME;
  private static final String INSERT =
      "INSERT INTO dib_image (image_name, version, state, state_time) VALUES (?, ?, ?, ?)";
  private static final String SET_FILENAME = "UPDATE dib_image SET filename = ? WHERE id = ?";
  private static final String SET_STATE =
      "UPDATE dib_image SET state = ?, state_time = ? WHERE id = ? AND state <=> ?";
  private static final String DELETE = "DELETE FROM dib_image WHERE id = ?";
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
    return db.read(DibImageTable::list);
  }

  public static Future<List<DibImage>> list(SqlClient client) {
    return select(client, LIST, Tuple.tuple());
  }

  /** The dib image; fails with {@link Problem.NotFound}. */
  public Future<DibImage> get(long id) {
    return find(id).map(row -> row.orElseThrow(() -> Problem.NotFound.row("dib image", id)));
  }

  /** The dib image; empty when there is none. */
  public Future<Optional<DibImage>> find(long id) {
    return db.read(c -> select(c, GET, Tuple.of(id))).map(rows -> rows.stream().findFirst());
  }

  /** The dib image, locked until the transaction ends; empty when there is none. */
  public Future<Optional<DibImage>> lock(Tx tx, long id) {
    return select(tx.connection(), LOCK, Tuple.of(id)).map(rows -> rows.stream().findFirst());
  }

  /** Every dib image of that name, by id; locked. */
  public Future<List<DibImage>> lockNamed(Tx tx, String imageName) {
    return select(tx.connection(), LOCK_NAMED, Tuple.of(imageName, imageName));
  }

  /** The newest ready build of that diskimage that was verified in that format; locked. */
  public Future<Optional<DibImage>> lockNewestReady(Tx tx, String imageName, String type) {
    return select(tx.connection(), READY_IN_FORMAT, Tuple.of(type, imageName, imageName))
        .map(rows -> rows.stream().findFirst());
  }

  /** That dib image, when it is ready and was verified in that format; locked. */
  public Future<Optional<DibImage>> lockReady(Tx tx, long id, String type) {
    return select(tx.connection(), LOCK_READY, Tuple.of(type, id))
        .map(rows -> rows.stream().findFirst());
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
    Tuple values = Tuple.of(next.code(), tx.now(), image.id(), State.code(image.state()));
    return tx.change(SET_STATE, values, image.stateName(), image.with(next, tx.now()));
  }

  /** Ends a row that is still in building: its build failed. */
  public Future<Void> abandon(Tx tx, long id) {
    return lock(tx, id)
        .compose(
            row -> {
              if (row.isEmpty() || !State.BUILDING.equals(row.get().state())) {
                return Future.succeededFuture();
              }
              return removeFailed
                  ? remove(tx, row.get())
                  : setState(tx, row.get(), State.FAILED).mapEmpty();
            });
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
    return db.read(
            c ->
                c.preparedQuery(FILES)
                    .collecting(mapping(DibImageTable::file, toUnmodifiableList()))
                    .execute(Tuple.of(dibImageId)))
        .map(SqlResult::value);
  }

  /** The host that has a build's files; null when there are none. */
  public Future<String> hostOf(Tx tx, long dibImageId) {
    return tx.connection()
        .preparedQuery(HOST)
        .execute(Tuple.of(dibImageId))
        .map(rows -> rows.iterator().next().getString("host"));
  }

  /** Removes the row and what is recorded of its files. */
  public Future<Void> remove(Tx tx, DibImage image) {
    return tx.connection()
        .preparedQuery(DELETE_FILES)
        .execute(Tuple.of(image.id()))
        .compose(v -> tx.remove(DELETE, image));
  }

  private static Future<List<DibImage>> select(SqlClient client, String sql, Tuple values) {
    return client
        .preparedQuery(sql)
        .collecting(mapping(DibImageTable::image, toUnmodifiableList()))
        .execute(values)
        .map(SqlResult::value);
  }

  public static DibImage image(Row row) {
    return new DibImage(
        row.getLong("id"),
        row.getString("image_name"),
        row.getString("filename"),
        row.getLong("version"),
        State.ofCode(row.getInteger("state")),
        row.getLong("state_time"));
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
