/** What drivers do alike with the files of images. */
package org.nodepool.provider.files;
