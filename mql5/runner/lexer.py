"""MQL5 source text to tokens. Comments and line breaks stay as what stands before a token, so that lines keep their numbers."""

import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path


class SourceError(Exception):
    """The source cannot be built: what is wrong, and where, as compilers say it: ``file:line: error: ...``."""


@dataclass(slots=True)
class Token:
    """
    :ivar kind: ``name``, ``number``, ``text`` (a literal with its quotes), ``char``, ``date``, ``color``, ``op``, ``directive``
    :ivar gap: white space before it; comments are gone, their line breaks are not
    """

    kind: str
    text: str
    gap: str
    file: str
    line: int

    def wrong(self, what: str) -> SourceError:
        return SourceError(f"{self.file}:{self.line}: error: {what}")


_TOKEN = re.compile(
    r"""
    (?P<gap>(?:\s|//[^\n]*|/\*.*?\*/)+)
  | (?P<date>D'[^'\n]*')
  | (?P<color>C'[^'\n]*')
  | (?P<text>"(?:[^"\\\n]|\\.)*")
  | (?P<char>'(?:[^'\\\n]|\\.)+')
  | (?P<number>0[xX][0-9A-Fa-f]+|(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?[A-Za-z_]*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<op><<=|>>=|->|::|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\.\.\.|[-+*/%&|^!~<>=?:;,.()\[\]{}\#@\\])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*(\w+)((?:[^\n\\]|\\\n|\\.)*)")
_LINE_START = re.compile(r"(?:^|\n)[ \t]*$")


def read_source(path: Path) -> str:
    """A source file's text; MetaEditor saves UTF-8 or UTF-16.

    :raises SourceError: it cannot be read
    """
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise SourceError(f"{path}:1: error: cannot read it: {e.strerror}") from None
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as e:
        raise SourceError(f"{path}:1: error: neither UTF-8 nor UTF-16: {e}") from None


def tokens(text: str, file: str, first_line: int = 1) -> list[Token]:
    """
    :param file: the name that errors carry
    :raises SourceError: a character that no token begins with, or a comment or literal that does not end
    """
    breaks = [m.start() for m in re.finditer("\n", text)]
    found: list[Token] = []
    at, gap = 0, ""
    while at < len(text):
        line = first_line + bisect_right(breaks, at - 1) if at else first_line
        if text[at] in "# \t" and _LINE_START.search(text[max(0, at - 200) : at]) and (m := _DIRECTIVE.match(text, at)):
            found.append(Token("directive", m.group().strip(), gap, file, line))
            at, gap = m.end(), ""
            continue
        m = _TOKEN.match(text, at)
        if m is None:
            raise SourceError(f"{file}:{line}: error: cannot read from here: {text[at : at + 20]!r}")
        at = m.end()
        if m.lastgroup == "gap":
            gap += _blank(m.group())
            continue
        found.append(Token(str(m.lastgroup), m.group(), gap, file, line))
        gap = ""
    return found


def _blank(gap: str) -> str:
    """Only the line breaks of comments are kept; a gap without any is one space."""
    lines = gap.count("\n")
    if not lines:
        return " "
    return "\n" * lines + gap[gap.rfind("\n") + 1 :].translate(_BLANKS) if "/" not in gap else "\n" * lines


_BLANKS = {ord(c): " " for c in "\t\r\f\v"}
