package org.nodepool.view;

import java.time.Clock;
import org.nodepool.model.Problem;
import org.nodepool.model.Resource;

/** One object; the answer fails with {@link Problem.NotFound} when there is none. */
public record OneQuery<T extends Resource>(Kind<T> kind, long id) implements Query<T> {
  @Override
  public Page answer(Table<T> table, Clock clock) {
    return table.one(id).orElseThrow(() -> Problem.NotFound.row(kind.name(), id));
  }

  @Override
  public boolean isOfWholeList() {
    return false;
  }

  /** It is found as quickly as one that was kept. */
  @Override
  public boolean isKept() {
    return false;
  }
}
