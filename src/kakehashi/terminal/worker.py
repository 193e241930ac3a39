"""A terminal in a process of its own: ``python -m kakehashi.terminal.worker``, started by a bridge.

The MetaTrader5 package serves one account per process and never lets go of the interpreter while it waits, so a process
per session is the only way to have several, and only the parent can tell a hung one. Frames come on standard input and
leave on what was standard output; whatever a library prints goes to standard error.
"""

import contextlib
import ctypes
import importlib
import math
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, BinaryIO, Final

import msgspec

from kakehashi.domain.terminalcalls import (
    FUNCTIONS,
    HEAD,
    Format,
    Open,
    Opened,
    Ran,
    Result,
    Run,
    frame,
    size_of,
    to_child,
)

MODULES: Final = {"simulated": "kakehashi.terminal.metatrader5", "metatrader5": "MetaTrader5"}
_PR_SET_PDEATHSIG: Final = 1
_INTERNAL: Final = -10000
"""RES_E_INTERNAL_FAIL, the package's own word for what it cannot explain."""
_SIMPLE: Final = frozenset({type(None), bool, int, float, str})
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


class BadArgument(ValueError):
    """An argument that the package has no meaning for; the message names it."""


def main(terminal: str) -> None:
    """:param terminal: one of :data:`MODULES`; it is imported before anybody needs it"""
    inbox, outbox = _lines()
    _die_with_parent()
    try:
        package, problem = importlib.import_module(MODULES[terminal]), ""
        if terminal == "simulated":
            importlib.import_module("kakehashi.terminal.metatrader5.bars").pass_on()
    except ImportError as e:
        package, problem = ModuleType(terminal), f"{MODULES[terminal]} cannot be imported: {e}"
    opening = _read(inbox)
    if not isinstance(opening, Open):
        return
    _write(outbox, Opened(ok=False, error=(_INTERNAL, problem)) if problem else _opened(package, opening))
    while isinstance(message := _read(inbox), Run):
        results = tuple(_called(package, name, params, form) for name, params, form in message.calls)
        _write(outbox, Ran(id=message.id, results=results))
    with contextlib.suppress(Exception):  # the parent is gone or wants us to end: nobody could be told
        package.shutdown()


def _lines() -> tuple[BinaryIO, BinaryIO]:
    """Our own standard input and output; the library gets standard error for both of its outputs."""
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415  only there

        for file in (inbox, outbox):
            msvcrt.setmode(file.fileno(), os.O_BINARY)
    return inbox, outbox


