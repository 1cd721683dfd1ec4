package org.nodepool.provider;

import static java.util.stream.Collectors.toMap;

import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.WorkerExecutor;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.nodepool.config.DriverConfig;
import org.nodepool.config.PoolConfig;
import org.nodepool.config.PoolConfig.ProviderConfig;
import org.nodepool.model.AttemptEnd;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Limits;
import org.nodepool.model.Mark;
import org.nodepool.model.ProviderCall;

/**
 * The providers of the configuration as it is now. Each is made when it is first asked for, and
 * once, as long as its driver's settings stay the same: so all callers share its login, and the
 * pace at which it may be called. It and they are thread-safe: a call is made on the provider's own
 * context, and its future completes on the caller's.
 */
public final class Providers {
  private final Vertx vertx;
  private final String host;
  private final Context root;
  private final Supplier<PoolConfig> pool;
  private final Map<Class<? extends DriverConfig>, Driver<?>> drivers;
  private final Function<String, WorkerExecutor> executors;
  private final CallNotes notes = new CallNotes(Clock.systemUTC());
  private final Map<String, Made> made = new HashMap<>();

  /** Those that are to be closed after their last calls. */
  private final List<OwnContext> retired = new ArrayList<>();

  /** How many were made of each name. */
  private final Map<String, Integer> counts = new HashMap<>();

  private boolean isClosed;

  private record Made(DriverConfig config, OwnContext provider) {}

  /**
   * To be made outside of any verticle.
   *
   * @param host this one
   * @param pool the configuration as it is now
   * @param drivers one for each {@link DriverConfig}
   * @param executors makes what a provider blocks, by a name that no other has: each has its own,
   *     for one that hangs keeps its threads
   */
  public Providers(
      Vertx vertx,
      String host,
      Supplier<PoolConfig> pool,
      List<Driver<?>> drivers,
      Function<String, WorkerExecutor> executors) {
    this.vertx = vertx;
    this.host = host;
    this.root = vertx.getOrCreateContext();
    this.pool = pool;
    this.drivers = drivers.stream().collect(toMap(Driver::config, driver -> driver));
    this.executors = executors;
    for (Class<?> config : DriverConfig.class.getPermittedSubclasses()) {
      if (!this.drivers.containsKey(config)) {
        throw new IllegalArgumentException("no driver for " + config);
      }
    }
  }

  /**
   * The provider of that name, as it is configured whenever it is called; empty when it is not
   * configured any more.
   */
  public Optional<Provider> find(String name) {
    return config(name).map(config -> new Named(this, name));
  }

  /** A provider that is looked up for each call, so that nobody keeps one that is closed. */
  private record Named(Providers all, String name) implements Provider {
    @Override
    public ImageStore images() {
      return new ImageStore() {
        @Override
        public Future<Void> upload(Upload upload, Observer observer) {
          return all.call(name, provider -> provider.images().upload(upload, observer));
        }

        @Override
        public Future<Void> delete(String externalId) {
          return all.call(name, provider -> provider.images().delete(externalId));
        }

        @Override
        public Future<Void> deleteLeftovers(Mark mark) {
          return all.call(name, provider -> provider.images().deleteLeftovers(mark));
        }

        @Override
        public Future<List<StoredImage>> list(Predicate<String> isOurName) {
          return all.call(name, provider -> provider.images().list(isOurName));
        }
      };
    }

    @Override
    public Compute servers() {
      return new Compute() {
        @Override
        public Future<Server> create(NewServer server) {
          return all.call(name, provider -> provider.servers().create(server));
        }

        @Override
        public Future<List<Server>> list() {
          return all.call(name, provider -> provider.servers().list());
        }

        @Override
        public Future<Void> delete(String externalId) {
          return all.call(name, provider -> provider.servers().delete(externalId));
        }

        @Override
        public Future<byte[]> console(String externalId) {
          return all.call(name, provider -> provider.servers().console(externalId));
        }

        @Override
        public Future<Void> snapshot(
            String externalId, ImageStore.NewImage image, ImageStore.Observer observer) {
          return all.call(
              name, provider -> provider.servers().snapshot(externalId, image, observer));
        }

        @Override
        public Future<Limits> limits() {
          return all.call(name, provider -> provider.servers().limits());
        }
      };
    }
  }

