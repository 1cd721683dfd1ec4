/**
 * The configuration: {@link org.nodepool.config.Configuration} is all of it, {@link
 * org.nodepool.config.ApiConfig} is {@code api.yaml}, {@link org.nodepool.config.PoolConfig} is
 * {@code nodepool.yaml}, {@link org.nodepool.config.DbUri} says where the database is; {@link
 * org.nodepool.config.PoolFile} follows the changes of a {@code nodepool.yaml}. Nothing here acts
 * on what it says. Each file is checked whole and every mistake is told at once, with its file and
 * key, and never with a secret. YAML lives only here. Knows the JDK, SnakeYAML and SLF4J, no other
 * room.
 */
package org.nodepool.config;
