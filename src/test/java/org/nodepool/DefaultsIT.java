package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The configuration that the project ships lets nobody else in. */
@RunsBesideOthers
class DefaultsIT {
  /**
   * 127.0.0.1 as /proc/net has it: a word of the machine's byte order, in tcp6 the last of four.
   */
  private static final Pattern LOOPBACK =
      Pattern.compile("(0000000000000000FFFF0000)?0100007F:[0-9A-F]{4}");

  private static ServiceProcess service;

  @BeforeAll
  static void start() throws Exception {
    service = ServiceProcess.asShipped("defaults").start();
  }

  @AfterAll
  static void end() {
    service.close();
  }

  @Test
  void service_and_database_listen_on_the_loopback_interface_alone() throws Exception {
    List<String> addresses = new ArrayList<>();
    addresses.addAll(ServiceProcess.listening(service.pid()));
    addresses.addAll(ServiceProcess.listening(service.databases().get(0).pid()));

    assertThat(addresses).hasSize(2).allMatch(address -> LOOPBACK.matcher(address).matches());
  }

  @Test
  void what_it_keeps_for_itself_is_the_owners_alone() throws Exception {
    assertThat(mode("var")).isEqualTo("rwx------");
    assertThat(mode("var/db")).isEqualTo("rwx------");
    assertThat(mode("var/admin-password")).isEqualTo("rw-------");
    assertThat(mode("var/db/dburi")).isEqualTo("rw-------");
  }

  @Test
  void no_password_is_in_an_argument_or_a_log() throws Exception {
    String databasePassword =
        Files.readString(service.dir().resolve("var/db/dburi")).replaceAll(".*:(.*)@.*\\s*", "$1");
    Http.Answer build = service.http().post("/v1/dib_images/tiny-os/build");
    Set<String> arguments = new HashSet<>();
    Poll.closelyUntil(
        "it is built",
        () -> {
          ServiceProcess.processes(service.dir())
              .forEach(p -> arguments.add(ServiceProcess.read(p, "cmdline")));
          return service.http().get(build.job()).json().getInteger("finished") != null;
        });

    assertThat(arguments).anyMatch(a -> a.contains("mariadbd")).anyMatch(a -> a.contains("-jar"));
    assertThat(arguments).anyMatch(a -> a.contains("disk-image-create"));
    List<Path> logs = logs();
    assertThat(logs).hasSize(4); // what it printed, its complaints, the database's, the build's
    List<String> texts = new ArrayList<>(arguments);
    for (Path log : logs) {
      texts.add(Files.readString(log));
    }
    String password = service.password();
    assertThat(texts)
        .noneMatch(text -> text.contains(password))
        .noneMatch(text -> text.contains(databasePassword));
  }

  private static List<Path> logs() throws IOException {
    Path dir = service.dir();
    List<Path> logs = new ArrayList<>();
    logs.add(dir.resolve("out"));
    logs.add(dir.resolve("err"));
    logs.add(dir.resolve("var/db/server.log"));
    for (String name : service.names("var/log/jobs")) {
      logs.add(dir.resolve("var/log/jobs").resolve(name));
    }
    return logs;
  }

  private static String mode(String file) throws IOException {
    return PosixFilePermissions.toString(
        Files.getPosixFilePermissions(service.dir().resolve(file)));
  }
}
