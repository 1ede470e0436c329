package deepfake.engine;

import io.prometheus.client.Collector;
import io.prometheus.client.Counter;
import io.prometheus.client.Gauge;
import io.prometheus.client.Histogram;
import java.lang.management.ManagementFactory;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeoutException;
import org.pytorch.serve.http.ServiceUnavailableException;

/**
 * Counts what the engine does, in the registry that TorchServe's metrics API shows. TorchServe's own
 * counters of requests and of errors leave the nodes of a workflow out.
 *
 * <p>Labels take few values: the workflow's nodes, four kinds of failure, HTTP statuses.
 */
public final class Meter {
    private static final double[] SECONDS = {
        .01, .025, .05, .1, .2, .3, .5, .75, 1, 1.5, 2, 3, 5, 7.5, 10, 20, 30
    };

    private static final Counter NODE_REQUESTS =
            Counter.build("deepfake_node_requests_total", "Calls of a node.")
                    .labelNames("node")
                    .register();
    private static final Counter NODE_FAILURES =
            Counter.build(
                            "deepfake_node_failures_total",
                            "Calls of a node that it did not answer: its queue was full (refused),"
                                    + " it took too long (timeout), nobody waited any more"
                                    + " (abandoned), its worker failed (error).")
                    .labelNames("node", "kind")
                    .register();
    private static final Gauge NODE_IN_FLIGHT =
            Gauge.build(
                            "deepfake_node_in_flight",
                            "Calls that wait in a node's queue or that its worker has now.")
                    .labelNames("node")
                    .register();
    private static final Histogram NODE_SECONDS =
            Histogram.build(
                            "deepfake_node_seconds",
                            "Time of a call of a node, waiting in its queue included.")
                    .labelNames("node")
                    .buckets(SECONDS)
                    .register();
    private static final Counter REPLIES =
            Counter.build("deepfake_replies_total", "Replies of the workflow by HTTP status.")
                    .labelNames("status")
                    .register();
    private static final Histogram REQUEST_SECONDS =
            Histogram.build("deepfake_request_seconds", "Time of a request in the workflow.")
                    .buckets(SECONDS)
                    .register();

    static {
        Gauge.build("deepfake_jvm_threads", "Threads of TorchServe's JVM.")
                .create()
                .setChild(reading(() -> ManagementFactory.getThreadMXBean().getThreadCount()))
                .register();
        Gauge.build("deepfake_jvm_heap_bytes", "Heap of TorchServe's JVM that is in use.")
                .create()
                .setChild(
                        reading(
                                () ->
                                        ManagementFactory.getMemoryMXBean()
                                                .getHeapMemoryUsage()
                                                .getUsed()))
                .register();
    }

    private Meter() {}

    private static Gauge.Child reading(java.util.function.DoubleSupplier value) {
        return new Gauge.Child() {
            @Override
            public double get() {
                return value.getAsDouble();
            }
        };
    }

    /** A call of a node begins; gives its time for {@link #nodeEnded}. */
    static long nodeStarted(String node) {
        NODE_REQUESTS.labels(node).inc();
        NODE_IN_FLIGHT.labels(node).inc();
        return System.nanoTime();
    }

    /** A call of a node ended, with an error or (null) with a reply. */
    static void nodeEnded(String node, long started, Throwable error) {
        NODE_IN_FLIGHT.labels(node).dec();
        NODE_SECONDS.labels(node).observe(secondsSince(started));
        if (error != null) {
            NODE_FAILURES.labels(node, kind(error)).inc();
        }
    }

    /** The workflow answered a request. */
    public static void replied(int status, long started) {
        REPLIES.labels(Integer.toString(status)).inc();
        REQUEST_SECONDS.observe(secondsSince(started));
    }

    private static String kind(Throwable error) {
        if (error instanceof ServiceUnavailableException) {
            return "refused";
        }
        if (error instanceof CancellationException) {
            return "abandoned";
        }
        return error instanceof TimeoutException ? "timeout" : "error";
    }

    private static double secondsSince(long started) {
        return (System.nanoTime() - started) / Collector.NANOSECONDS_PER_SECOND;
    }
}
