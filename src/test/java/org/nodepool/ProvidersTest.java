package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.vertx.core.Context;
import io.vertx.core.DeploymentOptions;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.ThreadingModel;
import io.vertx.core.VerticleBase;
import io.vertx.core.Vertx;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nodepool.config.CloudsFile;
import org.nodepool.config.DriverConfig.OpenStack;
import org.nodepool.config.PoolConfig;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Mark;
import org.nodepool.model.Subject;
import org.nodepool.model.Subject.What;
import org.nodepool.provider.Compute;
import org.nodepool.provider.Driver;
import org.nodepool.provider.ImageStore;
import org.nodepool.provider.Provider;
import org.nodepool.provider.Providers;
import org.nodepool.provider.directory.DirectoryDriver;
import org.nodepool.provider.openstack.OpenStackDriver;
import org.nodepool.provider.qemu.QemuDriver;

/** Providers of a real cloud that several callers share, while nodepool.yaml changes. */
@RunsBesideOthers
class ProvidersTest {
  private static final String NOWHERE = "00000000-0000-4000-8000-000000000000";

  @TempDir Path dir;

  private final Vertx vertx = Vertx.vertx();
  private final Cloud cloud = Cloud.shared();
  private final Counting driver = new Counting();
  private volatile PoolConfig pool;
  private Providers providers;

  /** The real driver; counts what it made. */
  private static final class Counting implements Driver<OpenStack> {
    private final Driver<OpenStack> real = new OpenStackDriver();
    final AtomicInteger made = new AtomicInteger();
    final AtomicInteger closed = new AtomicInteger();

    @Override
    public Class<OpenStack> config() {
      return real.config();
    }

    @Override
    public boolean isOnOneHost() {
      return real.isOnOneHost();
    }

    @Override
    public boolean hasServers() {
      return real.hasServers();
    }

    @Override
    public Made make(String name, OpenStack config, Tools tools) {
      made.incrementAndGet();
      Made provider = real.make(name, config, tools);
      return new Made() {
        @Override
        public ImageStore images() {
          return provider.images();
        }

        @Override
        public Compute servers() {
          return provider.servers();
        }

        @Override
        public Future<Void> close() {
          closed.incrementAndGet();
          return provider.close();
        }
      };
    }

    int open() {
      return made.get() - closed.get();
    }
  }

  @BeforeEach
  void make() {
    cloud.mend();
    providers =
        new Providers(
            vertx,
            "this-host",
            () -> pool,
            List.of(driver, new DirectoryDriver(), new QemuDriver()),
            name -> vertx.createSharedWorkerExecutor(name, 2));
  }

  @AfterEach
  void close() {
    cloud.mend();
    providers.close().await();
    assertThat(driver.open()).isZero();
    vertx.close().await();
  }

  private void configure(String... entries) throws Exception {
    Path file = dir.resolve("nodepool.yaml");
    String all =
        entries.length == 0 ? "providers: []\n" : "providers:\n" + String.join("", entries);
    Files.writeString(file, all);
    pool = PoolConfig.read(file, new CloudsFile(List.of()));
  }

  @Test
  void two_callers_on_two_contexts_keep_its_rate_and_share_its_login() throws Exception {
    configure(cloud.provider("glance", "rate: 0.2", "images: []"));
    cloud.identity().reset();
    cloud.image().reset();

    Future.all(calls(context(ThreadingModel.EVENT_LOOP)), calls(context(ThreadingModel.WORKER)))
        .await();

    assertThat(cloud.identity().count("POST", "/auth/tokens")).isEqualTo(1);
    List<CloudProxy.Seen> deletions =
        cloud.image().seen().stream().filter(s -> s.method().equals("DELETE")).toList();
    assertThat(deletions).hasSize(8);
    long took = deletions.get(7).time() - deletions.get(0).time();
    // a request may be late, and the next one not
    assertThat(Duration.ofNanos(took)).isGreaterThan(Duration.ofMillis(7 * 200 - 100));
    assertThat(driver.made).hasValue(1);
  }

  /** Four calls of one caller, begun at once. */
  private Future<?> calls(Context caller) {
    return on(
        caller,
        () -> {
          Provider provider = providers.find("glance").orElseThrow();
          return Future.all(
              List.of(
                  provider.images().delete(NOWHERE),
                  provider.images().delete(NOWHERE),
                  provider.images().delete(NOWHERE),
                  provider.images().delete(NOWHERE)));
        });
  }

  @Test
  void a_call_completes_where_it_was_made() throws Exception {
    configure(cloud.provider("glance", "images: []"));
    for (ThreadingModel model : List.of(ThreadingModel.EVENT_LOOP, ThreadingModel.WORKER)) {
      Context caller = context(model);
      Context completed =
          on(
                  caller,
                  () ->
                      providers
                          .find("glance")
                          .orElseThrow()
                          .images()
                          .delete(NOWHERE)
                          .map(v -> Vertx.currentContext()))
              .await();
      assertThat(completed).isSameAs(caller);
    }
  }

  @Test
  void it_outlives_the_verticle_that_called_it_first() throws Exception {
    configure(cloud.provider("glance", "images: []"));
    Context caller = context(ThreadingModel.WORKER);
    on(caller, () -> providers.find("glance").orElseThrow().images().delete(NOWHERE)).await();

    vertx.undeploy(caller.deploymentID()).await();

    assertThat(driver.closed).hasValue(0);
    providers.find("glance").orElseThrow().images().delete(NOWHERE).await();
    assertThat(driver.made).hasValue(1);
  }

