package org.nodepool.api;

import java.util.Locale;

/** The problem types (RFC 9457) of error answers, with status and title. They never change. */
enum ProblemType {
  FIELD_MISSING(400, "Field missing"),
  BAD_VALUE(400, "Bad value"),
  MALFORMED_BODY(400, "Malformed body"),
  UNAUTHORIZED(401, "Login required"),
  FORBIDDEN(403, "Forbidden"),
  NOT_FOUND(404, "Not found"),
  METHOD_NOT_ALLOWED(405, "Method not allowed"),
  NOT_ACCEPTABLE(406, "Not acceptable"),
  WRONG_STATE(409, "Wrong state"),
  CONFLICT(409, "Conflict"),
  GONE(410, "Gone"),
  PRECONDITION_FAILED(412, "Precondition failed"),
  TOO_LARGE(413, "Too large"),
  URI_TOO_LONG(414, "First line too long"),
  UNSUPPORTED_MEDIA_TYPE(415, "Unsupported media type"),
  RANGE_NOT_SATISFIABLE(416, "Range not satisfiable"),
  MISDIRECTED(421, "Misdirected request"),
  TOO_MANY_REQUESTS(429, "Too many requests"),
  TOO_MANY_FIELDS(431, "Headers too large"),
  INTERNAL(500, "Internal error"),
  NOT_IMPLEMENTED(501, "Not implemented"),
  UNAVAILABLE(503, "Unavailable"),
  OUTCOME_UNKNOWN(503, "Outcome unknown"),
  HTTP_VERSION_NOT_SUPPORTED(505, "HTTP version not supported");

  final int status;
  final String title;

  ProblemType(int status, String title) {
    this.status = status;
    this.title = title;
  }

  String uri() {
    return "urn:nodepool:problem:" + name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
