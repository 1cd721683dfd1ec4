/**
 * HTTP: the contract of API.md. {@link org.nodepool.api.Routes} is the table of routes, one line
 * each; a handler class a resource; {@link org.nodepool.api.Input} is all that sees parameters and
 * bodies; {@link org.nodepool.api.Failures} makes every error answer; {@link org.nodepool.api.http}
 * is what is HTTP's alone. vertx-web lives only here. Knows {@code view}, {@code store}, {@code
 * jobs}, {@code events} and {@code model}.
 */
package org.nodepool.api;
