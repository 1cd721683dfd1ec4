package org.nodepool.jobs.upkeep;

import static java.util.Comparator.comparing;
import static java.util.Comparator.comparingLong;
import static java.util.Comparator.naturalOrder;
import static java.util.Comparator.nullsFirst;
import static java.util.stream.Collectors.groupingBy;

import io.vertx.core.Future;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.nodepool.async.InTurn;
import org.nodepool.config.PoolConfig;
import org.nodepool.jobs.Deletions;
import org.nodepool.jobs.Knock;
import org.nodepool.jobs.Ticket;
import org.nodepool.model.DibImage;
import org.nodepool.model.Failpoint;
import org.nodepool.model.Image;
import org.nodepool.model.Job;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.State;
import org.nodepool.store.Database;
import org.nodepool.store.DibImageTable;
import org.nodepool.store.JobTable;
import org.nodepool.store.SnapshotImageTable;
import org.nodepool.store.Tx;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which images are kept: of each diskimage, and of each image at a provider, the two newest ready
 * ones. Older ready ones, and failed ones, are deleted when they have been that for long enough;
 * but none that a job works on or sends, none that no job of ours made, and none at a provider that
 * is not configured any more.
 *
 * <p>Every worker does this, and users delete meanwhile: what was read decides nothing. It is
 * decided again in the transaction that marks the row, with all rows of its name locked.
 */
public final class Keeping {
  private static final Logger log = LoggerFactory.getLogger(Keeping.class);

  /** The current one, and the one before to go back to. */
  private static final int KEPT_READY = 2;

  private static final Comparator<Image> NEWEST_FIRST =
      comparing(Image::version, nullsFirst(naturalOrder())).thenComparingLong(Image::id).reversed();

  /**
   * One of the two tables.
   *
   * @param name tells which rows are of one image
   * @param lockNamed the rows of that image, locked
   * @param lockActive the jobs that work on it, locked
   * @param delete marks it and makes the job
   */
  private record Shelf<T extends Image>(
      Function<T, Object> name,
      BiFunction<Tx, T, Future<List<T>>> lockNamed,
      BiFunction<Tx, T, Future<List<Job>>> lockActive,
      BiFunction<Tx, T, Future<Ticket>> delete) {}

  private final Database db;
  private final DibImageTable dibImages;
  private final SnapshotImageTable images;
  private final JobTable jobs;
  private final Deletions deletions;
  private final Supplier<PoolConfig> config;
  private final Knock knock;
  private final Duration imageAge;
  private final Shelf<DibImage> disk;
  private final Shelf<SnapshotImage> provider;

  /**
   * @param imageAge how long an image stays that need not be kept
   */
  public Keeping(
      Database db,
      DibImageTable dibImages,
      SnapshotImageTable images,
      JobTable jobs,
      Deletions deletions,
      Supplier<PoolConfig> config,
      Knock knock,
      Duration imageAge) {
    this.db = db;
    this.dibImages = dibImages;
    this.images = images;
    this.jobs = jobs;
    this.deletions = deletions;
    this.config = config;
    this.knock = knock;
    this.imageAge = imageAge;
    this.disk =
        new Shelf<>(
            DibImage::imageName,
            (tx, image) -> dibImages.lockNamed(tx, image.imageName()),
            (tx, image) -> jobs.lockActiveOf(tx, image.id()),
            deletions::cleanUp);
    this.provider =
        new Shelf<>(
            image -> List.of(image.providerName(), image.imageName()),
            (tx, image) -> images.lockNamed(tx, image.providerName(), image.imageName()),
            (tx, image) -> jobs.lockActive(tx, image.subject()),
            deletions::cleanUp);
  }

  /** Deletes what need not be kept; fails as {@link Database#transaction}. */
  Future<Void> run() {
    return dibImages
        .list()
        .compose(rows -> cleanUp(disk, rows))
        .compose(v -> images.list())
        .compose(rows -> cleanUp(provider, rows.stream().filter(this::isConfigured).toList()));
  }

  private boolean isConfigured(SnapshotImage image) {
    return config.get().providers().containsKey(image.providerName());
  }

  private <T extends Image> Future<Void> cleanUp(Shelf<T> shelf, List<T> rows) {
    List<T> old =
        rows.stream().collect(groupingBy(shelf.name())).values().stream()
            .flatMap(named -> notKept(named, db.now()))
            .sorted(comparingLong(Image::id))
            .toList();
    return jobs.made(old.stream().map(Image::subject).toList())
        .compose(
            ours ->
                InTurn.each(
                    old.stream().filter(image -> ours.contains(image.subject())).toList(),
                    (T image) -> cleanUp(shelf, image)));
  }

  private <T extends Image> Stream<T> notKept(List<T> named, long now) {
    Stream<T> ready =
        named.stream()
            .filter(image -> State.READY.equals(image.state()))
            .sorted(NEWEST_FIRST)
            .skip(KEPT_READY);
    Stream<T> failed = named.stream().filter(image -> State.FAILED.equals(image.state()));
    return Stream.concat(ready, failed).filter(image -> isOld(image, now));
  }

  private boolean isOld(Image image, long now) {
    return image.stateTime() != null && image.stateTime() < now - imageAge.toSeconds();
  }

  private <T extends Image> Future<Void> cleanUp(Shelf<T> shelf, T image) {
    return db.transaction(Failpoint.CLEAN_UP, tx -> cleanUp(tx, shelf, image))
        .map(
            ticket -> {
              ticket.map(knock::after).ifPresent(t -> tell(image, t));
              return null;
            });
  }

  /** Empty when it is to stay after all. */
  private <T extends Image> Future<Optional<Ticket>> cleanUp(Tx tx, Shelf<T> shelf, T read) {
    return shelf
        .lockNamed()
        .apply(tx, read)
        .compose(
            named -> {
              Optional<T> image =
                  notKept(named, tx.now()).filter(row -> row.id() == read.id()).findFirst();
              return image.isEmpty()
                  ? Future.succeededFuture(Optional.empty())
                  : deleteIfIdle(tx, shelf, image.get());
            });
  }

  private <T extends Image> Future<Optional<Ticket>> deleteIfIdle(Tx tx, Shelf<T> shelf, T image) {
    return shelf
        .lockActive()
        .apply(tx, image)
        .compose(
            active ->
                active.isEmpty()
                    ? shelf.delete().apply(tx, image).map(Optional::of)
                    : Future.succeededFuture(Optional.empty()));
  }

  private void tell(Image image, Ticket ticket) {
    log.info(
        "{} has been {} for longer than {} (cleanup.image_age): {}",
        image.path(),
        image.stateName(),
        imageAge,
        ticket.job().named());
  }
}
