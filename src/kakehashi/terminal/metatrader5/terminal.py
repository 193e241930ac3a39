"""A terminal: which trade server, whose account, which symbols it shows, and what it remembers while cut off."""

import os
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kakehashi.terminal import doors, troubles
from kakehashi.terminal.doors import Door, Lost, NotUnderstood, SocketDoor, Unplayable
from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.face import Failed, not_found
from kakehashi.terminal.troubles import Trouble
from kakehashi.terminal.wire import AccountFacts, SymbolCard

if TYPE_CHECKING:
    from kakehashi.terminal.own import OwnServer

T = TypeVar("T")
DEMO_LOGIN: Final = 1000
BROKER: Final = "KAKEHASHI_BRIDGE__BROKER"
_REMEMBERED: Final = frozenset({"account_info", "positions", "resting", "symbol_card", "symbol_cards", "quote"})
_used: dict[str, int] = {}
"""The login that was used last, by server."""


class Offline(Exception):
    """A trade request without an answer.

    :ivar sent: whether the server may have it
    """

    def __init__(self, *, sent: bool) -> None:
        super().__init__(sent)
        self.sent = sent


class Terminal:
    """Everything between the package's functions and a trade server.

    :ivar hidden: symbols taken out of the Market Watch; ``books``: those whose depth of market is followed
    :ivar requests: trade requests sent
    """

    def __init__(self, path: str | None, *, portable: bool) -> None:
        self.path, self.portable = path, portable
        self.maxbars = 100_000
        self.ping_us = 0
        self.account = ""
        self.label: str | None = None
        self.requests = 0
        self.hidden: set[str] = set()
        self.books: set[str] = set()
        self._digits: dict[str, int] = {}
        self._address = ""
        self._door: Door | None = None
        self._memory: dict[tuple[Any, ...], Any] = {}
        self._reached = False
        self._late = False
        self._cut_until = 0.0

    def login(self, number: int | None, server: str | None, wait_s: float) -> None:
        """Change to an account, of another server where ``server`` is a socket.

        :raises Failed: the server does not know the account, or is not there; nothing has changed
        """
        named = server if server is not None and doors.is_address(server) else None
        address = named or self._address or os.environ.get(BROKER, "")
        try:
            door: Door = SocketDoor(address, timeout_s=max(wait_s, 0.001)) if address else _own_server()
        except ValueError as e:
            raise Failed(c.RES_E_INTERNAL_FAIL_INIT, f"IPC initialize failed, {e}") from None
        used = _used if address else _own_server().used
        account = str(used.get(address, DEMO_LOGIN) if number is None else number)
        label = None if named else server
        params: dict[str, Any] = {"account": account, "number": account, **({"server": label} if label else {})}
        try:
            door.ask("login", params, AccountFacts)
        except Lost as e:
            raise Failed(c.RES_E_INTERNAL_FAIL_TIMEOUT, "IPC timeout") from e
        except Unplayable as e:
            raise unplayable(e) from None
        except NotUnderstood as e:
            door.close()
            raise Failed(c.RES_E_AUTH_FAILED, "Terminal: Authorization failed") from e
        self.close()
        self._door, self._address, self._reached = door, address, True
        self.account, self.label = account, label
        self._digits, self._memory = {}, {}
        used[address] = int(account)

    def strike(self, *, trading: bool = False) -> None:
        """Let this call meet its trouble, if it has one.

        :param trading: a time-out may come after the request was carried out: in :meth:`send`
        :raises Failed: IPC timeout
        """
        gremlin = troubles.gremlin()
        met = gremlin.draw(Trouble.HANG, Trouble.IPC_TIMEOUT, Trouble.DISCONNECT)
        if met is Trouble.HANG:
            gremlin.hang()
        elif met is Trouble.DISCONNECT:
            self._cut_until = time.monotonic() + gremlin.troubles.disconnect_s
        elif met is Trouble.IPC_TIMEOUT:
            self._late = trading and gremlin.coin()
            if not self._late:
                raise timed_out()

    def ask(self, method: str, kind: type[T], **params: Any) -> T:
        """The server's answer; while it cannot be reached, the last one to the same question.

        :raises Failed: it cannot be reached, and the question is new; or it makes no sense
        """
        key = (method, *params.items()) if method in _REMEMBERED else ()
        try:
            answer = self._asked(method, kind, params)
        except Offline as e:
            if key and key in self._memory:
                remembered: T = self._memory[key]
                return remembered
            raise Failed(c.RES_E_FAIL, "Terminal: Call failed") from e
        if key:
            self._memory[key] = answer
        return answer

    def send(self, kind: type[T], request: Any) -> T:
        """A trade request.

        :raises Offline: no connection, or no answer
        :raises Failed: IPC timeout, as was asked for
        """
        late, self._late = self._late, False
        answer = self._asked("order_send", kind, {"request": request})
        if late or troubles.gremlin().draw(Trouble.LOSE_ANSWER):
            raise timed_out()
        return answer

    def connected(self) -> bool:
        """Whether the trade server can be reached; asked anew where it could not."""
        if self._reached and time.monotonic() >= self._cut_until:
            return True
        try:
            self._asked("account_info", AccountFacts, {})
        except (Offline, Failed):
            return False
        return True

    def cards(self) -> list[SymbolCard]:
        """All symbols of the account."""
        return self.ask("symbol_cards", list[SymbolCard])

    def card(self, symbol: str) -> SymbolCard:
        """
        :raises Failed: not found
        """
        found = self.ask("symbol_card", SymbolCard | None, symbol=symbol)  # type: ignore[arg-type]  # a union is a type too
        if not isinstance(found, SymbolCard):
            raise not_found()
        return found

    def digits_of(self, symbol: str) -> int:
        """Of the symbol's prices.

        :raises Failed: not found
        """
        if symbol not in self._digits:
            self._digits[symbol] = self.card(symbol).spec.digits
        return self._digits[symbol]

    def close(self) -> None:
        if self._door is not None:
            self._door.close()

    def _asked(self, method: str, kind: type[T], params: dict[str, Any]) -> T:
        if self._door is None or time.monotonic() < self._cut_until:
            raise Offline(sent=False)
        began = time.perf_counter_ns()
        try:
            answer = self._door.ask(method, {"account": self.account, **params}, kind)
        except Lost as e:
            self._reached = False
            raise Offline(sent=e.sent) from e
        except Unplayable as e:
            raise unplayable(e) from None
        except NotUnderstood as e:
            raise Failed(c.RES_E_FAIL, "Terminal: Call failed") from e
        self._reached = True
        self.ping_us = (time.perf_counter_ns() - began) // 1000
        return answer


def _own_server() -> "OwnServer":
    from kakehashi.terminal.own import own_server  # noqa: PLC0415  most of its import is not needed behind a socket

    return own_server()


def unplayable(e: Unplayable) -> Failed:
    return Failed(c.RES_E_FAIL, f"Terminal: Call failed, {e}")


def timed_out() -> Failed:
    time.sleep(troubles.gremlin().troubles.ipc_timeout_s)
    return Failed(c.RES_E_INTERNAL_FAIL_TIMEOUT, "IPC timeout")
