"""MQL5 tokens to C++ text that means the same against the shim (``shim/mql.h``). Lines keep their numbers.

What differs, and what becomes of it: ``a.b`` works on objects and pointers alike (``mql::at(a)->b``), ``T *p`` is a checked
handle (``mql::ptr<T>``), ``T a[]`` a checked array (``mql::array<T>``), ``"text"`` a string object, ``long`` 64 bits and not the
same type as ``datetime``, ``input`` a value that the command line may set.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from lexer import Token, tokens
from rules import NOT_A_TYPE, Names, brackets

EVENTS = {
    "OnInit": "init", "OnDeinit": "deinit", "OnTick": "tick", "OnTimer": "timer", "OnTrade": "trade", "OnStart": "start",
    "OnTradeTransaction": "transaction", "OnChartEvent": "chart",
}  # fmt: skip
_KEYWORDS = NOT_A_TYPE | frozenset(
    "if while for switch sizeof operator break continue template typename class struct union enum typedef".split()
)
_SIMPLE = {
    "long": "mql::int64",
    "NULL": "mql::null",
    "this": "(*this)",
    "__FUNCTION__": "mql::here(__PRETTY_FUNCTION__)",
    "__FUNCSIG__": "mql::here(__PRETTY_FUNCTION__)",
    "__FILE__": "mql::base_name(__FILE__)",
    "__PATH__": "mql::string(mql::wide(__FILE__))",
    "__DATETIME__": "mql::BUILT_AT",
    "__DATE__": "mql::BUILT_AT",
    "dynamic_cast": "mql::cast",
}
_DATE = re.compile(r"D'(?:(\d{4})[.\-/](\d\d?)[.\-/](\d\d?))?\s*(?:(\d\d?)(?::(\d\d?)(?::(\d\d?))?)?)?'")


class Rewriter:
    """One pass over one stream of tokens.

    :ivar events: what the program answers to, of :data:`EVENTS`
    :ivar inputs: its input variables: name, type
    """

    def __init__(self, all_: Sequence[Token], pairs: dict[int, int], names: Names) -> None:
        self._all, self._pairs, self._names = all_, pairs, names
        self._text = [t.text for t in all_]
        self._before = [""] * len(all_)
        self._after = [""] * len(all_)
        self._class_bodies = self._find_class_bodies()
        self.events: list[str] = []
        self.inputs: list[tuple[str, str]] = []

    def run(self) -> str:
        depth = 0
        for i, t in enumerate(self._all):
            if t.kind == "op" and t.text in ("{", "}"):
                depth += 1 if t.text == "{" else -1
            self._token(i, t, top=depth == 0)
        return self._joined()

    # -- tokens ------------------------------------------------------------------------------------------------------

    def _token(self, i: int, t: Token, *, top: bool) -> None:
        match t.kind:
            case "name":
                self._name(i, t, top=top)
            case "text":
                self._text[i] = self._literal(i)
            case "char":
                self._text[i] = f"mql::ushort(u{t.text})"
            case "number":
                self._text[i] = _number(t)
            case "date":
                self._text[i] = _date(t)
            case "color":
                red, green, blue = (int(part, 0) for part in t.text[2:-1].split(","))
                self._text[i] = f"mql::color({red | green << 8 | blue << 16})"
            case "directive":
                self._text[i] = _directive(t, self._names)
            case _ if t.text == ".":
                self._text[i] = ")->"
                begin = self._chain(i)
                self._before[begin] = "mql::at(" + self._before[begin]
            case _ if t.text == "::" and (self._all[i - 1].kind != "name" or self._at(i - 1) in _KEYWORDS):
                self._text[i] = "mql::program::"

    def _name(self, i: int, t: Token, *, top: bool) -> None:
        if t.text in _SIMPLE:
            self._text[i] = _SIMPLE[t.text]
        elif t.text == "new":
            self._new(i)
        elif t.text == "delete":
            self._text[i] = "mql::destroy("
            self._before[self._end_of_statement(i)] += ")"
        elif t.text in ("input", "sinput"):
            self._input(i)
        elif top and t.text in EVENTS and self._at(i + 1) == "(" and self._at(self._pairs[i + 1] + 1) == "{":
            self.events.append(t.text)
        if t.text not in _KEYWORDS:
            self._declaration(i)

    def _literal(self, i: int) -> str:
        first = i == 0 or self._all[i - 1].kind != "text"
        last = i + 1 == len(self._all) or self._all[i + 1].kind != "text"
        return ("mql::string(" if first else "") + "u" + self._all[i].text + (")" if last else "")

    def _at(self, i: int) -> str:
        return self._all[i].text if 0 <= i < len(self._all) else ""

    def _chain(self, dot: int) -> int:
        """Where the expression begins whose member the dot takes."""
        i = dot - 1
        while True:
            while self._at(i) in ("]", ")"):
                i = self._pairs[i]
                before = self._all[i - 1]
                called = before.kind == "name" and before.text not in _KEYWORDS
                if self._at(i) == "(" and not called and before.text != ">":
                    return i
                i -= 1
            if self._at(i) == ">":  # dynamic_cast<T *>(p)
                while self._at(i) != "<":
                    i -= 1
                i -= 1
            if self._all[i].kind != "name":
                raise self._all[dot].wrong(f"'.' after '{self._at(dot - 1)}'")
            if self._at(i - 1) == "." or (self._at(i - 1) == "::" and self._all[i - 2].kind == "name"):
                i -= 2
            else:
                return i - 1 if self._at(i - 1) == "::" else i

    def _end_of_statement(self, i: int) -> int:
        while self._at(i) != ";":
            i = self._pairs[i] + 1 if self._at(i) in ("(", "[", "{") else i + 1
            if i >= len(self._all):
                raise self._all[-1].wrong("';' is missing")
        return i

    def _new(self, i: int) -> None:
        self._text[i] = "mql::make<"
        k = i + 1
        if self._at(k + 1) == "<":
            while self._at(k) != ">":
                k += 1
        self._after[k] += ">" if self._at(k + 1) == "(" else ">()"

    def _input(self, i: int) -> None:
        if self._at(i + 1) == "group":
            for k in (i, i + 1, i + 2):
                self._text[k] = ""
            self._all[i + 2].kind = "op"  # its text is dropped
            return
        kind, name, equals = self._all[i + 1 : i + 4]
        if equals.text != "=" or kind.kind != "name" or name.kind != "name":
            raise self._all[i].wrong("an input is declared as: input TYPE NAME = VALUE;")
        self.inputs.append((name.text, kind.text))
        self._text[i] = "const"
        cpp = _SIMPLE.get(kind.text, kind.text)
        self._after[i + 3] = f' mql::input<{cpp}>("{name.text}", '
        self._before[self._end_of_statement(i)] += ")"

    # -- declarations ------------------------------------------------------------------------------------------------

    def _find_class_bodies(self) -> frozenset[int]:
        found = set()
        for i, t in enumerate(self._all):
            if t.text in ("class", "struct", "union") and t.kind == "name" and self._at(i - 1) not in ("<", ","):
                k = i
                while self._at(k) not in ("{", ";"):
                    k += 1
                if self._at(k) == "{":
                    found.add(k)
        return frozenset(found)

    def _enclosing(self, i: int) -> int:
        """The bracket that a token is in; -1 at the top."""
        i -= 1
        while i >= 0:
            if self._at(i) in (")", "]", "}") and i in self._pairs:
                i = self._pairs[i]
            elif self._all[i].kind == "op" and self._at(i) in ("(", "[", "{"):
                return i
            i -= 1
        return -1

    def _declaration(self, i: int) -> None:
        """``TYPE name``, ``TYPE *name``, ``TYPE &name``: what ``i`` begins, if it is a type."""
        kind = self._all[i]
        mark = self._at(i + 1)
        known = self._names.is_type(kind.text)
        if mark == "*" and (self._names.is_object(kind.text) or kind.text in self._names.params):
            self._text[i], self._text[i + 1] = f"mql::ptr<{kind.text}>", ""
        name = i + 1 + (mark in ("*", "&") and known)
        if self._all[min(name, len(self._all) - 1)].kind != "name" or self._at(name) in _KEYWORDS:
            return
        if self._at(i - 1) in (".", "::", "enum", "class", "struct", "union", "typename", "new", "public", "private"):
            return
        outside = self._enclosing(i)
        if outside >= 0 and self._at(outside) == "(" and self._at(outside - 1) != "for":
            end = self._qualified(name)
            if self._at(end + 1) == "[":
                self._array(i, end, parameter=True)
        else:
            self._declarators(i, name, outside)

    def _qualified(self, name: int) -> int:
        while self._at(name + 1) == "::":
            name += 2
        return name

    def _declarators(self, i: int, name: int, outside: int) -> None:
        base, split = self._text[i], False
        kind = _SIMPLE.get(self._all[i].text, self._all[i].text)
        static_member = outside in self._class_bodies and self._modified(i, "static")
        words = "".join(f"{w} " for w in ("static", "const") if self._modified(i, w))
        position = i
        while True:
            end = self._qualified(name)
            if self._at(end + 1) == "(":
                return  # a function, or an object with arguments
            if self._at(end + 1) == "[":
                self._array(position, end, parameter=False, bare=static_member, named=kind if split else "")
                split = split or self._names_follow(end)
            elif [self._at(end + k) for k in (1, 2, 3, 4)] == ["=", "{", "0", "}"]:
                self._text[end + 3] = ""
            following = self._declarator_end(end + 1)
            if self._at(following) != ",":
                return
            more = following + 1
            pointer = self._at(more) == "*"
            array = self._at(self._qualified(more) + 1) == "["
            if split or pointer or array or base != kind:
                self._text[following] = f"; {words}" + (
                    f"mql::ptr<{kind}>" if pointer else f"mql::array<{kind}>" if array else kind
                )
                if pointer:
                    self._text[more] = ""
                    more += 1
                split = True
            name, position = more, -1

    def _names_follow(self, end: int) -> bool:
        return self._at(self._declarator_end(end + 1)) == ","

    def _modified(self, i: int, word: str) -> bool:
        while self._all[i - 1].kind == "name" and self._at(i - 1) in ("static", "const", "input"):
            i -= 1
            if self._at(i) == word:
                return True
        return False

    def _declarator_end(self, i: int) -> int:
        while self._at(i) not in (",", ";", ")"):
            i = self._pairs[i] + 1 if self._at(i) in ("(", "[", "{") else i + 1
            if i >= len(self._all):
                raise self._all[-1].wrong("';' is missing")
        return i

    def _array(self, i: int, name: int, *, parameter: bool, bare: bool = False, named: str = "") -> None:
        """:param i: the type, -1 where the declaration was split before this name"""
        kind = named or (self._text[i] if i >= 0 else "")
        if i >= 0:
            self._text[i] = f"mql::array<{kind}>"
        begin = name + 1
        end = self._pairs[begin]
        size = begin + 1 < end
        if self._at(end + 1) == "[":
            raise self._all[end + 1].wrong("arrays of more than one dimension are not built here")
        initial = self._at(end + 1) == "=" and self._at(end + 2) == "{"
        self._text[begin] = self._text[end] = ""
        if parameter or bare:
            if size:
                self._text[begin], self._text[end] = "/*", "*/"
            return
        if initial:
            self._text[end + 1] = f"= mql::array<{kind}>::of("
            self._after[self._pairs[end + 2]] += ", mql::fixed(" if size else ")"
            if size:  # the size comes behind the list, so that it is written once
                self._after[self._pairs[end + 2]] += "".join(t.text for t in self._all[begin + 1 : end]) + "))"
                self._text[begin], self._text[end] = "/*", "*/"
        elif size:
            self._text[begin], self._text[end] = "{mql::fixed(mql::constant<(", ")>)}"

    # -- output ------------------------------------------------------------------------------------------------------

    def _joined(self) -> str:
        out: list[str] = []
        file, line = "", 0
        for i, t in enumerate(self._all):
            gap = t.gap
            line += gap.count("\n")
            if (t.file, t.line) != (file, line):
                gap = f'\n#line {t.line} "{t.file}"\n'
                file, line = t.file, t.line
            line += t.text.count("\n")
            out += (gap, self._before[i], self._text[i], self._after[i])
        return "".join(out) + "\n"


def _number(t: Token) -> str:
    text = t.text
    if not (text.isdigit() or text[:2].lower() == "0x"):
        return text
    if text.isdigit() and len(text) > 1 and text[0] == "0":
        raise t.wrong(f"{text}: no leading zeros; C++ would read an octal number, MQL5 would not")
    value = int(text, 0)
    if value >= 1 << 64:
        raise t.wrong(f"{text} does not fit 64 bits")
    if value < 1 << (31 if text.isdigit() else 32):
        return text
    return text + ("LL" if value < 1 << 63 else "ULL")


def _date(t: Token) -> str:
    m = _DATE.fullmatch(t.text)
    if m is None or m[1] is None:
        raise t.wrong("a date is written D'2026.01.31 12:30:00'")
    year, month, day, hour, minute, second = (int(part or 0) for part in m.groups())
    try:
        at = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as e:
        raise t.wrong(str(e)) from None
    return f"mql::datetime({int(at.timestamp())})"


_DEFINE = re.compile(r"(#\s*define\s+\w+(?:\([^)]*\))?)(.*)", re.DOTALL)


def _directive(t: Token, names: Names) -> str:
    """A macro's body is MQL5, too."""
    m = _DEFINE.fullmatch(t.text)
    if m is None:
        return t.text
    body = tokens(m[2].replace("\\\n", " "), t.file, t.line)
    if not body:
        return m[1]
    inner = Rewriter(body, brackets(body), names)
    for i, part in enumerate(body):
        inner._token(i, part, top=False)
    return (
        m[1] + " " + "".join(a + b + c + " " for a, b, c in zip(inner._before, inner._text, inner._after, strict=True))
    )
