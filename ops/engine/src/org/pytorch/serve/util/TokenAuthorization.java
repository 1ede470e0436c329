package org.pytorch.serve.util;

import com.google.gson.JsonObject;
import deepfake.engine.TokenRing;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Makes and checks the tokens of TorchServe's APIs, in place of the class of this name in
 * TorchServe 0.12.
 *
 * <p>Differences: a token stays valid until its own end when a new one is made, so a rotation
 * refuses nobody; tokens have 192 bits instead of 48; the key file is replaced in one step and is
 * never, not even for a moment, readable by others.
 */
public class TokenAuthorization {
    private static final Pattern BEARER = Pattern.compile("^Bearer\\s+(\\S+)$");
    private static final Map<TokenType, TokenRing> rings =
            Map.of(
                    TokenType.INFERENCE, new TokenRing(),
                    TokenType.MANAGEMENT, new TokenRing());
    private static boolean enabled;
    private static String apiKey;
    private static Path keyFile;

    /** What a token is for; TOKEN_API makes new ones of the other two. */
    public enum TokenType {
        INFERENCE,
        MANAGEMENT,
        TOKEN_API
    }

    /** Makes the first tokens and writes the key file into the working folder. */
    public static synchronized void init() {
        enabled = !ConfigManager.getInstance().getDisableTokenAuthorization();
        if (!enabled) {
            return;
        }
        apiKey = TokenRing.newKey();
        keyFile = Path.of(System.getProperty("user.dir"), "key_file.json");
        try {
            rings.values().forEach(TokenAuthorization::issue);
            writeKeyFile();
        } catch (IOException e) {
            throw new IllegalStateException("The key file " + keyFile + " cannot be written.", e);
        }
    }

    public static Boolean isEnabled() {
        return enabled;
    }

    /**
     * Makes a new token and writes the key file.
     *
     * @return an empty text
     * @throws IOException if the file cannot be written; the one before still holds a valid token
     */
    public static synchronized String updateKeyFile(TokenType type) throws IOException {
        TokenRing ring = rings.get(type);
        issue(ring);
        try {
            writeKeyFile();
        } catch (IOException e) {
            ring.withdraw();
            throw e;
        }
        return "";
    }

    public static boolean checkTokenAuthorization(String token, TokenType type) {
        return type == TokenType.TOKEN_API
                ? TokenRing.same(apiKey, token)
                : rings.get(type).accepts(token, Instant.now());
    }

    /** The token of an Authorization header, or an empty text. */
    public static String parseTokenFromBearerTokenHeader(String header) {
        Matcher matcher = BEARER.matcher(header);
        return matcher.matches() ? matcher.group(1) : "";
    }

    private static void issue(TokenRing ring) {
        double minutes = ConfigManager.getInstance().getTimeToExpiration();
        ring.issue(Duration.ofMillis(Math.round(minutes * 60_000)), Instant.now());
    }

    private static void writeKeyFile() throws IOException {
        JsonObject keys = new JsonObject();
        for (TokenType type : EnumSet.of(TokenType.MANAGEMENT, TokenType.INFERENCE)) {
            TokenRing.Token token = rings.get(type).newest();
            JsonObject entry = new JsonObject();
            entry.addProperty("key", token.key());
            entry.addProperty("expiration time", token.expires().toString());
            keys.add(type.name().toLowerCase(java.util.Locale.ROOT), entry);
        }
        JsonObject api = new JsonObject();
        api.addProperty("key", apiKey);
        keys.add("API", api);
        replace(JsonUtils.GSON_PRETTY.toJson(keys).getBytes(StandardCharsets.UTF_8));
    }

    private static void replace(byte[] content) throws IOException {
        Path unfinished = keyFile.resolveSibling(keyFile.getFileName() + ".new");
        FileAttribute<?> ownerOnly =
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
        Files.deleteIfExists(unfinished);
        try (SeekableByteChannel file =
                Files.newByteChannel(
                        unfinished,
                        Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                        ownerOnly)) {
            file.write(ByteBuffer.wrap(content));
        }
        Files.move(unfinished, keyFile, StandardCopyOption.ATOMIC_MOVE);
    }
}
