package org.nodepool.provider.openstack;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.WorkerExecutor;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonObject;
import io.vertx.core.streams.ReadStream;
import java.net.ConnectException;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.nodepool.async.Backoff;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Failpoint;
import org.nodepool.provider.ImageStore;
import org.nodepool.provider.files.FileDigests;
import org.nodepool.provider.files.ImageInspection;

/**
 * One upload of one file to a cloud: the file is inspected and hashed, an image made, its id told,
 * the data sent, and the cloud asked until it says that it holds just them. An upload that fails
 * leaves what it has made to {@link ImageStore#deleteLeftovers}. To be used once, on one context.
 */
final class OpenStackUpload {
  private static final String SHA_256 = "SHA-256";
  private static final String SHA_512 = "SHA-512";

  /** The cloud's names of hashes, and Java's. */
  private static final Map<String, String> ALGORITHMS =
      Map.of("sha512", SHA_512, "sha256", SHA_256, "sha384", "SHA-384", "sha1", "SHA-1");

  private static final String MD5 = "MD5";

  private static final String ACTIVE = "active";

  /** While the cloud works on what it was sent. */
  private static final Set<String> PENDING = Set.of("saving", "uploading", "importing");

  /** How often a state is seen that leads nowhere before that is believed. */
  private static final int ODD_STATES = 3;

  private static final Backoff BACKOFF = new Backoff(Duration.ofMillis(500), Duration.ofSeconds(5));

  /** After the last byte, between two looks whether the answer was lost. */
  private static final Duration LOOK = Duration.ofSeconds(1);

  private static final int LOOKS_PER_QUESTION = 10;

  private final Vertx vertx;
  private final WorkerExecutor executor;
  private final CloudCalls calls;
  private final ImageService images;
  private final String provider;
  private final ImageStore.Upload upload;
  private final ImageStore.Observer observer;
  private FileStream stream;
  private boolean isMakingUnclear;
  private boolean isSentBefore;

  OpenStackUpload(
      Vertx vertx,
      WorkerExecutor executor,
      CloudCalls calls,
      ImageService images,
      String provider,
      ImageStore.Upload upload,
      ImageStore.Observer observer) {
    this.vertx = vertx;
    this.executor = executor;
    this.calls = calls;
    this.images = images;
    this.provider = provider;
    this.upload = upload;
    this.observer = observer;
  }

  Future<Void> run() {
    return inspect()
        .compose(v -> digests(SHA_256, SHA_512))
        .compose(
            local -> {
              check(local);
              return make()
                  .compose(
                      image ->
                          observer
                              .created(image.id())
                              .compose(v -> send(image.id()))
                              .compose(v -> activated(image.id(), 1, 0))
                              .compose(held -> verify(held, local))
                              .compose(v -> deleteOthers(image.id())));
            });
  }

  private Future<Void> inspect() {
    return executor.executeBlocking(
        () -> {
          upload.checkThere();
          ImageInspection.check(upload.file(), upload.type());
          return null;
        },
        false);
  }

  private Future<FileDigests> digests(String... algorithms) {
    return executor.executeBlocking(
        () -> {
          long began = System.nanoTime();
          upload.checkThere();
          FileDigests digests = FileDigests.of(upload.file(), observer, algorithms);
          long ms = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
          observer.note("hashed %d bytes in %d ms".formatted(digests.sizeBytes(), ms));
          return digests;
        },
        false);
  }

  /** What is sent is what was built. */
  private void check(FileDigests local) {
    if (local.sizeBytes() != upload.sizeBytes()
        || !local.hex().get(SHA_256).equals(upload.sha256())) {
      throw new ProviderFailure(
          ("The file of the dib image is not what was built any more: it has %d bytes and the SHA-256"
                  + " %s, the build had %d and %s. Build it again.")
              .formatted(
                  local.sizeBytes(),
                  local.hex().get(SHA_256),
                  upload.sizeBytes(),
                  upload.sha256()));
    }
  }

  /** When the answer is lost, the image may be there. */
  private Future<ImageService.CloudImage> make() {
    return calls.again(
        () -> {
          observer.checkGoesOn();
          return isMakingUnclear
              ? images
                  .with(Marks.ATTEMPT, upload.mark().attempt())
                  .compose(
                      found -> found.isEmpty() ? create() : Future.succeededFuture(found.get(0)))
              : create();
        });
  }

  private Future<ImageService.CloudImage> create() {
    Failpoint.CREATE_IMAGE.before();
    return images
        .create(properties())
        .onFailure(e -> isMakingUnclear = true)
        .onSuccess(image -> Failpoint.CREATE_IMAGE.after());
  }

  /** Ours last: no entry of meta takes their place. */
  private JsonObject properties() {
    JsonObject image = new JsonObject();
    upload.meta().forEach(image::put);
    Marks.properties(upload.mark()).forEach(image::put);
    return image
        .put("name", upload.name())
        .put("disk_format", upload.type())
        .put("container_format", "bare")
        .put("visibility", "private")
        .put("nodepool_dib_image_id", Long.toString(upload.dibImageId()));
  }

  private Future<Void> send(String id) {
    return calls.again(
        () -> {
          observer.checkGoesOn();
          if (!isSentBefore) {
            isSentBefore = true;
            return sendOnce(id);
          }
          // the cloud may have begun to take what it then refused
          return images
              .find(id)
              .compose(
                  image ->
                      image.filter(i -> !i.status().equals("queued")).isPresent()
                          ? Future.succeededFuture()
                          : sendOnce(id));
        });
  }

