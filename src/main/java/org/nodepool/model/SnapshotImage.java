package org.nodepool.model;

import java.util.Comparator;

/**
 * An image inside one provider, whether made by snapshot or uploaded. {@code hostname} is the
 * image's name at the provider (the column's name is historic). {@code version} and {@code
 * stateTime} are in Unix seconds. Null is what the row holds as NULL: id and the first two names
 * never are.
 */
public record SnapshotImage(
    long id,
    String providerName,
    String imageName,
    String hostname,
    Long version,
    String externalId,
    String serverExternalId,
    State state,
    Long stateTime)
    implements Image {

  /** provider_name, image_name, id. */
  public static final Comparator<SnapshotImage> LIST_ORDER =
      Comparator.comparing(SnapshotImage::providerName, CodePoints.ORDER)
          .thenComparing(SnapshotImage::imageName, CodePoints.ORDER)
          .thenComparingLong(SnapshotImage::id);

  @Override
  public String eventKind() {
    return "image";
  }

  @Override
  public Subject subject() {
    return new Subject(Subject.What.IMAGE, id);
  }

  @Override
  public String path() {
    return subject().path();
  }

  @Override
  public String stateName() {
    return State.name(state);
  }

  /** This image with another state. */
  public SnapshotImage with(State newState, long newStateTime) {
    return new SnapshotImage(
        id,
        providerName,
        imageName,
        hostname,
        version,
        externalId,
        serverExternalId,
        newState,
        newStateTime);
  }

  /** This image when its provider holds nothing of it. */
  public SnapshotImage withoutExternalIds() {
    return new SnapshotImage(
        id, providerName, imageName, hostname, version, null, null, state, stateTime);
  }
}
