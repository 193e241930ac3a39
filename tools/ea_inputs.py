"""The Expert Advisor's inputs as a table, read from its source: the documents say what the EA has."""

# ruff: noqa: INP001  a script, not a package

import re
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parents[1] / "mql5" / "Experts" / "Kakehashi" / "KakehashiEA.mq5"
SHELL: Final = Path(__file__).parents[1] / "mql5" / "Include" / "Kakehashi"
_INPUT: Final = re.compile(
    r"^//ja (?P<ja>.+)\n\s*input\s+(?P<type>\w+)\s+(?P<name>\w+)\s*=\s*(?P<value>.+?);\s*//\s*(?P<en>.+)$", re.M
)
_ENUM: Final = re.compile(r"enum\s+(?P<name>ENUM_\w+)\s*\{(?P<members>[^}]*)\}")
_MEMBER: Final = re.compile(r"(\w+)\s*,?\s*(?://\s*(.+))?$", re.M)
_HEADS: Final = {
    "en": "| Input | Type | Default | Meaning |",
    "ja": "| パラメーター | 型 | 既定値 | 意味 |",
}
_BEGIN, _END = "<!-- generated: inputs -->", "<!-- end: inputs -->"


def table(lang: str) -> str:
    """
    :param lang: ``en`` or ``ja``
    :raises ValueError: an input has no comment in both languages
    """
    text = SOURCE.read_text("utf-8")
    rows = [
        f"| `{m['name']}` | {_type(m['type'])} | `{m['value']}` | {m[lang].strip()} |" for m in _INPUT.finditer(text)
    ]
    if len(rows) != len(re.findall(r"^\s*s?input\s+(?!group)", text, re.M)):
        raise ValueError(f"{SOURCE.name}: each input has a line '//ja ...' above it and an English comment behind it")
    return "\n".join([_HEADS[lang], "|---|---|---|---|", *rows])


def filled(page: str, lang: str) -> str:
    """The page with its table as it is now."""
    head, _, rest = page.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    return f"{head}{_BEGIN}\n\n{table(lang)}\n\n{_END}{tail}"


def _type(name: str) -> str:
    members = _enums().get(name)
    return ", ".join(f"`{member}`" for member in members) if members else f"`{name}`"


def _enums() -> dict[str, list[str]]:
    found = {}
    for path in sorted(SHELL.glob("*.mqh")):
        for m in _ENUM.finditer(path.read_text("utf-8")):
            found[m["name"]] = [name for name, _ in _MEMBER.findall(m["members"]) if name]
    return found
