"""How every command speaks: data on stdout (a table, or one JSON object), talk on stderr, and an exit code.

A command is a function, sync or async, that returns its data and raises
:class:`~kakehashi.domain.errors.KakehashiError`; :func:`command_output` does the rest::

    @orders.command("list")
    @click.option("--limit", default=100)
    @command_output(columns=("id", "symbol", "state"))
    async def list_orders(limit: int) -> list[dict[str, object]]: ...
"""

import contextlib
import functools
import inspect
import os
import re
import sys
import unicodedata
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

import click

from kakehashi.domain.errors import (
    IllegalTransition,
    KakehashiError,
    Malformed,
    OutcomeUnknown,
    Rejected,
    Unavailable,
)

if TYPE_CHECKING:
    from kakehashi.domain.codes import Code

Lang: TypeAlias = Literal["en", "ja"]
_LANG: Final = "kakehashi.lang"
_JSON: Final = "kakehashi.json"


class ExitCode(IntEnum):
    """What a script may act on. Documented in the help and in docs."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFIGURATION = 4
    AUTH = 5
    NOT_RUNNING = 6
    TIMEOUT = 7
    REFUSED = 8


_BY_CODE: Final[Mapping[str, ExitCode]] = {
    "INTERNAL": ExitCode.ERROR,
    "USAGE": ExitCode.USAGE,
    "NOT_FOUND": ExitCode.NOT_FOUND,
    "BAD_CONFIG": ExitCode.CONFIGURATION,
    "NOT_RUNNING": ExitCode.NOT_RUNNING,
    "TIMEOUT": ExitCode.TIMEOUT,
}
_BY_HTTP: Final[Mapping[int, ExitCode]] = {
    401: ExitCode.AUTH,
    403: ExitCode.AUTH,
    404: ExitCode.NOT_FOUND,
    504: ExitCode.TIMEOUT,
}
_BY_REMEDY: Final[tuple[tuple[type[KakehashiError], ExitCode], ...]] = (
    (OutcomeUnknown, ExitCode.TIMEOUT),
    (Unavailable, ExitCode.NOT_RUNNING),
    (Malformed, ExitCode.USAGE),
    (Rejected, ExitCode.REFUSED),
    (IllegalTransition, ExitCode.REFUSED),
)


class Answer(NamedTuple):
    """Data together with an exit code, for a command whose bad news is still its result (demo, config check)."""

    data: Any
    exit_code: int = 0


def exit_code(error: KakehashiError) -> ExitCode:
    """By the code where it says enough, then by the HTTP status it carries, then by the class (the remedy)."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    code = _code(error.code)
    if code is not None and code.http in _BY_HTTP:
        return _BY_HTTP[code.http]
    return next((found for kind, found in _BY_REMEDY if isinstance(error, kind)), ExitCode.ERROR)


def language() -> Lang:
    """``--lang``, else ``KAKEHASHI_LANG``, else the machine's: Japanese where LC_ALL or LANG starts with ja."""
    ctx = click.get_current_context(silent=True)
    chosen = ctx.meta.get(_LANG) if ctx else None
    chosen = chosen or os.environ.get("KAKEHASHI_LANG") or os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "ja" if chosen.lower().startswith("ja") else "en"


def set_language(ctx: click.Context, lang: Lang) -> None:
    ctx.meta[_LANG] = lang


def wants_json() -> bool:
    """Whether the running command was called with ``--json``."""
    ctx = click.get_current_context(silent=True)
    return bool(ctx and ctx.meta.get(_JSON))


def say(text: str) -> None:
    """Talk: to stderr, so that stdout stays data."""
    click.echo(text, err=True)


def command_output(
    *,
    columns: Sequence[str] = (),
    human: Callable[[Any], str] | None = None,
    bare: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., int]]:
    """Make a command of a function that returns data; the innermost decorator.

    An async generator makes a command that follows something: each item is printed when it comes (``--json``: one
    object a line), and Ctrl-C is its ordinary end, with exit code 0.

    :param columns: keys to show, in order, where the data is a list of objects; all of them by default
    :param human: makes the text for a person instead of a table
    :param bare: ``--json`` prints the data itself as one line, without the envelope
    """

    def show(answer: Answer, as_json: bool) -> None:
        if as_json:
            _print_json(answer.data if bare else {"ok": answer.exit_code == 0, "data": answer.data})
        elif answer.data is not None:
            _print_for_a_person(answer.data, columns, human)

    def decorate(function: Callable[..., Any]) -> Callable[..., int]:
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
        @click.option("--lang", type=click.Choice(["en", "ja"]), help="Language of the texts.")
        @functools.wraps(function)
        def command(*args: Any, as_json: bool, lang: Lang | None, **options: Any) -> int:
            ctx = click.get_current_context()
            ctx.meta[_JSON] = as_json
            if lang:
                set_language(ctx, lang)
            result = function(*args, **options)
            if inspect.isasyncgen(result):
                return _follow(result, lambda item: show(Answer(item), as_json))
            if inspect.iscoroutine(result):
                import asyncio

                result = asyncio.run(result)
            answer = result if isinstance(result, Answer) else Answer(result)
            show(answer, as_json)
            return answer.exit_code

        return command

    return decorate


