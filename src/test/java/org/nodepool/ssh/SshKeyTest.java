package org.nodepool.ssh;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nodepool.programs.Program;

class SshKeyTest {
  @TempDir Path dir;

  @Test
  void an_own_pair_is_made_once_for_its_owner_alone() throws Exception {
    String made = SshKey.ownPair(dir).publicKey();

    assertThat(made).matches("ssh-ed25519 [A-Za-z0-9+/]{68} nodepool");
    assertThat(dir.resolve("id_ed25519.pub")).hasContent(made);
    assertThat(Files.getPosixFilePermissions(dir.resolve("id_ed25519")))
        .isEqualTo(PosixFilePermissions.fromString("rw-------"));
    assertThat(SshKey.ownPair(dir).publicKey()).isEqualTo(made);
    assertThat(SshKey.of(dir.resolve("id_ed25519")).publicKey()).isEqualTo(made);
    assertThat(names()).containsExactlyInAnyOrder("id_ed25519", "id_ed25519.pub");
  }

  @Test
  void all_who_come_at_once_get_the_same_pair() throws Exception {
    int many = 8;
    ExecutorService threads = Executors.newFixedThreadPool(many);
    try {
      Callable<String> one = () -> SshKey.ownPair(dir).publicKey();
      Set<String> made = new HashSet<>();
      for (Future<String> each : threads.invokeAll(Collections.nCopies(many, one))) {
        made.add(each.get());
      }
      assertThat(made).hasSize(1);
      assertThat(dir.resolve("id_ed25519.pub")).hasContent(made.iterator().next());
      assertThat(names()).containsExactlyInAnyOrder("id_ed25519", "id_ed25519.pub");
    } finally {
      threads.shutdown();
    }
  }

  @Test
  void the_public_part_that_a_crash_left_out_is_made_again() throws Exception {
    String made = SshKey.ownPair(dir).publicKey();
    Files.delete(dir.resolve("id_ed25519.pub"));
    SshKey.ownPair(dir);
    assertThat(dir.resolve("id_ed25519.pub")).hasContent(made);
  }

  @Test
  void a_key_that_ssh_would_not_take_is_refused_at_once() throws Exception {
    SshKey.ownPair(dir);
    Path key = dir.resolve("id_ed25519");
    Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-r-----"));
    refused(() -> SshKey.of(key), "may be read by others than its owner (chmod 600)");
    refused(() -> SshKey.of(dir.resolve("none")), "is no file that can be read");
    refused(() -> SshKey.of(dir), "is no file that can be read");
  }

  @Test
  void what_is_no_key_or_needs_a_passphrase_has_no_public_part() throws Exception {
    Path text = Files.writeString(dir.resolve("text"), "no key\n");
    Files.setPosixFilePermissions(text, PosixFilePermissions.fromString("rw-------"));
    refused(() -> SshKey.of(text).publicKey(), "ssh-keygen failed: ");
    Path locked = dir.resolve("locked");
    List<String> make = List.of("ssh-keygen", "-q", "-t", "ed25519", "-N", "geheim", "-f");
    new Program(Stream.concat(make.stream(), Stream.of(locked.toString())).toList())
        .run(Duration.ofMinutes(1));
    refused(() -> SshKey.of(locked).publicKey(), "incorrect passphrase");
  }

  private static void refused(Callable<?> call, String why) {
    assertThatExceptionOfType(SshFailure.class).isThrownBy(call::call).withMessageContaining(why);
  }

  private List<String> names() throws Exception {
    try (Stream<Path> files = Files.list(dir)) {
      return files.map(file -> file.getFileName().toString()).toList();
    }
  }
}
