package org.nodepool.api;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import org.bouncycastle.crypto.generators.Argon2BytesGenerator;
import org.bouncycastle.crypto.generators.OpenBSDBCrypt;
import org.bouncycastle.crypto.params.Argon2Parameters;

/**
 * The value of {@code api_password}: a password as it is, or a hash of one. Argon2 and bcrypt are
 * read as every tool writes them, PBKDF2 as passlib and Django do. Immutable; its text shows
 * nothing of it.
 */
public final class StoredPassword {
  /** Of the forms of crypt(3) and of Django; a password of people hardly ever begins so. */
  private static final Pattern LIKE_A_HASH =
      Pattern.compile(
          "\\$[0-9a-z][0-9a-z-]*\\$.*|(pbkdf2|bcrypt|scrypt)(_\\w+)?\\$.*|argon2\\$.*",
          Pattern.DOTALL);

  /** A user, a colon, and a hash of those that Apache's tool makes. */
  private static final Pattern HTPASSWD_LINE =
      Pattern.compile("[^:]+:\\$(2[abxy]|apr1|[156])\\$.*", Pattern.DOTALL);

  private static final Pattern ARGON2 =
      Pattern.compile(
          "\\$argon2(id|i|d)\\$v=(16|19)\\$m=(\\d{1,9}),t=(\\d{1,9}),p=(\\d{1,9})"
              + "\\$([A-Za-z0-9+/]+)\\$([A-Za-z0-9+/]+)");
  private static final Pattern BCRYPT = Pattern.compile("\\$2[aby]\\$(\\d\\d)\\$[./A-Za-z0-9]{53}");
  private static final Pattern PBKDF2_OF_PASSLIB =
      Pattern.compile(
          "\\$pbkdf2-(sha256|sha512)\\$(\\d{1,9})\\$([./A-Za-z0-9]+)\\$([./A-Za-z0-9]+)");
  private static final Pattern PBKDF2_OF_DJANGO =
      Pattern.compile("pbkdf2_(sha256)\\$(\\d{1,9})\\$([^$]+)\\$([A-Za-z0-9+/]+=*)");

  // The most that one check may cost: some seconds, and a memory that any machine has.
  private static final int ARGON2_MAX_KIB = 1 << 20;
  private static final long ARGON2_MAX_KIB_TIMES_PASSES = 8L << 20;
  private static final int ARGON2_MAX_LANES = 64;
  private static final int BCRYPT_MAX_COST = 16;
  private static final int PBKDF2_MAX_ROUNDS = 10_000_000;

  /** Shorter ones would be met by chance. */
  private static final int ARGON2_MIN_HASH_BYTES = 16;

  private final String text;
  private final boolean isHash;
  private final Predicate<String> check;

  StoredPassword(String text, boolean isHash, Predicate<String> check) {
    this.text = text;
    this.isHash = isHash;
    this.check = check;
  }

  /**
   * Reads what the configuration gives.
   *
   * @throws IllegalArgumentException with a sentence, without the text, when it begins like a hash
   *     and is none that can be checked here
   */
  public static StoredPassword of(String text) {
    require(
        !HTPASSWD_LINE.matcher(text).matches(),
        "is a line of htpasswd: only what comes after the colon is the hash");
    if (!LIKE_A_HASH.matcher(text).matches()) {
      byte[] digest = sha256(text);
      return new StoredPassword(text, false, given -> MessageDigest.isEqual(digest, sha256(given)));
    }
    Predicate<String> check;
    Matcher argon2 = ARGON2.matcher(text);
    Matcher bcrypt = BCRYPT.matcher(text);
    Matcher passlib = PBKDF2_OF_PASSLIB.matcher(text);
    Matcher django = PBKDF2_OF_DJANGO.matcher(text);
    if (argon2.matches()) {
      check = argon2(argon2);
    } else if (bcrypt.matches()) {
      check = bcrypt(text, Integer.parseInt(bcrypt.group(1)));
    } else if (passlib.matches()) {
      check = pbkdf2(passlib, ab64(passlib.group(3)), ab64(passlib.group(4)));
    } else if (django.matches()) {
      byte[] salt = django.group(3).getBytes(StandardCharsets.UTF_8);
      check = pbkdf2(django, salt, base64(django.group(4)));
    } else {
      throw new IllegalArgumentException(
          "begins like a hash, and is none that can be checked: whole ones of Argon2 ($argon2id$…),"
              + " bcrypt ($2b$…) and PBKDF2 ($pbkdf2-sha256$…, -sha512, pbkdf2_sha256$…) can");
    }
    return new StoredPassword(text, true, check);
  }

