"""``GET /api/v1/knocks``: what knocks at the webhook door, as it comes."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kakehashi.api.doors import REST, scopes_of
from kakehashi.api.http import bearer, json_response
from kakehashi.domain.errors import Malformed, Rejected
from kakehashi.services.hub import Hub
from kakehashi.services.knocks import KEPT, Knocks, rendered

PATH = f"{REST}/knocks"
LONGEST_WAIT_S = 1.0
"""A hub that stops answers its open requests first: no watcher may hold up a restart longer than this."""


def routes(hub: Hub) -> list[Route]:
    """Watch the hub's door from now on; ``?after=N`` gives what came after number N and waits for it ``wait`` seconds,
    at most one; ``limit`` keeps the newest.
    """
    seen = Knocks(hub.clock)
    hub.ingest.observe = seen.add

    async def knocks(request: Request) -> Response:
        token = hub.tokens.find(bearer(request), at=hub.clock.now_ms())
        if token is None:
            raise Rejected("UNAUTHORIZED", "no valid token", hint="kakehashi token create --scope read")
        if token.scope not in scopes_of("GET", PATH):
            raise Rejected("FORBIDDEN", f"a {token.scope} token may not do this")
        query = request.query_params
        wait = _number(query.get("wait", "0"), "wait", at_most=60)
        news = await seen.after(
            _number(query.get("after", "0"), "after", at_most=10**15),
            wait_s=min(wait, LONGEST_WAIT_S),
            limit=_number(query.get("limit", str(KEPT)), "limit", at_most=KEPT),
        )
        known = tuple(hub.trader.engine.routes.values())
        # about a millisecond each, which the loop that takes alerts must not wait for
        shown = await asyncio.to_thread(lambda: [rendered(one, known) for one in news.knocks])
        data = {"newest": news.newest, "missed": news.missed, "knocks": shown}
        return json_response({"ok": True, "data": data})

    return [Route(PATH, knocks, methods=["GET"])]


def _number(text: str, name: str, *, at_most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 17 and int(text) <= at_most):
        raise Malformed("BAD_PARAMETER", f"{name} is a whole number from 0 to {at_most}", value=text[:40])
    return int(text)
