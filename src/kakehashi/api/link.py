"""``/ea/v1``: the EA link over WebSocket (sub-protocol klink.1).

An own protocol under uvicorn instead of an ASGI application: a session then is one object without tasks, frames pass
to the trader and back without a turn of the loop, and what a slow peer has not taken can be seen. The WebSocket itself
is the ``websockets`` library's, used without its I/O. The hub sends no pings: the link has heartbeats of its own.
"""

import asyncio
from typing import Any, Final

import structlog
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from kakehashi.domain.errors import KakehashiError, Rejected
from kakehashi.domain.framecodec import MAX_FRAME, encode, from_ea
from kakehashi.domain.frames import Bye, Hello
from kakehashi.services.hub import Hub
from kakehashi.services.reception import Guest

log = structlog.get_logger("link")

PATH: Final = "/ea/v1"
SUBPROTOCOL: Final = Subprotocol("klink.1")
GREETING_S: Final = 5.0
"""For HELLO to come, from the connection on."""
GRACE_S: Final = 3.0
"""For the peer to answer our close; then it is cut off."""
SWEEP_EVERY_S: Final = 1.0
MAX_UNSENT: Final = 256 * 1024
MAX_STRANGERS: Final = 500
"""Connections that have not said HELLO; beyond them the oldest leaves."""
POLICY: Final = 1008
TOO_SLOW: Final = 1013
RESTARTING: Final = 1012


class Keeper:
    """Every WebSocket of this process: who has not greeted in time, who is being closed, whose token was revoked."""

    def __init__(self, hub: Hub, *, max_sessions: int) -> None:
        self.hub = hub
        self._most = max_sessions
        self._strangers: dict[LinkSocket, None] = {}
        self._guests: dict[LinkSocket, None] = {}
        self._closing: dict[LinkSocket, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def protocol(self, *, server_state: ServerState, **_unused: Any) -> "LinkSocket":
        """What uvicorn calls for each upgrade."""
        return LinkSocket(self, server_state)

    def enter(self, socket: "LinkSocket") -> bool:
        """Take a new connection in; False: there are too many."""
        if len(self._guests) + len(self._closing) >= self._most:
            return False
        if len(self._strangers) >= MAX_STRANGERS:
            next(iter(self._strangers)).close(POLICY, "HELLO did not come")
        self._strangers[socket] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_EVERY_S, self._sweep)
        return True

    def greeted(self, socket: "LinkSocket") -> None:
        self._strangers.pop(socket, None)
        self._guests[socket] = None

    def closing(self, socket: "LinkSocket") -> None:
        """From now on it has GRACE_S, whatever it still says."""
        if socket not in self._closing:
            self._strangers.pop(socket, None)
            self._guests.pop(socket, None)
            self._closing[socket] = None
            socket.due = asyncio.get_running_loop().time() + GRACE_S

    def leave(self, socket: "LinkSocket") -> None:
        for among in (self._strangers, self._guests, self._closing):
            among.pop(socket, None)

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        for socket in [s for s in self._strangers if s.due <= now]:
            socket.close(POLICY, "HELLO did not come")
        for socket in [s for s in self._closing if s.due <= now]:
            socket.abort()
        valid = self.hub.reception.still_valid
        for socket in [s for s in self._guests if s.guest is not None and not valid(s.guest.token)]:
            socket.close(POLICY, "the token was revoked or has expired")
        again = self._strangers or self._guests or self._closing
        self._timer = asyncio.get_running_loop().call_later(SWEEP_EVERY_S, self._sweep) if again else None