  /** Whether {@link #matches} takes its time, and so belongs on a thread that may block. */
  boolean isHash() {
    return isHash;
  }

  /** Whether that is the password. Takes about as long for a wrong one. */
  boolean matches(String given) {
    return check.test(given);
  }

  /** As it is configured. */
  String text() {
    return text;
  }

  private static Predicate<String> argon2(Matcher hash) {
    int version = Integer.parseInt(hash.group(2));
    int kib = Integer.parseInt(hash.group(3));
    int passes = Integer.parseInt(hash.group(4));
    int lanes = Integer.parseInt(hash.group(5));
    byte[] salt = base64(hash.group(6));
    byte[] expected = base64(hash.group(7));
    // two may be checked at the same time
    long mostKib = Math.min(ARGON2_MAX_KIB, Runtime.getRuntime().maxMemory() / 4 / 1024);
    require(kib <= mostKib, "needs %d KiB of memory at each login, more than %d", kib, mostKib);
    require(
        (long) kib * passes <= ARGON2_MAX_KIB_TIMES_PASSES,
        "goes %d times over its memory at each login, which takes too long",
        passes);
    require(lanes <= ARGON2_MAX_LANES, "has a parallelism over %d", ARGON2_MAX_LANES);
    require(
        passes >= 1 && lanes >= 1 && kib >= 8 * lanes && expected.length >= ARGON2_MIN_HASH_BYTES,
        "is an Argon2 hash with parameters that it cannot have");
    int variant =
        switch (hash.group(1)) {
          case "id" -> Argon2Parameters.ARGON2_id;
          case "i" -> Argon2Parameters.ARGON2_i;
          default -> Argon2Parameters.ARGON2_d;
        };
    Argon2Parameters parameters =
        new Argon2Parameters.Builder(variant)
            .withVersion(version)
            .withMemoryAsKB(kib)
            .withIterations(passes)
            .withParallelism(lanes)
            .withSalt(salt)
            .build();
    return given -> {
      Argon2BytesGenerator generator = new Argon2BytesGenerator();
      generator.init(parameters);
      byte[] actual = new byte[expected.length];
      generator.generateBytes(given.getBytes(StandardCharsets.UTF_8), actual);
      return MessageDigest.isEqual(expected, actual);
    };
  }

  private static Predicate<String> bcrypt(String hash, int cost) {
    require(cost >= 4, "is a bcrypt hash with a cost below 4, which it cannot have");
    require(cost <= BCRYPT_MAX_COST, "is a bcrypt hash with a cost over %d", BCRYPT_MAX_COST);
    return given -> OpenBSDBCrypt.checkPassword(hash, given.getBytes(StandardCharsets.UTF_8));
  }

  private static Predicate<String> pbkdf2(Matcher hash, byte[] salt, byte[] expected) {
    boolean is256 = hash.group(1).equals("sha256");
    int rounds = Integer.parseInt(hash.group(2));
    require(rounds <= PBKDF2_MAX_ROUNDS, "has more than %d rounds", PBKDF2_MAX_ROUNDS);
    require(
        rounds >= 1 && expected.length == (is256 ? 32 : 64),
        "is a PBKDF2 hash that was cut, or has no rounds");
    String algorithm = is256 ? "PBKDF2WithHmacSHA256" : "PBKDF2WithHmacSHA512";
    return given -> {
      PBEKeySpec spec = new PBEKeySpec(given.toCharArray(), salt, rounds, expected.length * 8);
      try {
        byte[] actual = SecretKeyFactory.getInstance(algorithm).generateSecret(spec).getEncoded();
        return MessageDigest.isEqual(expected, actual);
      } catch (GeneralSecurityException e) {
        throw new IllegalStateException(e);
      } finally {
        spec.clearPassword();
      }
    };
  }

  private static void require(boolean isSo, String otherwise, Object... values) {
    if (!isSo) {
      throw new IllegalArgumentException(otherwise.formatted(values));
    }
  }

  /** passlib's own: a dot for the plus, and no padding. */
  private static byte[] ab64(String text) {
    return base64(text.replace('.', '+'));
  }

  private static byte[] base64(String text) {
    try {
      return Base64.getDecoder().decode(text);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("is a hash that was cut: its base64 has no end", e);
    }
  }

  private static byte[] sha256(String text) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Nothing of the password. */
  @Override
  public String toString() {
    return isHash ? "a hashed password" : "a password";
  }
}
