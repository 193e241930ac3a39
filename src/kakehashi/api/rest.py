"""What every REST route shares: who may, a bounded strict body, and one form for every answer."""

import json
import math
from collections.abc import Callable, Coroutine, Iterable
from decimal import Decimal, DecimalException
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from kakehashi.api.doors import scopes_of
from kakehashi.api.http import bearer, json_response, read_body
from kakehashi.domain.errors import KakehashiError, Malformed, Rejected
from kakehashi.ports import Clock, TokenRow
from kakehashi.services.access import Tokens
from kakehashi.services.ingest import refusal
from kakehashi.telemetry import redact

MAX_BODY: Final = 262_144

T = TypeVar("T")
Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class Ok(BaseModel, Generic[T]):
    """What was asked for."""

    ok: Literal[True] = True
    data: T


class Fault(BaseModel):
    """Why not: a stable code (docs: reason codes), what was expected and what came, and the fix."""

    code: str
    message: str
    hint: str | None = None
    value: str | None = None


class Failed(BaseModel):
    """The answer to everything that was not done."""

    ok: Literal[False] = False
    error: Fault


def done(data: Any) -> Response:
    return json_response({"ok": True, "data": data})


def failed(error: KakehashiError) -> Response:
    """An error in the same form as the command line's ``--json``."""
    answer = refusal(error)
    told = {name: value for name, value in answer.body.items() if name != "status"}
    return json_response({"ok": False, "error": told}, answer.status)


class House(Protocol):
    """Whatever an application is a face of: the hub, the bridge."""

    @property
    def tokens(self) -> Tokens: ...
    @property
    def clock(self) -> Clock: ...


class Door(APIRoute):
    """A route that asks for the caller's token before it reads anything, and reads no more than it must.

    FastAPI by itself parses the body, of any size, before its dependencies see who is there.
    """

    def get_route_handler(self) -> Endpoint:
        inside = super().get_route_handler()

        async def knock(request: Request) -> Response:
            request.state.token = admit(request, self.path)
            if self.body_field is not None:
                request = _Read(request, await read_body(request, limit=MAX_BODY))
            return await inside(request)

        return knock


def admit(request: Request, path: str) -> TokenRow:
    """Who is there, where they may use this route. :raises Rejected: UNAUTHORIZED, FORBIDDEN"""
    hub: House = request.app.state.hub
    token = hub.tokens.find(bearer(request), at=hub.clock.now_ms())
    if token is None:
        raise Rejected("UNAUTHORIZED", "no valid token", hint="Authorization: Bearer kk_operator_...")
    if token.scope not in scopes_of(request.method, path):
        raise Rejected("FORBIDDEN", f"a {token.scope} token may not do this")
    return token


class _Read(Request):
    """A request whose body has arrived and is strict JSON, numbers exact."""

    def __init__(self, request: Request, body: bytes) -> None:
        super().__init__(request.scope, request.receive)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if body and kind != "application/json":
            # a foreign web page can make a browser send text or a form, but not this
            raise Rejected("NOT_JSON", "the body's content type must be application/json", value=kind)
        self._whole = body
        self._value = strict_json(body) if body else None

    async def body(self) -> bytes:
        return self._whole

    async def json(self) -> Any:
        return self._value


def strict_json(body: bytes, *, exact: bool = True) -> Any:
    """The value; numbers with a point or an exponent as exact Decimals, or else as floats.

    :raises Malformed: BAD_JSON, DUPLICATE_FIELD, BAD_NUMBER (NaN, Infinity), NUMBER_OUT_OF_RANGE, TOO_DEEP
    """
    try:
        return (_DECODER if exact else _FLOATS).decode(body.decode("utf-8"))
    except UnicodeDecodeError as e:
        raise Malformed("NOT_UTF8", f"byte {e.start} of the body is not UTF-8") from None
    except json.JSONDecodeError as e:
        raise Malformed("BAD_JSON", f"not valid JSON at line {e.lineno} column {e.colno}: {e.msg}") from None
    except RecursionError:
        raise Malformed("TOO_DEEP", "the JSON is nested too deep") from None
    except (DecimalException, ValueError):  # an exponent no Decimal holds; a whole number of thousands of digits
        raise Malformed("NUMBER_OUT_OF_RANGE", "a number has more digits than any number here may have") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        twice = next(name for n, (name, _) in enumerate(pairs) if any(name == other for other, _ in pairs[:n]))
        raise Malformed("DUPLICATE_FIELD", f"{twice[:40]} is given twice", hint="send it once", value=twice)
    return fields


def _no_constant(name: str) -> Any:
    raise Malformed("BAD_NUMBER", f"{name} is not a number in JSON", value=name)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


_FLOATS: Final = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_float=_finite, parse_constant=_no_constant)
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_float=Decimal, parse_constant=_no_constant)


# -- what the framework itself refuses: FastAPI's RequestValidationError, Starlette's HTTPException ---------------


async def on_error(_: Request, error: Any) -> Response:
    """One of ours, raised."""
    return failed(error)


async def on_invalid(_: Request, error: Any) -> Response:
    """A request that its model does not take: the first fault by name, and how many more there are."""
    faults = error.errors()
    first = faults[0]
    place, *inner = first["loc"]
    name = ".".join(map(str, inner)) or str(place)
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    code = "BAD_FIELD" if place == "body" else "BAD_PARAMETER"
    value = None if isinstance(first["input"], dict | list) else first["input"]
    hint = f"GET /api/v1/openapi.json says what {name[:60]} may be"
    return failed(Malformed(code, f"{name[:200]}: {first['msg']}{more}", hint=hint, value=value))


async def on_http(request: Request, error: Any) -> Response:
    """A path or method that no route has."""
    if error.status_code == 405:
        methods = sorted(_methods_here(request))
        answer = failed(Rejected("METHOD_NOT_ALLOWED", f"{request.method} is not among {', '.join(methods)}"))
        answer.headers["allow"] = ", ".join(methods)
        return answer
    if error.status_code == 404:
        return failed(
            Rejected("NOT_FOUND", f"no such path: {redact(request.url.path[:200])}", hint="GET /api/v1/openapi.json")
        )
    return failed(Malformed("BAD_FIELD", str(error.detail)))


async def on_fault(_: Request, __: Exception) -> Response:
    """A bug of ours; the server's log has it."""
    return failed(KakehashiError("INTERNAL", "an unexpected error; see the hub's log"))


def _methods_here(request: Request) -> Iterable[str]:
    scope: Scope = request.scope
    for route in request.app.routes:
        if route.matches(scope)[0] is not Match.NONE:
            yield from route.methods
