/**
 * What providers do for us: {@link org.nodepool.provider.ImageStore}, {@link
 * org.nodepool.provider.Compute}. {@link org.nodepool.provider.Providers} has them, each on a
 * context of its own; a package below, a driver. Knows {@code config}'s records and {@code model}.
 */
package org.nodepool.provider;