  /**
   * The provider of that name, to look at what it holds.
   *
   * @throws ProviderFailure when it is not configured any more
   */
  public Provider toLookAt(String name) {
    return find(name).orElseThrow(() -> isGone(name));
  }

  /** What is said of a provider that is not configured any more. */
  public static ProviderFailure isGone(String name) {
    return new ProviderFailure("Provider %s is no longer in nodepool.yaml.".formatted(name));
  }

  /**
   * The provider of that name, for a deletion.
   *
   * @throws ProviderFailure when it is not configured any more
   */
  public Provider toDeleteFrom(String name) {
    return find(name)
        .orElseThrow(
            () ->
                new ProviderFailure(
                    ("Provider %s is no longer in nodepool.yaml. Put it back, or delete the record"
                            + " alone with ?record_only=true.")
                        .formatted(name)));
  }

  /**
   * Whether what it holds is on the host that wrote it alone; a cloud is everywhere. False when it
   * is not configured any more.
   */
  public boolean isOnOneHost(String name) {
    return config(name).filter(config -> driver(config.driver()).isOnOneHost()).isPresent();
  }

  /** Whether it runs servers. False when it is not configured any more. */
  public boolean hasServers(String name) {
    return config(name).filter(config -> driver(config.driver()).hasServers()).isPresent();
  }

  /** The only host on which it is, if it is configured so; another one's calls to it fail. */
  public Optional<String> host(String name) {
    return config(name).map(config -> host(driver(config.driver()), config.driver()));
  }

  private static <C extends DriverConfig> String host(Driver<C> driver, DriverConfig config) {
    return driver.host(driver.config().cast(config));
  }

  private Optional<ProviderConfig> config(String name) {
    return Optional.ofNullable(pool.get().providers().get(name));
  }

  private Driver<?> driver(DriverConfig config) {
    return drivers.get(config.getClass());
  }

  /** Begun before anybody else can close it. */
  private synchronized <T> Future<T> call(String name, Function<Provider, Future<T>> call) {
    try {
      return current(name).call(call);
    } catch (AttemptEnd e) {
      return Future.failedFuture(e);
    }
  }

  private OwnContext current(String name) {
    if (isClosed) {
      throw new ProviderAway("The service is being stopped.", null);
    }
    DriverConfig config = config(name).map(ProviderConfig::driver).orElseThrow(() -> isGone(name));
    String only = host(driver(config), config);
    if (only != null && !only.equals(host)) {
      throw new ProviderFailure(
          "Provider %s is on the host %s, and this one is %s.".formatted(name, only, host));
    }
    Made before = made.get(name);
    if (before != null && before.config().equals(config) && before.provider().isUsable()) {
      return before.provider();
    }
    OwnContext provider = made(name, driver(config), config);
    made.put(name, new Made(config, provider));
    if (before != null) {
      retire(before.provider());
    }
    return provider;
  }

  private <C extends DriverConfig> OwnContext made(
      String name, Driver<C> driver, DriverConfig config) {
    String own = "%s-%d".formatted(name, counts.merge(name, 1, Integer::sum));
    return OwnContext.of(
        root,
        () -> executors.apply(own),
        executor ->
            driver.make(
                name, driver.config().cast(config), new Driver.Tools(vertx, executor, notes)));
  }

  /**
   * Closes those that are not configured any more, or otherwise, after their last calls. To be
   * called whenever the configuration has changed.
   */
  public synchronized void refresh() {
    Map<String, ProviderConfig> now = pool.get().providers();
    for (String name : List.copyOf(made.keySet())) {
      ProviderConfig config = now.get(name);
      if (config == null || !made.get(name).config().equals(config.driver())) {
        retire(made.remove(name).provider());
      }
    }
  }

  private void retire(OwnContext provider) {
    retired.removeIf(OwnContext::isClosed);
    retired.add(provider);
    provider.closeAfterLastCall();
  }

  /** Closes all, whatever they do; no other is made from then on. Does not fail. */
  public Future<Void> close() {
    List<Future<Void>> closing = new ArrayList<>();
    synchronized (this) {
      isClosed = true;
      made.values().forEach(each -> closing.add(each.provider().close()));
      retired.forEach(each -> closing.add(each.close()));
      made.clear();
      retired.clear();
    }
    return Future.join(closing).otherwiseEmpty().mapEmpty();
  }

  /** The last call of this process to each provider that it has called; by name. */
  public List<ProviderCall> calls() {
    return notes.all();
  }
}
