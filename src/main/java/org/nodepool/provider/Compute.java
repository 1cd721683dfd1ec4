package org.nodepool.provider;

import static java.util.Objects.requireNonNull;

import io.vertx.core.Future;
import java.time.Instant;
import java.util.List;
import org.nodepool.model.AttemptEnd.NotSupportedYet;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Limits;
import org.nodepool.model.Mark;
import org.nodepool.model.Subject;

/**
 * What runs servers for us. Every future fails with {@link ProviderFailure} when the provider
 * refuses, with {@link ProviderAway} for a fault that may pass, such as that there is no room, and
 * with {@link NotSupportedYet} for an act that its driver is still to learn.
 */
public interface Compute {
  /**
   * A server that is to be made.
   *
   * @param name letters, digits, dots, underscores and hyphens
   * @param imageId the external id of the image that it begins with
   * @param ramMib at least so much memory; null: as much as the provider thinks right
   * @param mark also of the name's other servers, such as a node's subnodes
   * @param publicKey whoever has the private one may log in; a line as in authorized_keys
   */
  record NewServer(String name, String imageId, Integer ramMib, Mark mark, String publicKey) {
    public NewServer {
      requireNonNull(name, "name");
      requireNonNull(imageId, "imageId");
      requireNonNull(mark, "mark");
      requireNonNull(publicKey, "publicKey");
    }
  }

  /**
   * A server, as it was when it was looked at.
   *
   * @param mark null: it has none that can be read, and only looks like one of ours
   * @param address where it listens for ssh, with {@code port}; null while that is not known
   * @param created null when that is not known
   */
  record Server(
      String externalId,
      String name,
      Mark mark,
      State state,
      String address,
      int port,
      Instant created) {
    /** Whether it was made for that row of that database. */
    public boolean isOf(String database, Subject subject) {
      return mark != null && mark.database().equals(database) && mark.subject().equals(subject);
    }
  }

  /** What a server does. */
  enum State {
    STARTING,
    RUNNING,
    /** It has ended, or cannot be used; all that can be done is to delete it. */
    ENDED
  }

  /**
   * Makes a server and starts it. One of the same name and mark that is there is given back: a
   * create whose answer was lost is simply tried again. What is left of one that fails is found by
   * the mark.
   */
  Future<Server> create(NewServer server);

  /**
   * All servers that carry a mark, of whatever database, and those that look like ours; by external
   * id.
   */
  Future<List<Server>> list();

  /** Completes when the provider has no such server, also if it never had. */
  Future<Void> delete(String externalId);

  /** The last 100 kB at most of what a server has printed, as it was printed. */
  Future<byte[]> console(String externalId);

  /**
   * Makes an image of a server's disk, which the server does not survive: it is shut down. Once it
   * completes the image is whole. What is left of one that fails is found by the mark.
   *
   * @param image what it is to be
   * @param observer is told the image's external id first, then how far it is
   */
  Future<Void> snapshot(String externalId, ImageStore.NewImage image, ImageStore.Observer observer);

  Future<Limits> limits();
}
