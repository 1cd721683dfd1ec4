package org.nodepool.model;

import org.nodepool.model.Job.JobState;

/** A queued job on a row of its own, of which a test names only what matters. */
public final class JobInHand {
  private final long id;
  private final JobKind kind;
  private JobState state = JobState.QUEUED;
  private Subject subject;
  private String provider;
  private Long dibImageId;
  private String needsHost;
  private String phase;
  private Long notBefore;

  public JobInHand(long id, JobKind kind) {
    this.id = id;
    this.kind = kind;
    this.subject = new Subject(kind.subject(), id);
  }

  public JobInHand state(JobState s) {
    state = s;
    return this;
  }

  public JobInHand subject(String path) {
    subject = Subject.at(path);
    return this;
  }

  public JobInHand provider(String name) {
    provider = name;
    return this;
  }

  public JobInHand dibImage(Long dibImage) {
    dibImageId = dibImage;
    return this;
  }

  public JobInHand dibImage(long dibImage) {
    return dibImage(Long.valueOf(dibImage));
  }

  public JobInHand needsHost(String host) {
    needsHost = host;
    return this;
  }

  public JobInHand phase(String text) {
    phase = text;
    return this;
  }

  public JobInHand notBefore(long seconds) {
    notBefore = seconds;
    return this;
  }

  public Job made() {
    boolean hasBegun = state != JobState.QUEUED;
    boolean hasEnded = hasBegun && state != JobState.RUNNING;
    return new Job(
        id,
        "uuid",
        kind,
        state,
        subject,
        null,
        provider,
        dibImageId,
        null,
        needsHost,
        hasBegun ? "worker" : null,
        hasBegun ? 1 : 0,
        0,
        false,
        false,
        null,
        phase,
        null,
        notBefore,
        1,
        hasBegun ? 2L : null,
        hasEnded ? 3L : null);
  }
}
