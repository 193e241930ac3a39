"""How a terminal's blocking functions reach a trade server: one in this process, or one behind a local socket."""

import os
import socket
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec

from kakehashi.terminal.accounts import World
from kakehashi.terminal.clock import Clock
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.server import TradeServer
from kakehashi.terminal.wire import Call, Hello, Reply

T = TypeVar("T")
SEED: Final = "KAKEHASHI_MT5_SEED"
STEP_MS: Final = 200
_HERE: Final = frozenset({"127.0.0.1", "localhost"})
_CATCH_UP: Final = 1_500
"""Steps of a pause that are walked; over a longer one prices stood still."""


class Lost(Exception):
    """No answer from the trade server.

    :ivar sent: whether the request may have arrived
    """

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


class NotUnderstood(Exception):
    """The server's answer to a request that makes no sense to it, such as one about an account that is not there."""


class Door(Protocol):
    """One connection to a trade server.

    ``ask`` raises :class:`Lost` or :class:`NotUnderstood`; a broker's refusal of an order is an answer.
    """

    def ask(self, method: str, params: Any, kind: type[T]) -> T: ...
    def close(self) -> None: ...


class OwnServer:
    """A trade server without a process of its own: prices move when somebody looks.

    :param now_ms: the server's clock: the real one, or a :class:`~kakehashi.terminal.clock.Clock` that a test steps
    :ivar used: the login that was used last, under ``""``
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        world: World | None = None,
        now_ms: Callable[[], int] | None = None,
        strict: bool = False,
    ) -> None:
        world = world or World()
        self._now_ms = now_ms or Clock().now_ms
        self._at = self._now_ms()
        self.broker = Broker(seed=seed, at=self._at, symbols=world.symbols, strict=strict, faults=world.faults)
        for spec in world.accounts:
            self.broker.open_account(spec)
        self._server = TradeServer(self.broker, None, self._now_ms)
        self.used: dict[str, int] = {}

    def ask(self, method: str, params: Any, kind: type[T]) -> T:
        self._walk()
        trading = self._account(params) if method == "order_send" else ""
        dice = self.broker.dice
        if trading and dice.drops_request(trading):
            raise Lost("the request was lost", sent=True)
        if trading and (pause_s := dice.delay_s(trading)):
            time.sleep(pause_s)
        try:
            answer: T = self._server.perform(method, params)
        except (ValueError, ArithmeticError, msgspec.ValidationError) as e:
            raise NotUnderstood(str(e)) from e
        if trading and dice.loses_answer(trading):
            raise Lost("the answer was lost", sent=True)
        return answer

    def close(self) -> None:
        """A terminal has gone; what it sent stays."""

    def _account(self, params: dict[str, Any]) -> str:
        book = self.broker.find(str(params.get("account")))
        return book.spec.account if book else ""

    def _walk(self) -> None:
        at = self._now_ms()
        steps = (at - self._at) // STEP_MS
        if steps > _CATCH_UP:
            self._at, steps = at - _CATCH_UP * STEP_MS, _CATCH_UP
        for _ in range(steps):
            self._at += STEP_MS
            self.broker.tick(self._at)


class SocketDoor:
    """A connection to ``kakehashi run broker``, one request at a time; made when first used and again after a loss.

    :param address: a path (Unix socket), or ``HOST:PORT``
    """

    def __init__(self, address: str, *, timeout_s: float = 10.0) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self._stream: socket.socket | None = None
        self._rest = b""
        self._last_id = 0

    def ask(self, method: str, params: Any, kind: type[T]) -> T:
        stream = self._connected()
        line = self._exchanged(stream, method, params)
        reply = msgspec.json.decode(line, type=Reply)
        if reply.error is not None:
            raise NotUnderstood(reply.error.message)
        return msgspec.json.decode(reply.result, type=kind)

    def _exchanged(self, stream: socket.socket, method: str, params: Any) -> bytes:
        self._last_id += 1
        call = Call(id=self._last_id, method=method, params=params)
        try:
            stream.sendall(msgspec.json.encode(call) + b"\n")
            return self._line(stream)
        except OSError as e:  # a time-out is one too
            self.close()
            raise Lost(f"{method}: sent, no answer: {e!r}", sent=True) from e
        except BaseException:
            self.close()  # its answer would be taken for the next request's
            raise

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _line(self, stream: socket.socket) -> bytes:
        parts = [self._rest]
        while b"\n" not in parts[-1]:
            part = stream.recv(1 << 20)
            if not part:
                raise ConnectionError("the broker hung up")
            parts.append(part)
        line, _, self._rest = b"".join(parts).partition(b"\n")
        return line

    def _connected(self) -> socket.socket:
        if self._stream is not None:
            return self._stream
        self._rest = b""
        host, _, port = self.address.rpartition(":")
        try:
            if port.isdigit() and "/" not in self.address:
                self._stream = socket.create_connection((host or "127.0.0.1", int(port)), timeout=self.timeout_s)
            elif hasattr(socket, "AF_UNIX"):
                self._stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._stream.settimeout(self.timeout_s)
                self._stream.connect(self.address)
            else:
                raise OSError("Windows reaches a broker as HOST:PORT only")
        except (OSError, ValueError, OverflowError) as e:  # the latter two: no path, no port
            self.close()
            raise Lost(f"{self.address}: {e!r}", sent=False) from e
        if _client:
            try:
                self._exchanged(self._stream, "hello", Hello(client=_client))
            except Lost as e:
                raise Lost(str(e), sent=False) from e
        return self._stream


_own: OwnServer | None = None
_client = ""


def introduce(client: str) -> None:
    """Name this process's connections to a broker, so that somebody else can ask whether they are ``drained``."""
    global _client  # noqa: PLW0603
    _client = client


def own_server() -> OwnServer:
    """This process's trade server: made when first asked for, from ``KAKEHASHI_MT5_SEED`` (a number or a word), there
    until the process ends.
    """
    global _own  # noqa: PLW0603  what a terminal sent must outlive the terminal
    if _own is None:
        said = os.environ.get(SEED) or "1"
        _own = OwnServer(seed=int(said) if said.isdecimal() else zlib.crc32(said.encode()))
    return _own


def use_own_server(server: OwnServer | None) -> None:
    """Give this process's terminals another world; None is a fresh one. Terminals started before keep theirs."""
    global _own  # noqa: PLW0603
    _own = server


def is_address(server: str) -> bool:
    """Whether a ``server`` means a broker's socket, and is not just a name: a path, or a port of this machine."""
    host, _, port = server.rpartition(":")
    return "/" in server or (host in _HERE and port.isdigit()) or Path(server).is_socket()
