"""The hub's faces, put together. Hot routes are plain Starlette routes; no middleware stands in their way."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kakehashi import __version__
from kakehashi.api import inspect, mailbox, operator, webhook
from kakehashi.api.http import bearer, error_response, json_response
from kakehashi.domain.errors import Rejected
from kakehashi.services.hub import Hub
from kakehashi.telemetry import render_metrics

if TYPE_CHECKING:
    from kakehashi.config import Settings


def build_app(hub: Hub, settings: "Settings") -> Starlette:
    """The application of role ``hub``."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with hub.running():
            yield

    doors = [
        *webhook.routes(hub, max_body=settings.ingest.max_body, client_cert_header=settings.ingest.client_cert_header),
        *mailbox.routes(hub, require_hmac=settings.mailbox.require_hmac),
        *inspect.routes(hub),  # before the operator's lists, which take any name
        *operator.routes(hub),
        *_health(hub),
    ]
    return Starlette(routes=doors, lifespan=lifespan)


def _health(hub: Hub) -> list[Route]:
    async def live(_: Request) -> Response:
        return json_response({"status": "ok", "version": __version__})

    async def ready(_: Request) -> Response:
        up = hub.trader.available
        return json_response({"status": "ok" if up else "store_unavailable"}, 200 if up else 503)

    async def metrics(request: Request) -> Response:
        token = hub.tokens.find(bearer(request), at=hub.clock.now_ms())
        if token is None or token.scope not in ("metrics", "admin"):
            return error_response(Rejected("UNAUTHORIZED", "a metrics token is needed"))
        return Response(render_metrics(), media_type="text/plain; version=0.0.4")

    return [
        Route("/health", ready),
        Route("/livez", live),
        Route("/readyz", ready),
        Route("/metrics", metrics),
    ]
