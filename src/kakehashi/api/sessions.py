"""``/v5``: terminals in sessions, over HTTP."""

import re
import statistics
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kakehashi.api import sessionlines as lines
from kakehashi.api import sessionwishes as wishes
from kakehashi.api.doors import READ, V5
from kakehashi.api.http import json_response, read_body
from kakehashi.api.rest import MAX_BODY, Door, Endpoint, Failed, admit, failed, strict_json
from kakehashi.api.wishes import Texts
from kakehashi.domain.errors import KakehashiError, Malformed, OutcomeUnknown, Rejected
from kakehashi.domain.retcodes import LAST_ERRORS, RETCODES, Told
from kakehashi.domain.terminalcalls import BRIDGES_OWN, FUNCTIONS
from kakehashi.ports import TokenRow
from kakehashi.services.ingest import refusal
from kakehashi.services.sessions.bridge import Bridge
from kakehashi.services.sessions.session import Answer, Session

SessionId = Annotated[str, Path(min_length=1, max_length=64, description="As `create` gave it.")]
CommandIdPath = Annotated[str, Path(min_length=1, max_length=100)]
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"model": Failed, "description": "Refused; nothing was sent."},
    "503": {"model": Failed, "description": "The terminal is not there now; nothing was sent."},
    "504": {
        "model": Failed,
        "description": "The deadline passed. TIMEOUT: nothing was changed. OUTCOME_UNKNOWN: ask for the command by its id.",
    },
}
COMMAND_PATH: Final = f"{V5}/session/{{session_id}}/command"
_COMMAND: Final = re.compile(COMMAND_PATH.format(session_id="(?P<session_id>[^/]+)"))
_encode: Final = msgspec.json.Encoder().encode


class Lean(APIRoute):
    """A route for commands: endpoint ``(request, session_id, wish)``, without the framework's own steps between.

    They cost more than the terminal's answer takes.
    """

    def get_route_handler(self) -> Endpoint:
        return lean(self.endpoint, self.path)


def lean(endpoint: Callable[..., Any], path: str) -> Endpoint:
    """What is left to do for a command: who may, the body, and the endpoint."""
    adapter: TypeAdapter[Any] = TypeAdapter(endpoint.__annotations__["wish"])

    async def knock(request: Request) -> Response:
        request.state.token = admit(request, path)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Rejected("NOT_JSON", "the body's content type must be application/json", value=kind)
        wish = read_wish(adapter, strict_json(await read_body(request, limit=MAX_BODY), exact=False))
        answer: Response = await endpoint(request, request.path_params["session_id"], wish)
        return answer

    return knock


