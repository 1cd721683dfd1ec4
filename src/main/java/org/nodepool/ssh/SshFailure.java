package org.nodepool.ssh;

import java.io.IOException;

/**
 * A machine did not do by SSH what it was to; the message is a sentence for people, without what a
 * command of the caller's printed.
 */
public final class SshFailure extends IOException {
  SshFailure(String message) {
    super(message);
  }
}