  private Future<Void> sendOnce(String id) {
    Promise<Void> sent = Promise.promise();
    Failpoint.SEND_IMAGE.before();
    images
        .upload(id, upload.sizeBytes(), this::open)
        .recover(this::cut)
        .onComplete(
            answer -> {
              if (answer.succeeded()) {
                observer.note(
                    "sent %d bytes in %d ms"
                        .formatted(upload.sizeBytes(), stream.sinceFirstByte().toMillis()));
                sent.tryComplete();
              } else {
                sent.tryFail(answer.cause());
              }
            });
    watch(id, sent, 1, 0);
    return sent.future()
        .onComplete(v -> endStream("The upload is over."))
        .onSuccess(v -> Failpoint.SEND_IMAGE.after());
  }

  /** With it ends a request that still sends it, and its connection. */
  private void endStream(String why) {
    if (stream != null) {
      stream.fail(new ProviderFailure(why));
    }
  }

  private Future<ReadStream<Buffer>> open() {
    return FileStream.open(vertx, upload.file(), upload.sizeBytes(), observer, calls.timeout())
        .map(
            opened -> {
              endStream("It is sent once more.");
              stream = opened;
              return opened;
            });
  }

  /** A connection that ends in the middle is the end of the upload, one that is refused is not. */
  private Future<Void> cut(Throwable cause) {
    boolean isAnswered = cause.getCause() == null;
    boolean isBegun =
        stream != null && stream.isBegun() && !(cause.getCause() instanceof ConnectException);
    if (!(cause instanceof ProviderAway) || isAnswered || !isBegun) {
      return Future.failedFuture(cause);
    }
    return stream.isGiven()
        ? Future.succeededFuture() // the cloud knows whether it has all
        : Future.failedFuture(
            new ProviderFailure(
                "The connection was cut in the middle of the upload. " + cause.getMessage()));
  }

  /** An answer that is lost must not be waited for, nor one of a cloud that has begun nothing. */
  private void watch(String id, Promise<Void> sent, int looks, int odd) {
    calls
        .pause(LOOK)
        .compose(
            v -> {
              if (!sent.future().isComplete()) {
                observer.checkGoesOn();
              }
              boolean isAsked =
                  !sent.future().isComplete()
                      && stream != null
                      && stream.isGiven()
                      && looks % LOOKS_PER_QUESTION == 0;
              return isAsked
                  ? images.find(id).otherwise(Optional.empty())
                  : Future.succeededFuture(Optional.<ImageService.CloudImage>empty());
            })
        .onFailure(sent::tryFail)
        .onSuccess(
            image -> {
              String status = image.map(ImageService.CloudImage::status).orElse(null);
              boolean isOdd = status != null && !PENDING.contains(status);
              if (ACTIVE.equals(status)) {
                sent.tryComplete();
              } else if (isOdd && odd + 1 == ODD_STATES) {
                sent.tryFail(
                    new ProviderFailure(
                        "%s does not answer the upload; the image's status is '%s'."
                            .formatted(named(), status)));
              } else if (!sent.future().isComplete()) {
                watch(id, sent, looks + 1, isOdd ? odd + 1 : odd);
              }
            });
  }

  /**
   * The image as it is once it is active.
   *
   * @param looks how many there are, with this one
   * @param odd how often it was in a state that leads nowhere
   */
  private Future<ImageService.CloudImage> activated(String id, int looks, int odd) {
    observer.checkGoesOn();
    return images
        .find(id)
        .map(
            found ->
                found.orElseThrow(
                    () -> new ProviderFailure("%s has lost image %s.".formatted(named(), id))))
        .recover(
            e -> e instanceof ProviderAway ? Future.succeededFuture(null) : Future.failedFuture(e))
        .compose(
            image -> {
              if (image != null && image.status().equals(ACTIVE)) {
                return Future.succeededFuture(image);
              }
              boolean isPending = image == null || PENDING.contains(image.status());
              if (!isPending && odd + 1 == ODD_STATES) {
                throw new ProviderFailure(
                    "%s did not take the image: its status is '%s'."
                        .formatted(named(), image.status()));
              }
              return calls
                  .pause(BACKOFF.after(looks))
                  .compose(v -> activated(id, looks + 1, isPending ? odd : odd + 1));
            });
  }

  private String named() {
    return "Provider " + provider;
  }

  private Future<Void> verify(ImageService.CloudImage held, FileDigests local) {
    if (held.size() == null || held.size() != local.sizeBytes()) {
      throw new ProviderFailure(
          "%s holds %s bytes, %d were sent.".formatted(named(), held.size(), local.sizeBytes()));
    }
    String algorithm = held.hash() == null ? null : ALGORITHMS.get(held.hashAlgorithm());
    if (algorithm != null) {
      return compare(algorithm, held.hash(), local);
    }
    if (held.checksum() != null) {
      return compare(MD5, held.checksum(), local);
    }
    throw new ProviderFailure(
        "%s says no checksum of what it holds, so that cannot be trusted.".formatted(named()));
  }

  private Future<Void> compare(String algorithm, String held, FileDigests local) {
    Future<FileDigests> known =
        local.hex().containsKey(algorithm) ? Future.succeededFuture(local) : digests(algorithm);
    return known.map(
        digests -> {
          String own = digests.hex().get(algorithm);
          if (!own.equalsIgnoreCase(held)) {
            throw new ProviderFailure(
                "%s holds data of the %s %s, the file's is %s."
                    .formatted(named(), algorithm, held, own));
          }
          return null;
        });
  }

  /** Of a request that was answered late there may be a second image. */
  private Future<Void> deleteOthers(String id) {
    return isMakingUnclear
        ? images
            .with(Marks.ATTEMPT, upload.mark().attempt())
            .compose(
                found ->
                    Future.all(
                            found.stream()
                                .filter(image -> !image.id().equals(id))
                                .map(image -> images.delete(image.id()))
                                .toList())
                        .mapEmpty())
        : Future.succeededFuture();
  }
}
