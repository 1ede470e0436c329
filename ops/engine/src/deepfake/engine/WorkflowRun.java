package deepfake.engine;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.pytorch.serve.archive.model.ModelNotFoundException;
import org.pytorch.serve.archive.model.ModelVersionNotFoundException;
import org.pytorch.serve.ensemble.Dag;
import org.pytorch.serve.ensemble.WorkflowModel;
import org.pytorch.serve.http.BadRequestException;
import org.pytorch.serve.http.ServiceUnavailableException;
import org.pytorch.serve.util.messages.InputParameter;
import org.pytorch.serve.util.messages.RequestInput;
import org.pytorch.serve.wlm.ModelManager;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One request on its way through a workflow. No thread waits for it: each reply that a worker
 * brings queues the nodes that were waiting for it.
 *
 * <p>A node with one parent gets the parent's bytes as "body", one with several gets each under the
 * parent's name, as in TorchServe's own engine. A node that fails (its worker died, say) is called
 * again as often as the workflow's retry-attempts says; one that takes longer than timeout-ms is
 * not: when the cause is load, trying again makes it worse. Where no worker takes a node's job in
 * time (the worker is being restarted, or the machine is overloaded), the run is given up.
 */
public final class WorkflowRun {
    private static final Logger logger = LoggerFactory.getLogger(WorkflowRun.class);
    // Headers that nodes are told: those of our own alone. A worker reads each with several system
    // calls at every node, and tokens and cookies are none of their business.
    private static final String OWN_HEADERS = "x-deepfake-";
    // Milliseconds that a run may wait for workers, counted from its start, and what a later node
    // has at least, as a large picture may have used them up in the first one.
    private static final long PATIENCE_MS = 4_000;
    private static final long LEAST_PATIENCE_MS = 1_000;

    private final Dag dag;
    private final Map<String, String> headers = new HashMap<>();
    private final Map<String, Integer> missing;
    private final Map<String, List<InputParameter>> collected = new HashMap<>();
    private final CompletableFuture<NodeReply> result = new CompletableFuture<>();
    private final Set<NodeJob> live = ConcurrentHashMap.newKeySet();
    private final long startNanos = System.nanoTime();

    /** Prepares a run of a workflow with exactly one last node, whose reply is the workflow's. */
    public WorkflowRun(Dag dag, Map<String, String> requestHeaders) {
        if (dag.getLeafNodeNames().size() != 1) {
            throw new BadRequestException("The workflow must end in one node.");
        }
        this.dag = dag;
        this.missing = new HashMap<>(dag.getInDegreeMap());
        requestHeaders.forEach(
                (name, value) -> {
                    if (name.toLowerCase(java.util.Locale.ROOT).startsWith(OWN_HEADERS)) {
                        headers.put(name, value);
                    }
                });
    }

    /** Queues the first nodes; the reply, or what went wrong, arrives later. */
    public CompletableFuture<NodeReply> start(List<InputParameter> upload) {
        result.whenComplete((reply, error) -> live.forEach(NodeJob::abandon));
        for (String node : dag.getStartNodeNames()) {
            call(node, upload, 0);
        }
        return result;
    }

    /** Gives the run up: whoever asked is gone. */
    public void cancel() {
        result.completeExceptionally(new CancellationException("The client has gone."));
    }

    private void call(String node, List<InputParameter> parameters, int attempt) {
        WorkflowModel model = dag.getNodes().get(node).getWorkflowModel();
        RequestInput input = new RequestInput(UUID.randomUUID().toString());
        input.setHeaders(headers);
        input.setParameters(parameters);
        input.setClientExpireTS(System.currentTimeMillis() + model.getTimeOutMs());
        NodeJob job = new NodeJob(model.getName(), input);
        live.add(job);
        long started = Meter.nodeStarted(node);
        job.reply()
                .orTimeout(model.getTimeOutMs(), TimeUnit.MILLISECONDS)
                .whenComplete(
                        (reply, error) -> {
                            live.remove(job);
                            Meter.nodeEnded(node, started, error);
                            if (error == null) {
                                finished(node, reply);
                            } else {
                                failed(node, parameters, attempt, error);
                            }
                        });
        waitForWorker(node, job);
        if (result.isDone()) { // given up while this job was being made
            job.abandon();
            return;
        }
        try {
            if (!ModelManager.getInstance().addJob(job)) {
                job.reply()
                        .completeExceptionally(
                                new ServiceUnavailableException(
                                        "The service is overloaded. Try again in a moment."));
            }
        } catch (ModelNotFoundException | ModelVersionNotFoundException e) {
            result.completeExceptionally(e);
            job.reply().completeExceptionally(e);
        }
    }

    private void waitForWorker(String node, NodeJob job) {
        long elapsed = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - startNanos);
        job.taken()
                .orTimeout(Math.max(LEAST_PATIENCE_MS, PATIENCE_MS - elapsed), TimeUnit.MILLISECONDS)
                .whenComplete(
                        (ignored, error) -> {
                            if (error != null && !result.isDone()) {
                                logger.warn("No worker took a job of {} in time", node);
                                refuse("The service is overloaded. Try again in a moment.");
                            }
                        });
    }

    private void refuse(String message) {
        result.completeExceptionally(new ServiceUnavailableException(message));
    }

    private void finished(String node, NodeReply reply) {
        Map<String, List<InputParameter>> ready = new HashMap<>();
        Set<String> children = dag.getDagMap().get(node).get("outDegree");
        synchronized (this) { // two parents of a node may finish at the same moment
            for (String child : children) {
                boolean onlyParent = dag.getInDegreeMap().get(child) == 1;
                List<InputParameter> inputs =
                        collected.computeIfAbsent(child, name -> new ArrayList<>());
                inputs.add(new InputParameter(onlyParent ? "body" : node, reply.body()));
                if (missing.merge(child, -1, Integer::sum) == 0) {
                    ready.put(child, collected.remove(child));
                }
            }
        }
        if (children.isEmpty()) {
            result.complete(reply);
        }
        ready.forEach((child, inputs) -> call(child, inputs, 0));
    }

    private void failed(String node, List<InputParameter> parameters, int attempt, Throwable error) {
        int attempts = dag.getNodes().get(node).getWorkflowModel().getRetryAttempts();
        if (result.isDone()) {
            return;
        }
        if (error instanceof ServiceUnavailableException) {
            result.completeExceptionally(error);
        } else if (error instanceof TimeoutException) {
            logger.error("Timed out while executing {} for attempt {}", node, attempt);
            refuse("The service took too long. Try again in a moment.");
        } else if (attempt < attempts) {
            logger.warn("Calling {} again after: {}", node, error.getMessage());
            call(node, parameters, attempt + 1);
        } else {
            result.completeExceptionally(error);
        }
    }
}