  @Test
  void a_hundred_changes_of_its_entry_leave_one_client() throws Exception {
    for (int i = 1; i <= 100; i++) {
      configure(cloud.provider("glance", "api-timeout: " + i, "images: []"));
      providers.refresh();
      providers.find("glance").orElseThrow().images().delete(NOWHERE).await();
    }
    Poll.until("one is left", () -> vertx.deploymentIDs().size() == 1);
    assertThat(driver.made).hasValue(100);
    assertThat(driver.open()).isEqualTo(1);
  }

  @Test
  void what_does_not_concern_its_driver_leaves_it_alone() throws Exception {
    configure(cloud.provider("glance", "images: []"));
    providers.find("glance").orElseThrow().images().delete(NOWHERE).await();
    configure(cloud.provider("glance", "image-type: raw", "images: [{name: other}]"));
    providers.refresh();
    providers.find("glance").orElseThrow().images().delete(NOWHERE).await();
    assertThat(driver.made).hasValue(1);
    assertThat(driver.closed).hasValue(0);
  }

  @Test
  void one_that_is_no_longer_configured_is_closed_after_its_last_call() throws Exception {
    configure(cloud.provider("glance", "images: []"));
    Provider provider = providers.find("glance").orElseThrow();
    provider.images().delete(NOWHERE).await();
    cloud.image().stall("PUT", "/file", 1 << 16);
    Future<Void> last = provider.images().upload(upload(), new Unheard());
    Poll.until("it is under way", cloud.image()::isStalled);

    configure();
    providers.refresh();

    assertThat(providers.find("glance")).isEmpty();
    assertThat(providers.isOnOneHost("glance")).isFalse();
    assertThat(catchThrowable(() -> providers.toDeleteFrom("glance")))
        .isInstanceOf(ProviderFailure.class)
        .hasMessageContaining("?record_only=true");
    assertThat(catchThrowable(() -> provider.images().delete(NOWHERE).await()))
        .isInstanceOf(ProviderFailure.class)
        .hasMessage("Provider glance is no longer in nodepool.yaml.");
    assertThat(driver.closed).hasValue(0);
    cloud.image().mend();
    last.await();
    Poll.until("it is closed", () -> vertx.deploymentIDs().isEmpty());
    assertThat(driver.open()).isZero();
  }

  @Test
  void who_has_asked_for_it_before_calls_it_as_it_is_now() throws Exception {
    configure(cloud.provider("glance", "password: wrong", "images: []"));
    Provider provider = providers.find("glance").orElseThrow();
    assertThat(catchThrowable(() -> provider.images().delete(NOWHERE).await()))
        .hasMessageContaining("refuses the login");

    configure(cloud.provider("glance", "images: []"));

    provider.images().delete(NOWHERE).await();
    Poll.until("one is left", () -> driver.open() == 1);
  }

  @Test
  void after_the_end_nothing_is_called() throws Exception {
    configure(cloud.provider("glance", "images: []"));
    Provider provider = providers.find("glance").orElseThrow();
    provider.images().delete(NOWHERE).await();
    providers.close().await();
    assertThat(catchThrowable(() -> provider.images().delete(NOWHERE).await()))
        .hasMessage("The service is being stopped.");
  }

  @Test
  void what_is_under_way_at_the_end_fails_and_may_be_done_later() throws Exception {
    configure(cloud.provider("glance", "images: []"));
    cloud.image().stall("PUT", "/file", 1 << 16);
    Provider provider = providers.find("glance").orElseThrow();
    Future<Void> upload = provider.images().upload(upload(), new Unheard());
    Poll.until("it hangs", cloud.image()::isStalled);

    providers.close().await();

    assertThat(catchThrowable(upload::await))
        .isInstanceOf(ProviderAway.class)
        .hasMessage("The service is being stopped.");
  }

  private ImageStore.Upload upload() throws Exception {
    byte[] bytes = new byte[1 << 20];
    bytes[0] = 1; // nobody takes it for another format
    String sha256 = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    return new ImageStore.Upload(
        Files.write(dir.resolve("image.raw"), bytes),
        "raw",
        bytes.length,
        sha256,
        "last",
        new Mark(NOWHERE, new Subject(What.IMAGE, 1), UUID.randomUUID().toString()),
        2,
        Map.of());
  }

  private static final class Unheard implements ImageStore.Observer {
    @Override
    public Future<Void> created(String externalId) {
      return Future.succeededFuture();
    }

    @Override
    public void sent(double fraction) {}

    @Override
    public void note(String line) {}

    @Override
    public boolean isStopped() {
      return false;
    }
  }

  private Context context(ThreadingModel model) {
    Promise<Context> made = Promise.promise();
    vertx.deployVerticle(
        new VerticleBase() {
          @Override
          public Future<?> start() {
            made.complete(context);
            return Future.succeededFuture();
          }
        },
        new DeploymentOptions().setThreadingModel(model));
    return made.future().await();
  }

  private static <T> Future<T> on(Context caller, Supplier<Future<T>> call) {
    Promise<T> done = Promise.promise();
    caller.runOnContext(v -> call.get().onComplete(done));
    return done.future();
  }
}
