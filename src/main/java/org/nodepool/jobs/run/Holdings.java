package org.nodepool.jobs.run;

/**
 * The changes of the jobs that this worker has. Rows that were read while there was one are not
 * compared with the attempts that run here. To be used on one context alone.
 */
final class Holdings {
  private final Runnable onQuiet;
  private int underWay;
  private long revision;

  /** A moment, to ask {@link #isUnchangedSince} about. */
  record Moment(boolean isQuiet, long revision) {}

  /**
   * @param onQuiet is told whenever nothing is under way any more that changes them
   */
  Holdings(Runnable onQuiet) {
    this.onQuiet = onQuiet;
  }

  /** A claim or a take-over begins: until it ends, the database may know of a job before us. */
  void begin() {
    underWay++;
    revision++;
  }

  /** What began has ended. */
  void end() {
    underWay--;
    if (isQuiet()) {
      onQuiet.run();
    }
  }

  /** A job has been let go. */
  void released() {
    revision++;
    if (isQuiet()) {
      onQuiet.run();
    }
  }

  boolean isQuiet() {
    return underWay == 0;
  }

  Moment now() {
    return new Moment(isQuiet(), revision);
  }

  /** Whether nothing has changed since, or was changing then. */
  boolean isUnchangedSince(Moment moment) {
    return moment.isQuiet() && revision == moment.revision();
  }
}
