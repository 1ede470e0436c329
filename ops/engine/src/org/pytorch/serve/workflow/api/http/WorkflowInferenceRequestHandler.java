package org.pytorch.serve.workflow.api.http;

import deepfake.engine.Admission;
import deepfake.engine.Meter;
import deepfake.engine.NodeReply;
import deepfake.engine.WorkflowRun;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.QueryStringDecoder;
import io.netty.handler.codec.http.multipart.DefaultHttpDataFactory;
import io.netty.handler.codec.http.multipart.HttpDataFactory;
import io.netty.handler.codec.http.multipart.HttpPostRequestDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import org.pytorch.serve.archive.DownloadArchiveException;
import org.pytorch.serve.archive.model.ModelException;
import org.pytorch.serve.archive.workflow.WorkflowException;
import org.pytorch.serve.archive.workflow.WorkflowNotFoundException;
import org.pytorch.serve.ensemble.WorkFlow;
import org.pytorch.serve.http.BadRequestException;
import org.pytorch.serve.http.ErrorResponse;
import org.pytorch.serve.http.HttpRequestHandlerChain;
import org.pytorch.serve.http.MethodNotAllowedException;
import org.pytorch.serve.http.ServiceUnavailableException;
import org.pytorch.serve.util.ConfigManager;
import org.pytorch.serve.util.JsonUtils;
import org.pytorch.serve.util.NettyUtils;
import org.pytorch.serve.util.messages.InputParameter;
import org.pytorch.serve.wlm.WorkerInitializationException;
import org.pytorch.serve.workflow.WorkflowManager;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves /wfpredict/NAME, in place of the class of this name in TorchServe 0.12.
 *
 * <p>Differences: no reply can be lost between a worker and the engine; no thread is kept waiting
 * or left behind by a request; the HTTP status is the one that the last node set; overload is
 * answered at once with 503 and Retry-After; nothing more is done for a client that has gone; a
 * form that cannot be read is 400; only POST is accepted.
 */
public class WorkflowInferenceRequestHandler extends HttpRequestHandlerChain {
    private static final Logger logger =
            LoggerFactory.getLogger(WorkflowInferenceRequestHandler.class);
    private static final String RETRY_AFTER_SECONDS = "2";
    private static final String OVERLOADED = "The service is overloaded. Try again in a moment.";
    // Three batches of a node to begin with: two cores judge as many crops in half a second, and
    // photos of 12 megapixels in four. Uploads take a quarter of the heap at most: each exists twice
    // for a while, and the nodes' messages need room too.
    private static final Admission admission =
            new Admission(
                    4,
                    24,
                    ConfigManager.getInstance().getJobQueueSize(),
                    Runtime.getRuntime().maxMemory() / 4);

    @Override
    public void handleRequest(
            ChannelHandlerContext ctx,
            FullHttpRequest request,
            QueryStringDecoder decoder,
            String[] segments)
            throws ModelException, DownloadArchiveException, WorkflowException,
                    WorkerInitializationException {
        if (segments.length < 3 || !"wfpredict".equalsIgnoreCase(segments[1])) {
            chain.handleRequest(ctx, request, decoder, segments);
            return;
        }
        if (!HttpMethod.POST.equals(request.method())) {
            throw new MethodNotAllowedException();
        }
        WorkFlow workflow = WorkflowManager.getInstance().getWorkflow(segments[2]);
        if (workflow == null) {
            throw new WorkflowNotFoundException("Workflow not found: " + segments[2]);
        }
        long started = System.nanoTime();
        long bytes = request.content().readableBytes();
        if (!admission.enter(bytes)) {
            refuse(
                    ctx,
                    HttpResponseStatus.SERVICE_UNAVAILABLE,
                    "service_unavailable",
                    OVERLOADED,
                    started);
            return;
        }
        try {
            run(ctx, request, workflow, started, () -> leave(bytes, started));
        } catch (BadRequestException e) {
            leave(bytes, started);
            refuse(
                    ctx,
                    HttpResponseStatus.BAD_REQUEST,
                    "no_file",
                    "The multipart form cannot be read, so the request carries no file.",
                    started);
        } catch (RuntimeException | Error e) {
            leave(bytes, started);
            throw e;
        }
    }

