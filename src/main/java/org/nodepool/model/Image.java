package org.nodepool.model;

/** A row that stands for an image, on a builder's disk or at a provider. */
public sealed interface Image extends Resource permits DibImage, SnapshotImage {
  /** This image as what a job works on. */
  Subject subject();

  /** Tells two builds of one image apart, the later one has the greater; null in odd rows. */
  Long version();

  /** Null where the column is NULL. */
  State state();

  /** Since when it has been in its state, in Unix seconds; null in odd rows. */
  Long stateTime();
}
