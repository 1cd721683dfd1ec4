package org.nodepool.provider.openstack;

import static org.assertj.core.api.Assertions.assertThat;

import io.vertx.core.json.JsonObject;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.nodepool.provider.openstack.Urls.Version;

/** Where the versions of services are, in the forms in which services have said so. */
class UrlsTest {
  @Test
  void identity_lists_its_versions_as_values() {
    assertThat(
            versions(
                "{\"versions\": {\"values\": [{\"id\": \"v3.14\", \"status\": \"stable\", \"links\":"
                    + " [{\"rel\": \"self\", \"href\": \"http://a/v3/\"}]}]}}"))
        .containsExactly(new Version("v3.14", "http://a/v3/"));
  }

  @Test
  void image_lists_its_versions_as_they_are() {
    assertThat(
            versions(
                "{\"versions\": [{\"id\": \"v2.15\", \"status\": \"CURRENT\", \"links\": [{\"rel\":"
                    + " \"describedby\", \"href\": \"x\"}, {\"rel\": \"self\", \"href\":"
                    + " \"http://a/v2/\"}]}, {\"id\": \"v1.1\", \"status\": \"DEPRECATED\","
                    + " \"links\": [{\"rel\": \"self\", \"href\": \"http://a/v1/\"}]}]}"))
        .containsExactly(new Version("v2.15", "http://a/v2/"));
  }

  @Test
  void below_a_version_there_is_that_one() {
    assertThat(
            versions(
                "{\"version\": {\"id\": \"v3.14\", \"links\": [{\"rel\": \"self\", \"href\":"
                    + " \"http://a/v3/\"}]}}"))
        .containsExactly(new Version("v3.14", "http://a/v3/"));
  }

  @Test
  void what_is_no_list_of_versions_has_none() {
    assertThat(versions("{}")).isEmpty();
    assertThat(versions("{\"versions\": 3}")).isEmpty();
    assertThat(versions("{\"versions\": [3, {}]}")).isEmpty();
  }

  @Test
  void a_service_may_not_know_the_name_that_it_is_reached_by() {
    assertThat(Urls.at("https://cloud.example.org/identity", "http://10.0.0.1:5000/identity/v3/"))
        .isEqualTo("https://cloud.example.org/identity/v3");
    assertThat(Urls.at("https://cloud.example.org:9292", "/v2/"))
        .isEqualTo("https://cloud.example.org:9292/v2");
  }

  private static List<Version> versions(String document) {
    return Urls.versions(new JsonObject(document));
  }
}
