package org.nodepool.view;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.vertx.core.buffer.Buffer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import org.nodepool.model.DibImage;
import org.nodepool.model.Event;
import org.nodepool.model.Job;
import org.nodepool.model.Node;
import org.nodepool.model.ProviderCall;
import org.nodepool.model.Resource;
import org.nodepool.model.SnapshotImage;
import org.nodepool.model.SubNode;

/** The JSON of API.md: the keys that {@link Kind} has, in that order, NULL as null. */
public final class Json {
  /** API.md: JSON is always UTF-8, so the type has no parameter. */
  public static final String CONTENT_TYPE = "application/json";

  private static final JsonFactory FACTORY = new JsonFactory();

  private interface Writer {
    void write(JsonGenerator out) throws IOException;
  }

  private Json() {}

  /** One object. */
  static <T> Buffer object(List<Key<T>> keys, T row) {
    return bytes(out -> write(out, keys, row));
  }

  /** An array, in the order given. */
  static <T> Buffer array(List<Key<T>> keys, List<T> rows) {
    return bytes(out -> writeArray(out, keys, rows));
  }

  /**
   * The providers, in the order given.
   *
   * @param last the last call to each, by name; to some there may have been none
   */
  static Buffer providers(List<PoolProvider> providers, Map<String, ProviderCall> last) {
    return bytes(
        out -> {
          out.writeStartArray();
          for (PoolProvider provider : providers) {
            out.writeStartObject();
            out.writeStringField("name", provider.name());
            out.writeStringField("driver", provider.driver());
            out.writeStringField("region", provider.region());
            out.writeFieldName("images");
            String[] images = provider.images().toArray(String[]::new);
            out.writeArray(images, 0, images.length);
            out.writeFieldName("last_call");
            writeCall(out, last.get(provider.name()));
            out.writeEndObject();
          }
          out.writeEndArray();
        });
  }

  private static void writeCall(JsonGenerator out, ProviderCall call) throws IOException {
    if (call == null) {
      out.writeNull();
      return;
    }
    out.writeStartObject();
    out.writeNumberField("time", call.time());
    out.writeBooleanField("ok", call.error() == null);
    out.writeStringField("error", call.error());
    out.writeEndObject();
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
          writeData(out, event.data());
          out.writeEndObject();
        });
  }

  private static void writeData(JsonGenerator out, Resource data) throws IOException {
    if (data instanceof Node node) {
      write(out, Kind.NODE_KEYS_WITHOUT_SUBNODES, node);
    } else if (data instanceof SnapshotImage image) {
      write(out, Kind.SNAPSHOT_IMAGE.keys(), image);
    } else if (data instanceof DibImage image) {
      write(out, Kind.DIB_IMAGE.keys(), image);
    } else if (data instanceof Job job) {
      write(out, Kind.JOB.keys(), job);
    }
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

  private static <T> void writeArray(JsonGenerator out, List<Key<T>> keys, List<T> rows)
      throws IOException {
    out.writeStartArray();
    for (T row : rows) {
      write(out, keys, row);
    }
    out.writeEndArray();
  }

  private static <T> void write(JsonGenerator out, List<Key<T>> keys, T row) throws IOException {
    out.writeStartObject();
    for (Key<T> key : keys) {
      out.writeFieldName(key.json());
      Object value = key.of(row);
      if (key.type() == Type.SUBNODES) {
        writeSubnodes(out, (List<?>) value);
      } else {
        out.writeObject(value); // null, a text or a number: the generator knows these by itself
      }
    }
    out.writeEndObject();
  }

  private static void writeSubnodes(JsonGenerator out, List<?> subnodes) throws IOException {
    out.writeStartArray();
    for (Object subnode : subnodes) {
      write(out, Kind.SUBNODE_KEYS, (SubNode) subnode);
    }
    out.writeEndArray();
  }
}
