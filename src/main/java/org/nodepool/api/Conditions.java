package org.nodepool.api;

import io.vertx.core.MultiMap;
import io.vertx.core.http.HttpHeaders;
import io.vertx.ext.web.RoutingContext;
import java.util.List;
import java.util.function.Consumer;
import org.nodepool.api.http.EntityTags;
import org.nodepool.model.Resource;
import org.nodepool.view.Kind;
import org.nodepool.view.Representation;

/** What a write requires of the row that it changes: {@code If-Match}, {@code If-None-Match}. */
final class Conditions {
  private static final Refusal FAILED =
      new Refusal(
          ProblemType.PRECONDITION_FAILED,
          "It is not as If-Match or If-None-Match has it. Nothing was changed.");

  private Conditions() {}

  /**
   * To be passed by the row, as it is where it is locked, when everything else about the request is
   * right (RFC 9110, 13.2.1); throws {@link ProblemType#PRECONDITION_FAILED}. The tag of either
   * form counts, the zipped one too.
   */
  static <T extends Resource> Consumer<T> of(RoutingContext ctx, Kind<T> kind) {
    MultiMap headers = ctx.request().headers();
    List<String> match = headers.getAll(HttpHeaders.IF_MATCH);
    List<String> noneMatch = headers.getAll(HttpHeaders.IF_NONE_MATCH);
    if (match.isEmpty() && noneMatch.isEmpty()) {
      return row -> {};
    }
    EntityTags required = EntityTags.strong(match);
    EntityTags excluded = EntityTags.of(noneMatch);
    return row -> {
      Representation now = kind.one(row);
      if ((required.isGiven() && !matches(required, now)) || matches(excluded, now)) {
        throw FAILED;
      }
    };
  }

  private static boolean matches(EntityTags tags, Representation row) {
    return tags.matches(row.etag(false)) || tags.matches(row.etag(true));
  }
}
