package org.nodepool.programs;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A program that was started; the leader of its process group. Thread-safe. */
public final class Running {
  private static final Logger log = LoggerFactory.getLogger(Running.class);

  private final Process process;

  Running(Process process) {
    this.process = process;
  }

  /** Of the process, and of its group. */
  public long pid() {
    return process.pid();
  }

  public boolean isAlive() {
    return process.isAlive();
  }

  /** What it prints, if that is read. */
  public InputStream output() {
    return process.getInputStream();
  }

  /** What it reads, if it is fed. */
  public OutputStream input() {
    return process.getOutputStream();
  }

  /** Its exit status when it has ended; an {@link IllegalThreadStateException} before. */
  public int status() {
    return process.exitValue();
  }

  /** Completes with its exit status, on a thread of the system's. */
  public CompletableFuture<Integer> ended() {
    return process.onExit().thenApply(Process::exitValue);
  }

  /** Waits for its end; gives its exit status. Blocks. */
  public int end() throws InterruptedException {
    return process.waitFor();
  }

  /**
   * As {@link #end()}, for so long.
   *
   * @throws IOException when it took longer; it was killed then
   */
  public int end(Duration limit) throws IOException, InterruptedException {
    boolean isOver = false;
    try {
      isOver = hasEnded(limit);
    } finally {
      if (!isOver) {
        kill();
      }
    }
    if (!isOver) {
      throw new IOException("%s took more than %s".formatted(name(), limit));
    }
    return status();
  }

  /** Waits for its end for so long; whether it has ended. Blocks. */
  public boolean hasEnded(Duration limit) throws InterruptedException {
    return process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS);
  }

  /** Kills it unless it ends within this time. Does not wait. */
  public void killAfter(Duration limit) {
    process
        .onExit()
        .orTimeout(limit.toMillis(), TimeUnit.MILLISECONDS)
        .whenCompleteAsync(
            (ended, late) -> {
              if (late instanceof TimeoutException) {
                kill();
              }
            });
  }

  private String name() {
    return process.info().command().orElse("the program");
  }

  /** Asks it, and not what it started, to end. */
  public void terminate() {
    process.destroy();
  }

  /** Kills it and everything it started that has not left its group. Waits for nothing. */
  public void kill() {
    try {
      String group = Long.toString(pid());
      new Program(List.of("bash", "-c", "kill -KILL -- \"-$1\"", "kill", group)).start();
    } catch (IOException e) {
      // no process can be started: what can be done without
      log.error("process group {} is killed one by one", pid(), e);
      process.descendants().forEach(ProcessHandle::destroyForcibly);
    }
    process.destroyForcibly(); // it may not lead its group yet
  }
}
