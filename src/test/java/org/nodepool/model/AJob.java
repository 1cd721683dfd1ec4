package org.nodepool.model;

import org.nodepool.model.Job.JobState;
import org.nodepool.model.Job.Kind;

/** A queued job on a row of its own, of which a test names only what matters. */
public final class AJob {
  private final long id;
  private final Kind kind;
  private JobState state = JobState.QUEUED;
  private String subject;
  private String provider;
  private Long dibImageId;
  private String needsHost;
  private String phase;
  private Long notBefore;

  public AJob(long id, Kind kind) {
    this.id = id;
    this.kind = kind;
    this.subject = "/v1/rows/" + id;
  }

  public AJob state(JobState s) {
    state = s;
    return this;
  }

  public AJob subject(String path) {
    subject = path;
    return this;
  }

  public AJob provider(String name) {
    provider = name;
    return this;
  }

  public AJob dibImage(Long dibImage) {
    dibImageId = dibImage;
    return this;
  }

  public AJob dibImage(long dibImage) {
    return dibImage(Long.valueOf(dibImage));
  }

  public AJob needsHost(String host) {
    needsHost = host;
    return this;
  }

  public AJob phase(String text) {
    phase = text;
    return this;
  }

  public AJob notBefore(long seconds) {
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
