package org.nodepool.model;

import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.Locale;
import java.util.UUID;

/**
 * A piece of work that takes longer than a request. It outlives the request and the process: the
 * row is the job.
 *
 * @param uuid names the job's log and every outside effect of it
 * @param kind what is to be done
 * @param subject the path of the row it works on; the row may be gone
 * @param imageName of the diskimage for a build, of the provider's image for an upload or update;
 *     null for nodes
 * @param dibImageId the dib image it makes, sends or deletes; null when it has to do with none
 * @param worker the installation that claimed it; null before
 * @param attempts how many were begun
 * @param progress 0 to 1; null when not known
 * @param phase what it does or waits for; null when there is nothing to say
 * @param error one sentence why it failed; null unless it did
 * @param created Unix seconds, as {@code started} and {@code finished}, which are null before
 */
public record Job(
    long id,
    String uuid,
    Kind kind,
    JobState state,
    String subject,
    String imageName,
    String providerName,
    Long dibImageId,
    String host,
    String worker,
    int attempts,
    boolean cancelRequested,
    Double progress,
    String phase,
    String error,
    long created,
    Long started,
    Long finished)
    implements Resource {

  /** Newest first. */
  public static final Comparator<Job> LIST_ORDER = Comparator.comparingLong(Job::id).reversed();

  /** What is to be done; the name in the database and the API is {@link #toString}. */
  public enum Kind {
    BUILD,
    UPLOAD,
    UPDATE,
    DELETE_IMAGE,
    DELETE_DIB_IMAGE,
    DELETE_NODE;

    /** The kind of that name; an unknown one is an {@link IllegalArgumentException}. */
    public static Kind named(String name) {
      return valueOf(name.toUpperCase(Locale.ROOT).replace('-', '_'));
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

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

  /** In a line of the log. */
  public String named() {
    return "job %d %s %s".formatted(id, kind, subject);
  }

  /**
   * Names this attempt in every outside effect, so that two attempts never share a file and what
   * one left is found again.
   */
  public String attemptUuid() {
    String name = uuid + "/" + attempts;
    return UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8)).toString();
  }

  /** Whether it removes something: that can be done twice. */
  public boolean isDeletion() {
    return kind == Kind.DELETE_NODE || kind == Kind.DELETE_IMAGE || kind == Kind.DELETE_DIB_IMAGE;
  }

  /** The id in the subject's path. */
  public long subjectId() {
    return Long.parseLong(subject.substring(subject.lastIndexOf('/') + 1));
  }
}
