package org.nodepool.provider.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.nodepool.model.AttemptEnd.ProviderFailure;

/** What is given to a cloud, and what is not; the images are made by QEMU. */
class ImageInspectionTest {
  private static final List<String> TYPES = List.of("qcow2", "raw", "vhd", "vmdk");
  private static final int FOOTER_BYTES = 512;

  @TempDir private Path directory;
  private Path file;

  @BeforeEach
  void name() {
    file = directory.resolve("tiny-1.image");
  }

  @ParameterizedTest
  @CsvSource({
    "qcow2, qcow2, compat=0.10",
    "qcow2, qcow2, compat=1.1",
    "qcow2, qcow2, 'compat=1.1,compression_type=zstd,extended_l2=on'",
    "qcow2, qcow2, 'compat=1.1,lazy_refcounts=on,cluster_size=512'",
    "raw, raw, size=1M",
    "vhd, vpc, subformat=dynamic",
    "vhd, vpc, subformat=fixed",
    "vmdk, vmdk, subformat=monolithicSparse",
    "vmdk, vmdk, subformat=streamOptimized",
  })
  void a_whole_image_is_taken(String type, String format, String options) throws Exception {
    create(format, options);

    ImageInspection.check(file, type);
  }

  @ParameterizedTest
  @CsvSource({
    "raw, qcow2, begins like qcow2",
    "raw, qed, begins like qed",
    "raw, vmdk, begins like vmdk",
    "raw, vhdx, begins like vhdx",
    "raw, vdi, begins like vdi",
    "raw, vpc, begins like vhd",
    "raw, parallels, begins like parallels",
    "qcow2, raw, does not begin like one",
    "qcow2, vmdk, does not begin like one",
    "vhd, raw, does not end like one",
    "vhd, qcow2, does not end like one",
    "vmdk, raw, does not begin like one that holds its data itself",
    "vmdk, qcow2, does not begin like one that holds its data itself",
  })
  void a_format_that_is_not_what_it_says_is_refused(String type, String format, String fault)
      throws Exception {
    qemu("create", "-q", "-f", format, file.toString(), "1M");

    assertRefused(type, fault);
  }

  @ParameterizedTest
  @ValueSource(strings = {"compat=0.10", "compat=1.1"})
  void a_qcow2_with_a_backing_file_is_refused(String options) throws Exception {
    Path base = directory.resolve("base");
    qemu("create", "-q", "-f", "raw", base.toString(), "1M");
    qemu(
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        options,
        "-b",
        base.toString(),
        "-F",
        "raw",
        file.toString());

    assertRefused("qcow2", "it has a backing file");
  }

  @Test
  void a_qcow2_whose_data_is_in_another_file_is_refused() throws Exception {
    create("qcow2", "data_file=" + directory.resolve("data"));

    assertRefused("qcow2", "its data is in another file");
  }

  @ParameterizedTest
  @CsvSource({
    "4, 1, of version 1, not 2 or 3",
    "4, 4, of version 4, not 2 or 3",
    "4, -1, of version 4294967295, not 2 or 3",
    "20, 8, the size of its clusters",
    "20, 22, the size of its clusters",
    "20, -1, the size of its clusters",
    "32, 1, it is encrypted",
    "32, 2, it is encrypted",
    "76, 2, marked as corrupt",
    "76, 32, features that are not known",
    "72, 1, features that are not known",
    "100, 103, length of its header",
    "100, -1, length of its header",
    "100, 65537, length of its header",
  })
  void a_qcow2_header_that_is_not_one_is_refused(int offset, int value, String fault)
      throws Exception {
    create("qcow2", "compat=1.1");
    putInt(offset, value);

    assertRefused("qcow2", fault);
  }

  @Test
  void a_qcow2_that_is_marked_as_dirty_is_taken() throws Exception {
    create("qcow2", "compat=1.1");
    putInt(76, 1);

    ImageInspection.check(file, "qcow2");
  }

