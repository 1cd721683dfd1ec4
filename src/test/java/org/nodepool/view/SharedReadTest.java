package org.nodepool.view;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.AsyncResult;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.Promise;
import io.vertx.core.VerticleBase;
import io.vertx.core.Vertx;
import io.vertx.junit5.Checkpoint;
import io.vertx.junit5.VertxExtension;
import io.vertx.junit5.VertxTestContext;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.nodepool.Poll;
import org.nodepool.model.Problem;

/** Who shares a read, and what each is told. */
@ExtendWith(VertxExtension.class)
class SharedReadTest {
  private Vertx vertx;

  /** The reads that were begun; the test ends them. */
  private final BlockingQueue<Promise<String>> reads = new LinkedBlockingQueue<>();

  private final BlockingQueue<AsyncResult<String>> answers = new LinkedBlockingQueue<>();
  private SharedRead<String> shared;

  private Context own;

  @BeforeEach
  void begin(Vertx vertx) {
    this.vertx = vertx;
    deploy();
  }

  private void deploy() {
    vertx
        .deployVerticle(
            new VerticleBase() {
              @Override
              public Future<?> start() {
                own = context;
                shared =
                    new SharedRead<>(
                        vertx,
                        () -> {
                          Promise<String> read = Promise.promise();
                          reads.add(read);
                          return read.future();
                        });
                return Future.succeededFuture();
              }
            })
        .await();
  }

  private void ask() {
    ask(answers::add);
  }

  private void ask(Handler<AsyncResult<String>> one) {
    own.runOnContext(v -> shared.get(one));
  }

  /** One who is to be answered so. */
  private static Handler<AsyncResult<String>> who(
      VertxTestContext test, String expected, Checkpoint isAnswered) {
    return test.succeeding(
        answer -> {
          assertThat(answer).isEqualTo(expected);
          isAnswered.flag();
        });
  }

  @Test
  void whoever_comes_while_one_is_under_way_gets_the_next(VertxTestContext test) throws Exception {
    Checkpoint first = test.checkpoint();
    Checkpoint others = test.checkpoint(20);
    ask(who(test, "one", first));
    Promise<String> one = read();
    for (int i = 0; i < 20; i++) {
      ask(who(test, "two", others));
    }
    assertThat(reads.poll(200, TimeUnit.MILLISECONDS)).isNull();

    end(one, "one");
    end(read(), "two");

    assertThat(test.awaitCompletion(5, TimeUnit.SECONDS)).isTrue();
    assertThat(reads).isEmpty();
  }

  @Test
  void who_comes_back_soon_is_waited_for_by_others_and_shares_their_read() {
    // a machine that is busy may take longer to come back than anybody waits
    Poll.until(
        "two share a read",
        () -> {
          own.runOnContext(v -> shared.get(this::answerAndAskAgain));
          Promise<String> first = read();
          own.runOnContext(
              v -> {
                shared.get(answers::add);
                first.complete("one");
              });
          assertThat(answer().result()).isEqualTo("one");
          end(read(), "two");
          boolean isShared = answer() != null && answers.poll(50, TimeUnit.MILLISECONDS) != null;
          if (!isShared) {
            end(read(), "three");
            answer();
          }
          return isShared;
        });
  }

  @Test
  void the_last_one_to_come_back_is_not_waited_for() throws Exception {
    assertThat(isBegunWhenOneWaitsAndComeBack(2, 3)).isTrue();
    end(read(), "two");
    for (int i = 0; i < 3; i++) {
      assertThat(answer().result()).isEqualTo("two");
    }
  }

  @Test
  void when_half_came_back_they_are_waited_for_again() {
    // a machine that is busy may take longer to come back than anybody waits
    Poll.until(
        "one is waited for",
        () -> {
          deploy();
          isBegunWhenOneWaitsAndComeBack(1, 3);
          end(read(), "two");
          answer();
          answer();
          boolean isBegun = isBegunWhenOneMoreAsks();
          end(read(), "three");
          answer();
          return !isBegun;
        });
  }

