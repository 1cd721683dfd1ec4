package org.nodepool.model;

/**
 * A failure the caller can act on; the message is one sentence for people. It knows no HTTP: the
 * api room gives each kind its status. Without a stack trace, because it is an answer and not a
 * fault.
 */
public abstract sealed class Problem extends RuntimeException {
  private Problem(String message) {
    super(message, null, false, false);
  }

  /** There is no such thing. */
  public static final class NotFound extends Problem {
    public NotFound(String message) {
      super(message);
    }

    /** No row with this id; {@code id} is the caller's own text. */
    public static NotFound row(String what, Object id) {
      return new NotFound("There is no %s %s.".formatted(what, id));
    }
  }

  /** A field that the operation needs was not given. */
  public static final class FieldMissing extends Problem {
    public FieldMissing(String field, String hint) {
      super("The request body lacks the field '%s': %s.".formatted(field, hint));
    }
  }

  /** A value that is none of those allowed. */
  public static final class BadValue extends Problem {
    public BadValue(String message) {
      super(message);
    }
  }

  /** The row's state does not allow what was asked. */
  public static final class WrongState extends Problem {
    public WrongState(String message) {
      super(message);
    }
  }

  /** The configuration, or what there is, does not allow what was asked. */
  public static final class Conflict extends Problem {
    public Conflict(String message) {
      super(message);
    }
  }

  /** It existed and was removed. */
  public static final class Gone extends Problem {
    public Gone(String message) {
      super(message);
    }
  }

  /** The database does not answer, or not in time; nothing was changed. */
  public static final class Unavailable extends Problem {
    public Unavailable(String message) {
      super(message);
    }
  }

  /** The connection broke during the commit: the change was made, or it was not. */
  public static final class OutcomeUnknown extends Problem {
    public OutcomeUnknown(String message) {
      super(message);
    }
  }

  /** Promised, and not there yet. */
  public static final class NotImplemented extends Problem {
    public NotImplemented(String message) {
      super(message);
    }
  }
}