  @ParameterizedTest
  @CsvSource({
    "COWD, cowd",
    "'# Disk DescriptorFile', a vmdk descriptor",
    "LUKS\u00ba\u00be, luks",
    "Bochs Virtual HD Image, bochs",
    "'# a comment\n\n  \nversion=1\n', a vmdk descriptor",
    "'\r\nversion=3\r\n', a vmdk descriptor",
  })
  void a_raw_image_that_is_probed_as_another_format_is_refused(String head, String format)
      throws Exception {
    create("raw", "size=1M");
    put(0, head.getBytes(StandardCharsets.ISO_8859_1));

    assertRefused("raw", "it begins like " + format);
  }

  @Test
  void a_raw_image_of_text_is_taken() throws Exception {
    Files.writeString(file, "# a comment\nno version=1\n");

    ImageInspection.check(file, "raw");
  }

  @Test
  void a_raw_image_that_ends_like_a_vhd_is_refused() throws Exception {
    create("vpc", "subformat=fixed");

    assertRefused("raw", "it ends like vhd");
  }

  @ParameterizedTest
  @CsvSource({"dynamic, 4, it has a parent", "dynamic, 5, neither", "fixed, 4, it has a parent"})
  void a_vhd_of_another_kind_is_refused(String kind, int diskType, String fault) throws Exception {
    create("vpc", "subformat=" + kind);
    byte[] footer = footer();
    ByteBuffer.wrap(footer).putInt(60, diskType);
    putFooter(summed(footer));

    assertRefused("vhd", fault);
  }

  @Test
  void a_vhd_with_a_wrong_checksum_is_refused() throws Exception {
    create("vpc", "subformat=fixed");
    byte[] footer = footer();
    footer[100]++;
    putFooter(footer);

    assertRefused("vhd", "the checksum of its footer is wrong");
  }

  @Test
  void a_vhd_whose_beginning_says_that_it_has_a_parent_is_refused() throws Exception {
    create("vpc", "subformat=dynamic");
    byte[] footer = footer();
    ByteBuffer.wrap(footer).putInt(60, 4);
    put(0, summed(footer));

    assertRefused("vhd", "its footer and the copy of that at its beginning differ");
  }

  @ParameterizedTest
  @ValueSource(longs = {-1, 0, 1 << 20, Long.MAX_VALUE})
  void a_dynamic_vhd_without_its_header_is_refused(long offset) throws Exception {
    create("vpc", "subformat=dynamic");
    byte[] footer = footer();
    ByteBuffer.wrap(footer).putLong(16, offset);
    put(0, summed(footer));
    putFooter(footer);

    assertRefused("vhd", "it ");
  }

  @Test
  void a_fixed_vhd_that_begins_like_a_qcow2_is_refused() throws Exception {
    create("vpc", "subformat=fixed");
    put(0, new byte[] {'Q', 'F', 'I', (byte) 0xfb});

    assertRefused("vhd", "it begins like qcow2");
  }

  @ParameterizedTest
  @ValueSource(strings = {"monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"})
  void a_vmdk_descriptor_alone_is_refused(String kind) throws Exception {
    create("vmdk", "subformat=" + kind);

    assertRefused("vmdk", "does not begin like one that holds its data itself");
  }

  @Test
  void an_extent_of_a_vmdk_of_several_files_is_refused() throws Exception {
    create("vmdk", "subformat=twoGbMaxExtentSparse");
    file = directory.resolve("tiny-1-s001.image");

    assertRefused("vmdk", "its createType is neither");
  }

  @Test
  void a_vmdk_with_a_backing_file_is_refused() throws Exception {
    Path base = directory.resolve("base");
    qemu("create", "-q", "-f", "vmdk", base.toString(), "1M");
    qemu("create", "-q", "-f", "vmdk", "-b", base.toString(), "-F", "vmdk", file.toString());

    assertRefused("vmdk", "it has a parent");
  }

