package org.nodepool.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The hashes are of argon2-cffi, bcrypt, passlib and Django. */
class StoredPasswordTest {
  private static final String PASSWORD = "a:b c:ö";

  @ParameterizedTest
  @ValueSource(
      strings = {
        "$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHQxMjM0NTY3OA$1zLUkfyv1eSW05bfDUTWvvpWTNWYeNIbs+LhxJOT918",
        "$argon2i$v=19$m=1024,t=2,p=2$c29tZXNhbHQxMjM0NTY3OA$vlepipj0q7Xbxm5fbRH50aXpI7uDuHmC6vOFxXrWBoY",
        "$argon2d$v=19$m=1024,t=2,p=2$c29tZXNhbHQxMjM0NTY3OA$4rzlNMbAFvg8Ari5/sDQ65Tk2SphNBWojK8cmjYQrdM",
        "$argon2id$v=19$m=19456,t=1,p=1$c29tZXNhbHQ$rrWDYTnmeYthuvyFZkVd1w",
        "$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$8MAh3XVfYKqiZyY1XdeuBsjzdq4wWUxDYx63XtAFGIk",
        "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$dSNpGlOFoTV9TTjFXT34abOGTVFb4Nj2oyaVGuDX3v8",
        "$2b$04$xAYTp37Y6JiXI51e71ZWIetm9ico5o0oilixqXuaQiLJk0.cnDa6K",
        "$2y$04$xAYTp37Y6JiXI51e71ZWIetm9ico5o0oilixqXuaQiLJk0.cnDa6K",
        "$2a$04$uCRxWJzSwlGRhvVWh0lSW.QTf1vozjytfomQ2UH.cs5C/Kh.el7Fm",
        "$2b$10$u5rqeWL7.2g0Ze3CGXj7Au6284bFpPB1rJD//.3AZTHcJItlyAp3y",
        "$pbkdf2-sha256$1000$9v7fO2esVWptLeVcC4Ewpg$2CuNTqCglkBtQROcgRA18yKjq9gupjhU/FGGeMwWewA",
        "$pbkdf2-sha256$29000$//77774$U5DGuchmDqAvWGzDUAdrQ6s3JzpMoIXv3HP8Itzy4uc",
        "$pbkdf2-sha512$1000$w9gbozSGUIoxRojRGuP8Hw"
            + "$FTczC53Jw04U.bvdggCbIIOnCoHj.JdsCD1I2Cik8RbN4EuYq7VkXcm1C2AV8CLGEt3dbfqid2bJFKg6wF.XUg",
        "pbkdf2_sha256$1000$seasalt2$epQjxLEOcI7ZYDmdrpIxVwf0KnZfUQGS9Q3WuGk1yYU="
      })
  void a_hash_of_another_tool_is_met_by_its_password_alone(String hash) {
    StoredPassword stored = StoredPassword.of(hash);
    assertThat(stored.isHash()).isTrue();
    assertThat(stored.matches(PASSWORD)).isTrue();
    for (String wrong : new String[] {"", "a:b c:o", PASSWORD + " ", "a:b c:", hash}) {
      assertThat(stored.matches(wrong)).as(wrong).isFalse();
    }
  }

