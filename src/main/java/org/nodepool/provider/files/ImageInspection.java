package org.nodepool.provider.files;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.nodepool.model.AttemptEnd.ProviderFailure;

/**
 * Whether a file is an image of its type, and whole in itself. A cloud opens what it is sent by its
 * own rights: a file that is something else than its type says, or that names another file as its
 * backing or its data, makes a cloud that believes it read that file (CVE-2024-32498).
 *
 * <p>The rules are of QEMU's {@code docs/interop/qcow2}, Microsoft's "Virtual Hard Disk Image
 * Format Specification", VMware's "Virtual Disk Format 5.0", and of what QEMU probes for. Only
 * headers are read, a bounded part of any file.
 */
public final class ImageInspection {
  /** As much as QEMU has ever probed. */
  private static final int PROBED_BYTES = 2048;

  private static final int SECTOR_BYTES = 512;

  /** What other formats have at a place of their own. A VMDK can be a text besides. */
  private static final List<Signature> SIGNATURES =
      List.of(
          new Signature(0, "QFI\u00fb", "qcow2"),
          new Signature(0, "QED\0", "qed"),
          new Signature(0, "KDMV", "vmdk"),
          new Signature(0, "COWD", "cowd"),
          new Signature(0, "# Disk DescriptorFile", "a vmdk descriptor"),
          new Signature(0, "vhdxfile", "vhdx"),
          new Signature(0x40, "\u007f\u0010\u00da\u00be", "vdi"),
          new Signature(0, "conectix", "vhd"),
          new Signature(0, "LUKS\u00ba\u00be", "luks"),
          new Signature(0, "WithoutFreeSpace", "parallels"),
          new Signature(0, "WithouFreSpacExt", "parallels"),
          new Signature(0, "Bochs Virtual HD Image", "bochs"));

  private static final Pattern DESCRIPTOR_VERSION = Pattern.compile("version=[1-3]");

  private static final int QCOW2_MAGIC = 0x514649fb;
  private static final int QCOW2_HEADER_BYTES = 72;
  private static final int QCOW2_V3_HEADER_BYTES = 104;
  private static final int QCOW2_LEAST_CLUSTER_BITS = 9;
  private static final int QCOW2_MOST_CLUSTER_BITS = 21;
  private static final long QCOW2_CORRUPT = 1 << 1;
  private static final long QCOW2_DATA_FILE = 1 << 2;

  /** Dirty, corrupt, data file, compression type, extended L2 entries. */
  private static final long QCOW2_KNOWN_FEATURES = 0b11111;

  private static final String VHD_COOKIE = "conectix";
  private static final String VHD_DYNAMIC_COOKIE = "cxsparse";
  private static final int VHD_FOOTER_BYTES = 512;
  private static final int VHD_CHECKSUM = 64;
  private static final int VHD_FIXED = 2;
  private static final int VHD_DYNAMIC = 3;
  private static final int VHD_DIFFERENCING = 4;

  private static final int VMDK_MAGIC = 0x4b444d56;
  private static final int VMDK_HEADER_BYTES = 512;
  private static final int VMDK_NEWEST_VERSION = 3;
  private static final int VMDK_CAPACITY = 12;
  private static final int VMDK_DESCRIPTOR_END = 44;
  private static final long VMDK_DIRECTORY_AT_END = -1;
  private static final long VMDK_MOST_DESCRIPTOR_SECTORS = (1 << 20) / SECTOR_BYTES;
  private static final Set<String> VMDK_WHOLE = Set.of("monolithicsparse", "streamoptimized");

  // readers look for these words anywhere, even in comments
  private static final Pattern VMDK_CREATE_TYPE =
      Pattern.compile("createtype\\s*+=?\\s*+\"?(\\w*+)");
  private static final Pattern VMDK_PARENT_CID = Pattern.compile("parentcid\\s*+=?\\s*+(\\w*+)");
  private static final Pattern VMDK_EXTENT =
      Pattern.compile("(?m)^\\s*+(?:rw|rdonly|noaccess)\\s.*+$");
  private static final Pattern VMDK_OWN_EXTENT =
      Pattern.compile("\\s*+rw\\s++\\d++\\s++sparse\\s++\"[^\"/\\\\]++\"\\s*+");

  private record Signature(int offset, String bytes, String format) {}

  private final FileChannel in;
  private final long sizeBytes;
  private final String name;
  private final String type;

  private ImageInspection(FileChannel in, String name, String type) throws IOException {
    this.in = in;
    this.sizeBytes = in.size();
    this.name = name;
    this.type = type;
  }