  @ParameterizedTest
  @CsvSource({
    "monolithicSparse, monolithicFlat, createType",
    "parentCID=ffffffff, parentCID=00000001, it has a parent",
    "'ddb.adapterType = \"ide\"', 'parentFileNameHint=\"/x\"', it has a parent",
    "'# The Disk Data Base', 'createType=\"vmfs\"', createType",
    "'# The Disk Data Base', 'parentCID=1', it has a parent",
    "SPARSE, FLAT, extent of its own",
    "tiny-1, /iny-1, extent of its own",
    "RW 2048, NOACCESS 2048, extent of its own",
    "'# The Disk Data Base', 'RW 1 FLAT \"/x\" 0', extent of its own",
    "'# The Disk Data Base', ' rdonly 1 FLAT \"x\"', extent of its own",
    "RW 2048, # 2048, extent of its own",
  })
  void a_vmdk_descriptor_that_leads_to_other_files_is_refused(String from, String to, String fault)
      throws Exception {
    create("vmdk", "subformat=monolithicSparse");
    ImageInspection.check(file, "vmdk");
    String text = Files.readString(file, StandardCharsets.ISO_8859_1);
    int end = text.indexOf("# Disk Descriptor") + 10 * 1024;
    String changed = text.substring(0, end).replace(from, to);
    assertThat(changed).isNotEqualTo(text.substring(0, end));
    String padded = changed.length() > end ? changed.substring(0, end) : changed;
    put(0, Arrays.copyOf(padded.getBytes(StandardCharsets.ISO_8859_1), end));

    assertRefused("vmdk", fault);
  }

  @ParameterizedTest
  @CsvSource({
    "4, 0, of version 0, not 1 to 3",
    "4, 4, of version 4, not 1 to 3",
    "12, 0, it holds no data itself",
    "28, 0, it has no descriptor",
    "28, 100000000, the place of its descriptor is wrong",
    "36, 0, it has no descriptor",
    "36, 2048, it is shorter than it has to be",
    "36, 2049, the place of its descriptor is wrong",
  })
  void a_vmdk_header_that_is_not_one_is_refused(int offset, int value, String fault)
      throws Exception {
    create("vmdk", "subformat=monolithicSparse");
    putInt(offset, Integer.reverseBytes(value));

    assertRefused("vmdk", fault);
  }

  @Test
  void a_vmdk_whose_end_has_another_header_is_refused() throws Exception {
    create("vmdk", "subformat=streamOptimized");
    put(56, new byte[] {-1, -1, -1, -1, -1, -1, -1, -1});
    byte[] header = Arrays.copyOf(Files.readAllBytes(file), FOOTER_BYTES);
    long end = Files.size(file);
    put(end, header);
    put(end + FOOTER_BYTES, new byte[FOOTER_BYTES]);
    ImageInspection.check(file, "vmdk");
    put(end + 28, new byte[] {9});

    assertRefused("vmdk", "its header and the copy of that at its end differ");
  }

  @ParameterizedTest
  @ValueSource(strings = {"qcow2", "raw", "vhd", "vmdk"})
  void an_empty_file_is_refused(String type) throws Exception {
    Files.createFile(file);

    assertRefused(type, "it is ");
  }

  @ParameterizedTest
  @CsvSource({"qcow2, qcow2, 103", "vhd, vpc, 511", "vmdk, vmdk, 511"})
  void a_file_shorter_than_a_header_is_refused(String type, String format, int bytes)
      throws Exception {
    qemu("create", "-q", "-f", format, file.toString(), "1M");
    Files.write(file, Arrays.copyOf(Files.readAllBytes(file), bytes));

    assertRefused(type, "it is shorter than it has to be");
  }

  @Test
  @Timeout(value = 2, unit = TimeUnit.SECONDS)
  void a_large_file_is_inspected_at_once() throws Exception {
    create("raw", "size=2G");

    ImageInspection.check(file, "raw");
  }

  @ParameterizedTest
  @ValueSource(strings = {"tar", "tgz", "squashfs", "vpc"})
  void a_file_of_another_type_is_not_inspected(String type) throws Exception {
    Files.write(file, "QFI\u00fb".getBytes(StandardCharsets.ISO_8859_1));

    assertThatCode(() -> ImageInspection.check(file, type)).doesNotThrowAnyException();
  }

