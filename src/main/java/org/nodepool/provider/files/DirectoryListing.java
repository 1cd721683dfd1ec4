package org.nodepool.provider.files;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.nodepool.model.AttemptEnd.ProviderFailure;
import org.nodepool.model.Mark;
import org.nodepool.provider.ImageStore;
import org.nodepool.provider.ImageStore.StoredImage;

/**
 * The images in a directory, by the names of their files: a file of any other name is not ours,
 * whatever is said of it.
 */
final class DirectoryListing {
  private static final Pattern EXTERNAL_ID =
      Pattern.compile(
          "(?<name>[A-Za-z0-9][A-Za-z0-9._-]*)"
              + "-(?<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
              + "\\.(?!json|part)[A-Za-z0-9]+");

  /** The image, its copy while it is written, what is known of it: each may be there alone. */
  private static final Pattern FILE =
      Pattern.compile("(?<id>%s)(?:\\.part|\\.json)?".formatted(EXTERNAL_ID));

  private DirectoryListing() {}

  /**
   * As {@link ImageStore#list} has them. Blocks.
   *
   * @throws ProviderFailure when there are too many
   */
  static List<StoredImage> of(Path directory, String provider) throws IOException {
    List<StoredImage> images = new ArrayList<>();
    for (Map.Entry<String, Instant> found : find(directory, provider).entrySet()) {
      String id = found.getKey();
      Matcher parts = EXTERNAL_ID.matcher(id);
      parts.matches();
      Optional<Mark> mark =
          Sidecar.mark(directory.resolve(id))
              // else it was written for another image
              .filter(m -> m.attempt().equals(parts.group("uuid")));
      images.add(new StoredImage(id, parts.group("name"), mark.orElse(null), found.getValue()));
    }
    return images;
  }

  /** By external id, with the time of the oldest file of each. */
  private static Map<String, Instant> find(Path directory, String provider) throws IOException {
    Map<String, Instant> found = new TreeMap<>();
    if (Files.notExists(directory)) { // until the first upload
      return found;
    }
    try (DirectoryStream<Path> files = Files.newDirectoryStream(directory)) {
      for (Path file : files) {
        Matcher name = FILE.matcher(file.getFileName().toString());
        Instant written = name.matches() ? written(file) : null;
        if (written != null) {
          found.merge(name.group("id"), written, (a, b) -> a.isBefore(b) ? a : b);
        }
        if (found.size() > ImageStore.MOST_LISTED) {
          throw new ProviderFailure(
              "Provider %s has more than %d images.".formatted(provider, ImageStore.MOST_LISTED));
        }
      }
    }
    return found;
  }

  /** Null when there is no such file any more, or it is none. */
  private static Instant written(Path file) throws IOException {
    try {
      BasicFileAttributes of = Files.readAttributes(file, BasicFileAttributes.class);
      return of.isRegularFile() ? of.lastModifiedTime().toInstant() : null;
    } catch (NoSuchFileException e) {
      return null;
    }
  }
}
