package org.nodepool.view;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.vertx.core.buffer.Buffer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import org.nodepool.model.DibImage;
import org.nodepool.model.Event;
import org.nodepool.model.Job;
import org.nodepool.model.Node;
import org.nodepool.model.Resource;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.State;
import org.nodepool.model.SubNode;

/**
 * The JSON of API.md: every key always there, in the contract's order, NULL as null. An allow-list:
 * what is not written here is seen by nobody.
 */
public final class Json {
  /** API.md: JSON is always UTF-8, so the type has no parameter. */
  public static final String CONTENT_TYPE = "application/json";

  private static final JsonFactory FACTORY = new JsonFactory();

  private interface Writer {
    void write(JsonGenerator out) throws IOException;
  }

  private Json() {}

  /** One object. */
  public static Buffer object(Resource resource) {
    return bytes(out -> write(out, resource));
  }

  /** An array, in the order given. */
  public static Buffer array(List<? extends Resource> resources) {
    return bytes(
        out -> {
          out.writeStartArray();
          for (Resource resource : resources) {
            write(out, resource);
          }
          out.writeEndArray();
        });
  }

  /** An event; its id is null until events are numbered. A node's data is without its subnodes. */
  public static Buffer event(Event event) {
    return bytes(
        out -> {
          out.writeStartObject();
          out.writeNullField("id");
          out.writeNumberField("time", event.time());
          out.writeStringField("kind", event.kind());
          out.writeStringField("subject", event.subject());
          out.writeStringField("old_state", event.oldState());
          out.writeStringField("state", event.state());
          out.writeFieldName("data");
          if (event.data() instanceof Node node) {
            out.writeStartObject();
            writeColumns(out, node);
            out.writeEndObject();
          } else {
            write(out, event.data());
          }
          out.writeEndObject();
        });
  }

  private static Buffer bytes(Writer writer) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(512);
    try (JsonGenerator out = FACTORY.createGenerator(bytes)) {
      writer.write(out);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return Buffer.buffer(bytes.toByteArray());
  }

  private static void write(JsonGenerator out, Resource resource) throws IOException {
    out.writeStartObject();
    if (resource instanceof Node node) {
      writeColumns(out, node);
      out.writeArrayFieldStart("subnodes");
      for (SubNode subnode : node.subnodes()) {
        write(out, subnode);
      }
      out.writeEndArray();
    } else if (resource instanceof SnapshotImage image) {
      writeColumns(out, image);
    } else if (resource instanceof DibImage image) {
      writeColumns(out, image);
    } else if (resource instanceof Job job) {
      writeColumns(out, job);
    }
    out.writeEndObject();
  }

  private static void writeColumns(JsonGenerator out, Node node) throws IOException {
    out.writeNumberField("id", node.id());
    out.writeStringField("provider_name", node.providerName());
    out.writeStringField("label_name", node.labelName());
    out.writeStringField("target_name", node.targetName());
    out.writeStringField("hostname", node.hostname());
    out.writeStringField("nodename", node.nodename());
    out.writeStringField("external_id", node.externalId());
    out.writeStringField("az", node.az());
    out.writeStringField("ip", node.ip());
    out.writeStringField("ip_private", node.ipPrivate());
    out.writeStringField("state", node.stateName());
    number(out, "state_time", node.stateTime());
  }

  private static void write(JsonGenerator out, SubNode subnode) throws IOException {
    out.writeStartObject();
    out.writeNumberField("id", subnode.id());
    out.writeNumberField("node_id", subnode.nodeId());
    out.writeStringField("hostname", subnode.hostname());
    out.writeStringField("external_id", subnode.externalId());
    out.writeStringField("ip", subnode.ip());
    out.writeStringField("ip_private", subnode.ipPrivate());
    out.writeStringField("state", State.name(subnode.state()));
    number(out, "state_time", subnode.stateTime());
    out.writeEndObject();
  }

  private static void writeColumns(JsonGenerator out, SnapshotImage image) throws IOException {
    out.writeNumberField("id", image.id());
    out.writeStringField("provider_name", image.providerName());
    out.writeStringField("image_name", image.imageName());
    out.writeStringField("hostname", image.hostname());
    number(out, "version", image.version());
    out.writeStringField("external_id", image.externalId());
    out.writeStringField("server_external_id", image.serverExternalId());
    out.writeStringField("state", image.stateName());
    number(out, "state_time", image.stateTime());
  }

  private static void writeColumns(JsonGenerator out, DibImage image) throws IOException {
    out.writeNumberField("id", image.id());
    out.writeStringField("image_name", image.imageName());
    out.writeStringField("filename", image.filename());
    number(out, "version", image.version());
    out.writeStringField("state", image.stateName());
    number(out, "state_time", image.stateTime());
  }

  private static void writeColumns(JsonGenerator out, Job job) throws IOException {
    out.writeNumberField("id", job.id());
    out.writeStringField("kind", job.kind().toString());
    out.writeStringField("state", job.stateName());
    out.writeStringField("subject", job.subject());
    out.writeStringField("image_name", job.imageName());
    out.writeStringField("provider_name", job.providerName());
    if (job.progress() == null) {
      out.writeNullField("progress");
    } else {
      out.writeNumberField("progress", job.progress());
    }
    out.writeStringField("phase", job.phase());
    out.writeStringField("error", job.error());
    out.writeNumberField("attempts", job.attempts());
    out.writeStringField("worker", job.worker());
    out.writeNumberField("created", job.created());
    number(out, "started", job.started());
    number(out, "finished", job.finished());
  }

  private static void number(JsonGenerator out, String key, Long value) throws IOException {
    if (value == null) {
      out.writeNullField(key);
    } else {
      out.writeNumberField(key, value);
    }
  }
}
