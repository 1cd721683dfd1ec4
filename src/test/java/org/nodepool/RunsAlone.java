package org.nodepool;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;

/** A class that must not be disturbed: nothing else runs on the machine meanwhile. */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Tag("alone")
@net.jqwik.api.Tag("alone") // its properties do not know JUnit's
public @interface RunsAlone {
  /** Why. */
  String value();
}
