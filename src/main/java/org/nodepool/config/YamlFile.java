package org.nodepool.config;

import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
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
 * One YAML file while it is read, and what was found wrong in it. Reading goes on after a mistake,
 * with a harmless stand-in for the value, so that all of them are told together by {@link #finish}.
 */
final class YamlFile {
  private static final int MAX_BYTES = 4 * 1024 * 1024;

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
  private final List<String> mistakes = new ArrayList<>();
  private final List<String> warnings = new ArrayList<>();

  private YamlFile(Path file) throws ConfigException {
    this.file = file.toAbsolutePath().normalize();
    this.root = new Section(this, "", mapping(parse(text())));
  }

  /** Fails when there is no such file or it is not YAML; an empty file is an empty mapping. */
  static YamlFile read(Path file) throws ConfigException {
    return new YamlFile(file);
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
    mistakes.add(file.getFileName() + ": " + place + ": " + what);
  }

  /** For what is said outside of this file, but told together with its mistakes. */
  void mistakeElsewhere(String place, String what) {
    mistakes.add(place + ": " + what);
  }

  void warning(String place, String what) {
    warnings.add(file.getFileName() + ": " + place + ": " + what);
  }

  List<String> warnings() {
    return warnings;
  }

  /** To be called when everything has been read. */
  void finish() throws ConfigException {
    if (!mistakes.isEmpty()) {
      throw new ConfigException(mistakes);
    }
  }

  private String text() throws ConfigException {
    byte[] bytes;
    try (InputStream in = Files.newInputStream(file)) {
      bytes = in.readNBytes(MAX_BYTES + 1);
    } catch (NoSuchFileException e) {
      throw refused("no such file: " + file);
    } catch (IOException e) {
      throw refused("cannot be read: " + file);
    }
    if (bytes.length > MAX_BYTES) {
      throw refused("must not be longer than " + MAX_BYTES + " bytes");
    }
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw refused("must be UTF-8 text");
    }
  }

  private Object parse(String text) throws ConfigException {
    LoaderOptions options = new LoaderOptions();
    options.setCodePointLimit(MAX_BYTES);
    options.setMaxAliasesForCollections(50);
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
    return new ConfigException(List.of(file.getFileName() + ": " + why));
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
