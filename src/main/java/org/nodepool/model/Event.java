package org.nodepool.model;

import java.util.List;

/**
 * A committed insert, change of state or removal of a resource.
 *
 * @param time Unix seconds
 * @param oldState null for an insert
 * @param state null for a removal
 * @param data the resource as of the change; for a removal the last row
 */
public record Event(
    long time, String kind, String subject, String oldState, String state, Resource data) {

  private static final String PROGRESS = "progress";

  /** All there are. */
  public static final List<String> KINDS = List.of("node", "image", "dib_image", "job", PROGRESS);

  /** The event of a resource that appeared. */
  public static Event inserted(Resource row, long time) {
    return new Event(time, row.eventKind(), row.path(), null, row.stateName(), row);
  }

  /** The event of a resource whose state changed. */
  public static Event changed(String oldState, Resource row, long time) {
    return new Event(time, row.eventKind(), row.path(), oldState, row.stateName(), row);
  }

  /** The event of a resource that is gone. */
  public static Event removed(Resource row, long time) {
    return new Event(time, row.eventKind(), row.path(), row.stateName(), null, row);
  }

  /** How far a job is; no change of state, not replayed. */
  public static Event progress(Job job, long time) {
    return new Event(time, PROGRESS, job.path(), job.stateName(), job.stateName(), job);
  }
}
