package org.nodepool.model;

import java.util.Comparator;

/**
 * A disk image on the builder's disk. {@code filename} is without extension, each format is {@code
 * <filename>.<type>} (legacy rows may hold anything). {@code version} and {@code stateTime} are in
 * Unix seconds. Null is what the row holds as NULL: id and image name never are.
 */
public record DibImage(
    long id, String imageName, String filename, Long version, State state, Long stateTime)
    implements Image {

  /** image_name, id. */
  public static final Comparator<DibImage> LIST_ORDER =
      Comparator.comparing(DibImage::imageName, CodePoints.ORDER).thenComparingLong(DibImage::id);

  @Override
  public String eventKind() {
    return "dib_image";
  }

  @Override
  public Subject subject() {
    return new Subject(Subject.What.DIB_IMAGE, id);
  }

  @Override
  public String path() {
    return subject().path();
  }

  @Override
  public String stateName() {
    return State.name(state);
  }

  /** This dib image with another state. */
  public DibImage with(State newState, long newStateTime) {
    return new DibImage(id, imageName, filename, version, newState, newStateTime);
  }
}
