"""How a terminal's blocking functions reach a trade server behind a local socket; the one in this process is :mod:`own`."""

import socket
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec

from kakehashi.terminal.wire import Call, Hello, Reply

T = TypeVar("T")
_HERE: Final = frozenset({"127.0.0.1", "localhost"})


class Lost(Exception):
    """No answer from the trade server.

    :ivar sent: whether the request may have arrived
    """

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


class NotUnderstood(Exception):
    """The server's answer to a request that makes no sense to it, such as one about an account that is not there."""


class Unplayable(NotUnderstood):
    """The server's prices are a recording that has a mistake here."""


class Door(Protocol):
    """One connection to a trade server.

    ``ask`` raises :class:`Lost` or :class:`NotUnderstood`; a broker's refusal of an order is an answer.
    """

    def ask(self, method: str, params: Any, kind: type[T]) -> T: ...
    def close(self) -> None: ...


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


_client = ""


def introduce(client: str) -> None:
    """Name this process's connections to a broker, so that somebody else can ask whether they are ``drained``."""
    global _client  # noqa: PLW0603
    _client = client


def is_address(server: str) -> bool:
    """Whether a ``server`` means a broker's socket, and is not just a name: a path, or a port of this machine."""
    host, _, port = server.rpartition(":")
    return "/" in server or (host in _HERE and port.isdigit()) or Path(server).is_socket()
