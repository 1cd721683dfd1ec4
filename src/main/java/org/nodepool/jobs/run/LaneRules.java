package org.nodepool.jobs.run;

import java.time.Duration;
import org.nodepool.config.ApiConfig;
import org.nodepool.model.JobKind.Lane;

/**
 * How much one lane does at a time. Within a lane the providers take turns; and one for which
 * nothing is being done there may have one job begun even when all workers are busy, so that a
 * provider that hangs delays no other.
 *
 * @param workers how many jobs at one time, but for those
 * @param limit how long an attempt may take, by the setting {@code limitKey}, and how long all at a
 *     job may before one more is begun; null for no limit
 */
record LaneRules(Lane lane, int workers, Duration limit, String limitKey) {
  static LaneRules of(Lane lane, ApiConfig.Jobs settings) {
    return switch (lane) {
      case BUILD ->
          new LaneRules(
              lane, settings.buildWorkers(), settings.buildTimeout(), "jobs.build_timeout");
      case UPLOAD ->
          new LaneRules(
              lane, settings.uploadWorkers(), settings.uploadTimeout(), "jobs.upload_timeout");
      case DELETE -> new LaneRules(lane, JobVerticle.DELETE_WORKERS, null, null);
    };
  }

  /** A sentence of an attempt that took too long. */
  String timedOut() {
    return "It timed out after %s (%s).".formatted(limit, limitKey);
  }
}
