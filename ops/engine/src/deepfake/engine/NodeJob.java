package deepfake.engine;

import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.pytorch.serve.job.RestJob;
import org.pytorch.serve.util.messages.RequestInput;
import org.pytorch.serve.util.messages.WorkerCommands;

/**
 * One call of one node. The promise of its reply exists before the job is queued, so that no worker
 * can be quicker than it; and the status that the handler set is kept, not only the bytes.
 */
final class NodeJob extends RestJob {
    private final CompletableFuture<NodeReply> reply = new CompletableFuture<>();
    private final CompletableFuture<Void> taken = new CompletableFuture<>();
    private volatile int status = 200;

    NodeJob(String model, RequestInput input) {
        super(null, model, null, WorkerCommands.PREDICT, input);
        CompletableFuture<byte[]> bytes = new CompletableFuture<>();
        setResponsePromise(bytes);
        bytes.whenComplete(
                (body, error) -> {
                    taken.complete(null);
                    if (error == null) {
                        reply.complete(new NodeReply(body, status));
                    } else {
                        reply.completeExceptionally(error);
                    }
                });
    }

    CompletableFuture<NodeReply> reply() {
        return reply;
    }

    /** Completes when a worker takes the job from the queue. */
    CompletableFuture<Void> taken() {
        return taken;
    }

    /** Nobody waits for the reply any more: a job in the queue is dropped instead of done. */
    void abandon() {
        getPayload().setClientExpireTS(0);
        taken.complete(null);
        reply.cancel(false);
    }

    @Override
    public void setScheduled() {
        super.setScheduled();
        taken.complete(null);
    }

    @Override
    public void response(
            byte[] body,
            CharSequence contentType,
            int statusCode,
            String statusPhrase,
            Map<String, String> responseHeaders) {
        status = statusCode;
        super.response(body, contentType, statusCode, statusPhrase, responseHeaders);
    }

    /** The base class asks the client's connection, which a node's job does not have. */
    @Override
    public boolean isOpen() {
        return !reply.isDone();
    }
}
