import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * What {@code polls.sh} measured, for people, and whether the goals are met. A figure is the median
 * of the rounds, with the least and the greatest; a ratio is the median of the rounds' own ratios,
 * because what else the machine does changes from round to round.
 *
 * <p>{@code java Report FILE}
 */
public final class Report {
  private final List<List<String>> lines;
  private final List<String> goals = new ArrayList<>();

  private Report(List<List<String>> lines) {
    this.lines = lines;
  }

  public static void main(String[] arguments) throws IOException {
    List<List<String>> lines =
        Files.readAllLines(Path.of(arguments[0])).stream()
            .map(line -> List.of(line.split("\t")))
            .toList();
    new Report(lines).print();
  }

  /** The lines that begin with these words, without them. */
  private List<List<String>> lines(Object... words) {
    List<String> first = Arrays.stream(words).map(String::valueOf).toList();
    return lines.stream()
        .filter(line -> line.size() >= first.size() && line.subList(0, first.size()).equals(first))
        .map(line -> line.subList(first.size(), line.size()))
        .toList();
  }

  /** One column of lines as numbers. */
  private static double[] numbers(List<List<String>> lines, int column) {
    return lines.stream().mapToDouble(line -> Double.parseDouble(line.get(column))).toArray();
  }

  private static double median(double... numbers) {
    double[] sorted = numbers.clone();
    Arrays.sort(sorted);
    int half = sorted.length / 2;
    if (sorted.length == 0) {
      return Double.NaN;
    }
    return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  /** With this format of one number; a dash when nothing was measured. */
  private static String spread(String format, double... numbers) {
    if (numbers.length == 0) {
      return "–";
    }
    return format(
        format + " (" + format + "–" + format + ")",
        median(numbers),
        Arrays.stream(numbers).min().getAsDouble(),
        Arrays.stream(numbers).max().getAsDouble());
  }

  private double[] rates(String kind, Object nodes, Object connections, String contender) {
    return numbers(lines("wrk", kind, nodes, connections, contender), 0);
  }

  /** Round by round. */
  private static double[] ratios(double[] of, double[] to) {
    return IntStream.range(0, Math.min(of.length, to.length))
        .mapToDouble(round -> of[round] / to[round])
        .toArray();
  }

  private static String ratio(double[] of, double[] to) {
    double[] ratios = ratios(of, to);
    return ratios.length == 0 ? "–" : format("%.2f", median(ratios));
  }

  private List<String> nodes() {
    return lines("wrk", "poll").stream().map(line -> line.get(0)).distinct().toList();
  }

  private String bytes(String nodes) {
    List<List<String>> bytes = lines("bytes", nodes);
    return format("%,d", Long.parseLong(bytes.get(bytes.size() - 1).get(0)));
  }

  private static void row(String... cells) {
    System.out.println("| " + String.join(" | ", cells) + " |");
  }

  private static void head(String... cells) {
    System.out.println();
    row(cells);
    System.out.println("|" + "---|".repeat(cells.length));
  }

  /** A goal for a ratio or a figure that must be at least, or at most, so much. */
  private void goal(String what, String goal, double measured, String format, boolean isReached) {
    boolean isMeasured = !Double.isNaN(measured);
    goals.add(
        "| %s | %s | %s | %s |"
            .formatted(
                what,
                goal,
                isMeasured ? format(format, measured) : "–",
                !isMeasured ? "not measured" : isReached ? "met" : "**missed**"));
  }

  private void atLeast(String what, double least, double measured) {
    // as it is shown: a goal is no finer than the measurement
    double shown = Math.round(measured * 100) / 100.0;
    goal(what, format("≥ %s", number(least)), measured, "%.2f", shown >= least);
  }

  private void atMost(String what, String unit, double most, double measured) {
    goal(what, format("≤ %s%s", number(most), unit), measured, "%.1f" + unit, measured <= most);
  }

  private static String number(double value) {
    return value == Math.rint(value) ? format("%.0f", value) : format("%s", value);
  }

  private void print() {
    List<String> rounds = lines("rounds").get(0);
    System.out.println();
    System.out.println(
        lines("machine").stream().map(line -> line.get(0)).collect(Collectors.joining("; ")) + ".");
    System.out.printf(
        "%s rounds, %s s each measurement, of up to %s nodes %s rounds, %s s; the loads run on the same"
            + " machine.%n",
        rounds.toArray());
    printRates();
    printNotModified();
    printLatencies();
    printChanges();
    printProbes(Integer.parseInt(rounds.get(5)));
    printPollers();
    printWaiters();
    head("goal", "", "measured", "");
    goals.forEach(System.out::println);
    printErrors();
    System.out.println();
  }

  private void printRates() {
    head("polls/s", "bytes", "connections", "A", "D", "C", "N", "D/A", "C/A", "C/D", "C/N");
    for (String nodes : nodes()) {
      for (int connections : new int[] {64, 256}) {
        double[] a = rates("poll", nodes, connections, "A");
        double[] d = rates("poll", nodes, connections, "D");
        double[] c = rates("poll", nodes, connections, "C");
        double[] n = rates("poll", nodes, connections, "N");
        row(
            nodes + " nodes",
            bytes(nodes),
            "" + connections,
            spread("%,.0f", a),
            spread("%,.0f", d),
            spread("%,.0f", c),
            spread("%,.0f", n),
            ratio(d, a),
            ratio(c, a),
            ratio(c, d),
            ratio(c, n));
        String what = "%s nodes, %d connections: ".formatted(nodes, connections);
        atLeast(what + "C/A", 0.8, median(ratios(c, a)));
        atLeast(what + "C/D", 0.95, median(ratios(c, d)));
      }
    }
    double[] c = rates("poll", 100, 64, "C");
    double[] b = rates("poll", 100, 64, "B");
    System.out.println();
    System.out.println(
        "B at 100 nodes and 64 connections: %s polls/s; C/B %s."
            .formatted(spread("%,.0f", b), ratio(c, b)));
    atLeast("100 nodes: C/B", 8, median(ratios(c, b)));
  }

  private void printNotModified() {
    head("304s/s, 64 connections", "A", "D", "C", "D/A", "C/A", "C/D");
    for (String nodes : nodes()) {
      double[] a = rates("304", nodes, 64, "A");
      double[] d = rates("304", nodes, 64, "D");
      double[] c = rates("304", nodes, 64, "C");
      row(
          nodes + " nodes",
          spread("%,.0f", a),
          spread("%,.0f", d),
          spread("%,.0f", c),
          ratio(d, a),
          ratio(c, a),
          ratio(c, d));
      atLeast("304, %s nodes: C/A".formatted(nodes), 0.7, median(ratios(c, a)));
      atLeast("304, %s nodes: C/D".formatted(nodes), 0.95, median(ratios(c, d)));
    }
  }

  private void printLatencies() {
    head(
        "ms at half of C's rate",
        "polls/s",
        "",
        "median",
        "99 %",
        "99.9 %",
        "wrk's 99 % at full rate");
    for (String nodes : nodes()) {
      for (String contender : List.of("A", "D", "C")) {
        List<List<String>> latencies = lines("latency", nodes, contender);
        if (latencies.isEmpty()) {
          continue;
        }
        row(
            nodes + " nodes",
            latencies.get(0).get(0),
            contender,
            spread("%.1f", numbers(latencies, 1)),
            spread("%.1f", numbers(latencies, 2)),
            spread("%.1f", numbers(latencies, 3)),
            spread("%.1f", numbers(lines("wrk", "poll", nodes, 64, contender), 2)));
      }
      atMost(
          "%s nodes, half of the rate: 99 %% of the answers within".formatted(nodes),
          " ms",
          10,
          median(numbers(lines("latency", nodes, "C"), 2)));
    }
  }

  private void printChanges() {
    double[] quiet = rates("quiet", 1000, 64, "C");
    double[] changing = rates("changes", 1000, 64, "C");
    System.out.println();
    System.out.println(
        ("1000 nodes, of which %s change each second: %s polls/s; none: %s; ratio %s. That of A,"
                + " which does not look at them: %s.")
            .formatted(
                spread("%.0f", numbers(lines("changes"), 0)),
                spread("%,.0f", changing),
                spread("%,.0f", quiet),
                ratio(changing, quiet),
                ratio(rates("changes", 1000, 64, "A"), rates("quiet", 1000, 64, "A"))));
    atLeast(
        "1000 nodes, 100 changes/s: its rate to that without",
        0.7,
        median(ratios(changing, quiet)));
  }

  private void printProbes(int loops) {
    List<List<String>> probes = lines("probes");
    System.out.println();
    System.out.println(
        "With 64 connections that poll 100 nodes as fast as they can, the database begins %s reads"
                .formatted(spread("%,.0f", numbers(probes, 1)))
            + " a second; what looks at it takes its share of the processors.");
    atMost(
        "reads in flight, of %d event loops".formatted(loops),
        "",
        loops,
        // none: they do not look as they are known here
        Arrays.stream(numbers(probes, 0)).filter(n -> n > 0).max().orElse(Double.NaN));
  }

  private void printPollers() {
    List<List<String>> pollers = lines("pollers");
    double memory = median(numbers(lines("memory"), 0)) / 1024;
    for (List<String> poller : pollers) {
      System.out.println();
      System.out.println(
          format(
              "%,d connections that poll 1000 nodes every %s s: %,d polls, %s errors, median %.1f"
                  + " ms, 99 %% %.1f ms, at most %.1f ms; the service's memory %.0f MiB at most.",
              Long.parseLong(poller.get(0)),
              poller.get(1),
              Long.parseLong(poller.get(2)),
              poller.get(3),
              Double.parseDouble(poller.get(4)),
              Double.parseDouble(poller.get(5)),
              Double.parseDouble(poller.get(6)),
              memory));
    }
    atLeast("connections that poll", 10_000, median(numbers(pollers, 0)));
    atMost("their errors", "", 0, median(numbers(pollers, 3)));
    atMost("the service's memory with them", " MiB", 512, memory);
  }

  private void printWaiters() {
    List<List<String>> waiters = lines("waiters");
    for (List<String> waiter : waiters) {
      System.out.println();
      System.out.println(
          format(
              "%s that wait for a change of 100 nodes, %s changes, about one a second: woken after"
                  + " %.1f ms (median), %.1f ms (99 %%), %.1f ms (at most), counted from before the"
                  + " UPDATE; %s missed the last one, %s errors; %.0f reads/s in the database by"
                  + " all, probes/s by the service's own count: %s.",
              waiter.get(0),
              waiter.get(1),
              Double.parseDouble(waiter.get(4)),
              Double.parseDouble(waiter.get(5)),
              Double.parseDouble(waiter.get(6)),
              waiter.get(2),
              waiter.get(3),
              Double.parseDouble(waiter.get(7)),
              waiter.get(8).equals("NaN") ? "–" : waiter.get(8)));
    }
    double[] probes = numbers(waiters, 8);
    double[] reads = numbers(waiters, 7);
    boolean isCounted = Arrays.stream(probes).noneMatch(Double::isNaN);
    atMost(
        "1000 wait: %s a second".formatted(isCounted ? "probes" : "reads in the database"),
        "",
        40,
        median(isCounted ? probes : reads));
    atMost("1000 wait: errors and wakes missed", "", 0, median(sum(waiters, 2, 3)));
    atMost("1000 wait: half are woken within", " ms", 50, median(numbers(waiters, 4)));
    atMost("1000 wait: 99 % are woken within", " ms", 150, median(numbers(waiters, 5)));
  }

  private static double[] sum(List<List<String>> lines, int one, int other) {
    return lines.stream()
        .mapToDouble(
            line -> Double.parseDouble(line.get(one)) + Double.parseDouble(line.get(other)))
        .toArray();
  }

  private void printErrors() {
    String errors =
        Stream.concat(
                lines("wrk").stream()
                    .filter(line -> !line.get(7).equals("0"))
                    .map(line -> String.join(" ", line)),
                lines("latency").stream()
                    .filter(line -> !line.get(6).equals("0"))
                    .map(line -> "latency " + String.join(" ", line)))
            .collect(Collectors.joining("\n- "));
    if (!errors.isEmpty()) {
      System.out.println();
      System.out.println("Measurements with errors, whose number is last:\n\n- " + errors);
    }
  }
}
