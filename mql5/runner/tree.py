"""One program's sources: the file that is built and all it includes, as one stream of tokens, each file once."""

import re
from pathlib import Path

from lexer import SourceError, Token, read_source, tokens

_INCLUDE = re.compile(r'#\s*include\s*(?:"([^"]+)"|<([^>]+)>)\s*$')
_KEPT = frozenset({"define", "undef", "ifdef", "ifndef", "else", "endif"})
STANDARD = "not there: only <Kakehashi/...>, which lies in mql5/Include, is built here; the standard library is not"
MQL4 = ".mq4"
"""Such a program finds <...> in mql4/Include first, then in mql5/Include: what is not about trading serves both."""


class Tree:
    """:ivar tokens: all of it, in the order in which it is compiled
    :ivar files: what was read
    :ivar properties: of the main file: ``#property version "1.00"`` and the like
    """

    def __init__(self, main: Path, include: Path, root: Path) -> None:
        self._includes: tuple[Path, ...] = (include,)
        self._root = root
        if main.suffix == MQL4:
            self._includes = (root / "mql4" / "Include", include)
        self.files: list[Path] = []
        self.tokens: list[Token] = []
        self.properties: dict[str, str] = {}
        self._read(main)

    def _read(self, path: Path) -> None:
        self.files.append(path)
        name = self._named(path)
        for token in tokens(read_source(path), name):
            if token.kind != "directive":
                self.tokens.append(token)
            else:
                self._directive(token, path)

    def _named(self, path: Path) -> str:
        try:
            return path.relative_to(self._root).as_posix()
        except ValueError:
            return path.as_posix()

    def _directive(self, token: Token, path: Path) -> None:
        word = token.text.lstrip("# \t").split(None, 1)[0]
        rest = token.text.lstrip("# \t")[len(word) :].strip()
        if word == "include":
            self._included(token, path)
        elif word == "property":
            if len(self.files) == 1 or path == self.files[0]:
                key, _, value = rest.partition(" ")
                self.properties[key] = value.strip().strip('"')
        elif word in _KEPT:
            self.tokens.append(token)
        else:
            raise token.wrong(
                f"#{word} is not built here (MQL5 knows it, or it does not: {', '.join(sorted(_KEPT))} are)"
            )

    def _included(self, token: Token, path: Path) -> None:
        m = _INCLUDE.match(token.text)
        if m is None:
            raise token.wrong('#include "file" or #include <Kakehashi/file>')
        there = [folder / m[2] for folder in self._includes] if m[2] else [path.parent / m[1]]
        wanted = next((file for file in there if file.is_file()), there[-1]).resolve()
        if m[2] and not wanted.is_file():
            raise token.wrong(f"<{m[2]}> is {STANDARD}")
        if not wanted.is_file():
            raise token.wrong(f"{m[1]} is not beside {path.name}")
        if wanted not in self.files:
            self._read(wanted)


def read_tree(main: Path, include: Path, root: Path) -> Tree:
    """
    :param include: what ``<...>`` is looked up in
    :param root: file names in messages are relative to it
    :raises SourceError: a file that cannot be read, or something in it
    """
    if not main.is_file():
        raise SourceError(f"{main}:1: error: there is no such file")
    return Tree(main.resolve(), include.resolve(), root.resolve())