def _follow(items: AsyncIterator[Any], show: Callable[[Any], None]) -> int:
    import asyncio

    async def run() -> None:
        async for item in items:
            show(item)
            sys.stdout.flush()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())
    return ExitCode.OK


def fail(error: Exception, *, as_json: bool) -> int:
    """Report an error where it belongs; the exit code for it."""
    known = _as_known(error)
    code = _code(known.code)
    lang = language()
    hint = known.hint or remedy(known.code)
    if as_json:
        _print_json({"ok": False, "error": {"code": known.code, "message": known.message, "hint": hint}})
        return exit_code(known)
    say(f"{'エラー' if lang == 'ja' else 'error'}: {known.code}: {known.message}")
    if lang == "ja" and code and "{" not in code.ja:  # a text with blanks says less than the message
        say(f"       {code.ja}")
    if hint:
        say(f"{'対処' if lang == 'ja' else 'hint'}: {hint}")
    return exit_code(known)


def _code(name: str) -> "Code | None":
    from kakehashi.domain.codes import CODES

    return CODES.get(name)


def remedy(name: str) -> str:
    """What to do about a reason code, in the caller's language; nothing where there is no such code."""
    code = _code(name)
    fix = (code.fix_ja if language() == "ja" else code.fix_en) if code else ""
    return re.sub(r"\{\w+\}", "…", fix)


def _as_known(error: Exception) -> KakehashiError:
    if isinstance(error, KakehashiError):
        return error
    if isinstance(error, TimeoutError):
        return OutcomeUnknown("TIMEOUT", str(error) or "no answer in time", hint="kakehashi status")
    if isinstance(error, ConnectionError):
        return Unavailable("NOT_RUNNING", str(error) or "nobody answers there", hint="kakehashi up")
    import traceback

    from kakehashi.telemetry import redact

    say(redact("".join(traceback.format_exception(error))).rstrip())
    return KakehashiError(
        "INTERNAL", redact(f"{type(error).__name__}: {error}"), hint="this is a bug: please report it"
    )


def _print_json(value: object) -> None:
    import msgspec

    click.echo(msgspec.json.encode(value, enc_hook=str))


def _print_for_a_person(data: Any, columns: Sequence[str], human: Callable[[Any], str] | None) -> None:
    import msgspec

    if human is not None:
        click.echo(human(data))
        return
    plain = msgspec.to_builtins(data, builtin_types=(bytes,), enc_hook=str)
    if isinstance(plain, Mapping):
        _print_table([{"": key, " ": value} for key, value in plain.items()], ())
    elif isinstance(plain, list) and all(isinstance(row, Mapping) for row in plain):
        _print_table(plain, columns)
    elif isinstance(plain, list):
        click.echo("\n".join(_cell(row) for row in plain))
    else:
        click.echo(_cell(plain))


def _print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A rich table on a terminal, aligned columns in a pipe (which must not be cut to a width)."""
    if not rows:
        say("なし" if language() == "ja" else "none")
        return
    if not sys.stdout.isatty():
        click.echo(table(rows, columns))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    heads = list(columns) or list(rows[0])
    drawn = Table(*heads, box=None, show_header=any(head.strip() for head in heads), header_style="bold")
    for row in rows:
        drawn.add_row(*(Text(_cell(row.get(head))) for head in heads))
    Console().print(drawn)


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """Aligned columns as text, with a line of heads unless all are blank; :param columns: all keys where empty."""
    heads = list(columns) or list(rows[0])
    cells = [[_cell(row.get(head)) for head in heads] for row in rows]
    shown = [heads, *cells] if any(head.strip() for head in heads) else cells
    widths = [max(_width(line[i]) for line in shown) for i in range(len(heads))]
    padded = ((cell + " " * (w - _width(cell)) for cell, w in zip(line, widths, strict=True)) for line in shown)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _width(text: str) -> int:
    """Columns on the screen: a Japanese character takes two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _cell(value: Any) -> str:
    import msgspec

    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | Mapping):
        return msgspec.json.encode(value).decode()
    return str(value)
