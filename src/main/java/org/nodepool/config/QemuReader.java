package org.nodepool.config;

import java.time.Duration;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.nodepool.config.DriverConfig.Listen;
import org.nodepool.config.DriverConfig.Qemu;

/** Reads a provider whose servers are QEMU machines of one host. */
final class QemuReader implements DriverReader {
  private static final List<String> KEYS =
      List.of(
          "address",
          "boot-timeout",
          "directory",
          "host",
          "max-servers",
          "network",
          "ports",
          "run-as");

  private static final String BYTE = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
  private static final Pattern ADDRESS = Pattern.compile("(" + BYTE + "\\.){3}" + BYTE);
  private static final Pattern PORTS = Pattern.compile("(\\d{1,5})-(\\d{1,5})");
  private static final Pattern USER = Pattern.compile("[a-z_][a-z0-9_-]{0,31}");
  private static final int MOST_PORTS = 65_535;

  @Override
  public String driver() {
    return Qemu.DRIVER;
  }

  @Override
  public List<String> keys() {
    return KEYS;
  }

  /** What its machines can begin with as it is. */
  @Override
  public List<String> imageTypes() {
    return List.of("qcow2");
  }

  @Override
  public DriverConfig read(Section entry) {
    if (!entry.has("directory")) {
      entry.mistake("directory", "is required of a provider whose driver is qemu");
    }
    return new Qemu(
        entry.path("directory", "."),
        entry.text("region-name", null),
        entry.text("host", null),
        entry.integer("max-servers", -1, Integer.MAX_VALUE, "a number"),
        entry.positiveSeconds("boot-timeout", Duration.ofSeconds(60)),
        entry.choice("network", "isolated", List.of("isolated", "out")).equals("out"),
        listen(entry),
        matching(entry, "run-as", USER, "the name of a user"));
  }

  private static Listen listen(Section entry) {
    String address = matching(entry, "address", ADDRESS, "an IPv4 address of this host");
    String ports = matching(entry, "ports", PORTS, "a range such as 10000-10099");
    if (address == null && ports == null) {
      return null;
    }
    if (address == null || ports == null) {
      entry.mistake(address == null ? "address" : "ports", "is required beside the other one");
      return null;
    }
    Matcher range = PORTS.matcher(ports);
    range.matches();
    int first = Integer.parseInt(range.group(1));
    int last = Integer.parseInt(range.group(2));
    if (first < 1 || last < first || last > MOST_PORTS) {
      entry.mistake("ports", "must be of 1 to 65535, the lower one first, is " + ports);
    }
    return new Listen(address, first, last);
  }

  /** Null when the key is absent, or a mistake. */
  private static String matching(Section entry, String key, Pattern pattern, String what) {
    String text = entry.isAbsent(key) ? null : entry.text(key, null);
    if (text != null && !pattern.matcher(text).matches()) {
      entry.mistake(key, "must be " + what + ", is " + Section.shown(text));
      return null;
    }
    return text;
  }
}
