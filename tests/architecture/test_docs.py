"""The documents: generated pages are fresh, both languages say the same, and every command they name exists."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from kakehashi.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").glob("en/**/*.md"), *(ROOT / "docs").glob("ja/**/*.md")])
SHELLS = frozenset({"sh", "bash", "powershell", "console"})
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`(kakehashi [^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
META = frozenset({"...", "…"})


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(text: str) -> Iterator[tuple[str, str]]:
    for found in FENCE.finditer(text):
        yield found[1], found[2]


def shell_lines(text: str) -> Iterator[str]:
    """The lines of all shell blocks, continued lines joined."""
    for language, body in blocks(text):
        if language in SHELLS:
            yield from re.sub(r"\\\n\s*", "", body).splitlines()


def commands(text: str) -> Iterator[list[str]]:
    """Every ``kakehashi ...`` a page tells its reader to type, as words after the name."""
    typed = [*shell_lines(text), *INLINE.findall(FENCE.sub("", text))]
    for line in typed:
        for part in re.split(r"\s(?:&&|\|)\s|\$\(|\)\"?$", line):
            words = shlex.split(part, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):  # settings for this one command
                words.pop(0)
            if words and re.fullmatch(r"(?:.*[/\\])?kakehashi", words[0]):
                yield words[1:]


def fault(words: list[str]) -> str:
    """Why the command line cannot be right, or nothing. Placeholders (NAME, ID) count as values."""
    command: click.Command = cli
    rest = list(words)
    while isinstance(command, click.Group):
        if not rest or rest[0] in META:
            return ""  # the group itself is meant
        if rest[0] in ("--help", "--version", "--lang"):
            return ""
        if "|" in rest[0]:  # `kakehashi kill on|off`
            return next((f for word in rest[0].split("|") if (f := fault_in(command, [word, *rest[1:]]))), "")
        found = command.get_command(click.Context(command), rest[0])
        if found is None:
            return f"no command {rest[0]!r}"
        command, rest = found, rest[1:]
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}
    for word in rest:
        option = word.strip("[]").partition("=")[0]
        if option.startswith("-") and option not in known:
            return f"no option {option} at {command.name!r}"
    return ""


def fault_in(group: click.Group, words: list[str]) -> str:
    return "" if group.get_command(click.Context(group), words[0]) is not None else f"no command {words[0]!r}"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gen_docs", ROOT / "tools" / "gen_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_reason_code_page_is_what_the_table_says(lang: str) -> None:
    page = ROOT / "docs" / lang / "reason-codes.md"
    assert page.read_text("utf-8") == generator().reason_codes(lang), "run: python tools/gen_docs.py"


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_tables_and_diagrams_of_the_ea_link_are_what_the_code_says(lang: str) -> None:
    page = ROOT / "docs" / lang / "ea-link.md"
    assert generator().pages()[page] == page.read_text("utf-8"), "run: python tools/gen_docs.py"
    assert "--> FRESH: proven" in page.read_text("utf-8")


def test_both_languages_name_the_same_rules_and_reasons_of_the_ea_link() -> None:
    pages = [(ROOT / "docs" / lang / "ea-link.md").read_text("utf-8") for lang in ("en", "ja")]
    for what in (r"^- \*\*(R\d+) ", r"`([A-Z_]{4,})`", r"^\| (\d{4}) \|"):
        english, japanese = (sorted(set(re.findall(what, page, re.MULTILINE))) for page in pages)
        assert english == japanese
    assert sorted(re.findall(r"^- \*\*R(\d+) ", pages[0], re.MULTILINE), key=int) == [str(n) for n in range(1, 23)]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_in_the_documents_exists(page: Path) -> None:
    faults = {" ".join(words): f for words in commands(page.read_text("utf-8")) if (f := fault(words))}
    assert not faults


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_inside_the_documents_leads_somewhere(page: Path) -> None:
    targets = [t for t in LINK.findall(page.read_text("utf-8")) if "://" not in t and not t.startswith("mailto:")]
    assert [t for t in targets if not (page.parent / t).exists()] == []


def test_both_readmes_name_the_same_commands() -> None:
    english, japanese = (list(shell_lines((ROOT / name).read_text("utf-8"))) for name in ("README.md", "README.ja.md"))
    assert english == japanese
    assert {"make demo", "make test"} <= set(english)


def test_the_readmes_name_only_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for name in ("README.md", "README.ja.md"):
        assert set(re.findall(r"`?\bmake ([a-z-]+)$", (ROOT / name).read_text("utf-8"), re.MULTILINE)) <= targets


def test_each_page_is_there_in_both_languages_with_the_same_code() -> None:
    english, japanese = ({p.name: p for p in (ROOT / "docs" / lang).glob("*.md")} for lang in ("en", "ja"))
    assert english.keys() == japanese.keys()
    for name, page in english.items():
        here, there = (
            [(language, body) for language, body in blocks(p.read_text("utf-8")) if language not in ("mermaid", "text")]
            for p in (page, japanese[name])
        )
        assert here == there, name


def test_the_check_of_commands_can_fail() -> None:
    said = "```sh\nkakehashi accounts ad x\nA=1 .venv/bin/kakehashi send x --tokn y  # why\n```\n`kakehashi kill on|of`"
    assert [bool(fault(words)) for words in commands(said)] == [True, True, True]
