package org.nodepool.model;

/** A row that has an address in the API and events of its own. */
public sealed interface Resource permits Node, Image, Job {
  /** The row's id in its table. */
  long id();

  /** The kind, as events name it: node, image, dib_image or job. */
  String eventKind();

  /** The path in the API, such as {@code /v1/nodes/7}. */
  String path();

  /** The state's name; null where the column is NULL. */
  String stateName();
}
