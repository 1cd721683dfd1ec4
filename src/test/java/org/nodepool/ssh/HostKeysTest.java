package org.nodepool.ssh;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class HostKeysTest {
  private static final String BEGIN = "-----BEGIN SSH HOST KEY KEYS-----\n";
  private static final String END = "-----END SSH HOST KEY KEYS-----\n";

  @TempDir Path dir;
  private HostKeys keys;

  @BeforeEach
  void none() {
    keys = new HostKeys(dir);
  }

  @Test
  void a_console_tells_them_as_cloud_init_prints_them() throws IOException {
    String ecdsa = key("ecdsa-sha2-nistp256", "e");
    String ed25519 = key("ssh-ed25519", "d");
    String rsa = key("ssh-rsa", "r".repeat(400));
    String console =
        "[  1.0] booting\r\n"
            + BEGIN
            + ecdsa
            + " root@debian\r\n"
            + ed25519
            + " a b c\r\n"
            + rsa
            + "\r\n"
            + END
            + "debian login: ";

    assertThat(keys.learn(console)).isTrue();

    assertThat(known()).containsExactly("node " + ecdsa, "node " + ed25519, "node " + rsa);
    assertThat(keys.options()).contains("StrictHostKeyChecking=yes");
  }

  @Test
  void the_last_block_that_is_whole_counts() throws IOException {
    String old = BEGIN + key("ssh-ed25519", "old") + "\n" + END;
    String now = BEGIN + key("ssh-ed25519", "now") + "\n" + END;
    String half = BEGIN + key("ssh-ed25519", "half");
    assertThat(keys.learn(old + now + half)).isTrue();
    assertThat(known()).containsExactly("node " + key("ssh-ed25519", "now"));
  }

  @Test
  void they_are_learned_once() throws IOException {
    keys.learn(BEGIN + key("ssh-ed25519", "first") + "\n" + END);
    assertThat(keys.learn(BEGIN + key("ssh-ed25519", "second") + "\n" + END)).isTrue();
    assertThat(new HostKeys(dir).areKnown()).isTrue();
    assertThat(known()).containsExactly("node " + key("ssh-ed25519", "first"));
  }

  static List<String> what_is_no_key() {
    String good = key("ssh-ed25519", "x");
    String base64 = good.split(" ")[1];
    return List.of(
        "",
        "@cert-authority * " + good,
        "* " + good,
        "ssh-rsa " + base64,
        "ssh-dss " + key("ssh-dss", "x").split(" ")[1],
        "ssh-ed25519-cert-v01@openssh.com " + base64,
        "ssh-ed25519\t" + base64,
        "ssh-ed25519 " + base64.replace('A', '!'),
        "ssh-ed25519 " + base64.substring(1),
        "ssh-ed25519 " + "A".repeat(44),
        "ssh-ed25519 AAAA",
        key("ssh-rsa", "r".repeat(4_000)),
        "[  3.1] " + good);
  }

  @ParameterizedTest
  @MethodSource("what_is_no_key")
  void what_is_no_key_is_not_learned(String line) throws IOException {
    assertThat(keys.learn(BEGIN + line + "\n" + END)).isFalse();
    assertThat(keys.areKnown()).isFalse();
    assertThat(dir).isEmptyDirectory();
    assertThat(keys.options()).contains("StrictHostKeyChecking=accept-new");
  }

  @Test
  void without_a_whole_block_nothing_is_learned() throws IOException {
    String key = key("ssh-ed25519", "x") + "\n";
    for (String console :
        List.of("", key, BEGIN + key, key + END, END + key + BEGIN, END + BEGIN)) {
      assertThat(keys.learn(console)).as(console).isFalse();
    }
  }

  @Test
  void a_console_cannot_fill_the_disk() throws IOException {
    StringBuilder many = new StringBuilder(BEGIN);
    for (int i = 0; i < 100_000; i++) {
      many.append(key("ssh-ed25519", "x" + i)).append('\n');
    }
    keys.learn(many + END);
    assertThat(known()).hasSizeLessThan(100);
  }

  private List<String> known() throws IOException {
    return Files.readAllLines(dir.resolve("known_hosts"));
  }

  /** Like one: its type, and then anything. */
  private static String key(String type, String rest) {
    byte[] name = type.getBytes(US_ASCII);
    byte[] more = (rest + "-".repeat(32)).getBytes(US_ASCII);
    byte[] all =
        ByteBuffer.allocate(4 + name.length + more.length)
            .putInt(name.length)
            .put(name)
            .put(more)
            .array();
    return type + " " + Base64.getEncoder().encodeToString(all);
  }
}
