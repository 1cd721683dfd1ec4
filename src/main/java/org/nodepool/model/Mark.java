package org.nodepool.model;

import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Whose something at a provider is. All that we make there carries its mark from the call that
 * makes it, so that it can be recognised at any moment, whatever has been lost here.
 *
 * @param database the id of the database that has the row, a uuid
 * @param subject the row that it was made for
 * @param attempt the uuid of the attempt at a job that made it, {@link Job#attemptUuid()}
 */
public record Mark(String database, Subject subject, String attempt) {
  private static final Pattern UUID =
      Pattern.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");

  /**
   * The mark of which a provider has these parts; each may be anything, and null. Empty when one of
   * them is missing, or is not what we would have written.
   *
   * @param subject its path
   */
  public static Optional<Mark> parse(Object database, Object subject, Object attempt) {
    return isUuid(database) && subject instanceof String path && isUuid(attempt)
        ? Subject.parse(path).map(row -> new Mark((String) database, row, (String) attempt))
        : Optional.empty();
  }

  /** Whether the same database has the row of that mark. */
  public boolean isOfDatabaseOf(Mark other) {
    return database.equals(other.database);
  }

  private static boolean isUuid(Object value) {
    return value instanceof String text && UUID.matcher(text).matches();
  }
}
