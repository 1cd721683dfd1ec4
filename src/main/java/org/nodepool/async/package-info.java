/** What the rooms have in common of things that happen one after the other, or once more later. */
package org.nodepool.async;