class Shortcut:
    """Takes ``POST .../command`` past the framework's routing and its layers, to the very handler of its route.

    Pure ASGI, before everything but CORS. Whatever is no such request goes on as always.

    :param commands: of :func:`commands`
    """

    def __init__(self, app: ASGIApp, commands: APIRouter) -> None:
        self._app = app
        (self._handler,) = (
            lean(route.endpoint, route.path)
            for route in commands.routes
            if isinstance(route, Lean) and route.path == COMMAND_PATH
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _COMMAND.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["path_params"] = found.groupdict()
        try:
            response = await self._handler(Request(scope, receive, send))
        except KakehashiError as e:
            response = failed(e)
        await response(scope, receive, send)


def read_wish(adapter: TypeAdapter[Any], value: Any) -> Any:
    """A command, or several.

    :raises Rejected: NO_SUCH_COMMAND, COMMAND_REFUSED
    :raises Malformed: BAD_PARAMETER, the field named
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as e:
        fault = e.errors(include_url=False, include_context=True)[0]
    if fault["type"] == "union_tag_invalid":
        name = str(fault["ctx"]["tag"])
        if name in BRIDGES_OWN:
            raise Rejected("COMMAND_REFUSED", f"{name}: a session logs in and out by itself", hint="create or DELETE")
        raise Rejected("NO_SUCH_COMMAND", f"the package has no function {name[:60]}", value=name[:60])
    place = ".".join(str(part) for part in fault["loc"] if part not in FUNCTIONS) or "body"
    message = fault["msg"].removeprefix("Value error, ")
    came = fault["input"] if isinstance(fault["input"], str | int | float) else None
    raise Malformed("BAD_PARAMETER", f"{place[:200]}: {message}", hint=f"GET {V5}/openapi.json", value=came)


def envelope(answer: Answer) -> bytes:
    """``{"id", "ok", "result", "last_error", "took_ms"}``; the result as the terminal process wrote it."""
    told = answer.outcome
    return b'{"id":%b,"ok":%b,"result":%b,"last_error":%b,"took_ms":%b}' % (
        _encode(answer.id),
        b"true" if told.ok else b"false",
        told.result,
        _encode(told.error),
        _encode(answer.took_ms),
    )


def refused(error: KakehashiError, ident: str | None) -> dict[str, Any]:
    """An error in the one form of all faces, with the command's id."""
    answer = refusal(error)
    fault = {name: value for name, value in answer.body.items() if name != "status"}
    known = ident or (str(error.value) if isinstance(error, OutcomeUnknown) and error.value else None)
    return {"id": known, "ok": False, "error": fault}


def session_of(bridge: Bridge, ident: str, token: TokenRow) -> Session:
    """:raises Rejected: NOT_FOUND: also where it is somebody else's"""
    return bridge.keeper.find(ident, owner=None if token.scope in READ else token.slot)


async def carried_out(session: Session, wish: wishes.Command) -> Answer:
    return await session.command(
        wish.command,
        wish.arguments(),
        timeout_s=wish.timeout_s,
        command_id=wish.id or "",
        form=wish.format,
    )


def commands(bridge: Bridge) -> APIRouter:
    """The doors for commands."""
    lean = APIRouter(prefix=V5, route_class=Lean, responses=REFUSALS)
    _commands(lean, bridge)
    return lean


def routes(bridge: Bridge) -> APIRouter:
    """All others; :mod:`kakehashi.api.doors` says who may."""
    router = APIRouter(prefix=V5, route_class=Door, responses=REFUSALS)
    _life(router, bridge)
    _ids(router, bridge)
    _about(router)
    return router


def _life(router: APIRouter, bridge: Bridge) -> None:
    @router.post("/session/create", status_code=201, response_model=lines.SessionLine)
    async def create(request: Request, wish: wishes.Create) -> Response:
        """Start a terminal and log in; answered once it is there."""
        token: TokenRow = request.state.token
        session = await bridge.keeper.create(
            owner=token.slot,
            by=f"token {token.id}",
            login=wish.login,
            password=wish.password,
            server=wish.server,
            name=wish.name,
            terminal=wish.terminal,
        )
        return json_response(_line(session), 201)

    @router.get("/session/list", response_model=lines.SessionList)
    async def listed(request: Request) -> Response:
        """The sessions that this token's slot created; readers, operators and admins see all."""
        token: TokenRow = request.state.token
        found = bridge.keeper.listed(owner=None if token.scope in READ else token.slot)
        return json_response({"sessions": [_line(session) for session in found]})

    @router.get("/session/{session_id}", response_model=lines.SessionLine)
    async def one(request: Request, session_id: SessionId) -> Response:
        """Its state, process and health."""
        return json_response(_line(session_of(bridge, session_id, request.state.token)))

    @router.delete("/session/{session_id}", response_model=lines.Deleted)
    async def delete(request: Request, session_id: SessionId) -> Response:
        """Shut the terminal down and forget the password. What its orders did stays with the broker."""
        token: TokenRow = request.state.token
        await bridge.keeper.delete(session_of(bridge, session_id, token), f"token {token.id}")
        return json_response({"session_id": session_id, "deleted": True})


def _line(session: Session) -> dict[str, Any]:
    took = session.took_ms
    cuts = statistics.quantiles(took, n=20, method="inclusive") if len(took) > 1 else []
    return session.view() | {
        "p50_ms": round(cuts[9], 3) if cuts else None,
        "p95_ms": round(cuts[18], 3) if cuts else None,
    }


def _ids(router: APIRouter, bridge: Bridge) -> None:
    @router.get("/session/{session_id}/command/{command_id}", response_model=lines.KnownAnswer)
    async def known(request: Request, session_id: SessionId, command_id: CommandIdPath) -> Response:
        """What became of a command that was given an id: order requests for 25 hours, the latest reads."""
        found = await session_of(bridge, session_id, request.state.token).known(command_id)
        state = b'"state":%b' % _encode(found.state)
        if found.answer is None:
            pending = b'{"id":%b,"ok":false,"result":null,"last_error":null,"took_ms":0,%b}'
            return json_response(pending % (_encode(command_id), state))
        return json_response(envelope(found.answer)[:-1] + b"," + state + b"}")

    @router.delete("/session/{session_id}/command/{command_id}", response_model=lines.Deleted)
    async def cancel(request: Request, session_id: SessionId, command_id: CommandIdPath) -> Response:
        """Take back a command that still waits."""
        session_of(bridge, session_id, request.state.token).cancel(command_id)
        return json_response({"session_id": session_id, "deleted": True})


def _about(router: APIRouter) -> None:
    @router.get("/retcodes", response_model=lines.Retcodes)
    async def retcodes(page: Annotated[Texts, Query()]) -> Response:
        """What every retcode and last_error means, and what to do."""

        def told(rows: tuple[Told, ...]) -> list[dict[str, Any]]:
            ja = page.lang == "ja"
            return [
                {"code": r.code, "name": r.name, "meaning": r.ja if ja else r.en, "fix": r.fix_ja if ja else r.fix_en}
                for r in rows
            ]

        return json_response({"retcodes": told(RETCODES), "last_errors": told(LAST_ERRORS)})

    @router.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        return json_response(request.app.openapi())


def _commands(router: APIRouter, bridge: Bridge) -> None:
    @router.post("/session/{session_id}/command", response_model=lines.CommandAnswer)
    async def command(request: Request, session_id: SessionId, wish: wishes.AnyCommand) -> Response:
        """Call a function of the package. ``ok`` is false where it gave None or False."""
        session = session_of(bridge, session_id, request.state.token)
        try:
            return json_response(envelope(await carried_out(session, wish)))
        except KakehashiError as e:
            return json_response(refused(e, wish.id), refusal(e).status)

    @router.post("/session/{session_id}/commands", response_model=lines.BatchAnswers)
    async def commands(request: Request, session_id: SessionId, wish: wishes.Batch) -> Response:
        """Several calls, one after the other; one that fails does not stop the next."""
        session = session_of(bridge, session_id, request.state.token)
        answers = []
        for each in wish.commands:
            try:
                answers.append(envelope(await carried_out(session, each)))
            except KakehashiError as e:
                answers.append(_encode(refused(e, each.id)))
        return json_response(b'{"answers":[%b]}' % b",".join(answers))
