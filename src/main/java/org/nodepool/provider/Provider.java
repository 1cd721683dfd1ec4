package org.nodepool.provider;

/** A cloud, or what takes its place. */
public interface Provider {
  ImageStore images();

  Compute servers();
}
