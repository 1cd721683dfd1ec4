package org.nodepool.view;

/**
 * A finished answer, and where it goes on.
 *
 * @param nextMarker the marker of the next page; null when there is none
 */
public record Page(Representation representation, Long nextMarker) {
  Page(Representation representation) {
    this(representation, null);
  }
}
