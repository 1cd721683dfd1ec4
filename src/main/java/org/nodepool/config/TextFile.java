package org.nodepool.config;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;

/**
 * Reads a file of UTF-8 text whole, without the byte order mark that some editors put first, up to
 * a size that no configuration has.
 */
final class TextFile {
  private static final int MAX_BYTES = 4 * 1024 * 1024;
  private static final String BYTE_ORDER_MARK = "\uFEFF";

  private TextFile() {}

  /** Any failure is a mistake. */
  static String read(Path file) throws ConfigException {
    try {
      return load(file);
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  /**
   * @throws ConfigException when its content is not a configuration's
   */
  static String load(Path file) throws IOException, ConfigException {
    byte[] bytes;
    try (InputStream in = Files.newInputStream(file)) {
      bytes = in.readNBytes(MAX_BYTES + 1);
    }
    if (bytes.length > MAX_BYTES) {
      throw refused(file, "must not be longer than " + MAX_BYTES + " bytes");
    }
    try {
      String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      return text.startsWith(BYTE_ORDER_MARK) ? text.substring(1) : text;
    } catch (CharacterCodingException e) {
      throw refused(file, "must be UTF-8 text");
    }
  }

  static ConfigException unreadable(Path file, IOException why) {
    return refused(file, reason(why) + ": " + file.toAbsolutePath().normalize());
  }

  /** Without the path. */
  static String reason(IOException why) {
    return why instanceof NoSuchFileException ? "no such file" : "cannot be read";
  }

  static ConfigException refused(Path file, String why) {
    return new ConfigException(List.of(file.getFileName() + ": " + why));
  }
}
