"""What MetaEditor refuses and a C++ compiler would take, and what this runner cannot build: refused with file and line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from lexer import Token

CPP_ONLY = frozenset(
    "alignas alignof asm auto catch char16_t char32_t co_await co_return co_yield concept const_cast constexpr consteval"
    " decltype explicit export friend goto inline mutable namespace noexcept nullptr register reinterpret_cast requires"
    " signed size_t static_assert static_cast std thread_local throw try typeid unsigned using volatile wchar_t"
    " int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t".split()
)
NOT_BUILT = {
    "interface": "a class with virtual methods ... = 0",
    "import": "MQL5 itself",
    "matrix": "arrays",
    "vector": "arrays",
}
BUILTIN = frozenset("bool char uchar short ushort int uint long ulong float double color datetime string void".split())
NOT_A_TYPE = frozenset(
    "return delete else case new do goto const static input sinput extern virtual public private protected".split()
)
_NOT_IN_MQL4 = (
    "PositionGet",
    "PositionSelect",
    "PositionsTotal",
    "OrderGet",
    "HistorySelect",
    "HistoryDeal",
    "HistoryOrder",
    "Socket",
    "MqlTrade",
    "OrderSendAsync",
    "OrderCheck",
    "OrderCalc",
    "GetTickCount64",
    "SymbolExist",
    "OnTrade",
)
"""What names of MQL5 begin with that MQL4 does not know, of those the shim has."""
_HEADS = ("class", "struct", "union", "enum")
_OPEN = {"(": ")", "[": "]", "{": "}"}


@dataclass
class Names:
    """:ivar classes: class, struct and union names; ``enums`` with their members"""

    classes: set[str] = field(default_factory=set)
    params: set[str] = field(default_factory=set)
    enums: dict[str, list[str]] = field(default_factory=dict)

    def is_object(self, name: str) -> bool:
        return name in self.classes or name.startswith("Mql")

    def is_type(self, name: str) -> bool:
        return (
            name in BUILTIN
            or name in self.enums
            or name in self.params
            or self.is_object(name)
            or name.startswith("ENUM_")
        )


def brackets(all_: Sequence[Token]) -> dict[int, int]:
    """Where each bracket's partner is, both ways.

    :raises SourceError: one without a partner
    """
    pairs: dict[int, int] = {}
    stack: list[int] = []
    for i, t in enumerate(all_):
        if t.kind != "op":
            continue
        if t.text in _OPEN:
            stack.append(i)
        elif t.text in ")]}":
            if not stack or _OPEN[all_[stack[-1]].text] != t.text:
                raise t.wrong(f"'{t.text}' closes nothing")
            begin = stack.pop()
            pairs[begin], pairs[i] = i, begin
    if stack:
        raise all_[stack[-1]].wrong(f"'{all_[stack[-1]].text}' is never closed")
    return pairs


def collect(all_: Sequence[Token], pairs: dict[int, int]) -> Names:
    names = Names()
    for i, t in enumerate(all_[:-1]):
        if t.kind != "name" or all_[i + 1].kind != "name":
            continue
        following = all_[i + 1].text
        if t.text in ("class", "struct", "union") and all_[i - 1].text not in ("<", ","):
            names.classes.add(following)
        elif t.text in ("typename", "class"):
            names.params.add(following)
        elif t.text == "enum":
            if following in ("class", "struct"):
                raise t.wrong("enum class is C++, not MQL5")
            names.enums[following] = _members(all_, i + 2, pairs)
    return names


def _members(all_: Sequence[Token], i: int, pairs: dict[int, int]) -> list[str]:
    if all_[i].text != "{":
        raise all_[i].wrong("an enum is declared as: enum NAME { A, B };")
    inside = all_[i + 1 : pairs[i]]
    return [t.text for k, t in enumerate(inside) if t.kind == "name" and (k == 0 or inside[k - 1].text == ",")]


def check(all_: Sequence[Token], pairs: dict[int, int], names: Names) -> None:
    """
    :raises SourceError: the first thing that is refused
    """
    for i, t in enumerate(all_):
        if t.kind == "name":
            _word(all_, i)
        elif t.kind == "text" and not t.gap and all_[i - 1].kind == "name" and all_[i - 1].line == t.line:
            raise t.wrong(f'{all_[i - 1].text}"...": a text with a prefix is C++, not MQL5')
        elif t.kind == "op":
            _operator(all_, i, pairs, names)
        elif t.kind == "number" and t.text[-1].isalpha() and t.text[:2].lower() != "0x" and t.text[-1] not in "fF":
            raise t.wrong(f"{t.text}: MQL5 numbers have no suffix")
    _bodies(all_, pairs)
    _parameters(all_, pairs, names)


def _word(all_: Sequence[Token], i: int) -> None:
    t, before, after = all_[i], all_[i - 1], all_[min(i + 1, len(all_) - 1)]
    if t.text in CPP_ONLY:
        raise t.wrong(f"'{t.text}' is C++, not MQL5")
    if t.text in NOT_BUILT and before.text not in (".", "::"):
        raise t.wrong(f"'{t.text}' is not built here; use {NOT_BUILT[t.text]}")
    if t.text == "operator" and after.kind == "name":
        raise t.wrong("operators that convert are C++: write a method")


def _operator(all_: Sequence[Token], i: int, pairs: dict[int, int], names: Names) -> None:
    t, before, after = all_[i], all_[i - 1], all_[min(i + 1, len(all_) - 1)]
    if t.text == "->":
        raise t.wrong("'->' is C++: MQL5 writes p.member for pointers, too")
    if t.text == "[" and before.text in ("=", "(", ",", "return", "&&", "||", "?"):
        raise t.wrong("a lambda is C++, not MQL5")
    if t.text == "]" and after.text == "[":
        raise after.wrong("arrays of more than one dimension are not built here; use an array of structures")
    if t.text == "*" and before.text in BUILTIN and after.kind == "name":
        raise t.wrong(f"there are pointers to classes only, none to {before.text}")
    if t.text in ("&", "*") and names.is_object(before.text) and after.text == t.text:
        raise t.wrong(f"'{t.text}{t.text}' is C++, not MQL5")
    if t.text == "(" and before.text == "for" and not any(x.text == ";" for x in all_[i + 1 : pairs[i]]):
        raise before.wrong("for(x : list) is C++: count the index")
    if t.text == "=" and after.text in ("default", "delete"):
        raise after.wrong(f"'= {after.text}' is C++: write the function, or leave it away")
    if t.text == "{":
        _braces(all_, i, names)
    if t.text == "&" and before.kind == "name" and names.is_type(before.text) and after.kind == "name":
        _reference(all_, i, pairs)


def _braces(all_: Sequence[Token], i: int, names: Names) -> None:
    before, earlier = all_[i - 1], all_[i - 2]
    declared = before.kind == "name" and earlier.kind == "name" and names.is_type(earlier.text)
    temporary = names.is_object(before.text) and earlier.text not in (
        *_HEADS,
        ":",
        ",",
        "public",
        "protected",
        "private",
    )
    if declared or temporary or before.text in ("return", "("):
        raise all_[i].wrong("values in braces without '=' are C++: MQL5 writes T x = {...}")


def _reference(all_: Sequence[Token], i: int, pairs: dict[int, int]) -> None:
    """:param i: the ``&`` between a type and a name"""
    t, kind, follows = all_[i], all_[i - 1].text, all_[i + 2].text
    outside = _enclosing(i, pairs, all_)
    if outside < 0 or all_[outside].text != "(":
        if follows in (";", "="):
            raise t.wrong("a reference to a variable is C++: MQL5 has references as parameters only")
        if follows == "(":
            raise t.wrong("a function that returns a reference is C++: return a copy or a pointer")
    elif follows == "=":
        raise t.wrong("a parameter passed by reference has no default")
    elif (
        kind in BUILTIN
        and all_[i - 2].text == "const"
        and follows in (",", ")")
        and not all_[outside - 1].text.startswith("On")
    ):
        raise t.wrong(f"const {kind} &: pass it by value; MetaEditor may take variables only for a reference")


def _enclosing(i: int, pairs: dict[int, int], all_: Sequence[Token]) -> int:
    """The bracket that a token is in; -1 at the top."""
    i -= 1
    while i >= 0:
        if all_[i].kind == "op" and all_[i].text in (")", "]", "}"):
            i = pairs[i]
        elif all_[i].kind == "op" and all_[i].text in ("(", "[", "{"):
            return i
        i -= 1
    return -1


def _bodies(all_: Sequence[Token], pairs: dict[int, int]) -> None:
    """A member gets its value in the constructor: MQL5 has no initialisers in the class."""
    for i, t in enumerate(all_):
        if t.text not in ("class", "struct") or all_[i - 1].text in ("<", ","):
            continue
        begin = i
        while all_[begin].text not in ("{", ";"):
            begin += 1
        if all_[begin].text == ";":
            continue
        _members_of(all_, begin, pairs)


def _members_of(all_: Sequence[Token], begin: int, pairs: dict[int, int]) -> None:
    i = begin + 1
    while i < pairs[begin]:
        t = all_[i]
        if t.text in ("(", "{", "["):
            i = pairs[i]
        elif t.text == "=" and all_[i - 1].text != "operator":
            pure = all_[i - 1].text in (")", "const") and all_[i + 1].text == "0"
            if not pure:
                raise t.wrong(
                    "a member gets its value in the constructor (a static one outside): MQL5 has no initialisers here"
                )
        i += 1


def _parameters(all_: Sequence[Token], pairs: dict[int, int], names: Names) -> None:
    """Objects and arrays are passed by reference, always."""
    for i, t in enumerate(all_):
        if t.text not in ("(", ",") or i + 3 >= len(all_):
            continue
        k = i + 1 + (all_[i + 1].text == "const")
        kind, name, end = all_[k], all_[k + 1], all_[k + 2]
        if kind.kind != "name" or name.kind != "name" or kind.text in NOT_A_TYPE:
            continue
        if not names.is_type(kind.text) or all_[_enclosing(k, pairs, all_)].text != "(":
            continue
        if names.is_object(kind.text) and end.text in (",", ")", "="):
            raise name.wrong(
                f"{kind.text} {name.text}: objects and structures are passed by reference, {kind.text} &{name.text}"
            )
        if end.text == "[" and all_[k + 3].text == "]":
            raise name.wrong(f"{kind.text} {name.text}[]: arrays are passed by reference, {kind.text} &{name.text}[]")


def check_mql4(all_: Sequence[Token]) -> None:
    """What MetaEditor refuses in a .mq4 file, although MQL5 has it.

    :raises SourceError: with file and line
    """
    for t, following in pairwise(all_):
        if t.kind == "name" and t.text.startswith(_NOT_IN_MQL4) and (following.text == "(" or t.text.startswith("Mql")):
            raise t.wrong(f"{t.text} is MQL5: MQL4 does not know it")
