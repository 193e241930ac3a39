"""``POST /webhook/tradingview`` and its aliases."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kakehashi.api.http import bearer, json_response, read_body
from kakehashi.domain.errors import KakehashiError, Rejected
from kakehashi.services.hub import Hub
from kakehashi.services.ingest import Knock, refusal

CERT_NAME = "TradingView Webhooks"


def routes(hub: Hub, *, max_body: int, client_cert_header: str) -> list[Route]:
    """The door. The secret may stand in the path, the query, the header or the body."""

    async def receive(request: Request) -> Response:
        peer = request.client.host if request.client else ""
        knock = Knock(
            body=b"",
            content_type=request.headers.get("content-type", ""),
            secret=request.path_params.get("token") or request.query_params.get("token") or bearer(request),
            peer=hub.peers.client(peer, request.headers.get("x-forwarded-for", "")),
        )
        try:
            if client_cert_header:
                _check_certificate(request, hub, peer, client_cert_header)
            body = await read_body(request, limit=max_body)
        except KakehashiError as e:  # it never got as far as the door: whoever inspects sees it all the same
            answer = refusal(e)
            hub.ingest.observe(knock, None, answer)
        else:
            answer = await hub.ingest.receive(msgspec.structs.replace(knock, body=body))
        return json_response(answer.body, answer.status)

    paths = ("/webhook/tradingview/{token}", "/webhook/tradingview", "/webhook/{token}", "/webhook")
    return [Route(path, receive, methods=["POST"]) for path in paths]


def _check_certificate(request: Request, hub: Hub, peer: str, header: str) -> None:
    """TradingView's client certificate, as the named proxy forwards its subject."""
    if not hub.peers.trusted(peer) or CERT_NAME not in request.headers.get(header, ""):
        raise Rejected("FORBIDDEN", "TradingView's client certificate is required here")
