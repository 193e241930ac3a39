"""``kakehashi version`` and ``kakehashi explain``: what this is, and what it meant by that."""

import difflib
import platform
import re
from typing import Any

import click

from kakehashi import __version__
from kakehashi.cli.output import command_output, language
from kakehashi.domain.codes import CODES
from kakehashi.domain.errors import KakehashiError


@click.command("version")
@command_output(human=lambda data: f"kakehashi {data['version']} (Python {data['python']}, {data['platform']})")
def version() -> dict[str, str]:
    """Say which version this is, and of what."""
    return {"version": __version__, "python": platform.python_version(), "platform": platform.platform(terse=True)}


def _explained(data: dict[str, Any]) -> str:
    fix = "対処" if language() == "ja" else "What to do"
    return f"{data['code']} (HTTP {data['http']})\n{data['text']}\n{fix}: {data['fix']}"


@click.command("explain")
@click.argument("code")
@command_output(human=_explained)
def explain(code: str) -> dict[str, Any]:
    """Say what reason CODE means and what to do about it."""
    found = CODES.get(code.upper())
    if found is None:
        near = difflib.get_close_matches(code.upper(), CODES, n=1)
        hint = f"did you mean {near[0]}?" if near else "the codes are listed in docs"
        raise KakehashiError("NOT_FOUND", f"there is no reason code {code!r}", hint=hint)
    japanese = language() == "ja"
    return {
        "code": found.code,
        "http": found.http,
        "text": _with_blanks(found.ja if japanese else found.en),
        "fix": _with_blanks(found.fix_ja if japanese else found.fix_en),
    }


def _with_blanks(text: str) -> str:
    """Where a real refusal would name its own values."""
    return re.sub(r"\{\w+\}", "…", text)
