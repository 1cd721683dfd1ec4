package org.nodepool.model;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Locale;
import java.util.UUID;

/**
 * A piece of work that takes longer than a request. It outlives the request and the process: the
 * row is the job.
 *
 * @param uuid names the job's log and every outside effect of it
 * @param kind what is to be done
 * @param subject the row it works on
 * @param imageName of the diskimage for a build, of the provider's image for an upload or update;
 *     null for nodes
 * @param dibImageId the dib image it makes, sends or deletes; null when it has to do with none
 * @param host where the worker is that claimed it; null before
 * @param needsHost the only host where it can be done, for the files are there; null for any
 * @param worker the installation that claimed it; null before
 * @param attempts how many were begun
 * @param lost how many of them their worker did not live to end
 * @param isCleanup whether the service itself wanted it, to remove what is old
 * @param progress 0 to 1; null when not known
 * @param phase what it does or waits for; null when there is nothing to say
 * @param error one sentence why it failed; null unless it did
 * @param notBefore Unix seconds by the database's clock, before which it does not begin; null: at
 *     once
 * @param created Unix seconds, as {@code started} and {@code finished}, which are null before
 */
public record Job(
    long id,
    String uuid,
    JobKind kind,
    JobState state,
    Subject subject,
    String imageName,
    String providerName,
    Long dibImageId,
    String host,
    String needsHost,
    String worker,
    int attempts,
    int lost,
    boolean isCleanup,
    boolean cancelRequested,
    Double progress,
    String phase,
    String error,
    Long notBefore,
    long created,
    Long started,
    Long finished)
    implements Resource {

  /** Newest first. */
  public static final Comparator<Job> LIST_ORDER = Comparator.comparingLong(Job::id).reversed();

  /** Where a job stands; the last three are ends. */
  public enum JobState {
    QUEUED,
    RUNNING,
    SUCCEEDED,
    FAILED,
    CANCELLED;

    /** The state of that name; an unknown one is an {@link IllegalArgumentException}. */
    public static JobState named(String name) {
      return valueOf(name.toUpperCase(Locale.ROOT));
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** The path of the job with this id. */
  public static String path(long id) {
    return "/v1/jobs/" + id;
  }

  @Override
  public String eventKind() {
    return "job";
  }

  @Override
  public String path() {
    return path(id);
  }

  @Override
  public String stateName() {
    return state.toString();
  }

  /** The same job that does, or waits for, something else. */
  public Job withPhase(String other) {
    return new Job(
        id,
        uuid,
        kind,
        state,
        subject,
        imageName,
        providerName,
        dibImageId,
        host,
        needsHost,
        worker,
        attempts,
        lost,
        isCleanup,
        cancelRequested,
        progress,
        other,
        error,
        notBefore,
        created,
        started,
        finished);
  }

  /** In a line of the log. */
  public String named() {
    return "job %d %s %s".formatted(id, kind, subject);
  }

  /**
   * Names this attempt in every outside effect, so that two attempts never share a file and what
   * one left is found again.
   */
  public String attemptUuid() {
    return attemptUuid(attempts);
  }

  /** As {@link #attemptUuid()}, of an earlier attempt. */
  public String attemptUuid(int attempt) {
    return attemptUuid(uuid, attempt);
  }

  /** As {@link #attemptUuid()}, of the job with that uuid. */
  public static String attemptUuid(String uuid, int attempt) {
    String name = uuid + "/" + attempt;
    return UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8)).toString();
  }

  /** Whether others may have to wait for the end of this job: few may, however many are queued. */
  public boolean mayHoldUpOthers() {
    return Arrays.stream(JobKind.Wait.values()).anyMatch(wait -> wait.isFor(this));
  }

  /** Whether this job, which is queued, has to wait for the end of that one. */
  public boolean waitsFor(Job other) {
    return kind.waits().stream().anyMatch(wait -> wait.isFor(this, other));
  }
}
