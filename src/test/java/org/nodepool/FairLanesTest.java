package org.nodepool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.nodepool.Rows.aDibFile;

import io.vertx.core.Future;
import io.vertx.core.WorkerExecutor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.nodepool.jobs.Consoles;

/** While one provider hangs, nobody else has to wait. */
@RunsBesideOthers
@Tag("both-databases")
class FairLanesTest {
  private static final byte[] BYTES = {1, 2, 3};

  /** A provider's: for uploads, deletions, consoles and a look. */
  private static final int THREADS = 4 + 2 + Consoles.MOST_AT_ONCE + 1;

  private final TestService service = TestService.shared();
  private final Http http = service.http();
  private final CountDownLatch isBack = new CountDownLatch(1);
  private final List<Future<?>> blocked = new ArrayList<>();
  private final List<WorkerExecutor> threads = new ArrayList<>();
  private long dibImage;

  @BeforeEach
  void a_provider_whose_directory_does_not_answer() throws Exception {
    service.empty();
    dibImage = service.readyBuild("tiny", BYTES);
    Files.write(Path.of(service.file(dibImage).toString().replace(".qcow2", ".raw")), BYTES);
    aDibFile(dibImage)
        .with("type", "raw")
        .with("size", BYTES.length)
        .with("sha256", TestService.sha256(BYTES))
        .in(service);
    // the one that is made of its entry now, whichever it is
    for (int number = 1; number <= 9; number++) {
      String name = "nodepool-provider-directory-" + number;
      WorkerExecutor own = service.vertx().createSharedWorkerExecutor(name, THREADS);
      threads.add(own);
      for (int i = 0; i < THREADS; i++) {
        blocked.add(own.executeBlocking(this::awaitItsReturn, false));
      }
    }
  }

  private Void awaitItsReturn() throws InterruptedException {
    isBack.await();
    return null;
  }

  @AfterEach
  void it_answers_again() {
    isBack.countDown();
    Future.join(blocked).await();
    threads.forEach(own -> own.close().await());
  }

  @Test
  void uploads_go_to_the_others() {
    List<String> hanging = upload("directory", "tiny-image", 6);
    Poll.until("the workers are busy", () -> running() == 4);

    List<String> others = upload("raw-directory", "first", 3);

    assertThat(others)
        .allMatch(job -> service.ended(job).getString("state").equals("succeeded"))
        .allMatch(job -> service.ended(job).getInteger("attempts") == 1);
    assertThat(running()).isEqualTo(4);
    assertThat(hanging)
        .extracting(job -> http.get(job).json().getString("state"))
        .containsOnly("running", "queued");
    isBack.countDown();
    assertThat(hanging).allMatch(job -> service.ended(job).getString("state").equals("succeeded"));
  }

  @Test
  void deletions_go_to_the_others() {
    List<String> hanging = delete("directory", 4);
    Poll.until("the workers are busy", () -> running() == 2);

    assertThat(delete("raw-directory", 3))
        .allMatch(job -> service.ended(job).getString("state").equals("succeeded"));
    String ofFiles = http.delete("/v1/dib_images/" + dibImage).job();
    assertThat(service.ended(ofFiles).getString("state")).isEqualTo("succeeded");

    assertThat(running()).isEqualTo(2);
    isBack.countDown();
    assertThat(hanging).allMatch(job -> service.ended(job).getString("state").equals("succeeded"));
  }

  @Test
  void builds_are_made() {
    upload("directory", "tiny-image", 6);
    delete("directory", 4);
    Poll.until("the workers are busy", () -> running() == 6);

    String build = http.post("/v1/dib_images/unlisted/build").job();

    assertThat(service.ended(build).getString("state")).isEqualTo("succeeded");
  }

  private List<String> upload(String provider, String image, int count) {
    String form = "provider_name=%s&image_name=%s".formatted(provider, image);
    return Stream.generate(() -> http.post("/v1/dib_images/tiny/upload", form).job())
        .limit(count)
        .toList();
  }

  private List<String> delete(String provider, int count) {
    return Stream.generate(() -> service.image(provider, 2, "gone"))
        .limit(count)
        .map(image -> http.delete("/v1/images/" + image).job())
        .toList();
  }

  private int running() {
    return service.sql("SELECT id FROM api_job WHERE state = 'running'").size();
  }
}