def _die_with_parent() -> None:
    """A killed bridge must not leave terminals behind. Windows: the bridge's job object does it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the bridge, which ends its terminals in order
    if sys.platform == "linux":
        parent = os.getppid()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent or parent == 1:
            sys.exit(1)


def _read(inbox: BinaryIO) -> Open | Run | None:
    head = inbox.read(HEAD)
    if len(head) < HEAD:
        return None
    return to_child(inbox.read(size_of(head)))


def _write(outbox: BinaryIO, message: Opened | Ran) -> None:
    outbox.write(frame(message))
    outbox.flush()


def _opened(package: ModuleType, opening: Open) -> Opened:
    """Start the terminal and log in."""
    wanted: dict[str, Any] = {
        "login": opening.login,
        "password": opening.password,
        "server": opening.server,
        "timeout": opening.timeout_ms,
    }
    if opening.portable:
        wanted["portable"] = True
    if opening.broker:
        os.environ["KAKEHASHI_BRIDGE__BROKER"] = opening.broker
        importlib.import_module("kakehashi.terminal.doors").introduce(opening.connection)
    try:
        done = package.initialize(*([opening.path] if opening.path else []), **wanted)
        code, text = package.last_error()
        version = package.version() if done else None
    except Exception as e:  # noqa: BLE001  whatever a foreign package raises, the parent is to be told
        return Opened(ok=False, error=(_INTERNAL, f"{type(e).__name__}: {e}"))
    return Opened(ok=bool(done), error=(int(code), str(text)), version=".".join(map(str, version or ())))


def _called(package: ModuleType, name: str, params: Mapping[str, Any], form: Format) -> Result:
    function = FUNCTIONS[name]
    try:
        args, options = _arguments(package, name, params)
    except BadArgument as e:
        return Result(ok=False, json=b"null", error=(-2, "Invalid arguments"), took_us=0, fault=str(e))
    began = time.perf_counter_ns()
    try:
        value = getattr(package, name)(*args, **options)
        took_us = (time.perf_counter_ns() - began) // 1000
        error = value if name == "last_error" else package.last_error()
        return Result(
            ok=value is not None and value is not False,
            json=_encode(_plain(value, form)),
            error=(int(error[0]), str(error[1])),
            took_us=took_us,
        )
    except Exception as e:
        if function.writes:
            raise  # what it did is unknown: the parent sees a dead terminal, and asks the broker
        took_us = (time.perf_counter_ns() - began) // 1000
        return Result(ok=False, json=b"null", error=(_INTERNAL, f"{type(e).__name__}: {e}"[:300]), took_us=took_us)


def _arguments(package: ModuleType, name: str, params: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """What stands where.

    :raises BadArgument: a constant that the package does not have, or an argument after one that is missing
    """
    function = FUNCTIONS[name]
    values = {key: _value(package, key, value, date=key in function.dates) for key, value in params.items()}
    args: list[Any] = []
    for position, key in enumerate(function.args):
        if key not in values:
            if late := [other for other in function.args[position + 1 :] if other in values]:
                raise BadArgument(f"params.{key}: is needed where {late[0]} is given")
            break
        args.append(values[key])
    return args, {key: values[key] for key in function.options if key in values}


_NAMED: Final = {
    "action": ("TRADE_ACTION_", "ORDER_TYPE_"),
    "type": ("ORDER_TYPE_",),
    "type_filling": ("ORDER_FILLING_",),
    "type_time": ("ORDER_TIME_",),
    "timeframe": ("TIMEFRAME_",),
    "flags": ("COPY_TICKS_",),
}
"""Which of the package's constants a field may be given by."""


def _value(package: ModuleType, key: str, value: Any, *, date: bool = False, within: str = "params") -> Any:
    if isinstance(value, dict):
        return {k: _value(package, k, v, within=f"{within}.{key}") for k, v in value.items()}
    if date and isinstance(value, float):
        return int(value) if value == math.floor(value) else datetime.fromtimestamp(value, UTC)
    prefixes = _NAMED.get(key)
    if prefixes is None or not isinstance(value, str):
        return value
    number = getattr(package, value, None) if value.startswith(prefixes) else None
    if not isinstance(number, int):
        raise BadArgument(f"{within}.{key}: the package has no constant {prefixes[0]}... named {value[:60]}")
    return int(number)


def _plain(value: Any, form: Format) -> Any:
    """The package's value as JSON can say it: named tuples as objects, tables as rows or columns."""
    if type(value) in _SIMPLE:
        return value
    if (fields := getattr(value, "_asdict", None)) is not None:
        return {name: _plain(inner, form) for name, inner in fields().items()}
    if isinstance(value, tuple | list):
        if form == "tickets":
            return [row.ticket for row in value]
        if not value or not hasattr(value[0], "_asdict"):
            return [_plain(row, form) for row in value]
        return _table(tuple(value[0]._asdict()), value, form)
    if (dtype := getattr(value, "dtype", None)) is not None:
        rows = value.tolist()
        return _table(tuple(dtype.names), rows, form) if dtype.names else rows
    return value  # what JSON has a word for is said so, all else by :func:`str`


def _table(names: tuple[str, ...], rows: Sequence[Sequence[Any]], form: Format) -> Any:
    """Rows of plain values. There may be many: nothing is asked of each value."""
    if form == "columns":
        return {name: [row[n] for row in rows] for n, name in enumerate(names)}
    return [dict(zip(names, row, strict=True)) for row in rows]


if __name__ == "__main__":
    main(sys.argv[1])
