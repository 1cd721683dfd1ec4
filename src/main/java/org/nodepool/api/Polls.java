package org.nodepool.api;

import io.vertx.core.Future;
import io.vertx.core.MultiMap;
import io.vertx.core.http.HttpHeaders;
import io.vertx.ext.web.RoutingContext;
import java.time.Duration;
import java.util.OptionalInt;
import java.util.function.Function;
import org.nodepool.api.http.Codings;
import org.nodepool.api.http.EntityTags;
import org.nodepool.api.http.Preferences;
import org.nodepool.model.Resource;
import org.nodepool.view.Kind;
import org.nodepool.view.OneQuery;
import org.nodepool.view.Page;
import org.nodepool.view.PoolReads;
import org.nodepool.view.Query;
import org.nodepool.view.Representation;

/**
 * The reads that clients repeat: lists, summaries and objects. A client that names the answer it
 * has ({@code If-None-Match}) is sent nothing while that is still right, and may wait until it is
 * not ({@code Prefer: wait}).
 */
final class Polls {
  /** API.md: more than that is taken as that. */
  static final int LONGEST_WAIT_SECONDS = 60;

  private final PoolReads reads;
  private final UnsharedAnswers unsharedAnswers;

  Polls(PoolReads reads, UnsharedAnswers unsharedAnswers) {
    this.reads = reads;
    this.unsharedAnswers = unsharedAnswers;
  }

  <T extends Resource> Function<RoutingContext, Future<Answer>> list(Kind<T> kind) {
    return ctx -> answer(ctx, ListInput.list(ctx, kind));
  }

  <T extends Resource> Function<RoutingContext, Future<Answer>> summary(Kind<T> kind) {
    return ctx -> answer(ctx, ListInput.summary(ctx, kind));
  }

  <T extends Resource> Function<RoutingContext, Future<Answer>> one(Kind<T> kind) {
    return ctx -> {
      Input.noQuery(ctx);
      return answer(ctx, new OneQuery<>(kind, Input.id(ctx, kind.name())));
    };
  }

  <T extends Resource> Future<Answer> answer(RoutingContext ctx, Query<T> query) {
    MultiMap headers = ctx.request().headers();
    EntityTags known = EntityTags.of(headers.getAll(HttpHeaders.IF_NONE_MATCH));
    if (!known.isGiven()) {
      return reads.answer(query).map(page -> page(ctx, page));
    }
    OptionalInt seconds = Preferences.waitSeconds(headers.getAll("Prefer"), LONGEST_WAIT_SECONDS);
    Future<Page> read =
        seconds.orElse(0) > 0 && !ctx.response().closed() // else nothing would end the waiting
            ? waited(ctx, query, known, seconds.getAsInt())
            : reads.answer(query);
    return read.map(
        page -> {
          if (seconds.isPresent() && page.representation().etag() != null) {
            ctx.response().putHeader(Preferences.APPLIED, Preferences.applied(seconds.getAsInt()));
          }
          return page(ctx, page);
        });
  }

  private Answer page(RoutingContext ctx, Page page) {
    unsharedAnswers.begin(ctx, page.representation());
    return Answer.page(ctx, page);
  }

  private <T extends Resource> Future<Page> waited(
      RoutingContext ctx, Query<T> query, EntityTags known, int seconds) {
    boolean gzip = Codings.acceptGzip(ctx.request().headers().getAll(HttpHeaders.ACCEPT_ENCODING));
    Metrics.hold(ctx);
    PoolReads.LongPoll longPoll =
        reads.begin(query, page -> isKnown(page, known, gzip), Duration.ofSeconds(seconds));
    ctx.addEndHandler(v -> longPoll.end());
    return longPoll.answer();
  }

  static boolean isKnown(Representation representation, EntityTags known, boolean gzip) {
    String etag = representation.etag(gzip);
    return etag != null && known.matches(etag);
  }
}
