/**
 * The top of the house: {@link org.nodepool.Main} reads the configuration, builds the objects by
 * hand and deploys the verticles. It knows every room; no room knows it.
 */
package org.nodepool;
