/**
 * What is configured: {@link org.nodepool.config.Configuration} is all of it, {@link
 * org.nodepool.config.ApiConfig} is {@code api.yaml}, {@link org.nodepool.config.PoolConfig} is
 * {@code nodepool.yaml}, {@link org.nodepool.config.DbUri} says where the database is. Records
 * only; nothing here acts on them. Each file is checked whole and every mistake is told at once,
 * with its file and key, and never with a secret. YAML lives only here. Knows the JDK and
 * SnakeYAML, no other room.
 */
package org.nodepool.config;
