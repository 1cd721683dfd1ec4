package org.nodepool.ssh;

import java.time.Duration;

/** A stop, which another thread may ask for at any time and which holds for ever. Thread-safe. */
final class Stop {
  private static final Runnable NOTHING = () -> {};

  private boolean isAsked;
  private Runnable end = NOTHING;

  synchronized void ask() {
    isAsked = true;
    end.run();
    notifyAll();
  }

  /** What a stop ends from now on; if it was asked for before, at once. */
  synchronized void ends(Runnable what) {
    end = what;
    if (isAsked) {
      what.run();
    }
  }

  synchronized void endsNothing() {
    end = NOTHING;
  }

  synchronized void check() throws SshFailure {
    if (isAsked) {
      throw new SshFailure("SSH was stopped");
    }
  }

  synchronized void pause(Duration length) throws InterruptedException {
    Deadline deadline = new Deadline(length);
    while (!isAsked && !deadline.isOver()) {
      wait(deadline.left(length).toMillis());
    }
  }
}
