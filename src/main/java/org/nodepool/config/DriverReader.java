package org.nodepool.config;

import java.util.List;

/** Reads what a provider's entry says for its driver. */
interface DriverReader {
  /** The file's word for the driver. */
  String driver();

  /** The keys that are for this driver alone: at another's provider they mean nothing. */
  List<String> keys();

  /** The formats of images that such a provider can take, diskimage-builder's words. */
  List<String> imageTypes();

  DriverConfig read(Section entry);
}
