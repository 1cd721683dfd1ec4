package org.nodepool.config;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A {@code nodepool.yaml} that may change while the service runs, and with it the {@code
 * clouds.yaml} that its providers need. The last good one is in force: a broken or missing file
 * changes nothing but the {@link #warning}, and a file that somebody is still writing is left
 * alone. Thread-safe.
 *
 * <p>Somebody is writing it as long as a program has it open for that, or it has changed within the
 * last 300 ms. A user other than root does not see what programs of others have open: then it is
 * two seconds.
 */
public final class PoolFile {
  private static final Logger log = LoggerFactory.getLogger(PoolFile.class);

  /** How long a file must be unchanged: some programs write in several goes. */
  static final Duration SETTLE = Duration.ofMillis(300);

  /** The same where it cannot be seen whether a program has the file open. */
  static final Duration SETTLE_UNSEEN = Duration.ofSeconds(2);

  /** How long it must be missing: some programs take it away and write a new one. */
  private static final Duration ABSENCE = Duration.ofSeconds(1);

  private static final Duration PATIENCE = Duration.ofSeconds(3);
  private static final Duration PAUSE = Duration.ofMillis(25);

  private final Path file;
  private final CloudsFile clouds;
  private final boolean hasDatabase;
  private final Duration settle;
  private final Secret dburiAtStart;
  private volatile InForce inForce;

  /** Since when the file is quiet, but open in another program; nanoTime, null: it is not. */
  private Long heldOpenSince;

  private PoolFile(Path file, CloudsFile clouds, boolean hasDatabase, Duration settle)
      throws ConfigException, InterruptedException {
    this.file = file.toAbsolutePath().normalize();
    this.clouds = clouds;
    this.hasDatabase = hasDatabase;
    this.settle = settle;
    Reading reading = read(System.nanoTime() + PATIENCE.toNanos());
    if (reading.refused() != null) {
      throw reading.refused();
    }
    this.dburiAtStart = reading.pool().dburi();
    this.inForce = new InForce(reading.pool(), reading.stamps(), reading.stamps().modified(), null);
  }

  /**
   * Reads the file.
   *
   * @param clouds where the clouds are that its providers name
   * @param hasDatabase whether its {@code dburi} counts, {@link Configuration#poolHasDatabase}; if
   *     not, a change of it is no warning
   * @throws ConfigException with everything that is wrong, or when it is being written all the time
   */
  public static PoolFile open(Path file, CloudsFile clouds, boolean hasDatabase)
      throws ConfigException, InterruptedException {
    return open(file, clouds, hasDatabase, OpenFiles.areAllSeen() ? SETTLE : SETTLE_UNSEEN);
  }

  /**
   * @param settle how long the file must be unchanged
   */
  static PoolFile open(Path file, CloudsFile clouds, boolean hasDatabase, Duration settle)
      throws ConfigException, InterruptedException {
    return new PoolFile(file, clouds, hasDatabase, settle);
  }

  /** The configuration that is in force; never waits. */
  public PoolConfig current() {
    return inForce.pool();
  }

  /**
   * One sentence on why the file as it is now is not in force, or not all of it; null: it is.
   * Everybody may see it: it names the file without its directory.
   */
  public String warning() {
    return inForce.warning();
  }

  /**
   * Puts the file in force if it has changed. Costs one look at its attributes when it has not;
   * else it may block for three seconds, as long as somebody writes it. A caller that comes while
   * another thread reads waits for that and shares the result. When interrupted, all stays as it
   * is.
   */
  public void refresh() {
    refresh(System.nanoTime());
  }

  /**
   * As {@link #refresh()}, for a caller that has waited for its turn: the three seconds count from
   * when it asked.
   *
   * @param asked nanoTime
   */
  public void refresh(long asked) {
    if (isAsRead()) {
      return;
    }
    long deadline = asked + PATIENCE.toNanos();
    synchronized (this) {
      if (isAsRead()) {
        return;
      }
      try {
        apply(read(deadline));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private boolean isAsRead() {
    Stamps read = inForce.read();
    return read != null && Stamps.of(file, clouds, read.hasClouds()).equals(read);
  }

  private void apply(Reading reading) {
    if (reading.refused() != null) {
      warn(reading);
      return;
    }
    InForce before = inForce;
    String warning = dburiWarning(reading.pool());
    inForce = new InForce(reading.pool(), reading.stamps(), reading.stamps().modified(), warning);
    if (warning != null && !warning.equals(before.warning())) {
      log.warn(warning);
    }
    if (before.warning() != null && warning == null || !reading.pool().equals(before.pool())) {
      log.info("{}: the configuration of {} is in force", name(), inForce.modified());
      reading.pool().warnings().forEach(log::warn);
    }
  }

  private void warn(Reading reading) {
    var mistakes = reading.refused().mistakes();
    String warning =
        "%s%s; the configuration of %s stays in force"
            .formatted(
                mistakes.get(0),
                mistakes.size() == 1 ? "" : " (and %d more)".formatted(mistakes.size() - 1),
                inForce.modified());
    if (!warning.equals(inForce.warning())) {
      log.warn("{} ({})", warning, file);
    }
    inForce = new InForce(inForce.pool(), reading.stamps(), inForce.modified(), warning);
  }

  private String dburiWarning(PoolConfig pool) {
    return !hasDatabase || Objects.equals(pool.dburi(), dburiAtStart)
        ? null
        : name() + ": dburi: has changed, which has no effect until the next start";
  }

  /**
   * Reads the file once it has settled.
   *
   * @param deadline nanoTime
   */
  private Reading read(long deadline) throws InterruptedException {
    boolean withClouds = false; // until it is known whether the pool needs them
    Stamps stamps = Stamps.of(file, clouds, withClouds);
    long since = System.nanoTime();
    while (true) {
      boolean isQuiet = stamps.isQuiet(since, settle);
      boolean isHeldOpen = isQuiet && isHeldOpen(stamps);
      if (isQuiet && !isHeldOpen) {
        Clouds read = new Clouds(clouds);
        Reading reading = readNow(stamps, read);
        if (read.isAsked() == withClouds && Stamps.of(file, clouds, withClouds).equals(stamps)) {
          return reading;
        }
        withClouds = read.isAsked();
      }
      long now = System.nanoTime();
      if (now - deadline >= 0 || isHeldOpen && !mayWait(now)) {
        return new Reading(
            null, null, TextFile.refused(file, "is still being written by another program"));
      }
      TimeUnit.NANOSECONDS.sleep(PAUSE.toNanos());
      Stamps next = Stamps.of(file, clouds, withClouds);
      if (!next.equals(stamps)) {
        stamps = next;
        since = System.nanoTime();
      }
    }
  }

  private boolean isHeldOpen(Stamps stamps) {
    if (!stamps.pool().isHeldOpen() && !stamps.clouds().isHeldOpen()) {
      heldOpenSince = null;
      return false;
    }
    if (heldOpenSince == null) {
      heldOpenSince = System.nanoTime();
    }
    return true;
  }

  /** A program that never closes the file must not cost every caller its patience. */
  private boolean mayWait(long now) {
    return now - heldOpenSince < PATIENCE.toNanos();
  }

  private Reading readNow(Stamps stamps, Clouds read) {
    Findings findings = new Findings();
    try {
      PoolConfig pool = PoolReader.read(file, TextFile.load(file), read, findings);
      findings.finish();
      return new Reading(stamps, pool, null);
    } catch (ConfigException e) {
      return new Reading(stamps, null, e);
    } catch (IOException e) {
      // what exists may be readable the next time, although it is the same
      return new Reading(
          stamps.pool().exists() ? null : stamps, null, TextFile.refused(file, TextFile.reason(e)));
    }
  }

  private String name() {
    return file.getFileName().toString();
  }

  /**
   * @param read the files as they were read last; null: they are to be read again in any case
   * @param modified when the one in force was written
   * @param warning null: none
   */
  private record InForce(PoolConfig pool, Stamps read, Instant modified, String warning) {}

  /** Either a pool or why there is none. The stamps as in {@link InForce#read}. */
  private record Reading(Stamps stamps, PoolConfig pool, ConfigException refused) {}

  /**
   * @param hasClouds whether the clouds count; else theirs is that of no file
   */
  private record Stamps(Stamp pool, Stamp clouds, boolean hasClouds) {
    static Stamps of(Path file, CloudsFile clouds, boolean withClouds) {
      Stamp found = withClouds ? clouds.path().map(Stamp::of).orElse(Stamp.NONE) : Stamp.NONE;
      return new Stamps(Stamp.of(file), found, withClouds);
    }

    Instant modified() {
      return pool.modified();
    }

    boolean isQuiet(long since, Duration settle) {
      return pool.isQuiet(since, settle) && (!clouds.exists() || clouds.isQuiet(since, settle));
    }
  }

  /**
   * Tells two versions of a file apart. The time of change is the system's own: no program can set
   * it back, and a changed mode or a rename changes it, too.
   *
   * @param file null when there is none
   * @param key null when there is none
   */
  private record Stamp(
      Path file, Object key, FileTime modifiedTime, FileTime changeTime, Long size) {
    private static final Stamp NONE = new Stamp(null, null, null, null, null);

    static Stamp of(Path file) {
      try {
        Map<String, Object> attributes =
            Files.readAttributes(file, "unix:fileKey,lastModifiedTime,ctime,size");
        return new Stamp(
            file,
            attributes.get("fileKey"),
            (FileTime) attributes.get("lastModifiedTime"),
            (FileTime) attributes.get("ctime"),
            (Long) attributes.get("size"));
      } catch (IOException e) {
        return NONE;
      }
    }

    boolean exists() {
      return key != null;
    }

    boolean isHeldOpen() {
      return exists() && OpenFiles.isBeingWritten(file, key);
    }

    Instant modified() {
      return modifiedTime.toInstant().truncatedTo(ChronoUnit.SECONDS);
    }

    /**
     * By the clock; or by having been looked at for long enough, as the clock may have been set.
     *
     * @param since when it was first seen as it is, nanoTime
     */
    boolean isQuiet(long since, Duration settle) {
      Duration seen = Duration.ofNanos(System.nanoTime() - since);
      if (!exists()) {
        return seen.compareTo(ABSENCE) >= 0;
      }
      Duration age = Duration.between(changeTime.toInstant(), Instant.now());
      return seen.compareTo(settle) >= 0 || age.compareTo(settle) >= 0;
    }
  }
}
