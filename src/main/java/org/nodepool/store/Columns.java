package org.nodepool.store;

import static java.util.stream.Collectors.flatMapping;
import static java.util.stream.Collectors.joining;
import static java.util.stream.Collectors.toUnmodifiableList;

import io.vertx.core.Future;
import io.vertx.sqlclient.Row;
import io.vertx.sqlclient.SqlClient;
import io.vertx.sqlclient.SqlResult;
import io.vertx.sqlclient.Tuple;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.nodepool.model.DibImage;
import org.nodepool.model.Job;
import org.nodepool.model.Job.JobState;
import org.nodepool.model.JobKind;
import org.nodepool.model.Node;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.State;
import org.nodepool.model.SubNode;
import org.nodepool.model.Subject;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The columns of a table whose changes are logged. A definition makes the record of a row out of
 * {@link Fields}, so that one line names a column, says its type and reads it. All else that knows
 * the columns asks here: the SELECTs of the table's class, the log with its triggers and its
 * SELECT, and the schema, which adds what a table of ours, or the log, lacks. A column is only ever
 * added: a process of an earlier version leaves triggers alone that know more columns than it does.
 * Thread-safe.
 *
 * @param <T> what a row is read as
 */
public final class Columns<T> {
  private static final Logger log = LoggerFactory.getLogger(Columns.class);

  public static final Columns<Node> NODE =
      ofThePool(
          "node",
          row ->
              new Node(
                  row.key("id"),
                  row.word("provider_name"),
                  row.word("label_name"),
                  row.word("target_name"),
                  row.text("hostname"),
                  row.text("nodename"),
                  row.text("external_id"),
                  row.word("az"),
                  row.text("ip"),
                  row.text("ip_private"),
                  row.state(),
                  row.number("state_time"),
                  List.of()));

  public static final Columns<SubNode> SUBNODE =
      ofThePool(
          "subnode",
          row ->
              new SubNode(
                  row.key("id"),
                  row.owner("node_id"),
                  row.text("hostname"),
                  row.text("external_id"),
                  row.text("ip"),
                  row.text("ip_private"),
                  row.state(),
                  row.number("state_time")));

  public static final Columns<SnapshotImage> SNAPSHOT_IMAGE =
      ofThePool(
          "snapshot_image",
          row ->
              new SnapshotImage(
                  row.key("id"),
                  row.word("provider_name"),
                  row.word("image_name"),
                  row.text("hostname"),
                  row.number("version"),
                  row.text("external_id"),
                  row.text("server_external_id"),
                  row.state(),
                  row.number("state_time")));

  public static final Columns<DibImage> DIB_IMAGE =
      ofThePool(
          "dib_image",
          row ->
              new DibImage(
                  row.key("id"),
                  row.word("image_name"),
                  row.text("filename"),
                  row.number("version"),
                  row.state(),
                  row.number("state_time")));

  // without lease_until: a lease that was renewed is no change
  public static final Columns<Job> JOB =
      ours(
          "api_job",
          row ->
              new Job(
                  row.key("id"),
                  row.text("uuid"),
                  row.text("kind", JobKind::named),
                  row.state(JobState::named),
                  row.text("subject", Subject::at),
                  row.word("image_name"),
                  row.word("provider_name"),
                  row.number("dib_image_id"),
                  row.word("host"),
                  row.word("needs_host"),
                  row.word("worker"),
                  row.count("attempts"),
                  row.count("lost"),
                  row.flag("is_cleanup"),
                  row.flag("cancel_requested"),
                  row.fraction("progress"),
                  row.text("phase"),
                  row.text("error"),
                  row.number("not_before"),
                  row.number("created"),
                  row.number("started"),
                  row.number("finished")));

  /** All tables whose changes are logged. */
  public static final List<Columns<?>> LOGGED =
      List.of(NODE, SUBNODE, SNAPSHOT_IMAGE, DIB_IMAGE, JOB);

  /**
   * A row, whose values a definition asks for one by one: each column once, always in the same
   * order, whatever the values are. A definition is called once with a row that has none, of which
   * texts and states are null and all else is 0.
   */
  public interface Fields {
    /** The primary key, by which the log names the row. */
    long key(String column);

    /** The key of the row of another table to which this one belongs, also as it was before. */
    long owner(String column);

    /** Null for NULL. */
    String text(String column);

    /** As {@link #text}, of which many rows have the same: they share it. */
    String word(String column);

    /**
     * Null for NULL.
     *
     * @param read fails with {@link IllegalArgumentException} for what only a later version knows
     */
    <V> V text(String column, Function<String, V> read);

    /** A whole number; null for NULL. */
    Long number(String column);

    /** A whole number that is never NULL, and 0 for rows that were there before the column. */
    int count(String column);

    /** Never NULL, and false for rows that were there before the column. */
    boolean flag(String column);

