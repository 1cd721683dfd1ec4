package org.nodepool.view;

import java.util.List;
import java.util.Map;
import org.nodepool.changes.PoolLog;
import org.nodepool.changes.SeenChanges;
import org.nodepool.model.Job;
import org.nodepool.store.Columns;
import org.nodepool.store.JobHistory;

/** Makes views of the jobs that are shown. */
final class JobPainter implements Painter<JobView> {
  /** All the pauses of a read that nobody waits for. */
  private static final long PAUSES_MS = 3_000;

  private final JobHistory history;

  JobPainter(JobHistory history) {
    this.history = history;
  }

  @Override
  public List<PoolLog.Source<?>> sources(boolean isHurried) {
    long pausesMs = isHurried ? 0 : PAUSES_MS;
    return List.of(new PoolLog.Source<>(Columns.JOB, client -> history.shown(client, pausesMs)));
  }

  @Override
  public JobView empty() {
    return JobView.EMPTY;
  }

  /** A job that has ended and is not shown any more, or is again, has not changed. */
  @Override
  public Whole<JobView> whole(JobView before, PoolLog.Rows all, SeenChanges seen) {
    List<Job> jobs = all.of(Columns.JOB);
    Map<Long, Job> different = before.jobs().differences(jobs);
    long past =
        different.entrySet().stream()
            .filter(
                each ->
                    each.getValue() == null
                        ? before.jobs().find(each.getKey()).orElseThrow().finished() != null
                        : before.isPast(each.getValue()))
            .count();
    Table<Job> table = before.jobs().with(different);
    return new Whole<>(
        new JobView(table, JobView.oldest(jobs, history.most()), jobs.size(), seen),
        (int) (different.size() - past));
  }

  /** While many more end than are shown, all are read again before they are too many. */
  @Override
  public JobView changed(JobView before, PoolLog.Changes changes, SeenChanges seen) {
    Map<Long, Job> jobs = changes.of(Columns.JOB);
    jobs.values().removeIf(job -> job != null && before.isPast(job));
    Table<Job> table = before.jobs().with(jobs);
    int expected = Math.max(before.read(), history.most());
    boolean isTooLong = table.size() > expected + history.most() / 10;
    return isTooLong ? null : new JobView(table, before.oldest(), before.read(), seen);
  }
}
