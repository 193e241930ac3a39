"""The source step: one .mq5 or .mq4 file and what it includes become one C++ file."""

import re
from dataclasses import dataclass
from pathlib import Path

from lexer import SourceError
from rewrite import EVENTS, Rewriter
from rules import Names, brackets, check, check_mql4, collect
from tree import MQL4, Tree, read_tree


@dataclass(frozen=True)
class Unit:
    """:ivar cpp: the C++ text; ``files`` what it was made of"""

    cpp: str
    files: tuple[Path, ...]
    inputs: tuple[tuple[str, str], ...]


def translate(main: Path, include: Path, root: Path) -> Unit:
    """
    :raises SourceError: what MetaEditor would refuse, or what this runner cannot build
    """
    tree = read_tree(main, include, root)
    pairs = brackets(tree.tokens)
    names = collect(tree.tokens, pairs)
    check(tree.tokens, pairs, names)
    if tree.files[0].suffix == MQL4:
        check_mql4(tree.tokens)
    rewriter = Rewriter(tree.tokens, pairs, names)
    body = rewriter.run()
    if not {"OnInit", "OnStart", "OnTick", "OnTimer"} & set(rewriter.events):
        raise SourceError(f"{main}:1: error: none of OnInit, OnTick, OnTimer, OnStart is there: nothing would ever run")
    language = "mql4.h" if tree.files[0].suffix == MQL4 else "mql.h"
    cpp = f'#include "{language}"\nnamespace mql::program {{ using namespace mql;\n{body}\n}}\n{_tail(tree, rewriter, names)}'
    return Unit(cpp=cpp, files=tuple(tree.files), inputs=tuple(rewriter.inputs))


def _tail(tree: Tree, rewriter: Rewriter, names: Names) -> str:
    lines = ['#line 1 "generated"']
    lines += [
        _enum_names(name, members, "mql::program::") for name, members in names.enums.items() if _at_top(tree, name)
    ]
    calls = [
        f".{EVENTS[name]} = mql::event_{EVENTS[name]}(mql::program::{name})"
        for name in sorted(rewriter.events, key=[*EVENTS].index)
    ]
    lines.append(f"const mql::Events mql::program_events = {{{', '.join(calls)}}};")
    main = tree.files[0]
    lines.append(
        f'const mql::ProgramFacts mql::program_facts = {{"{main.stem}", "{tree.properties.get("version", "1.00")}"}};'
    )
    return "\n".join(lines) + "\n"


def _at_top(tree: Tree, enum: str) -> bool:
    """An enum inside a class may be private: its names are not kept."""
    depth = 0
    for i, t in enumerate(tree.tokens):
        if t.text == "{" and t.kind == "op":
            depth += 1
        elif t.text == "}" and t.kind == "op":
            depth -= 1
        elif t.text == "enum" and tree.tokens[i + 1].text == enum:
            return depth == 0
    return False


def _enum_names(name: str, members: list[str], scope: str) -> str:
    rows = ", ".join(f'{{(long long){scope}{m}, "{m}"}}' for m in members)
    return f"static mql::EnumNames names_of_{name} __attribute__((init_priority(200))) (typeid({scope}{name}), {{{rows}}});"


_ENUM = re.compile(r"enum\s+(\w+)(?:\s*:\s*\w+)?\s*\{([^}]*)\}")


def shim_enums(header: str) -> str:
    """What ``EnumToString`` knows of the shim's own enumerations.

    :param header: the text of ``words.h``
    """
    text = re.sub(r"//[^\n]*", "", header)
    lines = ['#include "mql.h"']
    for m in _ENUM.finditer(text):
        members = [part.split("=")[0].strip() for part in m[2].split(",") if part.strip()]
        lines.append(_enum_names(m[1], members, "mql::"))
    return "\n".join(lines) + "\n"
