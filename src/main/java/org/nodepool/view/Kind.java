package org.nodepool.view;

import static org.nodepool.view.Type.JOB_KIND;
import static org.nodepool.view.Type.JOB_STATE;
import static org.nodepool.view.Type.NUMBER;
import static org.nodepool.view.Type.SINCE;
import static org.nodepool.view.Type.STATE;
import static org.nodepool.view.Type.SUBNODES;
import static org.nodepool.view.Type.TEXT;
import static org.nodepool.view.Type.TIME;
import static org.nodepool.view.Type.WHOLE_NUMBER;

import java.util.Comparator;
import java.util.List;
import org.nodepool.model.Attempt;
import org.nodepool.model.DibImage;
import org.nodepool.model.Job;
import org.nodepool.model.Node;
import org.nodepool.model.Resource;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.State;
import org.nodepool.model.SubNode;

/**
 * One kind of rows, as clients see them. The keys are an allow-list: a column that is none is
 * neither shown nor a filter.
 *
 * @param name what one is called in a sentence
 * @param keys in the contract's order
 * @param listOrder of the whole list
 * @param isNewestFirst whether pages go from the greatest id down
 */
public record Kind<T extends Resource>(
    String name, List<Key<T>> keys, Comparator<T> listOrder, boolean isNewestFirst) {

  /** {@code /v1/nodes}. */
  public static final Kind<Node> NODE =
      new Kind<>(
          "node",
          List.of(
              Key.of("id", WHOLE_NUMBER, Node::id),
              Key.of("provider_name", TEXT, Node::providerName),
              Key.of("label_name", TEXT, Node::labelName),
              Key.of("target_name", TEXT, Node::targetName),
              Key.of("hostname", TEXT, Node::hostname),
              Key.of("nodename", TEXT, Node::nodename),
              Key.of("external_id", TEXT, Node::externalId),
              Key.of("az", TEXT, Node::az),
              Key.of("ip", TEXT, Node::ip),
              Key.of("ip_private", TEXT, Node::ipPrivate),
              Key.of("state", STATE, Node::stateName),
              Key.of("state_time", SINCE, Node::stateTime),
              Key.of("subnodes", SUBNODES, Node::subnodes)),
          Node.LIST_ORDER,
          false);

  /** {@code /v1/images}. */
  public static final Kind<SnapshotImage> SNAPSHOT_IMAGE =
      new Kind<>(
          "image",
          List.of(
              Key.of("id", WHOLE_NUMBER, SnapshotImage::id),
              Key.of("provider_name", TEXT, SnapshotImage::providerName),
              Key.of("image_name", TEXT, SnapshotImage::imageName),
              Key.of("hostname", TEXT, SnapshotImage::hostname),
              Key.of("version", TIME, SnapshotImage::version),
              Key.of("external_id", TEXT, SnapshotImage::externalId),
              Key.of("server_external_id", TEXT, SnapshotImage::serverExternalId),
              Key.of("state", STATE, SnapshotImage::stateName),
              Key.of("state_time", SINCE, SnapshotImage::stateTime)),
          SnapshotImage.LIST_ORDER,
          false);

  /** {@code /v1/dib_images}. */
  public static final Kind<DibImage> DIB_IMAGE =
      new Kind<>(
          "dib image",
          List.of(
              Key.of("id", WHOLE_NUMBER, DibImage::id),
              Key.of("image_name", TEXT, DibImage::imageName),
              Key.of("filename", TEXT, DibImage::filename),
              Key.of("version", TIME, DibImage::version),
              Key.of("state", STATE, DibImage::stateName),
              Key.of("state_time", SINCE, DibImage::stateTime)),
          DibImage.LIST_ORDER,
          false);

  /** {@code /v1/jobs}. */
  public static final Kind<Job> JOB =
      new Kind<>(
          "job",
          List.of(
              Key.of("id", WHOLE_NUMBER, Job::id),
              Key.of("kind", JOB_KIND, job -> job.kind().toString()),
              Key.of("state", JOB_STATE, Job::stateName),
              Key.of("subject", TEXT, job -> job.subject().path()),
              Key.of("image_name", TEXT, Job::imageName),
              Key.of("provider_name", TEXT, Job::providerName),
              Key.of("progress", NUMBER, Job::progress),
              Key.of("phase", TEXT, Job::phase),
              Key.of("error", TEXT, Job::error),
              Key.of("attempts", WHOLE_NUMBER, Job::attempts),
              Key.of("worker", TEXT, Job::worker),
              Key.of("created", TIME, Job::created),
              Key.of("started", TIME, Job::started),
              Key.of("finished", TIME, Job::finished)),
          Job.LIST_ORDER,
          true);

  /** A node's subnodes are shown with it alone. */
  static final List<Key<SubNode>> SUBNODE_KEYS =
      List.of(
          Key.of("id", WHOLE_NUMBER, SubNode::id),
          Key.of("node_id", WHOLE_NUMBER, SubNode::nodeId),
          Key.of("hostname", TEXT, SubNode::hostname),
          Key.of("external_id", TEXT, SubNode::externalId),
          Key.of("ip", TEXT, SubNode::ip),
          Key.of("ip_private", TEXT, SubNode::ipPrivate),
          Key.of("state", STATE, subnode -> State.name(subnode.state())),
          Key.of("state_time", SINCE, SubNode::stateTime));

  /** {@code /v1/jobs/{id}/attempts}. */
  static final List<Key<Attempt>> ATTEMPT_KEYS =
      List.of(
          Key.of("attempt", WHOLE_NUMBER, Attempt::number),
          Key.of("worker", TEXT, Attempt::worker),
          Key.of("started", TIME, Attempt::started),
          Key.of("finished", TIME, Attempt::finished),
          Key.of("error", TEXT, Attempt::error));

  /** What an event of a node tells. */
  static final List<Key<Node>> NODE_KEYS_WITHOUT_SUBNODES =
      NODE.keys.stream().filter(key -> key.type() != SUBNODES).toList();

  /** That row in JSON, as clients see it. */
  public Representation one(T row) {
    return Representation.of(Json.object(keys, row));
  }

  /** The keys that lists may be filtered and counted by: the scalar ones but the times. */
  public List<Key<T>> filterKeys() {
    return keys.stream().filter(key -> key.type().isFilterable()).toList();
  }

  /** Quick: queries are found by it. One of the record's own would hash all keys. */
  @Override
  public int hashCode() {
    return name.hashCode();
  }

  /** Whether that row is on a page behind that marker. */
  boolean isBehind(long marker, T row) {
    return isNewestFirst ? row.id() < marker : row.id() > marker;
  }
}
