/**
 * Commands on a node, by the OpenSSH client: a login that a command has proved, the host's key, the
 * key pair. What the machine sends is hostile: bounded, and never part of a shell's text or of an
 * option. Every call blocks the caller's thread, within a limit of time, and {@link
 * org.nodepool.ssh.Ssh#stop} ends it from another. Knows the room of programs and no other.
 */
package org.nodepool.ssh;
