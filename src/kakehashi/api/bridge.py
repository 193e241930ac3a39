"""The bridge's faces, put together."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kakehashi import __version__
from kakehashi.api import rest, sessions, sessionsocket
from kakehashi.api.http import json_response
from kakehashi.domain.errors import KakehashiError
from kakehashi.services.sessions.bridge import Bridge
from kakehashi.telemetry import render_metrics

if TYPE_CHECKING:
    from kakehashi.config import Settings


def build_bridge_app(bridge: Bridge, settings: "Settings") -> FastAPI:
    """The application of role ``bridge``. Its schema is at ``/v5/openapi.json``, for whoever may read."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with bridge.running():
            yield

    commands = sessions.commands(bridge)
    app = FastAPI(
        title="kakehashi MT5 bridge",
        version=__version__,
        description="MetaTrader 5 terminals in sessions: the functions of the MetaTrader5 package over HTTP and WebSocket.",
        # the doors that are used most come first: each route before them is looked at for each request
        routes=[*commands.routes, *_health(bridge), sessionsocket.route(bridge, settings)],
        lifespan=lifespan,
        openapi_url=None,  # FastAPI's own would be public
        redirect_slashes=False,
        middleware=[*_cors(settings.bridge.origins), Middleware(sessions.Shortcut, commands=commands)],
        exception_handlers={
            KakehashiError: rest.on_error,
            RequestValidationError: rest.on_invalid,
            HTTPException: rest.on_http,
            Exception: rest.on_fault,
        },
    )
    app.router.routes.extend(sessions.routes(bridge).routes)
    app.state.hub = bridge
    return app


def _cors(origins: tuple[str, ...]) -> list[Middleware]:
    """Nothing where no page may call: the middleware is in the way of every request."""
    if not origins:
        return []
    allowed: dict[str, Any] = {
        "allow_origins": list(origins),
        "allow_methods": ["GET", "POST", "DELETE"],
        "allow_headers": ["authorization", "content-type"],
        "allow_credentials": False,
        "max_age": 600,
    }
    return [Middleware(CORSMiddleware, **allowed)]


def _health(bridge: Bridge) -> list[Route]:
    async def live(_: Request) -> Response:
        return json_response({"status": "ok", "version": __version__})

    async def metrics(request: Request) -> Response:
        try:
            rest.admit(request, "/metrics")
        except KakehashiError as e:
            return rest.failed(e)
        bridge.keeper.measure()
        return Response(render_metrics(), media_type="text/plain; version=0.0.4")

    return [Route("/health", live), Route("/livez", live), Route("/readyz", live), Route("/metrics", metrics)]
