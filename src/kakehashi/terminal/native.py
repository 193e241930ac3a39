"""The Expert Advisor in MQL5, compiled for Linux: where its program is, how it is built, and how one is started."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from kakehashi.domain.errors import Rejected
from kakehashi.terminal.wire import Login

SOURCES: Final = Path(__file__).resolve().parents[3] / "mql5"
PROGRAM: Final = SOURCES / "build" / "kakehashi-ea"
TOKEN_VARIABLE: Final = "KAKEHASHI_EA_TOKEN"
_END_S: Final = 2.0
_TRANSPORTS: Final = {"ws": "1", "poll": "2"}


class NativeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One compiled EA on one account of the simulated broker.

    :ivar base_url: of the hub, ``http(s)://``
    :ivar broker: its socket
    :ivar data: the terminal's data folder; the journal is in ``Common/Files/Kakehashi`` of it
    :ivar transport: ``ws`` or ``poll``
    """

    base_url: str
    broker: str
    login: Login
    data: Path
    transport: str = "ws"


def built(program: Path = PROGRAM) -> Path:
    """The program as ``make ea`` left it.

    :raises Rejected: NO_NATIVE_EA
    """
    if not os.access(program, os.X_OK):
        raise Rejected("NO_NATIVE_EA", f"{program} is not there", hint="make ea (it needs g++)", value=str(program))
    return program


def build(program: Path = PROGRAM, *, limit_s: float) -> Path:
    """Compile it, or find that nothing changed; what the compiler says is not shown.

    :param limit_s: a first build takes about half a minute, one without changes a second
    :raises Rejected: NO_NATIVE_EA: no compiler, no sources, an error, or not within ``limit_s``
    """
    source = SOURCES / "Experts" / "Kakehashi" / "KakehashiEA.mq5"
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        raise Rejected("NO_NATIVE_EA", "there is no C++ compiler", hint="apt install g++")
    if not source.is_file():
        raise Rejected("NO_NATIVE_EA", f"{source} is not there", hint="use a source tree", value=str(source))
    command = [sys.executable, str(SOURCES / "runner" / "build.py"), str(source), "-o", str(program)]
    with subprocess.Popen(  # noqa: S603 (our own program)
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise Rejected("NO_NATIVE_EA", f"not compiled within {limit_s:g} s", hint="make ea") from None
        finally:
            _end(process)
    if code:
        raise Rejected("NO_NATIVE_EA", "it does not compile", hint="make ea shows why")
    return built(program)


def _end(process: subprocess.Popen[bytes]) -> None:
    """It and its compilers, unless it ended by itself. Interrupted, it takes its half-made files along."""
    for how in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)


def command_of(config: NativeConfig, program: Path) -> tuple[str, ...]:
    """The arguments of one EA. Its token is not among them: it is in the environment, as :data:`TOKEN_VARIABLE`."""
    login = config.login
    scheme, _, rest = config.base_url.rstrip("/").partition("://")
    inputs = {"HubUrl": f"{scheme.replace('http', 'ws', 1)}://{rest}/ea/v1", "Transport": _TRANSPORTS[config.transport]}
    return (
        *(str(program), "--account", login.account, "--broker", config.broker, "--data", str(config.data)),
        *("--currency", login.currency, "--margin-mode", login.margin_mode.value, "--balance", str(login.balance)),
        *(("--number", login.number) if login.number else ()),
        *(("--suffix", login.suffix, "--symbol", f"EURUSD{login.suffix}") if login.suffix else ()),
        *(part for name, value in inputs.items() for part in ("--set", f"{name}={value}")),
        *("--set-env", f"Token={TOKEN_VARIABLE}"),
    )
