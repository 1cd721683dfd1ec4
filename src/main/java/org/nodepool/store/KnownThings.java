package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.SqlClient;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Consumer;
import org.nodepool.model.Job;
import org.nodepool.model.Mark;
import org.nodepool.model.Subject.What;

/**
 * What at providers the rows know, each table as it is when it is read: those of all providers, for
 * two may be of one cloud. Not thread-safe.
 */
public final class KnownThings {
  private static final String NODES = "SELECT id, external_id FROM node";
  private static final String SUBNODES =
      "SELECT external_id FROM subnode WHERE external_id IS NOT NULL";
  private static final String IMAGES =
      """
      SELECT external_id, server_external_id FROM snapshot_image
       WHERE external_id IS NOT NULL OR server_external_id IS NOT NULL
      """;
  private static final String ATTEMPTS =
      """
      SELECT j.uuid, a.attempt FROM api_job_attempt a JOIN api_job j ON j.id = a.job_id
       WHERE a.is_swept = 0
      """;

  private final String database;

  /** External ids, of nodes, subnodes and images that are made of a server. */
  private final Set<String> servers = new HashSet<>();

  /** External ids. */
  private final Set<String> images = new HashSet<>();

  /** Ids of rows. */
  private final Set<Long> nodes = new HashSet<>();

  /** Uuids of those that are under way, or may have left something. */
  private final Set<String> attempts = new HashSet<>();

  private KnownThings(String database) {
    this.database = database;
  }

  /**
   * Read now; fails as {@link Database#read}.
   *
   * @param database the id of {@code db}
   */
  public static Future<KnownThings> in(Database db, String database) {
    return db.read(
        c -> {
          KnownThings known = new KnownThings(database);
          return each(c, NODES, known::addNode)
              .compose(v -> each(c, SUBNODES, known::addServer))
              .compose(v -> each(c, IMAGES, known::addImage))
              .compose(v -> each(c, ATTEMPTS, known::addAttempt))
              .map(known);
        });
  }

  private static Future<Void> each(SqlClient c, String sql, Consumer<Row> add) {
    return c.query(sql)
        .execute()
        .map(
            rows -> {
              rows.forEach(add);
              return null;
            });
  }

  private void addNode(Row row) {
    nodes.add(row.getLong("id"));
    addServer(row);
  }

  private void addServer(Row row) {
    servers.add(row.getString("external_id"));
  }

  private void addImage(Row row) {
    images.add(row.getString("external_id"));
    servers.add(row.getString("server_external_id"));
  }

  private void addAttempt(Row row) {
    attempts.add(Job.attemptUuid(row.getString("uuid"), row.getInteger("attempt")));
  }

  /**
   * @param mark null when it has none that is whole
   */
  public boolean hasServer(String externalId, Mark mark) {
    return servers.contains(externalId)
        || isUnderWay(mark)
        || (isOurs(mark)
            && mark.subject().what() == What.NODE
            && nodes.contains(mark.subject().id()));
  }

  /**
   * @param mark as in {@link #hasServer}
   */
  public boolean hasImage(String externalId, Mark mark) {
    return images.contains(externalId) || isUnderWay(mark);
  }

  private boolean isUnderWay(Mark mark) {
    return isOurs(mark) && attempts.contains(mark.attempt());
  }

  private boolean isOurs(Mark mark) {
    return mark != null && mark.database().equals(database);
  }
}
