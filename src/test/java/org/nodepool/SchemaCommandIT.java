package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aNode;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.nodepool.ServiceProcess.Ended;

/** {@code schema} of the packaged service, on its embedded database. */
@RunsBesideOthers
class SchemaCommandIT {
  private static final String TABLES =
      "SELECT GROUP_CONCAT(table_name ORDER BY 1 SEPARATOR ' ') AS names"
          + " FROM information_schema.tables WHERE table_schema = DATABASE()";

  private ServiceProcess service;

  @AfterEach
  void end() {
    service.close();
  }

  @Test
  void what_is_ours_goes_the_pool_stays_and_the_next_start_makes_it_again() throws Exception {
    service = ServiceProcess.in("schema-remove").start();
    aNode().provider("p").state(5).in(service);

    Ended whileItRuns;
    try (ServiceProcess other = ServiceProcess.in("schema-remove-other")) {
      whileItRuns = remove(other);
    }
    assertThat(whileItRuns.status()).isEqualTo(1);
    assertThat(whileItRuns.err())
        .startsWith("nothing more is removed: the data directory ")
        .contains("is in use by another instance");
    service.terminate();
    Ended first = remove(service);
    Ended second = remove(service);

    assertThat(first.status()).isZero();
    assertThat(first.out())
        .startsWith(
            "removed api_schema, api_job, api_job_attempt, api_dib_file, api_worker,"
                + " api_provider_call, api_provider_look, api_change, api_turn,"
                + " api_change_reader, 15 triggers from"
                + " mysql://nodepool@127.0.0.1:")
        .contains("; the tables of the pool are left as they are");
    assertThat(second.status()).isZero();
    assertThat(second.out()).startsWith("nothing of ours is in mysql://");
    assertThat(service.remains()).isEmpty();
    assertThat(service.dir().resolve("var/db/data/nodepool"))
        .isDirectoryNotContaining("glob:**.{TRG,TRN}")
        .isDirectoryContaining("glob:**/node.frm");

    service.start();
    service.sql("UPDATE node SET state = 2");
    assertThat(service.sql("SELECT old_state, new_state FROM api_change").iterator().next())
        .satisfies(row -> assertThat(row.deepToString()).isEqualTo("[5,2]"));
    assertThat(service.http().get("/v1/nodes").array()).hasSize(1);
    assertThat(service.sql(TABLES).iterator().next().getString("names"))
        .isEqualTo(
            "api_change api_change_reader api_dib_file api_job api_job_attempt api_provider_call"
                + " api_provider_look api_schema api_turn api_worker dib_image node snapshot_image subnode");
    assertThat(service.sql("SELECT name FROM api_schema WHERE version = 0").iterator().next())
        .satisfies(row -> assertThat(row.getString("name")).startsWith("pool: found "));
  }

  @Test
  void where_no_database_was_made_none_is_and_without_an_act_the_usage_is_printed()
      throws Exception {
    service = ServiceProcess.in("schema-remove-nothing");

    Ended nothing = remove(service);
    Ended noId = newId(service);
    Ended both = service.command("schema", "--remove", "--new-id");
    Ended usage = service.command("schema", "--config", service.config().toString());

    assertThat(nothing.status()).isZero();
    assertThat(nothing.out()).startsWith("nothing of ours is in ").hasLineCount(1);
    assertThat(noId).isEqualTo(nothing);
    assertThat(both.status()).isEqualTo(2);
    assertThat(service.dir().resolve("var/db/data")).doesNotExist();
    assertThat(usage.status()).isEqualTo(2);
    assertThat(usage.err()).contains("--remove", "--new-id").contains("Usage: nodepool schema");
  }

  @Test
  void a_copy_is_given_an_id_of_its_own_once_no_service_uses_it() throws Exception {
    service = ServiceProcess.in("schema-new-id").start();
    String first = id();

    Ended whileItRuns;
    try (ServiceProcess other = ServiceProcess.in("schema-new-id-other")) {
      whileItRuns = other.command("schema", "--new-id", "--config", service.config().toString());
    }
    assertThat(whileItRuns.status()).isEqualTo(1);
    assertThat(whileItRuns.err())
        .startsWith("the id stays as it is: the data directory ")
        .contains("is in use by another instance");
    assertThat(id()).isEqualTo(first);
    service.terminate();
    Ended given = newId(service);
    service.start();

    assertThat(given.status()).isZero();
    assertThat(given.out())
        .startsWith("the id of mysql://nodepool@127.0.0.1:")
        .endsWith("/nodepool is now " + id() + "\n");
    assertThat(id()).isNotEqualTo(first);
  }

  private String id() throws Exception {
    return service
        .sql("SELECT name FROM api_schema WHERE version = -2")
        .iterator()
        .next()
        .getString("name");
  }

  private Ended newId(ServiceProcess process) throws Exception {
    return process.command("schema", "--new-id", "--config", process.config().toString());
  }

  private Ended remove(ServiceProcess process) throws Exception {
    return process.command("schema", "--remove", "--config", service.config().toString());
  }
}
