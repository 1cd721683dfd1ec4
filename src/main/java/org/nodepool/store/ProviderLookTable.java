package org.nodepool.store;

import io.vertx.core.Future;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.Tuple;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import org.nodepool.model.Alien;
import org.nodepool.model.Limits;
import org.nodepool.model.Mark;
import org.nodepool.model.ProviderLook;
import org.nodepool.model.ProviderLook.Aliens;

/**
 * The table {@code api_provider_look}: each provider as a worker found it last, by the clock of the
 * database. Thread-safe.
 */
public final class ProviderLookTable {
  private static final String LIST =
      """
      SELECT provider, host, time, most_servers, servers, most_ram_mib, ram_mib
        FROM api_provider_look ORDER BY provider, host
      """;
  private static final String ALIENS =
      """
      SELECT host, time, %1$s AS aliens FROM api_provider_look
       WHERE provider = ? AND %1$s IS NOT NULL ORDER BY host
      """;
  private static final String AGE =
      """
      SELECT UNIX_TIMESTAMP() - time AS age FROM api_provider_look WHERE provider = ? AND host = ?
      """;
  private static final String NOTE =
      """
      INSERT INTO api_provider_look (provider, host, time, most_servers, servers, most_ram_mib,
             ram_mib, alien_servers, alien_images)
      VALUES (?, ?, UNIX_TIMESTAMP(), ?, ?, ?, ?, ?, ?)
      ON DUPLICATE KEY UPDATE time = VALUES(time),
             most_servers = VALUES(most_servers), servers = VALUES(servers),
             most_ram_mib = VALUES(most_ram_mib), ram_mib = VALUES(ram_mib),
             alien_servers = VALUES(alien_servers), alien_images = VALUES(alien_images)
      """;
  // Of a host nobody may ever look again; of a cloud somebody will, however long it is away.
  private static final String FORGET =
      """
      DELETE FROM api_provider_look
       WHERE time < UNIX_TIMESTAMP() - ? AND (host <> '' OR provider NOT IN (%s))
      """;

  private final Database db;

  public ProviderLookTable(Database db) {
    this.db = db;
  }

  /** All, by provider and host, also of those that are not configured any more. */
  public Future<List<ProviderLook>> list() {
    return db.read(c -> Statements.list(c, LIST, Tuple.tuple(), ProviderLookTable::look));
  }

  /**
   * The servers at that provider that no row knows, as looks found them, by host; empty when none
   * has looked at servers.
   */
  public Future<List<Aliens>> alienServers(String provider) {
    return aliens(provider, "alien_servers");
  }

  /** As {@link #alienServers}, of images. */
  public Future<List<Aliens>> alienImages(String provider) {
    return aliens(provider, "alien_images");
  }

  private Future<List<Aliens>> aliens(String provider, String column) {
    String sql = ALIENS.formatted(column);
    return db.read(c -> Statements.list(c, sql, Tuple.of(provider), ProviderLookTable::aliens));
  }

  /** How long ago it was looked at from there, in seconds; empty when it never was. */
  public Future<Optional<Long>> age(String provider, String host) {
    return db.read(
            c -> Statements.list(c, AGE, Tuple.of(provider, host), row -> row.getLong("age")))
        .map(ages -> ages.stream().findFirst());
  }

  /**
   * Takes the place of the look before.
   *
   * @param host from which it was looked at, if it is on one host alone; else empty
   * @param limits null when servers were not looked at
   * @param servers the aliens, by external id; null as {@code limits}
   * @param images as {@code servers}, and never null
   */
  public Future<Void> note(
      String provider, String host, Limits limits, List<Alien> servers, List<Alien> images) {
    Tuple values = Tuple.of(provider, host);
    values.addValue(limits == null ? null : limits.mostServers());
    values.addValue(limits == null ? null : limits.servers());
    values.addValue(limits == null ? null : limits.mostRamMib());
    values.addValue(limits == null ? null : limits.ramMib());
    values.addValue(servers == null ? null : json(servers)).addValue(json(images));
    return db.note(c -> c.preparedQuery(NOTE).execute(values).mapEmpty());
  }

  /**
   * Forgets the looks that are older than that, in seconds, at providers that are not configured
   * any more, and from one host alone.
   *
   * @param configured not empty
   */
  public Future<Void> forget(long age, Collection<String> configured) {
    String sql = FORGET.formatted(Statements.places(configured.size()));
    Tuple values = Tuple.of(age);
    configured.forEach(values::addValue);
    return db.note(c -> c.preparedQuery(sql).execute(values).mapEmpty());
  }

  private static ProviderLook look(Row row) {
    Integer servers = row.getInteger("servers");
    Limits limits =
        servers == null
            ? null
            : new Limits(
                row.getInteger("most_servers"),
                servers,
                row.getLong("most_ram_mib"),
                row.getLong("ram_mib"));
    return new ProviderLook(
        row.getString("provider"), row.getString("host"), row.getLong("time"), limits);
  }

  private static String json(List<Alien> aliens) {
    JsonArray listed = new JsonArray();
    aliens.stream().limit(Aliens.MOST_LISTED).forEach(alien -> listed.add(json(alien)));
    return new JsonObject().put("total", aliens.size()).put("listed", listed).encode();
  }

  private static JsonObject json(Alien alien) {
    JsonObject json =
        new JsonObject()
            .put("external_id", alien.externalId())
            .put("name", alien.name())
            .put("created", alien.created());
    Mark mark = alien.mark();
    return mark == null
        ? json
        : json.put("database", mark.database())
            .put("subject", mark.subject().path())
            .put("attempt", mark.attempt());
  }

  private static Aliens aliens(Row row) {
    JsonObject json = new JsonObject(row.getString("aliens"));
    return new Aliens(
        row.getString("host"),
        row.getLong("time"),
        json.getInteger("total"),
        json.getJsonArray("listed").stream()
            .map(JsonObject.class::cast)
            .map(ProviderLookTable::alien)
            .toList());
  }

  private static Alien alien(JsonObject json) {
    return new Alien(
        json.getString("external_id"),
        json.getString("name"),
        Mark.parse(json.getValue("database"), json.getValue("subject"), json.getValue("attempt"))
            .orElse(null),
        json.getLong("created"));
  }
}
