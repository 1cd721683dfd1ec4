package org.nodepool.api;

import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.net.PemKeyCertOptions;
import io.vertx.core.net.PemTrustOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.util.Arrays;
import javax.net.ssl.X509KeyManager;

/**
 * Reads certificate and key and sees that they belong together: otherwise the server would start,
 * and then every connection fail. Messages never have the content of a file.
 */
final class TlsFiles {
  private static final String END = "-----END CERTIFICATE-----";

  private TlsFiles() {}

  /** Fails with a sentence that names the setting and the file. Blocks. */
  static PemKeyCertOptions read(Vertx vertx, ApiVerticle.Tls files) throws IOException {
    Buffer cert = read("server.tls.cert", files.cert());
    Buffer key = read("server.tls.key", files.key());
    try {
      new PemTrustOptions().addCertValue(cert).getTrustManagerFactory(vertx);
    } catch (Exception e) { // which the method declares
      throw new IOException(
          "server.tls.cert: %s is no certificate in PEM form".formatted(files.cert()));
    }
    X509KeyManager first;
    try {
      first = keyManager(vertx, options(firstOf(cert), key));
    } catch (Exception e) { // which the method declares
      throw new IOException(
          "server.tls.key: %s is no private key in PEM form, RSA or EC as the certificate, without a"
                  .formatted(files.key())
              + " passphrase");
    }
    if (!belongTogether(first)) {
      throw new IOException(
          "server.tls.key: %s is not the key of the (first) certificate in %s"
              .formatted(files.key(), files.cert()));
    }
    PemKeyCertOptions options = options(cert, key);
    try {
      keyManager(vertx, options);
    } catch (Exception e) { // which the method declares
      throw new IOException(
          "server.tls.cert: %s is no chain, in which each certificate is followed by its issuer's"
              .formatted(files.cert()));
    }
    return options;
  }

  private static PemKeyCertOptions options(Buffer cert, Buffer key) {
    return new PemKeyCertOptions().setCertValue(cert).setKeyValue(key);
  }

  private static Buffer firstOf(Buffer chain) {
    String text = chain.toString(StandardCharsets.ISO_8859_1);
    return Buffer.buffer(text.substring(0, text.indexOf(END) + END.length()), "ISO-8859-1");
  }

  private static Buffer read(String setting, Path file) throws IOException {
    try {
      return Buffer.buffer(Files.readAllBytes(file));
    } catch (IOException e) {
      throw new IOException("%s: %s cannot be read".formatted(setting, file), e);
    }
  }

  private static X509KeyManager keyManager(Vertx vertx, PemKeyCertOptions options)
      throws Exception {
    return Arrays.stream(options.getKeyManagerFactory(vertx).getKeyManagers())
        .filter(X509KeyManager.class::isInstance)
        .map(X509KeyManager.class::cast)
        .findFirst()
        .orElseThrow();
  }

  private static boolean belongTogether(X509KeyManager keys) {
    for (String type : new String[] {"RSA", "EC"}) {
      String[] aliases = keys.getServerAliases(type, null);
      if (aliases != null) {
        PublicKey certified = keys.getCertificateChain(aliases[0])[0].getPublicKey();
        return isVerified(keys.getPrivateKey(aliases[0]), certified);
      }
    }
    return false;
  }

  private static boolean isVerified(PrivateKey key, PublicKey certified) {
    byte[] message = {1, 2, 3};
    try {
      Signature signature =
          Signature.getInstance(
              key.getAlgorithm().equals("EC") ? "SHA256withECDSA" : "SHA256withRSA");
      signature.initSign(key);
      signature.update(message);
      byte[] signed = signature.sign();
      signature.initVerify(certified);
      signature.update(message);
      return signature.verify(signed);
    } catch (GeneralSecurityException e) {
      return false;
    }
  }
}
