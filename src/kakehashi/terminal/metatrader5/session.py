"""The terminal this process talks to: starting it, logging in, the account, the terminal itself."""

import sys
from pathlib import Path
from typing import Any, Final

from kakehashi.terminal import troubles
from kakehashi.terminal.core.kinds import StopOutMode
from kakehashi.terminal.core.words import MarginMode
from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.face import Failed, answers, decides, text, whole
from kakehashi.terminal.metatrader5.structs import AccountInfo, TerminalInfo
from kakehashi.terminal.metatrader5.terminal import Terminal
from kakehashi.terminal.troubles import Trouble
from kakehashi.terminal.wire import AccountFacts

BUILD: Final = 5120
_RELEASED: Final = "01 Aug 2025"
_TRADE_MODES: Final = {
    "demo": c.ACCOUNT_TRADE_MODE_DEMO,
    "contest": c.ACCOUNT_TRADE_MODE_CONTEST,
    "real": c.ACCOUNT_TRADE_MODE_REAL,
}
_STOPOUT_MODES: Final = {
    StopOutMode.PERCENT: c.ACCOUNT_STOPOUT_MODE_PERCENT,
    StopOutMode.MONEY: c.ACCOUNT_STOPOUT_MODE_MONEY,
}
_MARGIN_MODES: Final = {
    MarginMode.NETTING: c.ACCOUNT_MARGIN_MODE_RETAIL_NETTING,
    MarginMode.EXCHANGE: c.ACCOUNT_MARGIN_MODE_EXCHANGE,
    MarginMode.HEDGING: c.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING,
}
_terminal: Terminal | None = None


def terminal(*, trading: bool = False) -> Terminal:
    """The terminal that has been initialized.

    :raises Failed: none has, or it has gone
    """
    if _terminal is not None and troubles.gremlin().draw(Trouble.RESTART):
        _shutdown()
    if _terminal is None:
        raise Failed(c.RES_E_INTERNAL_FAIL_CONNECT, "No IPC connection")
    _terminal.strike(trading=trading)
    return _terminal


def _initialize(
    path: object = None,
    *,
    login: object = None,
    password: object = None,
    server: object = None,
    timeout: object = 60_000,
    portable: object = False,
) -> bool:
    """Start a terminal and log in; without a login, the account that was used last, else the demo account.

    :param path: the real package's terminal64.exe; here it is only the terminal's name for itself
    :param server: a socket of ``kakehashi run broker``, or a label
    :param timeout: ms
    """
    global _terminal  # noqa: PLW0603  one terminal for the process, as in the package
    where = text(path, "path") if path is not None else None
    number = whole(login, "login") if login is not None else None
    label, wait_ms = _credentials(password, server, timeout)
    _read_troubles()
    new = Terminal(where, portable=bool(portable))
    new.strike()
    new.login(number, label, wait_ms / 1000)
    _shutdown()
    _terminal = new
    return True


def _read_troubles() -> None:
    try:
        troubles.read_environment()
    except ValueError as e:  # no exception may leave the package
        raise Failed(c.RES_E_INTERNAL_FAIL_INIT, f"IPC initialize failed, {e}") from None


def _login(login: object, password: object = None, server: object = None, timeout: object = 60_000) -> bool:
    """Change to another account of the running terminal."""
    number = whole(login, "login")
    label, wait_ms = _credentials(password, server, timeout)
    terminal().login(number, label, wait_ms / 1000)
    return True


def _credentials(password: object, server: object, timeout: object) -> tuple[str | None, int]:
    if password is not None:
        text(password, "password")
    label = text(server, "server") if server is not None else None
    return label, whole(timeout, "timeout")


def _shutdown() -> bool:
    """Let the terminal go; what it sent stays with the server."""
    global _terminal  # noqa: PLW0603
    if _terminal is not None:
        _terminal.close()
        _terminal = None
    return True


def _version() -> tuple[int, int, str]:
    """500, the terminal's build and its date."""
    terminal()
    return (500, BUILD, _RELEASED)


def _account_info() -> AccountInfo:
    """The account that is logged in, as it stands now."""
    t = terminal()
    facts = t.ask("account_info", AccountFacts)
    return AccountInfo(
        (
            int(facts.login),
            _TRADE_MODES.get(facts.trade_mode, 0),
            facts.leverage,
            facts.limit_orders,
            _STOPOUT_MODES[facts.so_mode],
            facts.trade_allowed,
            facts.trade_expert,
            _MARGIN_MODES[facts.margin_mode],
            facts.currency_digits,
            facts.fifo_close,
            float(facts.balance),
            float(facts.credit),
            float(facts.profit),
            float(facts.equity),
            float(facts.margin),
            float(facts.margin_free),
            float(facts.margin_level or 0),
            float(facts.so_call),
            float(facts.so_so),
            float(facts.margin_initial),
            float(facts.margin_maintenance),
            0.0,
            0.0,
            0.0,
            facts.name or facts.account,
            t.label or facts.server,
            facts.currency,
            facts.company,
        )
    )


def _terminal_info() -> TerminalInfo:
    """The terminal; ``connected`` says whether the trade server can be reached."""
    t = terminal()
    home = str(Path(t.path or sys.prefix).parent)
    told: dict[str, Any] = {
        "connected": t.connected(),
        "trade_allowed": True,
        "build": BUILD,
        "maxbars": t.maxbars,
        "codepage": 0,
        "ping_last": t.ping_us,
        "company": "Kakehashi",
        "name": "Kakehashi simulated terminal",
        "language": "English",
        "path": home,
        "data_path": home,
        "commondata_path": home,
        "mqid": False,
        "community_balance": 0.0,
        "retransmission": 0.0,
    }
    return TerminalInfo(told.get(name, False) for name in TerminalInfo._names)


initialize = decides(_initialize)
login = decides(_login)
shutdown = answers(_shutdown)
version = answers(_version)
account_info = answers(_account_info)
terminal_info = answers(_terminal_info)
