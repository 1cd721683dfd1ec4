package org.nodepool;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;

/**
 * A class that mostly waits: for processes, for servers of its own, for periods of the service. It
 * runs in one of several JVMs side by side, with directories of its own ({@link Scratch}), after
 * the classes that compute.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Tag("beside")
@net.jqwik.api.Tag("beside") // its properties do not know JUnit's
public @interface RunsBesideOthers {}
