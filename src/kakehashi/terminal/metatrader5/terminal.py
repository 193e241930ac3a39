"""A terminal's memory of the trade server: which one, whose account, which symbols are in the Market Watch."""

import os
import time
from typing import Any, Final, TypeVar

from kakehashi.terminal.doors import Door, Lost, NotUnderstood, OwnServer, SocketDoor, is_address
from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.face import Failed
from kakehashi.terminal.metatrader5.structs import AccountInfo
from kakehashi.terminal.wire import AccountFacts

T = TypeVar("T")
DEMO_LOGIN: Final = 1000
_TRADE_MODES: Final = {"demo": 0, "contest": 1, "real": 2}
_MARGIN_MODES: Final = {"netting": 0, "exchange": 1, "hedging": 2}
_used: dict[str, int] = {}
"""The login that was used last, by server."""
_own: OwnServer | None = None


def own_server() -> OwnServer:
    """This process's trade server; made when first asked for, and there until the process ends."""
    global _own  # noqa: PLW0603
    if _own is None:
        _own = OwnServer(seed=int(os.environ.get("KAKEHASHI_MT5_SEED", "1")))
    return _own


def use_own_server(server: OwnServer | None) -> None:
    """Another world for the terminals of this process; None is a fresh one."""
    global _own  # noqa: PLW0603
    _own = server


class Terminal:
    """Everything between the package's functions and a trade server.

    :ivar hidden: symbols taken out of the Market Watch
    """

    def __init__(self, path: str | None, *, portable: bool) -> None:
        self.path, self.portable = path, portable
        self.maxbars = 100_000
        self.ping_us = 0
        self.account = ""
        self.label: str | None = None
        self.requests = 0
        self.hidden: set[str] = set()
        self._door: Door = own_server()
        self._connected = False

    def login(self, number: int | None, server: str | None, wait_s: float) -> bool:
        """
        :returns: False where the server does not know the account, or is not there
        """
        address = server if server is not None and is_address(server) else os.environ.get("KAKEHASHI_BRIDGE__BROKER")
        door: Door = SocketDoor(address, timeout_s=max(wait_s, 0.001)) if address else own_server()
        known = _used.get(address or "", DEMO_LOGIN)
        account = str(known if number is None else number)
        params: dict[str, Any] = {"account": account, "number": account}
        self.label = None if server is None or is_address(server) else server
        if self.label is not None:
            params["server"] = self.label
        try:
            door.ask("login", params, AccountFacts)
        except (Lost, NotUnderstood):
            door.close()
            return False
        self._door.close()
        self._door, self._connected, self.account = door, True, account
        _used[address or ""] = int(account)
        return True

    def ask(self, method: str, kind: type[T], **params: Any) -> T:
        """
        :raises Failed: no answer
        """
        began = time.perf_counter_ns()
        try:
            answer = self._door.ask(method, {"account": self.account, **params}, kind)
        except Lost as e:
            self._connected = False
            raise Failed(c.RES_E_INTERNAL_FAIL_TIMEOUT, "IPC timeout") from e
        except NotUnderstood as e:
            raise Failed(c.RES_E_FAIL, "Terminal: Call failed") from e
        self._connected = True
        self.ping_us = (time.perf_counter_ns() - began) // 1000
        return answer

    def connected(self) -> bool:
        return self._connected

    def account_info(self) -> AccountInfo:
        facts = self.ask("account_info", AccountFacts)
        return AccountInfo(
            (
                int(facts.login),
                _TRADE_MODES.get(facts.trade_mode, 0),
                facts.leverage,
                200,
                c.ACCOUNT_STOPOUT_MODE_PERCENT,
                True,
                True,
                _MARGIN_MODES[facts.margin_mode],
                0 if facts.currency == "JPY" else 2,
                False,
                float(facts.balance),
                float(facts.credit),
                float(facts.profit),
                float(facts.equity),
                float(facts.margin),
                float(facts.margin_free),
                float(facts.margin_level or 0),
                100.0,
                50.0,
                0.0,
                0.0,
                0.0,
                0.0,
                0.0,
                facts.account,
                self.label or facts.server,
                facts.currency,
                "Kakehashi",
            )
        )

    def close(self) -> None:
        self._door.close()


def started(path: str | None, *, portable: bool) -> Terminal:
    return Terminal(path, portable=portable)
