"""How every function of the package meets its caller: argument forms, ``None`` instead of exceptions, ``last_error()``.

What Python itself refuses before a C function sees it (a keyword where none is taken) stays a ``TypeError``.
"""

import math
import operator
import threading
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from inspect import Parameter, signature
from typing import Any, Final, ParamSpec, TypeVar, cast

from kakehashi.terminal.metatrader5 import constants as c

P = ParamSpec("P")
T = TypeVar("T")
_SUCCESS: Final = (c.RES_S_OK, "Success")
_U64: Final = 2**64
_one_at_a_time: Final = threading.RLock()
"""The package keeps the GIL during a call, so that a script's threads take turns; here a lock sees to it."""
_last: tuple[int, str] = _SUCCESS


class Failed(Exception):
    """A call that ends with None (or False) and this as ``last_error()``."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.error = (code, text)


def invalid(name: str) -> Failed:
    return Failed(c.RES_E_INVALID_PARAMS, f'Invalid "{name}" argument')


def not_found() -> Failed:
    return Failed(c.RES_E_NOT_FOUND, "Terminal: Not found")


def last_error() -> tuple[int, str]:
    """Code and text of how the last call ended: RES_S_OK or a RES_E_*."""
    return _last


def answers(function: Callable[P, T]) -> Callable[P, T | None]:
    """Give None where the function raises :class:`Failed`, and keep why for :func:`last_error`.

    Positional-only parameters may be passed by position alone, keyword-only ones by name alone, others either way.
    """
    return cast("Callable[P, T | None]", _faced(function, failure=None))


def decides(function: Callable[P, bool]) -> Callable[P, bool]:
    """The same, but False instead of None."""
    return cast("Callable[P, bool]", _faced(function, failure=False))


def _faced(function: Callable[..., Any], *, failure: bool | None) -> Callable[..., Any]:
    name = function.__name__.removeprefix("_")
    params = list(signature(function).parameters.values())
    by_position = [p for p in params if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    names = {p.name for p in params if p.kind is not Parameter.POSITIONAL_ONLY}
    only_positional = not names
    free = any(p.kind is Parameter.VAR_POSITIONAL for p in params)  # it looks at its arguments itself

    def _check_form(args: tuple[Any, ...], named: dict[str, Any]) -> None:
        if len(args) > len(by_position):
            why = "Invalid arguments" if only_positional else "Unnamed arguments not allowed"
            raise Failed(c.RES_E_INVALID_PARAMS, why)
        if stranger := next((name for name in named if name not in names), None):
            raise invalid(stranger)
        if twice := next((p.name for p in by_position[: len(args)] if p.name in named), None):
            raise invalid(twice)
        if any(p.default is Parameter.empty and p.name not in named for p in by_position[len(args) :]):
            raise Failed(c.RES_E_INVALID_PARAMS, "Invalid arguments")

    @wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        global _last  # noqa: PLW0603  the package's own: one last error for the process
        if named and only_positional:
            raise TypeError(f"{name}() takes no keyword arguments")
        if not params and args:
            raise TypeError(f"{name}() takes no arguments ({len(args)} given)")
        with _one_at_a_time:
            try:
                if not free:
                    _check_form(args, named)
                result = function(*args, **named)
            except Failed as e:
                _last = e.error
                return failure
            _last = _SUCCESS
            return result

    call.__name__ = call.__qualname__ = name
    return call


def text(value: object, name: str) -> str:
    """
    :raises Failed: not a string, or none that can be sent
    """
    if not isinstance(value, str) or not (value.isascii() or _encodable(value)):
        raise invalid(name)
    return value


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def whole(value: object, name: str, *, least: int = 0, most: int = _U64 - 1) -> int:
    """
    :raises Failed: not an integer, or out of range
    """
    try:
        found = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise invalid(name) from None
    if not least <= found <= most:
        raise invalid(name)
    return found


def number(value: object, name: str) -> float:
    """
    :raises Failed: not a finite number
    """
    if isinstance(value, str | bytes):
        raise invalid(name)
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise invalid(name) from None
    if not math.isfinite(found):
        raise invalid(name)
    return found


def moment_ms(value: object, name: str) -> int:
    """A date as milliseconds: seconds since 1970, or a datetime; a naive one is this machine's time, as for the package.

    :raises Failed: neither, or before 1970
    """
    if isinstance(value, datetime):
        try:
            seconds = max(value.timestamp(), 0.0)  # 1970-01-01 at midnight is before 1970 in half of the world
        except (OverflowError, OSError, ValueError):
            raise invalid(name) from None
    else:
        seconds = number(value, name)
    if not 0 <= seconds < 2**40:
        raise invalid(name)
    return round(seconds * 1000)
