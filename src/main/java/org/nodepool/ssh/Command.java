package org.nodepool.ssh;

import static java.util.stream.Collectors.joining;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * A command for a node's shell. Any text without NUL arrives as it is. The words are seen in the
 * node's list of processes, the variables nowhere.
 *
 * @param words the program and its arguments
 * @param variables added to the environment that the node gives it
 * @param directory where it runs; null for where the login leads
 */
public record Command(List<String> words, Map<String, String> variables, String directory) {
  private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");

  /**
   * Throws an {@link IllegalArgumentException} for no words, a NUL, and a name that no variable
   * has.
   */
  public Command {
    words = List.copyOf(words);
    variables = Map.copyOf(variables);
    if (words.isEmpty()) {
      throw new IllegalArgumentException("a command has a word");
    }
    for (String name : variables.keySet()) {
      if (!NAME.matcher(name).matches()) {
        throw new IllegalArgumentException("not a variable's name: " + name);
      }
    }
    script(words, variables, directory); // refuses a NUL
  }

  public static Command of(String... words) {
    return new Command(List.of(words), Map.of(), null);
  }

  public Command with(Map<String, String> all) {
    return new Command(words, all, directory);
  }

  public Command in(String path) {
    return new Command(words, variables, path);
  }

  String script() {
    return script(words, variables, directory);
  }

  private static String script(
      List<String> words, Map<String, String> variables, String directory) {
    StringBuilder script = new StringBuilder();
    if (directory != null) {
      script.append("cd -- ").append(ShellWords.quote(directory)).append(" &&\n");
    }
    if (!variables.isEmpty()) {
      script.append("export ").append(assignments(variables)).append(" &&\n");
    }
    return script.append(ShellWords.join(words)).toString();
  }

  private static String assignments(Map<String, String> variables) {
    return new TreeMap<>(variables)
        .entrySet().stream()
            .map(variable -> variable.getKey() + "=" + ShellWords.quote(variable.getValue()))
            .collect(joining(" "));
  }

  /** Without the variables, whose values may be secrets. */
  @Override
  public String toString() {
    return ShellWords.join(words);
  }
}
