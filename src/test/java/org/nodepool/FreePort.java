package org.nodepool;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Ports of the loopback interface for servers that bind them later. Port 0 would give one that the
 * kernel gives to the next who asks as well, or to any client, before the server has it.
 */
public final class FreePort {
  /** Each JVM that runs tests has as many of its own. */
  private static final int COUNT = 2_000;

  /** Below what Linux gives away by itself (net.ipv4.ip_local_port_range). */
  private static final int LEAST = 12_000 + Scratch.jvm() % 10 * COUNT;

  private static final AtomicInteger next =
      new AtomicInteger(ThreadLocalRandom.current().nextInt(COUNT));

  private FreePort() {}

  /** One that nobody listens on; another one each time. Thread-safe. */
  public static int next() {
    for (int tried = 0; tried < COUNT; tried++) {
      int port = LEAST + Math.floorMod(next.getAndIncrement(), COUNT);
      try (ServerSocket free = new ServerSocket(port, 1, InetAddress.getByName("127.0.0.1"))) {
        return free.getLocalPort();
      } catch (IOException e) {
        // taken
      }
    }
    throw new AssertionError("no port is free");
  }
}
