package org.nodepool.api;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.Channel;
import io.vertx.core.Deployable;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.net.impl.ConnectionBase;
import io.vertx.ext.web.Router;
import io.vertx.junit5.VertxExtension;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.nodepool.Http;
import org.nodepool.Poll;

/** How often passwords are checked, on a server with nothing but the login. */
@ExtendWith(VertxExtension.class)
class LoginTest {
  private final ExecutorService clients = Executors.newCachedThreadPool();
  private final AtomicInteger arrived = new AtomicInteger();
  private final AtomicInteger checks = new AtomicInteger();
  private final CountDownLatch mayEnd = new CountDownLatch(1);
  private final AtomicInteger handled = new AtomicInteger();
  private Vertx vertx;
  private int port;

  /** Of another event loop, which shares the memory. */
  private int otherPort;

  @BeforeEach
  void listen(Vertx vertx) {
    this.vertx = vertx;
    StoredPassword slow =
        new StoredPassword(
            "a hash",
            true,
            given -> {
              checks.incrementAndGet();
              await(mayEnd);
              if (given.equals("broken")) {
                throw new IllegalStateException("the check is broken");
              }
              return given.equals("right");
            });
    Login.Memory memory = new Login.Memory(System::nanoTime);
    port = serve(slow, memory);
    otherPort = serve(slow, memory);
  }

  /** A server on an event loop of its own; its port. */
  private int serve(StoredPassword password, Login.Memory memory) {
    Promise<HttpServer> listening = Promise.promise();
    Deployable server =
        context -> {
          HttpServerOptions options = Connections.options();
          Connections connections =
              new Connections(
                  vertx,
                  options,
                  new Connections.Total(100, 1L << 30),
                  Proxies.NONE,
                  Hosts.ANY,
                  null,
                  Connections.Patience.USUAL);
          Router router = router(password, memory, new Body(connections));
          return vertx
              .createHttpServer(options)
              .connectionHandler(connections::opened)
              .requestHandler(request -> connections.check(request, router))
              .listen(0, "127.0.0.1")
              .onComplete(listening);
        };
    vertx.deployVerticle(server).await();
    return listening.future().await().actualPort();
  }

  private Router router(StoredPassword password, Login.Memory memory, Body body) {
    Router router = Router.router(vertx);
    Failures.install(router);
    router
        .route()
        .handler(
            ctx -> {
              arrived.incrementAndGet();
              ctx.next();
            });
    router.route().handler(new Login(vertx, "ann", password, memory));
    router
        .route()
        .handler(
            ctx -> {
              Channel channel = ((ConnectionBase) ctx.request().connection()).channel();
              assertThat(channel.eventLoop().inEventLoop()).isTrue();
              ctx.next();
            });
    router.route().handler(body::read);
    router
        .route()
        .handler(
            ctx -> {
              handled.incrementAndGet();
              ctx.end(ctx.user().subject() + " says " + Body.fields(ctx));
            });
    return router;
  }

  @AfterEach
  void close() {
    mayEnd.countDown();
    clients.shutdownNow();
  }

  @Test
  void a_login_that_was_right_is_not_checked_again() {
    mayEnd.countDown();
    Http ann = as("ann", "right");
    for (int i = 0; i < 5_000; i++) {
      assertThat(ann.get("/").status()).isEqualTo(200);
    }
    assertThat(checks).hasValue(1);
  }

  @Test
  void a_login_that_was_wrong_is_checked_again_and_a_right_one_stays_remembered() {
    mayEnd.countDown();
    assertThat(as("ann", "right").get("/").status()).isEqualTo(200);
    assertThat(as("ann", "wrong").get("/").status()).isEqualTo(401);
    assertThat(as("ann", "wrong").get("/").status()).isEqualTo(401);
    assertThat(as("ann", "right").get("/").status()).isEqualTo(200);
    assertThat(checks).hasValue(3);
  }

  @Test
  void the_password_of_an_unknown_user_is_checked_as_if_he_were_known() {
    mayEnd.countDown();
    assertThat(as("bob", "right").get("/").status()).isEqualTo(401);
    assertThat(checks).hasValue(1);
  }

  @Test
  void what_is_remembered_is_user_and_password_and_not_their_letters_in_a_row() {
    mayEnd.countDown();
    assertThat(as("ann", "right").get("/").status()).isEqualTo(200);
    assertThat(as("annr", "ight").get("/").status()).isEqualTo(401);
    assertThat(as("an", "nright").get("/").status()).isEqualTo(401);
  }