  @Test
  void when_nobody_came_back_nobody_is_waited_for_for_a_while() {
    // a machine that is busy may take longer than the while
    Poll.until(
        "a read begins at once",
        () -> {
          deploy();
          boolean isFirstBegun = isBegunWhenOneWaitsAndComeBack(0, 1);
          end(read(), "two");
          answer();
          boolean isSecondBegun = isBegunWhenOneWaitsAndComeBack(0, 1);
          end(read(), "two");
          answer();
          return !isFirstBegun && isSecondBegun;
        });
  }

  /** Whether the next read begins at once, with one who waited for it and some of the answered. */
  private boolean isBegunWhenOneWaitsAndComeBack(int back, int answered) throws Exception {
    own.runOnContext(
        v -> {
          for (int i = 0; i < answered; i++) {
            shared.get(answers::add);
          }
        });
    Promise<String> first = read();
    Promise<Boolean> isBegun = Promise.promise();
    own.runOnContext(
        v -> {
          shared.get(answers::add);
          first.complete("one");
          for (int i = 0; i < back; i++) {
            shared.get(answers::add);
          }
          tellWhetherOneIsBegun(isBegun);
        });
    for (int i = 0; i < answered; i++) {
      assertThat(answer().result()).isEqualTo("one");
    }
    return isBegun.future().await(5, TimeUnit.SECONDS);
  }

  private boolean isBegunWhenOneMoreAsks() throws Exception {
    Promise<Boolean> isBegun = Promise.promise();
    own.runOnContext(
        v -> {
          shared.get(answers::add);
          tellWhetherOneIsBegun(isBegun);
        });
    return isBegun.future().await(5, TimeUnit.SECONDS);
  }

  private void tellWhetherOneIsBegun(Promise<Boolean> isBegun) {
    later(() -> isBegun.complete(!reads.isEmpty()));
  }

  private void answerAndAskAgain(AsyncResult<String> answer) {
    answers.add(answer);
    later(() -> shared.get(answers::add));
  }

  private void end(Promise<String> read, String result) {
    own.runOnContext(v -> read.complete(result));
  }

  @Test
  void one_who_is_alone_is_not_kept_waiting() throws Exception {
    for (int i = 0; i < 50; i++) {
      assertThat(isBegunWhenOneMoreAsks()).isTrue();
      end(read(), "alone");
      answer();
    }
  }

  /** When the event loop has gone round twice. */
  private void later(Runnable what) {
    own.runOnContext(v -> own.runOnContext(w -> what.run()));
  }

  @Test
  void a_failure_is_of_those_who_shared_it() throws Exception {
    ask();
    ask();
    Promise<String> read = read();
    ask();
    own.runOnContext(v -> read.fail(new Problem.Unavailable("away")));
    for (Promise<String> more = reads.poll(); answers.size() < 3; more = reads.poll()) {
      if (more != null) {
        end(more, "there");
      }
    }

    assertThat(answers).anyMatch(AsyncResult::failed).anyMatch(AsyncResult::succeeded);
  }

  @Test
  void one_who_cannot_be_answered_keeps_no_other_waiting(VertxTestContext test) throws Exception {
    Checkpoint first = test.checkpoint();
    Checkpoint next = test.checkpoint();
    own.runOnContext(
        v -> {
          shared.get(
              result -> {
                throw new OutOfMemoryError("not really");
              });
          shared.get(who(test, "one", first));
        });
    end(read(), "one");

    ask(who(test, "two", next));
    end(read(), "two");
  }

  @Test
  void what_never_ends_is_given_up() throws Exception {
    long began = System.nanoTime();
    ask();
    Promise<String> never = read();

    assertThat(answer().cause()).isInstanceOf(Problem.Unavailable.class);
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(4));
    Poll.until(
        "another one begins",
        () -> {
          ask();
          return !reads.isEmpty();
        });
    end(read(), "next");
    assertThat(answer().result()).isEqualTo("next");
    end(never, "late");
    assertThat(List.copyOf(answers)).noneMatch(late -> "late".equals(late.result()));
  }

  private Promise<String> read() throws InterruptedException {
    Promise<String> read = reads.poll(5, TimeUnit.SECONDS);
    assertThat(read).as("a read that was begun").isNotNull();
    return read;
  }

  private AsyncResult<String> answer() throws InterruptedException {
    AsyncResult<String> answer = answers.poll(5, TimeUnit.SECONDS);
    assertThat(answer).as("an answer").isNotNull();
    return answer;
  }
}