    private static void run(
            ChannelHandlerContext ctx,
            FullHttpRequest request,
            WorkFlow workflow,
            long started,
            Runnable leave) {
        List<InputParameter> upload = upload(request);
        WorkflowRun run = new WorkflowRun(workflow.getDag(), headers(request));
        ChannelFutureListener clientGone = closed -> run.cancel();
        ctx.channel().closeFuture().addListener(clientGone);
        run.start(upload)
                .whenComplete(
                        (reply, error) -> {
                            // Before the client is answered: its next request may come at once.
                            leave.run();
                            ctx.channel().closeFuture().removeListener(clientGone);
                            answer(ctx, reply, error, started);
                        });
    }

    private static void leave(long bytes, long started) {
        long now = System.nanoTime();
        admission.leave(bytes, now - started, now);
    }

    /** An error in the shape and with the types of the service's own (detection/errors.py). */
    private static void refuse(
            ChannelHandlerContext ctx,
            HttpResponseStatus status,
            String type,
            String message,
            long started) {
        byte[] body =
                JsonUtils.GSON.toJson(new ErrorResponse(status.code(), type, message))
                        .getBytes(StandardCharsets.UTF_8);
        send(ctx, status, body, started);
    }

    private static void send(
            ChannelHandlerContext ctx, HttpResponseStatus status, byte[] body, long started) {
        Meter.replied(status.code(), started);
        FullHttpResponse response =
                new DefaultFullHttpResponse(
                        HttpVersion.HTTP_1_1, status, Unpooled.wrappedBuffer(body), false);
        response.headers().set(HttpHeaderNames.CONTENT_TYPE, HttpHeaderValues.APPLICATION_JSON);
        if (HttpResponseStatus.SERVICE_UNAVAILABLE.equals(status)) {
            response.headers().set(HttpHeaderNames.RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        NettyUtils.sendHttpResponse(ctx, response, true);
    }

    private static Map<String, String> headers(FullHttpRequest request) {
        Map<String, String> headers = new HashMap<>();
        request.headers().forEach(header -> headers.put(header.getKey(), header.getValue()));
        return headers;
    }

    /** The fields of a form, or the whole body under the name "body". */
    private static List<InputParameter> upload(FullHttpRequest request) {
        if (!HttpPostRequestDecoder.isMultipart(request)) {
            return List.of(new InputParameter("body", NettyUtils.getBytes(request.content())));
        }
        HttpDataFactory memory =
                new DefaultHttpDataFactory(ConfigManager.getInstance().getMaxRequestSize());
        HttpPostRequestDecoder form = null;
        try {
            form = new HttpPostRequestDecoder(memory, request);
            List<InputParameter> fields = new ArrayList<>();
            form.getBodyHttpDatas().forEach(field -> fields.add(NettyUtils.getFormData(field)));
            return fields;
        } catch (RuntimeException e) { // netty has a family of them for malformed forms
            throw new BadRequestException(e);
        } finally {
            if (form != null) {
                form.cleanFiles();
                form.destroy();
            }
        }
    }

    private static void answer(
            ChannelHandlerContext ctx, NodeReply reply, Throwable error, long started) {
        if (error instanceof CancellationException) {
            logger.debug("A client went before it was answered.");
        } else if (error instanceof ServiceUnavailableException) {
            refuse(
                    ctx,
                    HttpResponseStatus.SERVICE_UNAVAILABLE,
                    "service_unavailable",
                    error.getMessage(),
                    started);
        } else if (error != null) {
            logger.error("A workflow request failed.", error);
            refuse(
                    ctx,
                    HttpResponseStatus.INTERNAL_SERVER_ERROR,
                    "internal_error",
                    "The service failed on this request. Please try again.",
                    started);
        } else {
            send(ctx, HttpResponseStatus.valueOf(reply.status()), reply.body(), started);
        }
    }
}
