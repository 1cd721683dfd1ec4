package org.nodepool.provider.openstack;

import io.vertx.core.Future;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.core.streams.ReadStream;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.nodepool.model.AttemptEnd.ProviderAway;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.provider.ImageStore;

/**
 * A cloud's images (OpenStack Image v2). To be used on one context alone. Every future fails with
 * {@link ProviderFailure} when the cloud refuses, and with {@link ProviderAway} when it does not
 * answer or may do it later.
 */
final class ImageService {
  private static final Pattern ID = Pattern.compile("[A-Za-z0-9_-]+");

  /** How many images are asked for at a time; some 2 kB each. */
  private static final int PAGE = 200;

  /** A list that is longer, ours and others', is taken for one that never ends. */
  private static final int MOST_PAGES = ImageStore.MOST_LISTED / PAGE;

  private final CloudCalls calls;
  private final String provider;
  private final CloudService service;

  /**
   * An image as the cloud has it.
   *
   * @param name null when it has none
   * @param created null when the cloud does not say
   * @param status as the cloud calls it
   * @param size in bytes; null until it is known
   * @param hashAlgorithm of {@code hash}; null until it is known, or when there is none
   * @param hash lower case hex
   * @param checksum MD5, lower case hex; null until it is known, or when there is none
   */
  record CloudImage(
      String id,
      String name,
      Instant created,
      String status,
      Long size,
      String hashAlgorithm,
      String hash,
      String checksum,
      JsonObject properties) {
    static CloudImage of(JsonObject json) {
      return new CloudImage(
          json.getString("id"),
          json.getString("name"),
          instant(json.getString("created_at")),
          json.getString("status", ""),
          json.getLong("size"),
          json.getString("os_hash_algo"),
          json.getString("os_hash_value"),
          json.getString("checksum"),
          json);
    }

    private static Instant instant(String text) {
      try {
        return text == null ? null : Instant.parse(text);
      } catch (DateTimeParseException e) {
        return null;
      }
    }
  }

  /**
   * @param endpoint where the service is whatever the catalog says; null when that decides
   */
  ImageService(CloudCalls calls, Identity identity, String provider, String endpoint) {
    this.calls = calls;
    this.provider = provider;
    this.service =
        new CloudService(
            identity,
            provider,
            "image",
            endpoint,
            new VersionDiscovery(calls, provider, "Image", 2));
  }

  /**
   * Makes an image without data. When it fails with {@link ProviderAway} there may be one.
   *
   * @param image its properties
   */
  Future<CloudImage> create(JsonObject image) {
    return service
        .call(access -> calls.post(access.endpoint() + "/images", access.token(), image))
        .map(
            answer -> {
              if (answer.status() != 201) {
                throw service.refused("to make an image", answer);
              }
              return CloudImage.of(answer.json());
            });
  }

  /** Empty when there is none. */
  Future<Optional<CloudImage>> find(String id) {
    return service
        .call(access -> calls.get(url(access, id), access.token()))
        .map(
            answer ->
                switch (answer.status()) {
                  case 200 -> Optional.of(CloudImage.of(answer.json()));
                  case 404 -> Optional.empty();
                  default -> throw service.refused("to show image " + id, answer);
                });
  }

  /** The images of which a property has this value, in no order. */
  Future<List<CloudImage>> with(String property, String value) {
    return list("/images?%s=%s&limit=%d".formatted(property, encoded(value), PAGE))
        .map(
            page ->
                page.images().stream()
                    // an Image service that does not know the filter lists all
                    .filter(image -> value.equals(image.properties().getValue(property)))
                    .toList());
  }

  /**
   * What is wanted of the images that the login may see, in no order. Image filters by the value of
   * a property and not by its being there, so what others made, or an early version did, is found
   * only by looking at all of them. Those that somebody has hidden, and community images of other
   * projects, are not among them. Fails with {@link ProviderFailure} also when there are more than
   * {@value ImageStore#MOST_LISTED}.
   *
   * @param wanted what is to be held of an image: its properties may be many
   */
  <T> Future<List<T>> all(Function<CloudImage, Optional<T>> wanted) {
    return all(wanted, "", 1, new ArrayList<>());
  }

  private <T> Future<List<T>> all(
      Function<CloudImage, Optional<T>> wanted, String marker, int number, List<T> found) {
    return list("/images?limit=%d%s".formatted(PAGE, marker))
        .recover(e -> Future.failedFuture(marker.isEmpty() ? e : later(e)))
        .compose(
            page -> {
              page.images().stream().map(wanted).flatMap(Optional::stream).forEach(found::add);
              if (page.isLast()) {
                return Future.succeededFuture(found);
              }
              if (number == MOST_PAGES) {
                throw new ProviderFailure(
                    "Provider %s lists more than %d images."
                        .formatted(provider, ImageStore.MOST_LISTED));
              }
              return all(wanted, "&marker=" + encoded(page.lastId()), number + 1, found);
            });
  }

  /** A page that begins after an image is refused when that image was deleted meanwhile. */
  private static Throwable later(Throwable e) {
    return e instanceof ProviderFailure ? new ProviderAway(e.getMessage(), e) : e;
  }

  private record Page(List<CloudImage> images, boolean isLast) {
    String lastId() {
      return images.get(images.size() - 1).id();
    }
  }

  private Future<Page> list(String query) {
    return service
        .call(access -> calls.get(access.endpoint() + query, access.token()))
        .map(
            answer -> {
              if (answer.status() != 200) {
                throw service.refused("to list images", answer);
              }
              JsonObject page = answer.json();
              if (!(page.getValue("images") instanceof JsonArray array)) {
                throw new ProviderAway(
                    "Provider %s answers no list of images: %s"
                        .formatted(provider, answer.reason()),
                    null);
              }
              List<CloudImage> images =
                  array.stream().map(JsonObject.class::cast).map(CloudImage::of).toList();
              return new Page(images, images.isEmpty() || !page.containsKey("next"));
            });
  }

  /**
   * Sends an image's data. Completes when the cloud has taken them; that takes as long as it takes.
   *
   * @param data from their beginning, each time
   */
  Future<Void> upload(String id, long sizeBytes, Supplier<Future<ReadStream<Buffer>>> data) {
    return service
        .call(
            access ->
                data.get()
                    .compose(
                        stream ->
                            calls.put(
                                url(access, id) + "/file", access.token(), sizeBytes, stream)))
        .map(
            answer -> {
              if (answer.status() != 204) {
                throw service.refused("the upload", answer);
              }
              return null;
            });
  }

  /**
   * Completes when the cloud has no such image, also if it never had. Fails with {@link
   * ProviderAway} when the image is in use or protected: it may be deleted later.
   */
  Future<Void> delete(String id) {
    return service
        .call(access -> calls.delete(url(access, id), access.token()))
        .map(
            answer -> {
              int status = answer.status();
              if (status == 403 || status == 409) {
                throw new ProviderAway(
                    "Provider %s does not delete image %s now: %s"
                        .formatted(provider, id, answer.reason()),
                    null);
              }
              if (status != 204 && status != 404) {
                throw service.refused("to delete image " + id, answer);
              }
              return null;
            });
  }

  /** The id comes from a row: it must not lead elsewhere. */
  private String url(Identity.Access access, String id) {
    if (!ID.matcher(id).matches()) {
      throw new ProviderFailure(
          "'%s' is not the id of an image in provider %s."
              .formatted(id.replaceAll("\\p{Cntrl}", "?"), provider));
    }
    return access.endpoint() + "/images/" + id;
  }

  private static String encoded(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }
}
