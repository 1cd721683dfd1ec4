package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.nodepool.ServiceProcess.Ended;

/** {@code run.sh} and what calls it, in a copy of the project. */
class RunScriptIT {
  private static final Path COPY = Path.of("target/run-script").toAbsolutePath();

  @BeforeAll
  static void copy_what_it_needs() throws Exception {
    ServiceProcess.run(
        "bash",
        "-c",
        "rm -rf $0; mkdir -p $0/src $0/target"
            + " && cp -a run.sh .ci conf pom.xml $0 && cp -a src/main $0/src"
            + " && cp -al target/lib $0/target && cp target/nodepool.jar $0/target",
        COPY.toString());
  }

  @Test
  void the_scripts_are_bash() throws Exception {
    ServiceProcess.run("bash", "-n", "run.sh");
    ServiceProcess.run("bash", "-n", ".ci/run");
    assertThat(Path.of("run.sh")).isExecutable();
    assertThat(Path.of(".ci/run")).isExecutable();
  }

  @Test
  void help_is_the_usage() throws Exception {
    Ended ended = bash("./run.sh help");

    assertThat(ended.status()).isZero();
    assertThat(ended.out())
        .contains("./run.sh check")
        .contains("./run.sh schema --remove")
        .contains("./run.sh torture")
        .contains("--setup");
    assertThat(ended.err()).isEmpty();
  }

  @Test
  void an_unknown_argument_is_answered_with_the_usage() throws Exception {
    Ended ended = bash("./run.sh no-such-thing");

    assertThat(ended.status()).isEqualTo(2);
    assertThat(ended.out()).isEmpty();
    assertThat(ended.err()).contains("./run.sh check");
  }

  @Test
  void torture_for_no_number_of_minutes_is_refused() throws Exception {
    for (String arguments : new String[] {"long", "1 lucky", "1.5", "-1"}) {
      Ended ended = bash("./run.sh torture " + arguments);

      assertThat(ended.status()).isEqualTo(1);
      assertThat(ended.err()).contains("minutes");
    }
  }

  @Test
  void check_finds_the_shipped_configuration_from_anywhere() throws Exception {
    Ended ended = bash("cd / && " + COPY + "/run.sh check");

    assertThat(ended).isEqualTo(new Ended(0, "ok\n", ""));
  }

  @Test
  void check_of_a_configuration_that_is_not_there_fails() throws Exception {
    Ended ended = bash("./run.sh check --config no-such.yaml");

    assertThat(ended.status()).isEqualTo(1);
    assertThat(ended.out()).isEmpty();
    assertThat(ended.err()).contains("no-such.yaml");
  }

  @Test
  void ci_runs_what_a_developer_runs() throws Exception {
    Ended ended =
        bash(
            "mkdir -p ci && cp -r .ci ci && echo 'echo run.sh $*; exit 7' > ci/run.sh"
                + " && chmod +x ci/run.sh && cd / && "
                + COPY
                + "/ci/.ci/run");

    assertThat(ended).isEqualTo(new Ended(7, "run.sh test\n", ""));
  }

  private static Ended bash(String script) throws IOException, InterruptedException {
    File out = COPY.resolve("out").toFile();
    File err = COPY.resolve("err").toFile();
    int status =
        new ProcessBuilder("bash", "-c", script)
            .directory(COPY.toFile())
            .redirectOutput(Redirect.to(out))
            .redirectError(Redirect.to(err))
            .start()
            .waitFor();
    return new Ended(status, Files.readString(out.toPath()), Files.readString(err.toPath()));
  }
}
