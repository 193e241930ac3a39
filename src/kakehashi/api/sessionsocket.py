"""``/v5/ws/{session_id}``: commands and their answers on one connection, and what a session pushes."""

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import msgspec
import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from kakehashi.api.doors import V5, scopes_of
from kakehashi.api.rest import strict_json
from kakehashi.api.sessions import carried_out, envelope, read_wish, refused, session_of
from kakehashi.api.sessionwishes import COMMAND
from kakehashi.domain.errors import KakehashiError, Malformed, Rejected
from kakehashi.ports import TokenRow
from kakehashi.services.sessions.bridge import Bridge
from kakehashi.services.sessions.ledger import Outcome
from kakehashi.services.sessions.push import Outbox, Watch
from kakehashi.services.sessions.session import Answer, Session
from kakehashi.services.sessions.terms import State

if TYPE_CHECKING:
    from kakehashi.config import Settings

log = structlog.get_logger("bridge")

PATH: Final = f"{V5}/ws/{{session_id}}"
GREETING_S: Final = 5.0
"""For the token to come, where the handshake brought none."""
GUARD_S: Final = 0.5
FAREWELL_S: Final = 2.0
MOST_AT_ONCE: Final = 200
POLICY, TOO_SLOW, GONE = 1008, 1013, 1001
_encode: Final = msgspec.json.Encoder().encode


def route(bridge: Bridge, settings: "Settings") -> WebSocketRoute:
    watches: WeakValueDictionary[str, Watch] = WeakValueDictionary()  # each as long as a client has it
    section = settings.bridge

    async def connect(socket: WebSocket) -> None:
        if not _origin_allowed(socket, section.origins):
            await socket.close(POLICY)
            return
        token = await _admitted(socket, bridge)
        if token is None:
            return
        try:
            session = session_of(bridge, socket.path_params["session_id"], token)
        except KakehashiError as e:
            await socket.send_text(_encode(refused(e, None)).decode())
            await socket.close(POLICY, e.code)
            return
        watch = watches.get(session.definition.id)
        if watch is None:
            watch = watches[session.definition.id] = Watch(session, section.push_s)
        client = _Client(socket, bridge, session, token, watch, Outbox(section.push_queue))
        try:
            await client.serve()
        finally:
            await watch.leave(client.outbox)

    return WebSocketRoute(PATH, connect)


def _origin_allowed(socket: WebSocket, origins: tuple[str, ...]) -> bool:
    """Browsers say which page asks, and send no Authorization: a page of ours, or one that is named in the settings."""
    origin = socket.headers.get("origin")
    return origin is None or origin in origins or urlsplit(origin).netloc == socket.headers.get("host")


async def _admitted(socket: WebSocket, bridge: Bridge) -> TokenRow | None:
    """Whose token it is: of the header, of ``?token=``, or of the first message. None: the connection is closed."""
    kind, _, given = socket.headers.get("authorization", "").partition(" ")
    secret = given.strip() if kind.lower() == "bearer" else socket.query_params.get("token", "")
    if secret:
        token = _valid(bridge, secret)
        if token is None:
            await socket.close(POLICY)  # before it is accepted: the handshake is answered with 403
            return None
        await socket.accept()
        return token
    await socket.accept()
    with contextlib.suppress(TimeoutError, WebSocketDisconnect, KeyError, KakehashiError):
        async with asyncio.timeout(GREETING_S):
            first = strict_json((await socket.receive_text()).encode())
        if isinstance(first, dict) and (token := _valid(bridge, str(first.get("token")))):
            return token
    with contextlib.suppress(RuntimeError):
        await socket.close(POLICY, "a session token is needed")
    return None


def _valid(bridge: Bridge, secret: str) -> TokenRow | None:
    token = bridge.tokens.find(secret, at=bridge.clock.now_ms())
    return token if token is not None and token.scope in scopes_of("GET", PATH) else None


