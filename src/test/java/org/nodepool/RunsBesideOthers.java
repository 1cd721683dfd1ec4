package org.nodepool;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.util.Set;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.api.parallel.ResourceLocksProvider;

/**
 * A class whose tests run one after the other, beside those of other classes. They mostly wait;
 * their directories and databases are their own; they count nothing that others write, and they
 * leave a busy machine time. A class that cannot bear others beside it is {@code @Isolated}.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Execution(ExecutionMode.CONCURRENT)
@ResourceLock(providers = RunsBesideOthers.OneByOne.class)
public @interface RunsBesideOthers {
  /**
   * The tests of a class inherit its mode, and would run beside each other; below a class that
   * holds a lock JUnit runs them in one thread.
   */
  final class OneByOne implements ResourceLocksProvider {
    @Override
    public Set<Lock> provideForClass(Class<?> testClass) {
      return Set.of(new Lock(testClass.getName()));
    }
  }
}
