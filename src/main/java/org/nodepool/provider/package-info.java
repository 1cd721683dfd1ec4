/**
 * The holders of uploaded images: directories and clouds. One class a driver behind {@link
 * org.nodepool.provider.Provider}. Knows {@code config}'s records and {@code model}.
 */
package org.nodepool.provider;
