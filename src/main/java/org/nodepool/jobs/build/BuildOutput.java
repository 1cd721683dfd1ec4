package org.nodepool.jobs.build;

import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.nodepool.jobs.SecretMask;
import org.nodepool.jobs.run.JobRun;
import org.nodepool.programs.OutputLines;
import org.nodepool.programs.OutputLines.Line;

/**
 * Follows what disk-image-create prints: every line goes to the job's log without its secrets, the
 * phases become progress, and the last telling line is kept for the day it fails. (Output as of
 * diskimage-builder 3.13 with {@code -x}.)
 */
final class BuildOutput implements Runnable {
  private static final List<String> PHASES =
      List.of(
          "root",
          "extra-data",
          "pre-install",
          "install",
          "post-install",
          "post-root",
          "block-device",
          "pre-finalise",
          "finalise",
          "cleanup",
          "convert");

  private static final Pattern STAMP =
      Pattern.compile("^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d+ \\| ");
  private static final Pattern RUNNING =
      Pattern.compile("^dib-run-parts Running .*/([a-z-]+)\\.d/[^/]+$");

  // What is printed from here on is the clean-up after the failure.
  private static final Pattern CLEANUP_BEGINS = Pattern.compile("^\\++ .*:   trap_cleanup$");

  // A trace of bash, a log line that is no error, the inside of a Python traceback, a heading.
  private static final Pattern SAYS_NOTHING =
      Pattern.compile("^(\\++ .*|(INFO|DEBUG) .*|\\s.*|Traceback .*|dib-run-parts .*|-+|'.*|)$");

  // What a program said that diskimage-builder's Python part ran, which fails as "exec_sudo
  // failed".
  private static final Pattern SAID =
      Pattern.compile("^DEBUG \\S+ \\[-] exec_sudo: (\\S.*) exec_sudo /\\S+$");

  private final InputStream in;
  private final SecretMask mask;
  private final JobRun run;
  private String phase;
  private String telling = "";
  private String said = "";
  private boolean isCleaningUp;

  BuildOutput(InputStream in, SecretMask mask, JobRun run) {
    this.in = in;
    this.mask = mask;
    this.run = run;
  }

  /** Reads to the end of the output. */
  @Override
  public void run() {
    OutputLines lines = new OutputLines(in);
    try {
      for (Line line = lines.next(); line != null; line = lines.next()) {
        line(line);
      }
    } catch (IOException e) {
      run.log().note("the output broke off: " + e.getMessage());
    }
  }

  private synchronized void line(Line printed) {
    String line = mask.hide(printed.text(), printed.cutBytes());
    run.log().line(line);
    String text = STAMP.matcher(line).replaceFirst("");
    Matcher running = RUNNING.matcher(text);
    if (running.matches()) {
      enter(running.group(1));
    } else if (text.startsWith("Converting image")) {
      enter("convert");
    }
    if (CLEANUP_BEGINS.matcher(text).matches()) {
      isCleaningUp = true;
    }
    Matcher program = SAID.matcher(text);
    if (program.matches()) {
      said = program.group(1);
    }
    if (!isCleaningUp && !SAYS_NOTHING.matcher(text).matches()) {
      telling = text.endsWith("exec_sudo failed") ? text + ": " + said : text.strip();
    }
  }

  private void enter(String next) {
    int index = PHASES.indexOf(next);
    if (index >= 0 && !next.equals(phase)) {
      phase = next;
      run.progress((double) index / PHASES.size(), next);
    }
  }

  /** The phase it is in, or failed in; null before the first. */
  synchronized String phase() {
    return phase;
  }

  /** The last line that says something; empty when there was none. */
  synchronized String telling() {
    return telling;
  }
}