  /**
   * Blocks. Fails with {@link ProviderFailure} when the file is not to be given to a cloud.
   *
   * @param file a regular file
   * @param type diskimage-builder's word; files of others than qcow2, raw, vhd and vmdk are not
   *     inspected, as no cloud opens them as a disk under that name
   */
  public static void check(Path file, String type) throws IOException {
    try (FileChannel in = FileChannel.open(file, StandardOpenOption.READ)) {
      ImageInspection inspection = new ImageInspection(in, file.getFileName().toString(), type);
      switch (type) {
        case "qcow2" -> inspection.checkQcow2();
        case "raw" -> inspection.checkRaw();
        case "vhd" -> inspection.checkVhd();
        case "vmdk" -> inspection.checkVmdk();
        default -> {
          // an archive or a file system
        }
      }
    }
  }

  private void checkRaw() throws IOException {
    if (sizeBytes == 0) {
      throw refusal("it is empty");
    }
    checkNothingBut("raw");
    if (sizeBytes >= VHD_FOOTER_BYTES
        && text(read(sizeBytes - VHD_FOOTER_BYTES, VHD_COOKIE.length())).equals(VHD_COOKIE)) {
      throw refusal("it ends like vhd");
    }
  }

  private void checkQcow2() throws IOException {
    ByteBuffer header = read(0, QCOW2_HEADER_BYTES);
    if (header.getInt(0) != QCOW2_MAGIC) {
      throw refusal("it does not begin like one");
    }
    checkNothingBut("qcow2");
    int version = header.getInt(4);
    if (version != 2 && version != 3) {
      throw refusal("it is of version %s, not 2 or 3".formatted(Integer.toUnsignedString(version)));
    }
    if (header.getLong(8) != 0) {
      throw refusal("it has a backing file, which a cloud would look for in its own files");
    }
    int clusterBits = header.getInt(20);
    if (clusterBits < QCOW2_LEAST_CLUSTER_BITS || clusterBits > QCOW2_MOST_CLUSTER_BITS) {
      throw refusal("the size of its clusters is none that qcow2 has");
    }
    if (header.getInt(32) != 0) {
      throw refusal("it is encrypted");
    }
    if (version == 3) {
      checkQcow2Version3(1 << clusterBits);
    }
  }

  private void checkQcow2Version3(int clusterBytes) throws IOException {
    ByteBuffer header = read(0, QCOW2_V3_HEADER_BYTES);
    long features = header.getLong(72);
    if ((features & QCOW2_DATA_FILE) != 0) {
      throw refusal("its data is in another file, which a cloud would look for in its own files");
    }
    if ((features & QCOW2_CORRUPT) != 0) {
      throw refusal("it is marked as corrupt");
    }
    if ((features & ~QCOW2_KNOWN_FEATURES) != 0) {
      throw refusal("it needs features that are not known here");
    }
    long headerBytes = Integer.toUnsignedLong(header.getInt(100));
    if (headerBytes < QCOW2_V3_HEADER_BYTES
        || headerBytes > clusterBytes
        || headerBytes > sizeBytes) {
      throw refusal("the length of its header is wrong");
    }
  }

  /** The footer is what counts, but readers of a dynamic disk begin with the copy at its start. */
  private void checkVhd() throws IOException {
    ByteBuffer footer = read(sizeBytes - VHD_FOOTER_BYTES, VHD_FOOTER_BYTES);
    checkVhdFooter(footer);
    if (footer.getInt(60) == VHD_FIXED) {
      checkNothingBut("raw");
      return;
    }
    checkNothingBut("vhd");
    ByteBuffer copy = read(0, VHD_FOOTER_BYTES);
    if (!copy.equals(footer)) {
      throw refusal("its footer and the copy of that at its beginning differ");
    }
    String cookie = text(read(footer.getLong(16), VHD_DYNAMIC_COOKIE.length()));
    if (!cookie.equals(VHD_DYNAMIC_COOKIE)) {
      throw refusal("it has no header of a dynamic disk");
    }
  }

  private void checkVhdFooter(ByteBuffer footer) {
    if (!text(footer.slice(0, VHD_COOKIE.length())).equals(VHD_COOKIE)) {
      throw refusal("it does not end like one");
    }
    int sum = 0;
    for (int i = 0; i < VHD_FOOTER_BYTES; i++) {
      boolean isChecksum = i >= VHD_CHECKSUM && i < VHD_CHECKSUM + Integer.BYTES;
      sum += isChecksum ? 0 : Byte.toUnsignedInt(footer.get(i));
    }
    if (footer.getInt(VHD_CHECKSUM) != ~sum) {
      throw refusal("the checksum of its footer is wrong");
    }
    int diskType = footer.getInt(60);
    if (diskType == VHD_DIFFERENCING) {
      throw refusal("it has a parent, which a cloud would look for in its own files");
    }
    if (diskType != VHD_FIXED && diskType != VHD_DYNAMIC) {
      throw refusal("it is neither a fixed nor a dynamic disk");
    }
  }