class LinkSocket(asyncio.Protocol):
    """One WebSocket of an EA. :ivar due: when it must have greeted, or have closed, in the loop's time"""

    __slots__ = ("_bearer", "_conn", "_keeper", "_parts", "_peer", "_state", "_transport", "_ws", "due", "guest")

    def __init__(self, keeper: Keeper, server_state: ServerState) -> None:
        self._keeper, self._state = keeper, server_state
        self._ws = ServerProtocol(
            subprotocols=[SUBPROTOCOL], select_subprotocol=_select, max_size=MAX_FRAME, logger=_quiet
        )
        self._transport: asyncio.Transport
        self._parts: list[bytes] = []
        self._bearer: str | None = None
        self._conn = self._peer = ""
        self.guest: Guest | None = None
        self.due = 0.0

    # -- the transport's calls -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")  # noqa: S101 uvloop has its own
        self._transport = transport  # type: ignore[assignment]
        self._state.connections.add(self)  # type: ignore[arg-type]  # uvicorn only calls shutdown()
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self.due = asyncio.get_running_loop().time() + GREETING_S
        if not self._keeper.enter(self):
            self.abort()

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        self._ws.receive_data(data)
        for event in self._ws.events_received():
            if isinstance(event, Frame):
                self._frame(event)
            elif isinstance(event, Request):
                self._handshake(event)
        self._flush()

    def eof_received(self) -> bool:
        self._ws.receive_eof()
        self._flush()
        return False

    def connection_lost(self, _exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self._keeper.leave(self)
        if self._conn:
            self._keeper.hub.trader.gateway.lost(self._conn)
            self._conn = ""

    def shutdown(self) -> None:
        """Uvicorn stops: the EA is told that this is no outage of its own."""
        if self._ws.state is OPEN:
            self._ws.send_text(encode(Bye(reason="HUB_STOPS")))
        self.close(RESTARTING, "the hub stops")

    # -- the peer's words ----------------------------------------------------------------------------------------

    def _handshake(self, request: Request) -> None:
        hub = self._keeper.hub
        client = hub.peers.client(self._peer, request.headers.get("X-Forwarded-For", ""))
        if request.path.partition("?")[0] != PATH:
            response = self._ws.reject(404, "the EA link is at /ea/v1\n")
        elif not hub.reception.may_knock(client):
            response = self._ws.reject(403, "this address may not knock\n")
        else:
            response = self._ws.accept(request)
            kind, _, token = request.headers.get("Authorization", "").partition(" ")
            self._bearer = token.strip() or None if kind.lower() == "bearer" else None
        self._ws.send_response(response)
        self._flush()  # before whatever the peer said without waiting for it is answered

    def _frame(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT) or self._ws.state is not OPEN:
            return  # the library answers ping and close; after our close nothing counts any more
        if frame.opcode is Opcode.BINARY:
            self._refuse_binary()
            return
        if not frame.fin or self._parts:
            self._parts.append(bytes(frame.data))
            if not frame.fin:
                return
            text, self._parts = b"".join(self._parts), []
        else:
            text = bytes(frame.data)
        if self._conn:
            self._keeper.hub.trader.gateway.heard(self._conn, text)
        elif self._ws.state is OPEN:
            self._greet(text)

    def _refuse_binary(self) -> None:
        if self._conn:
            self._keeper.hub.trader.gateway.garbled(self._conn, "BAD_JSON", "frames are text, this one was binary")
        else:
            self.close(POLICY, "HELLO first")

    def _greet(self, text: bytes) -> None:
        gateway = self._keeper.hub.trader.gateway
        try:
            hello = from_ea(text)
            if not isinstance(hello, Hello):
                raise Rejected("BAD_FRAME", "HELLO first")
            self.guest = self._keeper.hub.reception.greet(hello, self._bearer)
        except KakehashiError as e:
            log.warning("link_refused", code=e.code, message=e.message, peer=self._peer)
            self.close(POLICY, f"{e.code}: {e.message}")
            return
        self._keeper.greeted(self)
        self._bearer = None
        self._conn = gateway.open(self.guest.account, self)
        gateway.heard(self._conn, text)

    # -- our words: the gateway's line ---------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        if self._ws.state is not OPEN:
            return
        self._transport.write(_text(frame))  # everything before it has been flushed
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self.close(TOO_SLOW, "frames are not taken")

    def close(self, code: int, reason: str) -> None:
        """Say why and close; whoever does not answer is cut off a little later."""
        if self._ws.state is OPEN:
            self._ws.send_close(code, reason.encode()[:120].decode(errors="ignore"))
        self._flush()
        self._keeper.closing(self)

    def pause(self, on: bool) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading() if on else self._transport.resume_reading()

    def idle(self) -> None:
        """Nothing waits for it here."""

    def abort(self) -> None:
        self._keeper.leave(self)
        self._transport.abort()

    def _flush(self) -> None:
        for data in self._ws.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()
        if self._ws.close_expected() and not self._transport.is_closing():
            self._keeper.closing(self)


def _text(frame: bytes) -> bytes:
    """A whole text frame of a server, which masks nothing (RFC 6455, 5.2); the library takes ten times as long for it."""
    size = len(frame)
    if size < 126:
        return b"\x81%c%b" % (size, frame)
    return (
        b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), frame)
        if size < 65_536
        else b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), frame)
    )


def _select(_: ServerProtocol, offered: Any) -> Subprotocol | None:
    """The sub-protocol where the client offers it; WebSocket clients written by hand often offer none."""
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


class _Quiet:
    """The library logs each connection; the link logs what matters itself."""

    def isEnabledFor(self, _: int) -> bool:  # noqa: N802 the logging module's name
        return False

    def __getattr__(self, _: str) -> Any:
        return lambda *_args, **_kwargs: None


_quiet: Any = _Quiet()