  @Test
  void a_refusal_says_what_is_wrong_and_what_to_do_and_no_directory() throws Exception {
    Files.createFile(file);

    assertThatThrownBy(() -> ImageInspection.check(file, "raw"))
        .isInstanceOf(ProviderFailure.class)
        .hasMessage(
            "The file tiny-1.image is not a raw image to upload: it is empty."
                + " Build it again, as one whole raw file.");
  }

  @Test
  void a_file_that_is_gone_is_no_refusal() {
    assertThatThrownBy(() -> ImageInspection.check(file, "raw")).isInstanceOf(IOException.class);
  }

  @Property(tries = 300)
  void any_bytes_are_taken_or_refused(@ForAll @Size(max = 2000) byte[] bytes) throws IOException {
    inspect(bytes);
  }

  @Property(tries = 300)
  void a_damaged_image_is_taken_or_refused(
      @ForAll @IntRange(max = 4) int which,
      @ForAll @IntRange(max = 4096) int length,
      @ForAll @Size(max = 8) List<@IntRange(max = 1100) Integer> places,
      @ForAll byte value)
      throws Exception {
    byte[] image = Images.ALL.get(which);
    byte[] damaged = length == 0 ? image.clone() : Arrays.copyOf(image, length);
    for (int place : places) {
      damaged[place % damaged.length] = value;
    }
    inspect(damaged);
  }

  /** Fails by anything else than a refusal. */
  private static void inspect(byte[] bytes) throws IOException {
    Path any = Files.createTempFile("inspected", ".image");
    try {
      Files.write(any, bytes);
      for (String type : TYPES) {
        try {
          ImageInspection.check(any, type);
        } catch (ProviderFailure e) {
          assertThat(e).hasMessageContaining(any.getFileName().toString());
        }
      }
    } finally {
      Files.delete(any);
    }
  }

  /** One of each kind, made once. */
  private static final class Images {
    static final List<byte[]> ALL =
        List.of(
            made("qcow2", "compat=0.10"),
            made("qcow2", "compat=1.1"),
            made("vpc", "subformat=dynamic"),
            made("vmdk", "subformat=monolithicSparse"),
            made("vmdk", "subformat=streamOptimized"));

    private static byte[] made(String format, String options) {
      try {
        Path image = Files.createTempFile("made", ".image");
        qemu("create", "-q", "-f", format, "-o", options, image.toString(), "64k");
        byte[] bytes = Files.readAllBytes(image);
        Files.delete(image);
        return bytes;
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
  }

  private void assertRefused(String type, String fault) {
    assertThatThrownBy(() -> ImageInspection.check(file, type))
        .isInstanceOf(ProviderFailure.class)
        .hasMessageContaining(fault)
        .hasMessageNotContaining(directory.toString());
  }

  private void create(String format, String options) throws Exception {
    boolean isSized = options.startsWith("size=");
    List<String> command = new ArrayList<>(List.of("create", "-q", "-f", format));
    if (!isSized) {
      command.addAll(List.of("-o", options));
    }
    command.addAll(List.of(file.toString(), isSized ? options.substring(5) : "1M"));
    qemu(command.toArray(String[]::new));
  }

  private static void qemu(String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of("qemu-img"));
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).describedAs(output).isZero();
  }

  private byte[] footer() throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    return Arrays.copyOfRange(bytes, bytes.length - FOOTER_BYTES, bytes.length);
  }

  private void putFooter(byte[] footer) throws IOException {
    put(Files.size(file) - FOOTER_BYTES, footer);
  }

  private static byte[] summed(byte[] footer) {
    ByteBuffer bytes = ByteBuffer.wrap(footer).putInt(64, 0);
    int sum = 0;
    for (byte one : footer) {
      sum += Byte.toUnsignedInt(one);
    }
    return bytes.putInt(64, ~sum).array();
  }

  private void putInt(long offset, int value) throws IOException {
    put(offset, ByteBuffer.allocate(Integer.BYTES).putInt(value).array());
  }

  private void put(long offset, byte[] bytes) throws IOException {
    try (RandomAccessFile image = new RandomAccessFile(file.toFile(), "rw")) {
      image.seek(offset);
      image.write(bytes);
    }
  }
}
