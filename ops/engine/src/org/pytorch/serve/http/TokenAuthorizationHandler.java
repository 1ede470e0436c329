package org.pytorch.serve.http;

import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.QueryStringDecoder;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.pytorch.serve.archive.DownloadArchiveException;
import org.pytorch.serve.archive.model.ModelException;
import org.pytorch.serve.archive.workflow.WorkflowException;
import org.pytorch.serve.util.NettyUtils;
import org.pytorch.serve.util.TokenAuthorization;
import org.pytorch.serve.util.TokenAuthorization.TokenType;
import org.pytorch.serve.wlm.WorkerInitializationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lets through what carries a valid token, and makes new tokens (GET /token?type=... of the
 * management API), in place of the class of this name in TorchServe 0.12.
 *
 * <p>Differences: a missing or wrong token is 401 and not 400, so that the edge can tell it from a
 * bad upload; a key file that cannot be written is 500 and not "wrong token".
 */
public class TokenAuthorizationHandler extends HttpRequestHandlerChain {
    private static final Logger logger = LoggerFactory.getLogger(TokenAuthorizationHandler.class);
    private static final Map<String, TokenType> ROTATED =
            Map.of("inference", TokenType.INFERENCE, "management", TokenType.MANAGEMENT);

    private final TokenType api;

    public TokenAuthorizationHandler(TokenType type) {
        api = type;
    }

    @Override
    public void handleRequest(
            ChannelHandlerContext ctx,
            FullHttpRequest request,
            QueryStringDecoder decoder,
            String[] segments)
            throws ModelException, DownloadArchiveException, WorkflowException,
                    WorkerInitializationException {
        boolean rotation =
                api == TokenType.MANAGEMENT && segments.length > 1 && "token".equals(segments[1]);
        if (!TokenAuthorization.isEnabled()) {
            chain.handleRequest(ctx, request, decoder, segments);
        } else if (!authorised(request, rotation ? TokenType.TOKEN_API : api)) {
            answer(
                    ctx,
                    HttpResponseStatus.UNAUTHORIZED,
                    "A valid token is needed: see key_file.json in the service's working folder.");
        } else if (rotation) {
            rotate(ctx, decoder);
        } else {
            chain.handleRequest(ctx, request, decoder, segments);
        }
    }

    private static boolean authorised(FullHttpRequest request, TokenType type) {
        String header = request.headers().get(HttpHeaderNames.AUTHORIZATION);
        return header != null
                && TokenAuthorization.checkTokenAuthorization(
                        TokenAuthorization.parseTokenFromBearerTokenHeader(header), type);
    }

    private static void rotate(ChannelHandlerContext ctx, QueryStringDecoder decoder) {
        List<String> types = decoder.parameters().getOrDefault("type", List.of());
        TokenType type = types.size() == 1 ? ROTATED.get(types.get(0)) : null;
        if (type == null) {
            answer(ctx, HttpResponseStatus.BAD_REQUEST, "Give type=inference or type=management.");
            return;
        }
        try {
            TokenAuthorization.updateKeyFile(type);
            answer(ctx, HttpResponseStatus.OK, "The key file holds a new token.");
        } catch (IOException e) {
            logger.error("The key file cannot be written.", e);
            answer(
                    ctx,
                    HttpResponseStatus.INTERNAL_SERVER_ERROR,
                    "The key file cannot be written; the token in it stays valid until its end.");
        }
    }

    private static void answer(ChannelHandlerContext ctx, HttpResponseStatus status, String text) {
        String type = status.code() < 400 ? "done" : status.reasonPhrase();
        NettyUtils.sendJsonResponse(ctx, new ErrorResponse(status.code(), type, text), status);
    }
}
