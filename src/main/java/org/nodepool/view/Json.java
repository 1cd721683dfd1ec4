package org.nodepool.view;

import static java.util.Comparator.naturalOrder;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.vertx.core.buffer.Buffer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import org.nodepool.model.Alien;
import org.nodepool.model.DibImage;
import org.nodepool.model.Event;
import org.nodepool.model.Job;
import org.nodepool.model.Limits;
import org.nodepool.model.Mark;
import org.nodepool.model.Node;
import org.nodepool.model.ProviderCall;
import org.nodepool.model.ProviderLook;
import org.nodepool.model.ProviderLook.Aliens;
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
   * @param looks the last look at each, of all hosts, by name; at some there may have been none
   */
  static Buffer providers(
      List<PoolProvider> providers,
      Map<String, ProviderCall> last,
      Map<String, ProviderLook> looks) {
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
            out.writeFieldName("servers");
            writeServers(out, looks.get(provider.name()));
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

  /** Null also when it runs none. */
  private static void writeServers(JsonGenerator out, ProviderLook look) throws IOException {
    Limits limits = look == null ? null : look.limits();
    if (limits == null) {
      out.writeNull();
      return;
    }
    out.writeStartObject();
    out.writeNumberField("time", look.time());
    out.writeNumberField("used", limits.servers());
    out.writeObjectField("most", limits.mostServers());
    out.writeNumberField("ram_mib", limits.ramMib());
    out.writeObjectField("most_ram_mib", limits.mostRamMib());
    out.writeEndObject();
  }

  /**
   * What looks found that no row knows, in their order; the time is that of the oldest look.
   *
   * @param name of the list
   */
  static Buffer aliens(String name, List<Aliens> looks) {
    return bytes(
        out -> {
          out.writeStartObject();
          out.writeFieldName("time");
          out.writeObject(looks.stream().map(Aliens::time).min(naturalOrder()).orElse(null));
          out.writeNumberField("total", looks.stream().mapToInt(Aliens::total).sum());
          out.writeArrayFieldStart(name);
          for (Aliens look : looks) {
            for (Alien alien : look.listed()) {
              writeAlien(out, look.host(), alien);
            }
          }
          out.writeEndArray();
          out.writeEndObject();
        });
  }

  private static void writeAlien(JsonGenerator out, String host, Alien alien) throws IOException {
    Mark mark = alien.mark();
    out.writeStartObject();
    out.writeStringField("external_id", alien.externalId());
    out.writeStringField("name", alien.name());
    out.writeStringField("host", host.isEmpty() ? null : host);
    out.writeObjectField("created", alien.created());
    out.writeStringField("database", mark == null ? null : mark.database());
    out.writeStringField("subject", mark == null ? null : mark.subject().path());
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
