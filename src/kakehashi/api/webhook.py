"""``POST /webhook/tradingview`` and its aliases."""

import msgspec
from starlette.routing import Route

from kakehashi.api.hot import LAST_TOKEN, Call, HotDoor, Said
from kakehashi.domain.errors import KakehashiError, Rejected
from kakehashi.services.hub import Hub
from kakehashi.services.ingest import Knock, refusal

CERT_NAME = "TradingView Webhooks"
PATHS = ("/webhook/tradingview", "/webhook")


def routes(hub: Hub, *, max_body: int, client_cert_header: str) -> list[Route]:
    """The door. The secret may stand in the path, the query, the header or the body."""
    cert_header = client_cert_header.lower().encode()

    async def receive(call: Call) -> Said:
        body, fault = b"", None
        try:
            if cert_header:
                _check_certificate(call, hub, cert_header)
            body = await call.body(limit=max_body)
        except KakehashiError as e:
            fault = refusal(e)
        knock = Knock(
            body=body,
            content_type=call.header(b"content-type"),
            secret=_last(call.path) or call.query.get("token") or call.bearer,
            peer=hub.peers.client(call.peer, call.header(b"x-forwarded-for")),
        )
        if fault is not None:  # it never got as far as the door: whoever inspects sees it all the same
            hub.ingest.observe(knock, None, fault)
        answer = fault or await hub.ingest.receive(knock)
        return answer.status, msgspec.json.encode(answer.body)

    door = HotDoor(receive)
    return [Route(path + end, door, methods=["POST"]) for path in PATHS for end in (LAST_TOKEN, "")]


def _last(path: str) -> str:
    """The token at the end of the path, or empty."""
    return "" if path in PATHS else path.rpartition("/")[2]


def _check_certificate(call: Call, hub: Hub, header: bytes) -> None:
    """TradingView's client certificate, as the named proxy forwards its subject."""
    if not hub.peers.trusted(call.peer) or CERT_NAME not in call.header(header):
        raise Rejected("FORBIDDEN", "TradingView's client certificate is required here")
