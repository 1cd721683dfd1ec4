package org.nodepool.jobs.upkeep;

import static java.util.stream.Collectors.toSet;

import io.vertx.core.Future;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.nodepool.async.StoppablePauses;
import org.nodepool.config.PoolConfig;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.model.Alien;
import org.nodepool.model.AttemptEnd;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Limits;
import org.nodepool.model.Mark;
import org.nodepool.model.Problem;
import org.nodepool.provider.Compute.Server;
import org.nodepool.provider.ImageStore.StoredImage;
import org.nodepool.provider.Provider;
import org.nodepool.provider.Providers;
import org.nodepool.store.Database;
import org.nodepool.store.KnownThings;
import org.nodepool.store.ProviderLookTable;
import org.nodepool.store.schema.DatabaseId;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks at what providers hold, how much of it there may be, and what of it no row knows. Removes
 * nothing. A thing that is made or deleted while it is looked at must not be taken for one that was
 * left: two looks, each followed by a read of the rows, must find it.
 */
public final class Looking {
  private static final Logger log = LoggerFactory.getLogger(Looking.class);

  private static final long BETWEEN_TWO_SECONDS = 5;

  /** A host whose workers have not looked for so long is gone, and what it found is nobody's. */
  private static final Duration LEAST_KEPT = Duration.ofHours(1);

  private static final int KEPT_INTERVALS = 10;

  private final Database db;
  private final ProviderLookTable looks;
  private final Supplier<PoolConfig> pool;
  private final Providers providers;
  private final String host;
  private final Duration interval;
  private final StoppablePauses pauses;

  /**
   * The providers that are being looked at, as they were configured then: one that hangs keeps no
   * other waiting, nor itself when it is configured otherwise.
   */
  private final Set<ProviderConfig> underWay = ConcurrentHashMap.newKeySet();

  /** Why providers refused the last look, by name: told once. */
  private final Map<String, String> refusals = new ConcurrentHashMap<>();

  /**
   * @param host this one
   * @param interval after so long a provider is looked at again, by whichever worker
   */
  public Looking(
      Database db,
      ProviderLookTable looks,
      Supplier<PoolConfig> pool,
      Providers providers,
      String host,
      Duration interval) {
    this.db = db;
    this.looks = looks;
    this.pool = pool;
    this.providers = providers;
    this.host = host;
    this.interval = interval;
    this.pauses = new StoppablePauses(db.vertx());
  }

  /**
   * What one look found.
   *
   * @param servers null when it looked at none
   */
  private record Found(List<Alien> servers, List<Alien> images) {
    /** What a later look found, too. */
    Found and(Found later) {
      return new Found(
          servers == null || later.servers == null ? null : both(servers, later.servers),
          both(images, later.images));
    }

    private static List<Alien> both(List<Alien> first, List<Alien> second) {
      Set<String> before = first.stream().map(Alien::externalId).collect(toSet());
      return second.stream().filter(alien -> before.contains(alien.externalId())).toList();
    }
  }

  Duration interval() {
    return interval;
  }

  /**
   * Begins to look at those that were not looked at lately, and waits for none; forgets old looks.
   * Fails as {@link Database#note}.
   */
  Future<Void> run() {
    Map<String, ProviderConfig> configured = pool.get().providers();
    configured.values().stream()
        .filter(config -> isReached(config.name()))
        .filter(underWay::add)
        .forEach(
            config ->
                lookInTurn(config)
                    .onSuccess(v -> refusals.remove(config.name()))
                    .onFailure(cause -> tell(config.name(), cause))
                    .onComplete(done -> underWay.remove(config)));
    Duration kept = LEAST_KEPT.plus(interval.multipliedBy(KEPT_INTERVALS));
    return configured.isEmpty()
        ? Future.succeededFuture()
        : looks.forget(kept.toSeconds(), configured.keySet());
  }

  /** Ends the looks that are between two. */
  void stop() {
    pauses.stop();
  }

  private boolean isReached(String name) {
    return providers.host(name).filter(only -> !only.equals(host)).isEmpty();
  }

  private Future<Void> lookInTurn(ProviderConfig config) {
    String name = config.name();
    String from = providers.isOnOneHost(name) ? host : "";
    // half of it: workers do not look at the same moment
    long pause = interval.toSeconds() / 2;
    return looks
        .age(name, from)
        .compose(
            age ->
                age.isPresent() && age.get() < pause
                    ? Future.succeededFuture()
                    : look(config, from, providers.toLookAt(name)));
  }

  private Future<Void> look(ProviderConfig config, String from, Provider provider) {
    Predicate<String> names = config.imageHostnames();
    return aliens(config, provider, names)
        .compose(
            first ->
                pauses
                    .pause(BETWEEN_TWO_SECONDS, TimeUnit.SECONDS)
                    .compose(v -> limits(config.name(), provider))
                    .compose(
                        limits ->
                            aliens(config, provider, names)
                                .compose(second -> note(config, from, limits, first.and(second)))));
  }

  private Future<Void> note(ProviderConfig config, String from, Limits limits, Found found) {
    return looks.note(config.name(), from, limits, found.servers(), found.images());
  }

  /** Why a provider is away its last call says, and why the database is, that itself. */
  private void tell(String name, Throwable cause) {
    if (cause instanceof ProviderFailure) {
      if (!cause.getMessage().equals(refusals.put(name, cause.getMessage()))) {
        log.warn("provider {} is not looked at: {}", name, cause.getMessage());
      }
    } else if (cause instanceof AttemptEnd
        || cause instanceof Problem
        || cause instanceof CancellationException) {
      log.debug("provider {} is not looked at", name, cause);
    } else {
      log.error("provider {} is not looked at", name, cause);
    }
  }

  private Future<Limits> limits(String name, Provider provider) {
    return providers.hasServers(name) ? provider.servers().limits() : Future.succeededFuture();
  }

  /** What is there, and then what the rows know of it. */
  private Future<Found> aliens(ProviderConfig config, Provider provider, Predicate<String> names) {
    return servers(config.name(), provider)
        .compose(
            servers ->
                provider
                    .images()
                    .list(names)
                    .compose(
                        images ->
                            DatabaseId.of(db)
                                .compose(id -> KnownThings.in(db, id))
                                .map(known -> aliens(servers, images, known))));
  }

  /** Null when it runs none. */
  private Future<List<Server>> servers(String name, Provider provider) {
    return providers.hasServers(name) ? provider.servers().list() : Future.succeededFuture();
  }

  private static Found aliens(List<Server> servers, List<StoredImage> images, KnownThings known) {
    return new Found(
        servers == null ? null : alienServers(servers, known), alienImages(images, known));
  }

  private static List<Alien> alienServers(List<Server> servers, KnownThings known) {
    return servers.stream()
        .filter(server -> !known.hasServer(server.externalId(), server.mark()))
        .map(s -> alien(s.externalId(), s.name(), s.mark(), s.created()))
        .toList();
  }

  private static List<Alien> alienImages(List<StoredImage> images, KnownThings known) {
    return images.stream()
        .filter(image -> !known.hasImage(image.externalId(), image.mark()))
        .map(i -> alien(i.externalId(), i.name(), i.mark(), i.created()))
        .toList();
  }

  private static Alien alien(String externalId, String name, Mark mark, Instant created) {
    return new Alien(externalId, name, mark, created == null ? null : created.getEpochSecond());
  }
}
