package org.nodepool.jobs.run;

import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.net.NetSocket;
import java.util.concurrent.atomic.AtomicReference;
import org.nodepool.DatabaseProxy;

/** Stands before the database, and does to the next COMMIT what it is told; once. */
final class SlowCommitProxy extends DatabaseProxy {
  /** What happens to a COMMIT. */
  enum Fault {
    /** It reaches the database after three seconds. */
    DELAYED,
    /** It reaches the database, and its answer is lost with the connection. */
    ANSWER_LOST,
    /** It is lost with the connection. */
    LOST
  }

  private static final String COMMIT = "COMMIT";

  private final Vertx vertx;
  private final AtomicReference<Fault> next = new AtomicReference<>();

  SlowCommitProxy(Vertx vertx, String host, int port) {
    super(vertx, host, port);
    this.vertx = vertx;
  }

  void doToTheNextCommit(Fault fault) {
    next.set(fault);
  }

  @Override
  protected void forward(Buffer bytes, NetSocket client, NetSocket database) {
    Fault fault = bytes.toString().contains(COMMIT) ? next.getAndSet(null) : null;
    if (fault == null) {
      database.write(bytes);
    } else if (fault == Fault.DELAYED) {
      vertx.setTimer(3_000, timer -> database.write(bytes));
    } else if (fault == Fault.LOST) {
      client.close();
    } else {
      database.handler(answer -> client.close());
      database.write(bytes);
    }
  }
}