  private void checkVmdk() throws IOException {
    if (read(0, Integer.BYTES).getInt(0) != VMDK_MAGIC) {
      throw refusal("it does not begin like one that holds its data itself");
    }
    ByteBuffer header = read(0, VMDK_HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    checkNothingBut("vmdk");
    int version = header.getInt(4);
    if (version < 1 || version > VMDK_NEWEST_VERSION) {
      throw refusal("it is of version %s, not 1 to 3".formatted(Integer.toUnsignedString(version)));
    }
    if (header.getLong(VMDK_CAPACITY) == 0) {
      throw refusal("it holds no data itself");
    }
    if (header.getLong(56) == VMDK_DIRECTORY_AT_END) {
      checkVmdkFooter(header);
    }
    long offset = header.getLong(28);
    long sectors = header.getLong(36);
    if (offset < 1 || sectors < 1) {
      throw refusal("it has no descriptor");
    }
    if (sectors > VMDK_MOST_DESCRIPTOR_SECTORS || offset > sizeBytes / SECTOR_BYTES) {
      throw refusal("the place of its descriptor is wrong");
    }
    checkVmdkDescriptor(
        text(read(offset * SECTOR_BYTES, (int) sectors * SECTOR_BYTES))
            .replace('\0', '\n')
            .toLowerCase(Locale.ROOT));
  }

  /** A reader that comes to the end first goes by this copy of the header. */
  private void checkVmdkFooter(ByteBuffer header) throws IOException {
    ByteBuffer footer = read(sizeBytes - 2 * SECTOR_BYTES, VMDK_HEADER_BYTES);
    int bytes = VMDK_DESCRIPTOR_END - VMDK_CAPACITY;
    if (!footer.slice(VMDK_CAPACITY, bytes).equals(header.slice(VMDK_CAPACITY, bytes))) {
      throw refusal("its header and the copy of that at its end differ");
    }
  }

  private void checkVmdkDescriptor(String descriptor) {
    if (!VMDK_WHOLE.contains(only(VMDK_CREATE_TYPE, descriptor))) {
      throw refusal("its createType is neither monolithicSparse nor streamOptimized");
    }
    if (!only(VMDK_PARENT_CID, descriptor).equals("ffffffff")
        || descriptor.contains("parentfilenamehint")) {
      throw refusal("it has a parent, which a cloud would look for in its own files");
    }
    List<String> extents =
        VMDK_EXTENT.matcher(descriptor).results().map(MatchResult::group).toList();
    if (extents.size() != 1 || !VMDK_OWN_EXTENT.matcher(extents.get(0)).matches()) {
      throw refusal("its data is not, or not only, in an extent of its own");
    }
  }

  /** The value, or an empty text when there is none or more than one. */
  private static String only(Pattern pattern, String descriptor) {
    Matcher matcher = pattern.matcher(descriptor);
    if (!matcher.find()) {
      return "";
    }
    String value = matcher.group(1);
    return matcher.find() ? "" : value;
  }

  /** A reader that probes for the format must come to this one, too. */
  private void checkNothingBut(String format) throws IOException {
    String head = text(read(0, (int) Math.min(sizeBytes, PROBED_BYTES)));
    for (Signature signature : SIGNATURES) {
      if (!signature.format().equals(format)
          && head.startsWith(signature.bytes(), signature.offset())) {
        throw refusal("it begins like " + signature.format());
      }
    }
    boolean isDescriptor =
        head.lines()
            .filter(line -> !line.isBlank() && !line.startsWith("#"))
            .findFirst()
            .filter(line -> DESCRIPTOR_VERSION.matcher(line).matches())
            .isPresent();
    if (isDescriptor) {
      throw refusal("it begins like a vmdk descriptor");
    }
  }

  /** Fails when the file has no such place. */
  private ByteBuffer read(long position, int length) throws IOException {
    if (position < 0 || position > sizeBytes - length) {
      throw refusal("it is shorter than it has to be");
    }
    ByteBuffer buffer = ByteBuffer.allocate(length);
    while (buffer.hasRemaining()) {
      if (in.read(buffer, position + buffer.position()) < 0) {
        throw refusal("it became shorter while it was read");
      }
    }
    return buffer.flip();
  }

  private static String text(ByteBuffer bytes) {
    return ISO_8859_1.decode(bytes.duplicate()).toString();
  }

  private ProviderFailure refusal(String fault) {
    return new ProviderFailure(
        "The file %s is not a %s image to upload: %s. Build it again, as one whole %s file."
            .formatted(name, type, fault, type));
  }
}