  @Test
  void those_who_come_with_the_same_login_share_one_check_and_keep_their_bodies() {
    List<CompletableFuture<Http.Answer>> answers = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      String body = "n=" + i + "&filler=" + "x".repeat(50_000);
      answers.add(ask(() -> as("ann", "right").put("/", body)));
    }
    Poll.until("the check has begun", () -> checks.get() > 0);
    assertThat(handled).hasValue(0);
    mayEnd.countDown();
    assertEachIsAnsweredAfterOneCheck(answers);
  }

  @Test
  void those_who_come_with_the_same_login_share_one_check_on_whichever_event_loop() {
    List<CompletableFuture<Http.Answer>> answers = new ArrayList<>();
    answers.add(ask(() -> as("ann", "right").put("/", "n=0")));
    Poll.until("the check has begun", () -> checks.get() > 0);
    for (int i = 1; i < 8; i++) {
      String body = "n=" + i + "&filler=" + "x".repeat(50_000);
      int at = i % 2 == 0 ? port : otherPort;
      answers.add(ask(() -> new Http(at, "ann", "right").unchecked().put("/", body)));
    }
    Poll.until("all wait", () -> arrived.get() == 8);
    mayEnd.countDown();

    assertEachIsAnsweredAfterOneCheck(answers);
  }

  private void assertEachIsAnsweredAfterOneCheck(List<CompletableFuture<Http.Answer>> answers) {
    for (int i = 0; i < answers.size(); i++) {
      Http.Answer answer = answers.get(i).join();
      assertThat(answer.status()).isEqualTo(200);
      assertThat(answer.body()).contains("ann says {", "n=" + i);
    }
    assertThat(checks).hasValue(1);
  }

  @Test
  void places_are_those_of_all_event_loops_together() {
    List<CompletableFuture<Http.Answer>> answers =
        Stream.iterate(0, i -> i + 1)
            .limit(40)
            .map(i -> new Http(i % 2 == 0 ? port : otherPort, "user" + i, "wrong").unchecked())
            .map(http -> ask(() -> http.get("/")))
            .toList();
    Poll.until(
        "23 are turned away",
        () -> answers.stream().filter(CompletableFuture::isDone).count() == 23);
    mayEnd.countDown();

    List<Integer> statuses = answers.stream().map(answer -> answer.join().status()).toList();
    assertThat(statuses).filteredOn(status -> status == 401).hasSize(17);
    assertThat(statuses).filteredOn(status -> status == 429).hasSize(23);
    assertThat(checks).hasValue(17);
  }

  @Test
  void a_check_keeps_nobody_waiting_who_needs_none_and_too_many_are_turned_away() {
    List<CompletableFuture<Http.Answer>> answers =
        Stream.iterate(0, i -> i + 1)
            .limit(40)
            .map(i -> ask(() -> as("user" + i, "wrong").get("/")))
            .toList();
    Poll.until(
        "23 are turned away",
        () -> answers.stream().filter(CompletableFuture::isDone).count() == 23);
    assertThat(new Http(port, null, null).unchecked().get("/").status()).isEqualTo(401);
    CompletableFuture<Http.Answer> ann = ask(() -> as("ann", "right").get("/"));
    Poll.until("ann's login is checked beside", () -> checks.get() == 2);
    mayEnd.countDown();
    assertThat(ann.join().status()).isEqualTo(200);
    List<Http.Answer> all = answers.stream().map(CompletableFuture::join).toList();
    assertThat(all).filteredOn(answer -> answer.status() == 401).hasSize(17);
    assertThat(all)
        .filteredOn(answer -> answer.status() == 429)
        .hasSize(23)
        .allSatisfy(answer -> assertThat(answer.slug()).isEqualTo("too-many-requests"))
        .allSatisfy(answer -> assertThat(answer.header("Retry-After")).isEqualTo("1"))
        .allSatisfy(answer -> assertThat(answer.header("WWW-Authenticate")).isNull());
    assertThat(checks).hasValue(18);
  }

  @Test
  void a_check_that_breaks_is_a_fault_of_the_service_and_lets_nobody_in() {
    mayEnd.countDown();
    Http.Answer answer = as("ann", "broken").get("/");
    assertThat(answer.status()).isEqualTo(500);
    assertThat(answer.slug()).isEqualTo("internal");
    assertThat(answer.header("WWW-Authenticate")).isNull();
    assertThat(handled).hasValue(0);
  }

  private CompletableFuture<Http.Answer> ask(Supplier<Http.Answer> call) {
    return CompletableFuture.supplyAsync(call, clients);
  }

  private Http as(String user, String password) {
    return new Http(port, user, password).unchecked();
  }

  private static void await(CountDownLatch latch) {
    try {
      if (!latch.await(30, TimeUnit.SECONDS)) {
        throw new IllegalStateException("nobody let it end");
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
