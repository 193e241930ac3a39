"""The terminal this process talks to: starting it, logging in, the account, the terminal itself."""

import sys
from pathlib import Path
from typing import Any, Final

from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.face import Failed, answers, decides, text, whole
from kakehashi.terminal.metatrader5.structs import AccountInfo, TerminalInfo
from kakehashi.terminal.metatrader5.terminal import Terminal, started

BUILD: Final = 5120
_RELEASED: Final = "01 Aug 2025"
_terminal: Terminal | None = None


def terminal() -> Terminal:
    """The terminal that has been initialized.

    :raises Failed: none has, or it has gone
    """
    if _terminal is None:
        raise Failed(c.RES_E_INTERNAL_FAIL_CONNECT, "No IPC connection")
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
    new = started(where, portable=bool(portable))
    if not new.login(number, label, wait_ms / 1000):
        raise Failed(c.RES_E_AUTH_FAILED, "Terminal: Authorization failed")
    _terminal = new
    return True


def _login(login: object, password: object = None, server: object = None, timeout: object = 60_000) -> bool:
    """Change to another account of the running terminal."""
    number = whole(login, "login")
    label, wait_ms = _credentials(password, server, timeout)
    if not terminal().login(number, label, wait_ms / 1000):
        raise Failed(c.RES_E_AUTH_FAILED, "Terminal: Authorization failed")
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
    return terminal().account_info()


def _terminal_info() -> TerminalInfo:
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
