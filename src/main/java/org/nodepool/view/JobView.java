package org.nodepool.view;

import static java.util.Comparator.comparing;

import java.util.Comparator;
import java.util.List;
import org.nodepool.changes.SeenChanges;
import org.nodepool.model.Job;
import org.nodepool.model.Resource;

/**
 * The jobs that are shown.
 *
 * @param jobs as they are stored, so without what queued ones wait for
 * @param oldest of the newest jobs that have ended; what ended before it is shown if it was when
 *     all were read. Null when there are no others
 * @param read how many there were when all were read
 */
public record JobView(Table<Job> jobs, Job oldest, int read, SeenChanges seen) implements View {
  static final JobView EMPTY = new JobView(Table.empty(Kind.JOB), null, 0, null);

  private static final Comparator<Job> BY_END = comparing(Job::finished).thenComparing(Job::id);

  /**
   * The oldest of the newest ones; null when there are fewer.
   *
   * @param most how many are the newest ones
   */
  static Job oldest(List<Job> jobs, int most) {
    return jobs.stream()
        .filter(job -> job.finished() != null)
        .sorted(BY_END.reversed())
        .skip(most - 1L)
        .findFirst()
        .orElse(null);
  }

  /** Whether that job, as it is now, is not shown. */
  boolean isPast(Job job) {
    return oldest != null
        && job.finished() != null
        && BY_END.compare(job, oldest) < 0
        && jobs.find(job.id()).isEmpty();
  }

  @Override
  @SuppressWarnings("unchecked") // all are jobs
  public <T extends Resource> Table<T> table(Kind<T> kind) {
    if (kind != Kind.JOB) {
      throw new IllegalArgumentException(kind.name());
    }
    return (Table<T>) jobs;
  }
}
