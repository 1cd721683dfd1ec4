package org.nodepool.api;

import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.RoutingContext;
import java.util.List;
import org.nodepool.api.http.Codings;
import org.nodepool.api.http.EntityTags;
import org.nodepool.jobs.Ticket;
import org.nodepool.model.Job;
import org.nodepool.view.Page;
import org.nodepool.view.Representation;

/** What a handler returns: how the response is sent. */
interface Answer {
  /** Of a text that is no table. */
  String TEXT = "text/plain; charset=utf-8";

  /** Sends it, to its end. */
  void send(HttpServerResponse response);

  /** 200 and these bytes, or what the client needs of them. */
  static Answer of(RoutingContext ctx, Representation representation) {
    if (representation.etag() == null) {
      return untagged(ctx, 200, representation);
    }
    return response -> {
      boolean gzip = acceptsGzip(ctx);
      response.putHeader(ResponseHead.ETAG, representation.etag(gzip));
      List<String> known = ctx.request().headers().getAll(HttpHeaders.IF_NONE_MATCH);
      if (Polls.isKnown(representation, EntityTags.of(known), gzip)) {
        response.setStatusCode(304).end();
      } else {
        send(ctx, gzip ? representation.forGzip() : representation);
      }
    };
  }

  /** This status and these bytes, without a word of what tells them from others. */
  static Answer untagged(RoutingContext ctx, int status, Representation representation) {
    return response -> {
      boolean gzip = acceptsGzip(ctx);
      response.setStatusCode(status);
      send(ctx, gzip ? representation.forGzip() : representation);
    };
  }

  private static boolean acceptsGzip(RoutingContext ctx) {
    return Codings.acceptGzip(ctx.request().headers().getAll(HttpHeaders.ACCEPT_ENCODING));
  }

  private static void send(RoutingContext ctx, Representation representation) {
    HttpServerResponse response = ctx.response();
    response
        .putHeader(HttpHeaders.CONTENT_TYPE, representation.contentType())
        .putHeader(HttpHeaders.CONTENT_LENGTH, representation.contentLength());
    if (representation.coding() != null) {
      response.putHeader(HttpHeaders.CONTENT_ENCODING, representation.coding());
    }
    Runnable over = UnsharedAnswers.over(ctx);
    response.end(representation.body()).onComplete(taken -> over.run());
  }

  /** A list or a page of it, and where it goes on; or one object. */
  static Answer page(RoutingContext ctx, Page page) {
    Answer answer = of(ctx, page.representation());
    if (page.nextMarker() == null) {
      return answer;
    }
    return response -> {
      String next = ListInput.nextPage(ctx, page.nextMarker());
      response.putHeader("Link", "<%s>; rel=\"next\"".formatted(next));
      answer.send(response);
    };
  }

  /** This status and nothing else. */
  static Answer empty(int status) {
    return response -> response.setStatusCode(status).end();
  }

  /** A row was made, 201, or one that is being made was found, 200; a job goes on with it. */
  static Answer created(RoutingContext ctx, Ticket ticket) {
    return created(ctx, ticket, ticket.job().subject().path());
  }

  /** A job was made, 201, or one that does the same was found, 200. */
  static Answer retried(RoutingContext ctx, Ticket ticket) {
    return created(ctx, ticket, ticket.job().path());
  }

  private static Answer created(RoutingContext ctx, Ticket ticket, String path) {
    return response -> {
      response.putHeader(HttpHeaders.LOCATION, Proxies.client(ctx).prefix() + path);
      monitored(ctx, ticket.job());
      empty(ticket.isNew() ? 201 : 200).send(response);
    };
  }

  /** 204, and a job goes on with it. */
  static Answer accepted(RoutingContext ctx, Ticket ticket) {
    return response -> {
      monitored(ctx, ticket.job());
      empty(204).send(response);
    };
  }

  /** 204: the job has ended, or will. */
  static Answer cancelled(RoutingContext ctx, Job job) {
    return response -> {
      if (job.finished() == null) {
        monitored(ctx, job);
      }
      empty(204).send(response);
    };
  }

  private static void monitored(RoutingContext ctx, Job job) {
    String path = Proxies.client(ctx).prefix() + job.path();
    ctx.response().putHeader("Link", "<%s>; rel=\"monitor\"".formatted(path));
  }
}
