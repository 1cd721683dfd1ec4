package org.nodepool;

import java.util.ArrayList;
import java.util.List;

/** All that the pool's and our tables hold, as text: to see whether something was changed. */
final class Tables {
  private Tables() {}

  static List<String> rows(TestService service) {
    List<String> rows = new ArrayList<>(poolRows(service));
    rows.addAll(rows(service, "api_job"));
    rows.addAll(rows(service, "api_dib_file"));
    return rows;
  }

  /** Without our own tables, in which jobs may be at work. */
  static List<String> poolRows(TestService service) {
    List<String> rows = new ArrayList<>();
    for (String table : List.of("node", "subnode", "snapshot_image", "dib_image")) {
      rows.addAll(rows(service, table));
    }
    return rows;
  }

  private static List<String> rows(TestService service, String table) {
    List<String> rows = new ArrayList<>();
    service
        .sql("SELECT * FROM " + table + " ORDER BY 1")
        .forEach(row -> rows.add(table + " " + row.deepToString()));
    return rows;
  }
}
