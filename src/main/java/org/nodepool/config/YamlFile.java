package org.nodepool.config;

import java.io.StringReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.yaml.snakeyaml.DumperOptions;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.Mark;
import org.yaml.snakeyaml.error.MarkedYAMLException;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;
import org.yaml.snakeyaml.nodes.Tag;
import org.yaml.snakeyaml.reader.ReaderException;
import org.yaml.snakeyaml.representer.Representer;
import org.yaml.snakeyaml.resolver.Resolver;

/**
 * One YAML file while it is read. Reading goes on after a mistake, with a harmless stand-in for the
 * value, so that all of them are told together by the {@link Findings}.
 */
final class YamlFile {
  /** What the parser says without quoting from the file, which may be part of a password. */
  private static final Pattern QUOTES_NOTHING =
      Pattern.compile(
          "expected (<[a-z ]+>|the node content|',' or '[]}]'), but (found|got) '?<[a-z ]+>'?"
              + "|(mapping keys|mapping values|sequence entries) are not allowed here"
              + "|could not find expected ':'"
              + "|found unexpected (end of stream|document separator)"
              + "|but found another document");

  private final Path file;
  private final Section root;
  private final List<String> repeatedKeys = new ArrayList<>();
  private final Findings findings;

  private YamlFile(Path file, String text, Findings findings) throws ConfigException {
    this.file = file.toAbsolutePath().normalize();
    this.findings = findings;
    this.root = new Section(this, "", mapping(parse(text)));
  }

  /** Fails when there is no such file or it is not YAML; an empty file is an empty mapping. */
  static YamlFile read(Path file, Findings findings) throws ConfigException {
    return of(file, TextFile.read(file), findings);
  }

  /**
   * @param text what the file says
   */
  static YamlFile of(Path file, String text, Findings findings) throws ConfigException {
    return new YamlFile(file, text, findings);
  }

  Section root() {
    return root;
  }

  /** {@code line 3, column 5: name}, the place of the later one. */
  List<String> repeatedKeys() {
    return repeatedKeys;
  }

  /** Absolute and normalised; a relative path is relative to this file's directory. */
  Path resolve(String path) {
    return file.resolveSibling(path).normalize();
  }

  void mistake(String place, String what) {
    findings.mistake(file.getFileName() + ": " + place, what);
  }

  void warning(String place, String what) {
    findings.warning(file.getFileName() + ": " + place, what);
  }

  private Object parse(String text) throws ConfigException {
    LoaderOptions options = new LoaderOptions();
    options.setCodePointLimit(Integer.MAX_VALUE); // the file's size is bounded
    options.setMaxAliasesForCollections(1000); // one each for a label's providers is usual
    options.setNestingDepthLimit(50);
    options.setWarnOnDuplicateKeys(false); // noted here, not in the parser's log
    DumperOptions unused = new DumperOptions();
    Yaml yaml =
        new Yaml(
            new SafeConstructor(options),
            new Representer(unused),
            unused,
            options,
            new FieldResolver());
    try {
      noteRepeatedKeys(yaml.compose(new StringReader(text)));
      return yaml.load(text);
    } catch (MarkedYAMLException e) {
      throw refused(place(e.getProblemMark()) + ": " + withoutQuotes(e.getProblem()));
    } catch (ReaderException e) {
      throw refused(
          place(text, e.getPosition())
              + ": control characters are not allowed, is U+%04X".formatted(e.getCodePoint()));
    } catch (RuntimeException e) { // of many classes, and its words may quote from the file
      throw refused(
          "is not valid YAML: too many aliases, too deep, or a tag that does not fit its value");
    }
  }

  private Map<?, ?> mapping(Object document) throws ConfigException {
    if (document == null) {
      return Map.of();
    }
    if (document instanceof Map<?, ?> mapping) {
      return mapping;
    }
    throw refused("must be a mapping of keys to values, is " + Section.kind(document));
  }

  private ConfigException refused(String why) {
    return TextFile.refused(file, why);
  }

  private void noteRepeatedKeys(Node document) {
    if (document != null) {
      noteRepeatedKeys(document, Collections.newSetFromMap(new IdentityHashMap<>()));
    }
  }

  private void noteRepeatedKeys(Node node, Set<Node> visited) {
    if (!visited.add(node)) {
      return; // an alias
    }
    if (node instanceof SequenceNode list) {
      list.getValue().forEach(entry -> noteRepeatedKeys(entry, visited));
    } else if (node instanceof MappingNode mapping) {
      Set<String> keys = new HashSet<>();
      for (NodeTuple entry : mapping.getValue()) {
        if (entry.getKeyNode() instanceof ScalarNode key && !keys.add(key.getValue())) {
          repeatedKeys.add(place(key.getStartMark()) + ": " + Section.shownKey(key.getValue()));
        }
        noteRepeatedKeys(entry.getValueNode(), visited);
      }
    }
  }

  private static String place(Mark mark) {
    return "line %d, column %d".formatted(mark.getLine() + 1, mark.getColumn() + 1);
  }

  private static String place(String text, int position) {
    String before = text.substring(0, Math.min(position, text.length()));
    long line = before.chars().filter(c -> c == '\n').count() + 1;
    return "line %d, column %d".formatted(line, before.length() - before.lastIndexOf('\n'));
  }

  private static String withoutQuotes(String problem) {
    if (QUOTES_NOTHING.matcher(problem).matches()) {
      return problem;
    }
    if (problem.startsWith("found character '\\t")) {
      return "a tab cannot be used for indentation";
    }
    return "is not valid YAML (a text that begins with one of !&*%@` must be in quotes)";
  }

  /**
   * Plain values as PyYAML reads them, the field's own reader: {@code 1e3} is text, and so is a
   * date.
   */
  private static final class FieldResolver extends Resolver {
    private static final Pattern PYTHON_FLOAT =
        Pattern.compile(
            "[-+]?[0-9][0-9_]*\\.[0-9_]*(?:[eE][-+][0-9]+)?"
                + "|\\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
                + "|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\\.[0-9_]*"
                + "|[-+]?\\.(?:inf|Inf|INF)|\\.(?:nan|NaN|NAN)");

    @Override
    protected void addImplicitResolvers() {
      addImplicitResolver(Tag.BOOL, BOOL, "yYnNtTfFoO");
      addImplicitResolver(Tag.INT, INT, "-+0123456789");
      addImplicitResolver(Tag.FLOAT, PYTHON_FLOAT, "-+0123456789.");
      addImplicitResolver(Tag.MERGE, MERGE, "<");
      addImplicitResolver(Tag.NULL, NULL, "~nN\0");
      addImplicitResolver(Tag.NULL, EMPTY, null);
    }
  }
}