    /** Null for NULL. */
    Double fraction(String column);

    /** The column {@code state} of the pool's tables; null for NULL. */
    State state();

    /** The column {@code state} of a table of ours: a name, as in {@link #text}. */
    <V> V state(Function<String, V> read);
  }

  /** What a column holds; the log has one type of column for each. */
  public enum Type {
    TEXT("LONGTEXT"),
    WHOLE("BIGINT"),
    FRACTION("DOUBLE");

    private final String inLog;

    Type(String inLog) {
      this.inLog = inLog;
    }

    /** The type of such a column of the log. */
    public String inLog() {
      return inLog;
    }
  }

  /**
   * A column besides key and state.
   *
   * @param definition what follows its name in the statement that adds it to the table
   */
  public record Column(String name, Type type, String definition) {}

  /** Columns of the log that say something of the change. */
  private static final Set<String> LOGS_OWN =
      Set.of("id", "of_table", "old_id", "new_id", "old_state", "new_state", "time");

  private static final String STATE_CODE = "state_code";

  /** The width of the log's column for it. */
  private static final int LONGEST_TABLE = 16;

  private final String table;
  private final boolean isOurs;
  private final Function<Fields, T> row;
  private final String selectAll;
  private final List<String> names = new ArrayList<>();
  private final List<Column> columns = new ArrayList<>();

  /** The rows that were told of as left out. */
  private final Set<Long> told = ConcurrentHashMap.newKeySet();

  private String key;
  private String owner;
  private Type stateType;

  /** A table that Nodepool may have made, and others use: no column of it is added. */
  private static <T> Columns<T> ofThePool(String table, Function<Fields, T> row) {
    return new Columns<>(table, false, row);
  }

  /**
   * A table of ours, which a numbered file of the schema makes.
   *
   * @param table 16 characters at most
   * @param row makes the record, as {@link Fields} says
   */
  public static <T> Columns<T> ours(String table, Function<Fields, T> row) {
    return new Columns<>(table, true, row);
  }

  private Columns(String table, boolean isOurs, Function<Fields, T> row) {
    if (table.length() > LONGEST_TABLE) {
      throw new IllegalArgumentException("the name of table %s is too long".formatted(table));
    }
    this.table = table;
    this.isOurs = isOurs;
    this.row = row;
    row.apply(new Names());
    this.selectAll = select("r");
  }

  /** The table's name. */
  public String table() {
    return table;
  }

  public boolean isOurs() {
    return isOurs;
  }

  /** The column that is the primary key. */
  public String key() {
    return key;
  }

  /** The column that says to which row of another table a row belongs; empty without one. */
  public Optional<String> owner() {
    return Optional.ofNullable(owner);
  }

  /** What the column {@code state} holds; empty without one. */
  public Optional<Type> stateType() {
    return Optional.ofNullable(stateType);
  }

  /** The log's column for the owner before a change; empty without an owner. */
  public Optional<String> ownerBefore() {
    return owner().map(column -> "old_" + column);
  }

  /** The log's column for a state that is a number; empty without one. */
  public Optional<String> stateCode() {
    return stateType().filter(Type.WHOLE::equals).map(type -> STATE_CODE);
  }

  /** All besides key and state, in the order of the definition. */
  public List<Column> columns() {
    return columns;
  }

  /** All columns, key and state too, in the order of the definition. */
  public List<String> names() {
    return names;
  }

  /** The columns of a SELECT, under their own names, of the table under that alias. */
  String list(String alias) {
    return names.stream().map(name -> alias + "." + name).collect(joining(", "));
  }

  /** As {@link #list}, each under its name behind a prefix, for {@link #read(Row, String)}. */
  String list(String alias, String prefix) {
    return names.stream()
        .map("%1$s.%%1$s AS %2$s%%1$s".formatted(alias, prefix)::formatted)
        .collect(joining(", "));
  }

  /** A SELECT of all rows of the table under that alias, to be gone on with. */
  String select(String alias) {
    return "SELECT %s FROM %s %s ".formatted(list(alias), table, alias);
  }

  T read(Row stored) {
    return read(stored, "");
  }

  /**
   * @param prefix what stands before the names of the columns
   */
  T read(Row stored, String prefix) {
    return row.apply(new Values(stored, prefix, false));
  }

  /** Every row that this version knows, in no order; one that it does not know is told once. */
  public Future<List<T>> all(SqlClient client) {
    return known(client, selectAll, Tuple.tuple());
  }

  /** The rows that a SELECT of these columns answers, in its order; without those as in all. */
  Future<List<T>> known(SqlClient client, String sql, Tuple values) {
    return client
        .preparedQuery(sql)
        .collecting(
            flatMapping(
                (Row stored) -> known(stored.getLong(key), new Values(stored, "", false)).stream(),
                toUnmodifiableList()))
        .execute(values)
        .map(SqlResult::value);
  }

