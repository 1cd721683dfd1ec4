package org.nodepool.config;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Nodepool's {@code secure.conf}, an INI file as Python 2.7's ConfigParser reads it: {@code =} or
 * {@code :}, comments with {@code #} and {@code ;}, indented lines that go on with a value, names
 * of options without regard to case, the last of two counts. A {@code %} is a {@code %}: nothing is
 * interpolated. Messages name lines only, as anything in the file may be a secret.
 *
 * @param dburi null when not set
 */
record SecureConf(Secret dburi) {
  private static final Pattern SECTION = Pattern.compile("\\[([^]]+)].*");
  private static final Pattern OPTION = Pattern.compile("([^:=\\s][^:=]*)[:=](.*)");
  private static final Pattern COMMENT = Pattern.compile("\\s*([#;].*)?");
  private static final Pattern TRAILING_COMMENT = Pattern.compile("\\s;.*");

  private static final String DATABASE = "database";
  private static final String DBURI = "dburi";
  private static final Pattern JENKINS = Pattern.compile("jenkins \".*\"");

  /** Of a Jenkins; known, and not needed here. */
  private static final Set<String> OF_JENKINS = Set.of("user", "apikey", "credentials", "url");

  /** Mistakes in its text are findings, and what could be read is returned all the same. */
  static SecureConf read(Path file, Findings findings) throws ConfigException {
    String text = TextFile.read(file);
    if (isReadableByAll(file)) {
      findings.warning(
          name(file), "can be read by every user of this machine; its mode should be 600");
    }
    return new Reader(name(file), findings).read(text);
  }

  /** How mistakes and warnings about the address begin. */
  static String placeOfDburi(Path file) {
    return name(file) + ": [" + DATABASE + "] " + DBURI;
  }

  private static String name(Path file) {
    return file.getFileName().toString();
  }

  private static boolean isReadableByAll(Path file) {
    try {
      return Files.getPosixFilePermissions(file).contains(PosixFilePermission.OTHERS_READ);
    } catch (IOException | UnsupportedOperationException e) {
      return false;
    }
  }

  private static final class Reader {
    private final String file;
    private final Findings findings;
    private String section;
    private String option;
    private String dburi;

    Reader(String file, Findings findings) {
      this.file = file;
      this.findings = findings;
    }

    SecureConf read(String text) {
      int number = 0;
      for (String line : text.lines().toList()) {
        number++;
        if (!COMMENT.matcher(line).matches()) {
          read(file + ": line " + number, line);
        }
      }
      return new SecureConf(dburi == null ? null : new Secret(dburi));
    }

    private void read(String place, String line) {
      Matcher header = SECTION.matcher(line);
      Matcher assignment = OPTION.matcher(line);
      if (Character.isWhitespace(line.charAt(0)) && option != null) {
        goOn(line);
      } else if (header.matches()) {
        begin(place, header.group(1));
      } else if (section == null) {
        findings.mistake(place, "must come after a section, as in [database]");
      } else if (assignment.matches()) {
        String value = TRAILING_COMMENT.matcher(assignment.group(2)).replaceFirst("");
        set(place, assignment.group(1).strip().toLowerCase(Locale.ROOT), value.strip());
      } else {
        findings.mistake(place, "must be [section] or key=value");
      }
    }

    private void begin(String place, String name) {
      section = name;
      option = null;
      if (!name.equals(DATABASE) && !isJenkins()) {
        findings.warning(place, "unknown section, ignored");
      }
    }

    private void set(String place, String name, String value) {
      option = name;
      if (isDburi()) {
        dburi = value;
      } else if (section.equals(DATABASE) || isJenkins() && !OF_JENKINS.contains(name)) {
        findings.warning(place, "unknown key, ignored");
      }
    }

    private void goOn(String line) {
      if (isDburi()) {
        dburi += "\n" + line.strip();
      }
    }

    private boolean isDburi() {
      return section.equals(DATABASE) && option.equals(DBURI);
    }

    private boolean isJenkins() {
      return JENKINS.matcher(section).matches();
    }
  }
}
