package org.nodepool.ssh;

import java.io.IOException;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;
import org.nodepool.ssh.Banner.Look;
import org.nodepool.ssh.Banner.Sight;
import org.nodepool.ssh.Client.Answer;

/**
 * SSH to one machine, for one attempt at a job. To be used by one thread, which it blocks; {@link
 * #stop} may come from any.
 */
public final class Ssh {
  // A name like an option, or with what another program takes for a separator, is none.
  private static final Pattern USER = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}\\$?");

  /** cloud-init's answer to root, that it shall be another user, takes 10 s. */
  private static final Duration ONE_LOGIN = Duration.ofSeconds(30);

  private static final Duration FIRST_PAUSE = Duration.ofMillis(500);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(5);

  private final Client client;
  private final HostKeys hostKeys;
  private final Banner banner;
  private final Stop stop = new Stop();

  /**
   * @param key the private key that every login is tried with
   */
  public Ssh(Target target, SshKey key, HostKeys hostKeys) {
    this.hostKeys = hostKeys;
    client = new Client(target, key, hostKeys, stop);
    banner = new Banner(target, stop);
  }

  /**
   * Waits until a user gets in. A login counts when a command has answered; servers that let a user
   * in only to tell another name are common.
   *
   * @param users tried in turn, again and again
   * @param isAlive asked before each try on the caller's thread, which may let the host keys learn
   *     meanwhile; when the machine has ended, so has the wait
   * @throws SshFailure when nobody got in within the limit (how far it came), the machine has
   *     ended, its host key is not the one that is known, or it was stopped
   */
  public Login login(List<String> users, Duration limit, BooleanSupplier isAlive)
      throws IOException, InterruptedException {
    for (String user : users) {
      if (!USER.matcher(user).matches()) {
        throw new SshFailure("No user can have the name " + Reply.forPeople(user));
      }
    }
    return new Wait(new LinkedHashSet<>(users), new Deadline(limit), isAlive).login();
  }

  /**
   * Ends what is under way, soon, and refuses all that comes; the calls fail with {@link
   * SshFailure}. What runs on the machine is not ended by it. Thread-safe.
   */
  public void stop() {
    stop.ask();
  }

  /** One wait for a login. */
  private final class Wait {
    private final LinkedHashSet<String> users;
    private final Deadline deadline;
    private final BooleanSupplier isAlive;
    private final Progress progress = new Progress();
    private Duration pause = FIRST_PAUSE;

    Wait(LinkedHashSet<String> users, Deadline deadline, BooleanSupplier isAlive) {
      this.users = users;
      this.deadline = deadline;
      this.isAlive = isAlive;
    }

    Login login() throws IOException, InterruptedException {
      while (true) {
        checkGoesOn();
        Look look = banner.look(deadline.left(patience()));
        stop.check();
        progress.seen(look);
        Login login = look.sight() == Sight.BANNER ? loginOfOne() : null;
        if (login != null) {
          return login;
        }
        stop.pause(deadline.left(pauseAfter(look.sight())));
      }
    }

    /** Null when nobody gets in. */
    private Login loginOfOne() throws IOException, InterruptedException {
      hostKeys.forgetShown();
      for (String user : users) {
        checkGoesOn();
        Reply reply = new Reply(line -> {});
        Answer answer = client.runScript(user, "true", reply, deadline.left(ONE_LOGIN));
        if (answer.hasSucceeded()) {
          hostKeys.keep();
          return new Login(client, user);
        }
        progress.refused(user, answer.why());
      }
      return null;
    }

    private void checkGoesOn() throws SshFailure {
      stop.check();
      if (!isAlive.getAsBoolean()) {
        throw new SshFailure("The machine ended before anybody could log in.");
      }
      if (deadline.isOver()) {
        throw new SshFailure(
            "Nobody could log in to %s within %s: %s."
                .formatted(client.target(), deadline.limit(), progress));
      }
    }

    /** How long a banner is waited for: machines that take long to start are slow then, too. */
    private Duration patience() {
      long passed = deadline.passed().toSeconds();
      return Duration.ofSeconds(passed < 15 ? 1 : passed < 60 ? 3 : 8);
    }

    /** Servers punish an address for logins that fail (OpenSSH from 9.8 on). */
    private Duration pauseAfter(Sight sight) {
      if (sight != Sight.BANNER) {
        return Duration.ofMillis(Math.max(100, Math.min(1000, deadline.passed().toMillis() / 20)));
      }
      Duration now = pause;
      Duration doubled = pause.multipliedBy(2);
      pause = doubled.compareTo(LONGEST_PAUSE) < 0 ? doubled : LONGEST_PAUSE;
      return now;
    }
  }
}
