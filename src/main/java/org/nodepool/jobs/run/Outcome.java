package org.nodepool.jobs.run;

import java.io.IOException;
import java.time.Duration;
import org.nodepool.async.Backoff;
import org.nodepool.jobs.run.JobRun.Stop;
import org.nodepool.model.AttemptEnd;
import org.nodepool.model.AttemptEnd.NotOurs;
import org.nodepool.model.AttemptEnd.NotSupportedYet;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.JobKind;
import org.nodepool.model.Problem;

/**
 * The outcome of an attempt that achieved nothing: what its job becomes. It follows from the cause
 * alone, without an effect; {@link JobEnds} writes it, and cancels the job instead where that was
 * asked for.
 *
 * @param reason one sentence for people
 * @param pause how long the job waits before its next attempt; null for not at all
 * @param isTold whether the job says the reason while it waits
 */
record Outcome(Next next, String reason, Duration pause, boolean isTold) {
  /** What the job is afterwards. */
  enum Next {
    QUEUED,
    /** Queued, and one attempt more is counted whose worker did not live to end it. */
    QUEUED_AFTER_LOSS,
    FAILED,
    /** Whatever it is, it is not this attempt's to say. */
    NOT_OURS
  }

  /** After a fault that may pass; not longer, so that who waits for the job notices its end. */
  private static final Backoff BACKOFF = new Backoff(Duration.ofSeconds(5), Duration.ofMinutes(10));

  /** A deletion never gives up; so it must not press what refuses it, such as an image in use. */
  private static final Backoff BACKOFF_OF_DELETIONS =
      new Backoff(BACKOFF.first(), Duration.ofHours(1));

  /** However long a provider asks to be left alone. */
  private static final Duration LONGEST_ASKED_FOR = Duration.ofHours(1);

  /** How often to ask again for what this version cannot do: the next may begin at any time. */
  private static final Duration ASK_AGAIN = Duration.ofHours(1);

  /** Before a job is begun again of which something could not be removed. */
  private static final Duration UNCLEAN_PAUSE = Duration.ofSeconds(30);

  /**
   * An attempt that is over.
   *
   * @param attempts how many there were, with this one
   * @param stop why it had to end early; null when it had not
   * @param left of the time that all attempts may take; null for no limit
   */
  record Over(JobKind kind, int attempts, Stop stop, Duration left) {}

  /**
   * The outcome of an attempt that ended with that cause.
   *
   * @param random from 0 to 1: how long a pause is
   */
  static Outcome of(Throwable cause, Over over, double random) {
    if (cause instanceof NotOurs) {
      return notOurs(cause.getMessage());
    }
    if (over.stop() != null) {
      return of(over.stop());
    }
    String reason = sentence(cause);
    if (cause instanceof NotSupportedYet) {
      return again(reason, ASK_AGAIN);
    }
    if (cause instanceof Problem.Unavailable || cause instanceof Problem.OutcomeUnknown) {
      return again("the database did not answer", Backoff.jittered(BACKOFF.first(), random));
    }
    // a deletion that is forgotten is worse than one that is late
    boolean mayPass =
        cause instanceof ProviderAway || (cause instanceof IOException && over.kind().deletes());
    if (!mayPass) {
      return failed(reason);
    }
    Duration pause = Backoff.longer(backOff(over, random), askedFor(cause));
    boolean isInTime = over.left() == null || pause.compareTo(over.left()) < 0;
    return isInTime ? again(reason, pause) : failed(reason);
  }

  private static Outcome of(Stop stop) {
    return switch (stop.cause()) {
      case LOST -> notOurs(stop.reason());
      case SERVICE_STOPS -> putBack(stop.reason());
      case CANCELLED, TIMED_OUT -> failed(stop.reason());
    };
  }

  private static Duration backOff(Over over, double random) {
    Backoff backoff = over.kind().deletes() ? BACKOFF_OF_DELETIONS : BACKOFF;
    Duration pause = Backoff.jittered(backoff.after(over.attempts()), random);
    return Backoff.shorter(pause, backoff.longest());
  }

  /** How long the provider is to be left alone; zero when it did not say. */
  private static Duration askedFor(Throwable cause) {
    return cause instanceof ProviderAway away && away.pause() != null
        ? Backoff.shorter(away.pause(), LONGEST_ASKED_FOR)
        : Duration.ZERO;
  }

  /**
   * The outcome of an attempt whose worker did not live to end it.
   *
   * @param lost how many attempts were lost so before
   * @param maxAttempts after how many of them a job fails
   * @param isClean whether nothing of it is left on this host; if not, there is a pause
   */
  static Outcome ofLost(JobKind kind, int lost, int maxAttempts, boolean isClean, String reason) {
    if (!kind.deletes() && lost + 1 >= maxAttempts) {
      return failed(
          "%s It is not tried again (jobs.max_attempts: %d).".formatted(reason, maxAttempts));
    }
    return new Outcome(Next.QUEUED_AFTER_LOSS, reason, isClean ? null : UNCLEAN_PAUSE, false);
  }

  /** The job is queued again as if the attempt had not been. */
  static Outcome putBack(String reason) {
    return new Outcome(Next.QUEUED, reason, null, false);
  }

  private static Outcome again(String reason, Duration pause) {
    return new Outcome(Next.QUEUED, reason, pause, true);
  }

  static Outcome failed(String reason) {
    return new Outcome(Next.FAILED, reason, null, false);
  }

  private static Outcome notOurs(String reason) {
    return new Outcome(Next.NOT_OURS, reason, null, false);
  }

  /** The pause in seconds, at least one; null for none. */
  Long pauseSeconds() {
    return pause == null ? null : Math.max(1, (long) Math.ceil(pause.toMillis() / 1000.0));
  }

  /** Whether somebody thought of that cause; else it is a fault of ours, to be looked into. */
  static boolean isForeseen(Throwable cause) {
    return cause instanceof AttemptEnd || cause instanceof Problem;
  }

  private static String sentence(Throwable cause) {
    if (isForeseen(cause)) {
      return cause.getMessage();
    }
    return cause instanceof IOException
        ? "%s: %s".formatted(cause.getClass().getSimpleName(), cause.getMessage())
        : "An internal error (%s); the service's log has the details."
            .formatted(cause.getClass().getSimpleName());
  }
}
