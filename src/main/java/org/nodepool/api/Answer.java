package org.nodepool.api;

import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.RoutingContext;
import org.nodepool.jobs.Ticket;
import org.nodepool.model.Job;
import org.nodepool.view.Page;
import org.nodepool.view.Representation;

/** What a handler returns: how the response is sent. */
interface Answer {
  /** Sends it, to its end. */
  void send(HttpServerResponse response);

  /** 200 and these bytes. */
  static Answer of(Representation representation) {
    return of(200, representation);
  }

  /** This status and these bytes. */
  static Answer of(int status, Representation representation) {
    return response ->
        response
            .setStatusCode(status)
            .putHeader(HttpHeaders.CONTENT_TYPE, representation.contentType())
            .putHeader(HttpHeaders.CACHE_CONTROL, "no-cache")
            .putHeader(HttpHeaders.CONTENT_LENGTH, Integer.toString(representation.body().length()))
            .end(representation.body());
  }

  /** 200, a list or a page of it, and where it goes on. */
  static Answer page(RoutingContext ctx, Page page) {
    return response -> {
      if (page.nextMarker() != null) {
        String next = ListInput.nextPage(ctx, page.nextMarker());
        response.putHeader("Link", "<%s>; rel=\"next\"".formatted(next));
      }
      of(page.representation()).send(response);
    };
  }

  /** This status and nothing else. */
  static Answer empty(int status) {
    return response -> response.setStatusCode(status).end();
  }

  /** A row was made, 201, or one that is being made was found, 200; a job goes on with it. */
  static Answer created(Ticket ticket) {
    return created(ticket, ticket.job().subject());
  }

  /** A job was made, 201, or one that does the same was found, 200. */
  static Answer retried(Ticket ticket) {
    return created(ticket, ticket.job().path());
  }

  private static Answer created(Ticket ticket, String location) {
    return response -> {
      response.putHeader(HttpHeaders.LOCATION, location);
      monitored(response, ticket.job());
      empty(ticket.isNew() ? 201 : 200).send(response);
    };
  }

  /** 204, and a job goes on with it. */
  static Answer accepted(Ticket ticket) {
    return response -> {
      monitored(response, ticket.job());
      empty(204).send(response);
    };
  }

  /** 204: the job has ended, or will. */
  static Answer cancelled(Job job) {
    return response -> {
      if (job.finished() == null) {
        monitored(response, job);
      }
      empty(204).send(response);
    };
  }

  private static void monitored(HttpServerResponse response, Job job) {
    response.putHeader("Link", "<%s>; rel=\"monitor\"".formatted(job.path()));
  }
}
