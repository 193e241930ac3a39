"""The hub's faces, put together. Hot routes are plain Starlette routes inside FastAPI; no middleware of ours is before them."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kakehashi import __version__
from kakehashi.api import linkpoll, mailbox, oncall, operator, rest, webhook
from kakehashi.api.doors import scopes_of
from kakehashi.api.http import bearer, error_response, json_response
from kakehashi.domain.errors import KakehashiError, Rejected
from kakehashi.services import desk
from kakehashi.services.hub import Hub
from kakehashi.telemetry import render_metrics

if TYPE_CHECKING:
    from kakehashi.config import Settings


def build_app(hub: Hub, settings: "Settings") -> FastAPI:
    """The application of role ``hub``. Its schema is at ``/api/v1/openapi.json``, for whoever may read."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with hub.running():
            yield

    ttl = desk.Ttl(entry_ms=int(settings.ttl.entry_s * 1000), exit_ms=int(settings.ttl.exit_s * 1000))
    app = FastAPI(
        title="kakehashi",
        version=__version__,
        description="One hub between trading decisions and the accounts that carry them out.",
        routes=[
            *webhook.routes(
                hub, max_body=settings.ingest.max_body, client_cert_header=settings.ingest.client_cert_header
            ),
            *linkpoll.routes(hub, dead_s=settings.link.timers().dead_ms / 1000),
            *mailbox.routes(hub, require_hmac=settings.mailbox.require_hmac),
            *_health(hub),
            *operator.routes(hub, ttl=ttl),
            *oncall.routes(hub, settings),
        ],
        lifespan=lifespan,
        openapi_url=None,  # FastAPI's own would be public
        redirect_slashes=False,
        exception_handlers={
            KakehashiError: rest.on_error,
            RequestValidationError: rest.on_invalid,
            HTTPException: rest.on_http,
            Exception: rest.on_fault,
        },
    )
    app.state.hub = hub
    return app


def _health(hub: Hub) -> list[Route]:
    async def live(_: Request) -> Response:
        return json_response({"status": "ok", "version": __version__})

    async def ready(_: Request) -> Response:
        up = hub.trader.available
        return json_response({"status": "ok" if up else "store_unavailable"}, 200 if up else 503)

    async def metrics(request: Request) -> Response:
        token = hub.tokens.find(bearer(request), at=hub.clock.now_ms())
        if token is None or token.scope not in scopes_of("GET", "/metrics"):
            return error_response(Rejected("UNAUTHORIZED", "a metrics token is needed"))
        return Response(render_metrics(), media_type="text/plain; version=0.0.4")

    return [
        Route("/health", ready),
        Route("/livez", live),
        Route("/readyz", ready),
        Route("/metrics", metrics),
    ]
