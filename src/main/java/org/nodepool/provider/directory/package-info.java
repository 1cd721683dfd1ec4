/** Directories that hold images as a cloud would. */
package org.nodepool.provider.directory;
