/**
 * Servers that are QEMU machines of this host. {@link org.nodepool.provider.qemu.Machines} has
 * their directories, which are all that is known of them: any process of the host finds them there.
 */
package org.nodepool.provider.qemu;
