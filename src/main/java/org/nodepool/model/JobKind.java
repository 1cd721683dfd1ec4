package org.nodepool.model;

import static java.util.Objects.requireNonNull;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.BiPredicate;
import java.util.function.Predicate;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.Subject.What;

/**
 * A kind of job, and all that it is. The rules by which jobs are accepted, claimed, cancelled,
 * retried, explained and pruned ask these properties; none asks for a kind by its name but where
 * the rule itself is about that kind. The name in the database and the API is {@link #toString}.
 */
public enum JobKind {
  BUILD(Lane.BUILD, Effect.MAKES, What.DIB_IMAGE, Place.ANYWHERE),
  UPLOAD(Lane.UPLOAD, Effect.MAKES, What.IMAGE, Place.WITH_ITS_FILES),
  UPDATE(Lane.UPLOAD, Effect.MAKES, What.IMAGE, Place.WITH_ITS_FILES, Wait.ITS_BUILD),
  DELETE_IMAGE(
      Lane.DELETE, Effect.DELETES, What.IMAGE, Place.OF_ITS_PROVIDER, Wait.RUNNING_ON_SUBJECT),
  DELETE_DIB_IMAGE(
      Lane.DELETE,
      Effect.DELETES,
      What.DIB_IMAGE,
      Place.WITH_ITS_FILES,
      Wait.RUNNING_ON_SUBJECT,
      Wait.RUNNING_WITH_DIB_IMAGE),
  DELETE_NODE(
      Lane.DELETE, Effect.DELETES, What.NODE, Place.OF_ITS_PROVIDER, Wait.RUNNING_ON_SUBJECT);

  /** Jobs that share workers: a lane that is busy never keeps another one waiting. */
  public enum Lane {
    BUILD,
    UPLOAD,
    DELETE;

    /** Whether its jobs fill disks: then none begins where too little is free. */
    public boolean needsDiskSpace() {
      return this == BUILD;
    }

    /** The kinds that run in it. */
    public Set<JobKind> kinds() {
      return kindsThat(kind -> kind.lane == this);
    }
  }

  /** What a job does to its subject. */
  public enum Effect {
    /** The job makes it: in vain, the row fails; cancelled, it goes. */
    MAKES,
    /** The job removes it, which can be done twice, and which is never given up. */
    DELETES
  }

  /** The hosts whose workers may run a job; {@link Job#needsHost} names the only one. */
  public enum Place {
    ANYWHERE,
    /** Where the files of its dib image are; without one, as {@link #OF_ITS_PROVIDER}. */
    WITH_ITS_FILES,
    /** Where its provider can be reached: anywhere, or the one host on which that keeps files. */
    OF_ITS_PROVIDER
  }

  /** Other jobs for whose end a queued job waits. JobTable says the same to the database. */
  public enum Wait {
    /** An update sends what its build makes. */
    ITS_BUILD(other -> other.kind() == BUILD && other.finished() == null, Wait::isOfOneDibImage),
    /** A deletion follows what still works on its subject. */
    RUNNING_ON_SUBJECT(Wait::isRunning, (job, other) -> job.subject().equals(other.subject())),
    /** The files of a dib image stay while they are made or sent. */
    RUNNING_WITH_DIB_IMAGE(Wait::isRunning, Wait::isOfOneDibImage);

    private final Predicate<Job> others;
    private final BiPredicate<Job, Job> relation;

    /**
     * @param others the jobs that hold others up
     * @param relation of a job, the first, to one that holds it up
     */
    Wait(Predicate<Job> others, BiPredicate<Job, Job> relation) {
      this.others = others;
      this.relation = relation;
    }

    /** Whether a job may have to wait for that one. */
    boolean isFor(Job other) {
      return others.test(other);
    }

    /** Whether the job has to wait for the other one. */
    boolean isFor(Job job, Job other) {
      return isFor(other) && relation.test(job, other);
    }

    private static boolean isRunning(Job other) {
      return other.state() == JobState.RUNNING;
    }

    private static boolean isOfOneDibImage(Job job, Job other) {
      return job.dibImageId() != null && job.dibImageId().equals(other.dibImageId());
    }
  }

  private final Lane lane;
  private final Effect effect;
  private final What subject;
  private final Place place;
  private final List<Wait> waits;

  JobKind(Lane lane, Effect effect, What subject, Place place, Wait... waits) {
    this.lane = requireNonNull(lane);
    this.effect = requireNonNull(effect);
    this.subject = requireNonNull(subject);
    this.place = requireNonNull(place);
    this.waits = List.of(waits);
  }

  /** The kind of that name; an unknown one is an {@link IllegalArgumentException}. */
  public static JobKind named(String name) {
    return valueOf(name.toUpperCase(Locale.ROOT).replace('-', '_'));
  }

  /** The kinds of which that is true, in the order of this list. */
  public static Set<JobKind> kindsThat(Predicate<JobKind> property) {
    Set<JobKind> kinds = EnumSet.noneOf(JobKind.class);
    Arrays.stream(values()).filter(property).forEach(kinds::add);
    return kinds;
  }

  public Lane lane() {
    return lane;
  }

  /** The table of the row that it makes or deletes. */
  public What subject() {
    return subject;
  }

  /** Whether it makes its subject. */
  public boolean makes() {
    return effect == Effect.MAKES;
  }

  /** Whether it removes its subject. */
  public boolean deletes() {
    return effect == Effect.DELETES;
  }

  public Place place() {
    return place;
  }

  /** The jobs for whose end one of this kind waits; one of them is enough to hold it up. */
  public List<Wait> waits() {
    return waits;
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
