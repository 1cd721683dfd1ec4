/**
 * What the files in {@code conf/} say: {@link org.nodepool.config.ApiConfig} from {@code api.yaml},
 * {@link org.nodepool.config.PoolConfig} from {@code nodepool.yaml}. Records only; nothing here
 * acts on them. Each file is checked whole and every mistake is told at once, with its file and
 * key, and never with a secret. YAML lives only here. Knows the JDK and SnakeYAML, no other room.
 */
package org.nodepool.config;