class _Client:
    """One connection. Commands are carried out in the order they came; each answer goes out when it is there."""

    def __init__(
        self, socket: WebSocket, bridge: Bridge, session: Session, token: TokenRow, watch: Watch, outbox: Outbox
    ) -> None:
        self.outbox = outbox
        self._socket, self._bridge, self._session, self._token, self._watch = socket, bridge, session, token, watch
        self._under_way: set[asyncio.Task[None]] = set()
        self._sending = False

    async def serve(self) -> None:
        tasks = [asyncio.create_task(work()) for work in (self._listen, self._speak, self._guard)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            everything = (*tasks, *self._under_way)
            for task in everything:
                task.cancel()
            for result in await asyncio.gather(*everything, return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect | RuntimeError):
                    log.error("session_socket_failed", error=repr(result))

    async def _listen(self) -> None:
        while True:
            text = await self._socket.receive_text()
            if len(self._under_way) >= MOST_AT_ONCE:
                full = Rejected("QUEUE_FULL", f"{MOST_AT_ONCE} commands of this connection are under way")
                self.outbox.event(_encode(refused(full, None)))
                continue
            task = asyncio.create_task(self._carry_out(text))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _carry_out(self, text: str) -> None:
        ident: str | None = None
        try:
            value = strict_json(text.encode("utf-8", "surrogatepass"), exact=False)
            if not isinstance(value, dict):
                raise Malformed("BAD_PARAMETER", 'expected {"command": ..., "params": {...}}')
            ident = str(value["id"])[:100] if value.get("id") is not None else None
            if value.get("command") in ("subscribe", "unsubscribe"):
                frame = self._subscription(value, ident)
            else:
                frame = envelope(await carried_out(self._session, read_wish(COMMAND, value)))
        except KakehashiError as e:
            frame = _encode(refused(e, ident))
        self.outbox.event(frame, wake=False)
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # who listens sees it too, and ends the connection
            await self._send()

    def _subscription(self, value: dict[str, Any], ident: str | None) -> bytes:
        began = time.perf_counter()
        params = value.get("params")
        streams = params.get("streams") if isinstance(params, dict) else None
        if not isinstance(streams, list) or not all(isinstance(s, str) for s in streams):
            raise Malformed("BAD_PARAMETER", "params.streams: expected a list such as ticks:EURUSD, positions, orders")
        if value["command"] == "subscribe":
            self._watch.subscribe(self.outbox, streams)
        else:
            self.outbox.streams -= set(streams)
        told = _encode({"streams": sorted(self.outbox.streams)})
        outcome = Outcome(ok=True, result=told, error=(1, "Success"), took_us=0)
        took_ms = round((time.perf_counter() - began) * 1000, 3)
        return envelope(Answer(id=ident or "", outcome=outcome, took_ms=took_ms))

    async def _speak(self) -> None:
        """What is pushed. An answer is sent by the task that has it."""
        while True:
            await self.outbox.news()
            await self._send()

    async def _send(self) -> None:
        """All there is, one frame after the other; whoever is sending already takes it along."""
        if self._sending:
            return
        self._sending = True
        try:
            while frames := self.outbox.take():
                for frame in frames:
                    await self._socket.send({"type": "websocket.send", "text": frame.decode()})
        finally:
            self._sending = False
        if self.outbox.overflowed:
            await self._socket.close(TOO_SLOW, "too slow")

    async def _guard(self) -> None:
        """End what may not go on: a revoked token, a deleted session, a client that does not read."""
        while True:
            await asyncio.sleep(GUARD_S)
            code = 0
            if not self._bridge.tokens.live(self._token.id, at=self._bridge.clock.now_ms()):
                code, why = POLICY, "the token was revoked or has expired"
            elif self._session.line.state is State.CLOSED:
                code, why = GONE, "the session was closed"
            elif self.outbox.overflowed:
                code, why = TOO_SLOW, "too slow"
                await asyncio.sleep(FAREWELL_S)  # for what is under way to arrive, the word "overflow" last
            if code:
                with contextlib.suppress(TimeoutError, RuntimeError):
                    async with asyncio.timeout(FAREWELL_S):
                        await self._socket.close(code, why)
                return