  /** The row of this table as a row of the log has it; empty for one as in {@link #all}. */
  public Optional<T> logged(Row change) {
    return known(change.getLong("new_id"), new Values(change, "", true));
  }

  private Optional<T> known(long id, Fields fields) {
    try {
      return Optional.of(row.apply(fields));
    } catch (IllegalArgumentException e) {
      if (told.add(id)) {
        log.warn("{} {} is left out: this version knows no {}", table, id, e.getMessage());
      }
      return Optional.empty();
    }
  }

  /** The columns of the log that hold values of these tables, by name. */
  public static SortedMap<String, Type> inLog(List<Columns<?>> tables) {
    SortedMap<String, Type> all = new TreeMap<>();
    for (Columns<?> of : tables) {
      of.columns.forEach(column -> putInLog(all, column.name(), column.type()));
      of.ownerBefore().ifPresent(name -> putInLog(all, name, Type.WHOLE));
      of.stateCode().ifPresent(name -> putInLog(all, name, Type.WHOLE));
    }
    return all;
  }

  private static void putInLog(SortedMap<String, Type> all, String name, Type type) {
    if (LOGS_OWN.contains(name)) {
      throw new IllegalStateException("%s is a column of the log's own".formatted(name));
    }
    Type other = all.putIfAbsent(name, type);
    if (other != null && other != type) {
      throw new IllegalStateException("%s is %s and %s".formatted(name, other, type));
    }
  }

  private static <V> V parsed(String column, String text, Function<String, V> read) {
    try {
      return text == null ? null : read.apply(text);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("%s %s".formatted(column, text), e);
    }
  }

  /** No row: notes the columns that are asked for. */
  private final class Names implements Fields {
    @Override
    public long key(String column) {
      key = column;
      names.add(column);
      return 0;
    }

    @Override
    public long owner(String column) {
      owner = column;
      return add(column, Type.WHOLE, "BIGINT NOT NULL DEFAULT 0", 0L);
    }

    @Override
    public String text(String column) {
      return add(column, Type.TEXT, "TEXT", null);
    }

    @Override
    public String word(String column) {
      return text(column);
    }

    @Override
    public <V> V text(String column, Function<String, V> read) {
      return add(column, Type.TEXT, "TEXT", null);
    }

    @Override
    public Long number(String column) {
      return add(column, Type.WHOLE, "BIGINT", 0L);
    }

    @Override
    public int count(String column) {
      return add(column, Type.WHOLE, "INTEGER NOT NULL DEFAULT 0", 0);
    }

    @Override
    public boolean flag(String column) {
      return add(column, Type.WHOLE, "TINYINT NOT NULL DEFAULT 0", false);
    }

    @Override
    public Double fraction(String column) {
      return add(column, Type.FRACTION, "DOUBLE", 0.0);
    }

    @Override
    public State state() {
      return state(Type.WHOLE);
    }

    @Override
    public <V> V state(Function<String, V> read) {
      return state(Type.TEXT);
    }

    private <V> V state(Type type) {
      stateType = type;
      names.add("state");
      return null;
    }

    private <V> V add(String column, Type type, String definition, V value) {
      names.add(column);
      columns.add(new Column(column, type, definition));
      return value;
    }
  }

  /**
   * A row of the table, or of the log, where key and state have names of their own.
   *
   * @param prefix of all names
   */
  private record Values(Row row, String prefix, boolean isInLog) implements Fields {
    private String name(String column) {
      return prefix.isEmpty() ? column : prefix + column;
    }

    @Override
    public long key(String column) {
      return row.getLong(isInLog ? "new_id" : name(column));
    }

    @Override
    public long owner(String column) {
      return row.getLong(name(column));
    }

    @Override
    public String text(String column) {
      return row.getString(name(column));
    }

    @Override
    public String word(String column) {
      String text = text(column);
      return text == null ? null : text.intern();
    }

    @Override
    public <V> V text(String column, Function<String, V> read) {
      return parsed(column, text(column), read);
    }

    @Override
    public Long number(String column) {
      return row.getLong(name(column));
    }

    @Override
    public int count(String column) {
      Integer count = row.getInteger(name(column));
      return count == null ? 0 : count; // so the log has it, from before the column
    }

    @Override
    public boolean flag(String column) {
      return count(column) != 0;
    }

    @Override
    public Double fraction(String column) {
      return row.getDouble(name(column));
    }

    @Override
    public State state() {
      return State.ofCode(row.getInteger(isInLog ? STATE_CODE : name("state")));
    }

    @Override
    public <V> V state(Function<String, V> read) {
      return parsed("state", row.getString(isInLog ? "new_state" : name("state")), read);
    }
  }
}
