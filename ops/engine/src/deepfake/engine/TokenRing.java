package deepfake.engine;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.Deque;

/**
 * The tokens of one API. A new one does not end those before, which live on until their own time
 * is over: so a token can be replaced while requests that carry the old one are on their way.
 */
public final class TokenRing {
    /** A token and when it ends. */
    public record Token(String key, Instant expires) {}

    private static final int TOKEN_BYTES = 24;
    private static final SecureRandom random = new SecureRandom();

    private final Deque<Token> tokens = new ArrayDeque<>();

    /** Makes a new token, which is accepted from now on. */
    public synchronized Token issue(Duration life, Instant now) {
        tokens.removeIf(token -> !now.isBefore(token.expires()));
        Token token = new Token(newKey(), now.plus(life));
        tokens.addFirst(token);
        return token;
    }

    /** Takes back the token that was issued last, as nobody has been told of it. */
    public synchronized void withdraw() {
        tokens.removeFirst();
    }

    /** The token that was issued last. */
    public synchronized Token newest() {
        return tokens.getFirst();
    }

    /** Whether a token is one of these and has not ended. */
    public synchronized boolean accepts(String key, Instant now) {
        boolean accepted = false;
        for (Token token : tokens) { // all of them, so that the time taken says nothing
            accepted |= same(token.key(), key) & now.isBefore(token.expires());
        }
        return accepted;
    }

    /** Whether two keys are equal, in a time that does not tell where they differ. */
    public static boolean same(String expected, String given) {
        return MessageDigest.isEqual(
                expected.getBytes(StandardCharsets.UTF_8), given.getBytes(StandardCharsets.UTF_8));
    }

    /** A random key of 192 bits, as text that fits into a header. */
    public static String newKey() {
        byte[] bytes = new byte[TOKEN_BYTES];
        random.nextBytes(bytes);
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }
}
