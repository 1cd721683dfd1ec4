package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.nodepool.ServiceProcess.Ended;

/** {@code run.sh} and what calls it, in a copy of the project. */
@RunsBesideOthers
class RunScriptIT {
  private static final Path COPY = Path.of("target/run-script").toAbsolutePath();

  /** Begins a script in which Maven does what {@link #maven} says, and all packages are there. */
  private static final String FAKED = "PATH=$PWD/bin:$PATH; ";

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
        .contains("./run.sh schema --remove", "./run.sh schema --new-id")
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
  void a_test_that_fails_is_told_at_the_end_with_its_log_and_how_it_is_run_alone()
      throws Exception {
    maven(
        """
        mkdir -p target/test-reports/beside
        cat >target/test-reports/beside/TEST-org.nodepool.FooIT.xml <<END
          <testcase name="it_works"><skipped message="there is no such file"/></testcase>
        END
        cat <<END
        [INFO] --- a-plugin:goal (beside) @ nodepool ---
        [ERROR] Tests run: 1, Failures: 1, Errors: 0, Time elapsed: 1,007.0 s <<< FAILURE! -- in org.nodepool.FooIT
        [ERROR] org.nodepool.FooIT.it_works -- Time elapsed: 1 s <<< FAILURE!
        java.lang.AssertionError: it does not
        [INFO] Tests run: 2, Failures: 0, Errors: 0, Time elapsed: 0.5 s -- in org.nodepool.FooIT
        END
        exit 1
        """);

    Ended ended = bash(FAKED + "./run.sh test");
    Ended ofLong = bash(FAKED + "./run.sh test long");

    assertThat(ended.status()).isEqualTo(1);
    assertThat(ended.out())
        .startsWith(
            "run.sh: all packages are there\n[INFO] --- a-plugin:goal (beside) @ nodepool --- 00:00\n");
    assertThat(ended.err())
        .contains("run.sh: beside: 3 cases\n", "\n1007.5 3 org.nodepool.FooIT (beside)\n")
        .contains("run.sh: skipped 1: there is no such file\n")
        .contains("FAILED org.nodepool.FooIT; alone: ./run.sh test FooIT\n")
        .contains("its log: target/test-reports/beside/org.nodepool.FooIT-output.txt")
        .endsWith("java.lang.AssertionError: it does not\n");
    assertThat(ofLong.err()).contains("alone: ./run.sh test long FooIT\n");
  }

  @ParameterizedTest
  @CsvSource({
    "test,verify",
    "test quick,test",
    "test long,-Dtests.long=true",
    "test FooIT#it_works,-Dit.test=FooIT#it_works",
    "test long FooIT,-Dit.test=FooIT -Dtests.beside=!alone",
    "torture 3 7,-Dnodepool.torture.minutes=3 -Dnodepool.torture.seed=7"
  })
  void a_run_of_no_test_is_no_success(String arguments, String givenToMaven) throws Exception {
    maven("echo maven \"$@\"\n");

    Ended ended =
        bash(
            FAKED
                + "mkdir -p src/test/java && touch src/test/java/{Foo,Torture}IT.java && ./run.sh "
                + arguments);

    assertThat(ended.out()).contains(givenToMaven.split(" "));
    assertThat(ended.err()).isEqualTo("run.sh: no test was run\n");
    assertThat(ended.status()).isEqualTo(1);
  }

  /** Has Maven do that, in what {@link #FAKED} begins. */
  private static void maven(String script) throws Exception {
    Path bin = Files.createDirectories(COPY.resolve("bin"));
    Files.writeString(bin.resolve("mvn"), "#!/bin/bash\n" + script);
    Files.writeString(bin.resolve("dpkg-query"), "#!/bin/bash\necho -n installed\n");
    ServiceProcess.run("chmod", "+x", bin + "/mvn", bin + "/dpkg-query");
  }

  @Test
  void a_class_of_tests_that_is_not_there_is_told() throws Exception {
    Ended ended = bash("mkdir -p src/test/java && ./run.sh test NoSuchIT");

    assertThat(ended.status()).isEqualTo(1);
    assertThat(ended.err()).isEqualTo("run.sh: there is no class of tests NoSuchIT\n");
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
