package deepfake.engine;

/** What a node of a workflow answered: the bytes, and the HTTP status its handler set. */
public record NodeReply(byte[] body, int status) {}