  @Test
  void a_password_is_itself_and_no_other() {
    StoredPassword stored = StoredPassword.of(PASSWORD);
    assertThat(stored.isHash()).isFalse();
    assertThat(stored.matches(PASSWORD)).isTrue();
    assertThat(stored.matches(PASSWORD + " ")).isFalse();
    assertThat(stored.matches("")).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "$", "$$", "$money", "$Money$", "$a b$c", "10$", "a$b$c", "pbkdf2", "US$100$", "{SHA}x",
        "a:$b$c", ":$6$x"
      })
  void a_password_may_have_dollars(String password) {
    assertThat(StoredPassword.of(password).matches(password)).isTrue();
  }

  @Test
  void bcrypt_looks_at_72_bytes_as_it_does_everywhere() {
    StoredPassword stored =
        StoredPassword.of("$2b$04$8wJqNe1z1Nxzosz1nL9lnOQ8QtlFddxRKq00CrwZcqszaqseJY0SG");
    assertThat(stored.matches("x".repeat(72))).isTrue();
    assertThat(stored.matches("x".repeat(100))).isTrue();
    assertThat(stored.matches("x".repeat(71))).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "$6$rounds=1000$SSvi2PjerJnHXonT$SSkB5z0gM9r4TIXRSNfenq.PWEMgrTBeyXD59lLcDS6Y2RfOIk8",
        "$1$abcdefgh$7Pn8aYcFQWzUsV8tI8tQb1",
        "$apr1$toPCiS.f$bobCpgEE8ekO5j8du9nXx1",
        "$y$j9T$abc$def",
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
        "$pbkdf2$100$UAoBYCxl7N07R8iZk1KqVQ$Pd87JtX0YW5UsDTaD0v18tnhVGw",
        "pbkdf2_sha1$1000$salt$Pd87JtX0YW5UsDTaD0v18tnhVGw=",
        "bcrypt_sha256$$2b$12$abc",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$abc$def",
        "$2x$04$xAYTp37Y6JiXI51e71ZWIetm9ico5o0oilixqXuaQiLJk0.cnDa6K",
        "$2b$4$xAYTp37Y6JiXI51e71ZWIetm9ico5o0oilixqXuaQiLJk0.cnDa6K",
        "$2b$04$xAYTp37Y6JiXI51e71ZWIetm9ico5o0oilixqXuaQiLJk0.cnDa6",
        "$2b$03$xAYTp37Y6JiXI51e71ZWIetm9ico5o0oilixqXuaQiLJk0.cnDa6K",
        "$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHQ",
        "$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHQ$1zLUkfyv1eSW05bf$x",
        "$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHQ$1zLU",
        "$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHQ$1zLUkfyv1eSW05bfDUTWvvpWTNWYeNIbs+LhxJOT9",
        "$argon2id$v=18$m=1024,t=2,p=2$c29tZXNhbHQ$1zLUkfyv1eSW05bfDUTWvvpWTNWYeNIbs+LhxJOT918",
        "$argon2id$v=19$m=1024,t=0,p=2$c29tZXNhbHQ$1zLUkfyv1eSW05bfDUTWvvpWTNWYeNIbs+LhxJOT918",
        "$argon2id$v=19$m=1024,t=2,p=0$c29tZXNhbHQ$1zLUkfyv1eSW05bfDUTWvvpWTNWYeNIbs+LhxJOT918",
        "$argon2id$v=19$m=8,t=2,p=2$c29tZXNhbHQ$1zLUkfyv1eSW05bfDUTWvvpWTNWYeNIbs+LhxJOT918",
        "$pbkdf2-sha256$0$9v7fO2esVWptLeVcC4Ewpg$2CuNTqCglkBtQROcgRA18yKjq9gupjhU/FGGeMwWewA",
        "$pbkdf2-sha256$1000$9v7fO2esVWptLeVcC4Ewpg$2CuNTqCglkBtQROcgRA18yKjq9gupjhU/FGGeMwW",
        "$pbkdf2-sha512$1000$9v7fO2esVWptLeVcC4Ewpg$2CuNTqCglkBtQROcgRA18yKjq9gupjhU/FGGeMwWewA"
      })
  void what_begins_like_a_hash_and_is_none_is_refused_and_never_a_password(String text) {
    assertThatThrownBy(() -> StoredPassword.of(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageNotContaining(text);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "admin:$2y$05$xAYTp37Y6JiXI51e71ZWIetm9ico5o0oilixqXuaQiLJk0.cnDa6K",
        "admin:$2y$05$xAYTp37Y6JiXI51e71ZWIetm9ico5o0oilixqXuaQiLJk0.cnDa6K\n",
        "a b:$apr1$toPCiS.f$bobCpgEE8ekO5j8du9nXx1",
        "x:$6$SSvi2PjerJnHXonT$SSkB5z0gM9r4TIXRSNfenq",
      })
  void a_whole_line_of_htpasswd_is_refused_and_never_a_password(String line) {
    assertThatThrownBy(() -> StoredPassword.of(line))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("is a line of htpasswd: only what comes after the colon is the hash");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "$argon2id$v=19$m=1048577,t=1,p=1$c29tZXNhbHQ$1zLUkfyv1eSW05bfDUTWvvpWTNWYeNIbs+LhxJOT918",
        "$argon2id$v=19$m=999999999,t=1,p=1$c29tZXNhbHQ$1zLUkfyv1eSW05bfDUTWvvpWTNWYeNIbs+LhxJOT918",
        "$argon2id$v=19$m=1024,t=999999,p=1$c29tZXNhbHQ$1zLUkfyv1eSW05bfDUTWvvpWTNWYeNIbs+LhxJOT918",
        "$argon2id$v=19$m=1024,t=1,p=65$c29tZXNhbHQ$1zLUkfyv1eSW05bfDUTWvvpWTNWYeNIbs+LhxJOT918",
        "$2b$17$xAYTp37Y6JiXI51e71ZWIetm9ico5o0oilixqXuaQiLJk0.cnDa6K",
        "$2b$31$xAYTp37Y6JiXI51e71ZWIetm9ico5o0oilixqXuaQiLJk0.cnDa6K",
        "pbkdf2_sha256$10000001$seasalt2$epQjxLEOcI7ZYDmdrpIxVwf0KnZfUQGS9Q3WuGk1yYU="
      })
  void a_hash_that_would_cost_too_much_is_refused_without_computing_it(String hash) {
    assertThatThrownBy(() -> StoredPassword.of(hash))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageMatching("(?s).*(more than|too long|over).*");
  }

  @Test
  void its_text_shows_nothing_of_it() {
    String hash = "$2b$04$xAYTp37Y6JiXI51e71ZWIetm9ico5o0oilixqXuaQiLJk0.cnDa6K";
    assertThat(StoredPassword.of(hash)).hasToString("a hashed password");
    assertThat(StoredPassword.of("secret")).hasToString("a password");
  }
}
