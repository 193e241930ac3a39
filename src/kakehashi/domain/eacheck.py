"""What is wrong with an account's Expert Advisor, from what it says of itself: one finding for each thing to put right.

Source: PROTOCOL, HELLO and HB; facts on MetaTrader 5: the four permissions of trade, names and clocks of brokers.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from kakehashi.domain.alerts import SizeUnit
from kakehashi.domain.frames import Hello
from kakehashi.domain.rules import Route
from kakehashi.domain.values import Account, Instrument, Lots, Millis, TradeMode

EA_VERSION: Final = "1.0.0"
"""Of the Expert Advisor that belongs to this hub; a test holds it against the MQL5 source."""

QUARTER_MS: Final = 900_000
CLOCK_MS: Final = 60_000
"""So far a broker's clock may be from a whole quarter of an hour: delay and a clock that nobody watches."""

PERMISSIONS: Final = {
    "terminal": "ALGO_TRADING_OFF",
    "expert": "CHART_NOT_ALLOWED",
    "account": "ACCOUNT_READ_ONLY",
    "server": "EXPERTS_FORBIDDEN",
}
"""What HELLO's ``perms`` call a permission, and the code of its absence."""


class Severity(StrEnum):
    """ERROR: orders fail or go wrong. WARNING: they may. INFO: worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong; ``values`` fill the blanks of its code's texts."""

    code: str
    severity: Severity = Severity.ERROR
    values: dict[str, str] = {}


class SelfReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an EA said of itself in HELLO. It is kept, so nothing of it is secret.

    :ivar at: when it was heard, ms UTC
    :ivar perms: by the names of :data:`PERMISSIONS`; what is not named was not told
    :ivar broker_time: the broker's clock then, ms; 0: not told
    """

    at: Millis
    account: str
    server: str = ""
    ver: str = ""
    build: int = 0
    margin_mode: str = ""
    trade_mode: str = ""
    perms: dict[str, bool] = {}
    broker_time: Millis = 0


class EaState(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one account's EA.

    :ivar routes: those that name the account
    :ivar link: live, stale or off; None: it has never come over the link
    :ivar hello: of the EA that was let in last; ``refused`` of one that was sent away since, as its account is another
    :ivar trade_allowed: as the last heartbeat had it; None: none has come since HELLO
    :ivar server: the account's, as it was configured or bound at first contact
    :ivar reported: whether an EA reports through the mailbox (False: it did, but not lately); None: never
    """

    account: Account
    routes: tuple[Route, ...] = ()
    link: str | None = None
    hello: SelfReport | None = None
    refused: SelfReport | None = None
    trade_allowed: bool | None = None
    server: str = ""
    halted: bool = False
    suspended: bool = False
    reported: bool | None = None
    instruments: Mapping[str, Instrument] = {}


def self_report(hello: Hello, *, at: Millis) -> SelfReport:
    """What is kept of a HELLO: not its token, and no text longer than it may be shown."""
    return SelfReport(
        at=at,
        account=hello.account[:40],
        server=hello.server[:80],
        ver=hello.ver[:20],
        build=hello.build,
        margin_mode=hello.margin_mode[:20].lower(),
        trade_mode=hello.trade_mode[:20].lower(),
        perms={name: hello.perms[name] for name in PERMISSIONS if name in hello.perms},
        broker_time=hello.broker_time,
    )


def check(state: EaState) -> tuple[Finding, ...]:
    """Everything that is wrong, the worst first; empty: nothing is known to be."""
    found = [*_connection(state), *_wrong_account(state), *_permissions(state), *_build(state)]
    found += _symbols(state)
    rank = list(Severity)
    return tuple(sorted(found, key=lambda finding: rank.index(finding.severity)))


def _connection(state: EaState) -> Iterator[Finding]:
    name = state.account.name
    if state.link is None:
        if state.reported is False:
            yield Finding(code="EA_STOPPED")
        elif state.reported:
            yield Finding(code="EA_BY_MAILBOX", severity=Severity.INFO)
        elif state.refused is None:
            yield Finding(code="EA_NEVER_CONNECTED", values={"name": name})
    elif state.link == "off":
        yield Finding(code="EA_STOPPED")
    elif state.link == "stale":
        yield Finding(code="EA_STALE", severity=Severity.WARNING)
    if state.suspended:
        yield Finding(code="HUB_RESTORED")
    if state.halted:
        yield Finding(code="HALTED", severity=Severity.WARNING)


def _wrong_account(state: EaState) -> Iterator[Finding]:
    """How the EA's account differs from ours; it is told of the EA that knocked last."""
    report = state.refused or state.hello
    if report is None:
        return
    account, server = state.account, state.server or state.account.server
    if report.account != account.number:
        yield _differs("LOGIN_DIFFERS", report.account, account.number)
    if server and report.server and report.server != server:
        yield _differs("SERVER_DIFFERS", report.server, server)
    if report.trade_mode == TradeMode.REAL and account.mode is TradeMode.DEMO:
        yield _differs("ACCOUNT_MODE_DIFFERS", report.trade_mode, account.mode)
    if report.margin_mode and report.margin_mode != account.margin_mode:
        yield _differs("MARGIN_MODE_DIFFERS", report.margin_mode, account.margin_mode)


def _differs(code: str, theirs: str, ours: str) -> Finding:
    return Finding(code=code, values={"theirs": theirs, "ours": str(ours)})


def _permissions(state: EaState) -> Iterator[Finding]:
    """Each that is missing. HELLO says which, the heartbeat whether it is still so."""
    if state.hello is None or state.trade_allowed is True:
        return
    missing = [code for name, code in PERMISSIONS.items() if state.hello.perms.get(name) is False]
    for code in missing:
        yield Finding(code=code)
    if state.trade_allowed is False and not missing:  # taken away since: nobody knows which
        yield Finding(code="TRADE_NOT_ALLOWED")


def _build(state: EaState) -> Iterator[Finding]:
    hello = state.hello
    if hello is None:
        return
    if hello.build and _version(hello.ver) < _version(EA_VERSION):  # a simulated EA has no build, and the hub's version
        values = {"theirs": hello.ver or "-", "ours": EA_VERSION}
        yield Finding(code="EA_OUTDATED", severity=Severity.WARNING, values=values)
    if hello.broker_time:
        off = (hello.broker_time - hello.at + QUARTER_MS // 2) % QUARTER_MS - QUARTER_MS // 2
        if abs(off) > CLOCK_MS:
            yield Finding(code="CLOCK_OFF", severity=Severity.WARNING, values={"off_s": f"{off / 1000:+.0f}"})


def _version(text: str) -> tuple[int, ...]:
    """``1.2.10`` as numbers; what is no number counts as 0, so that an unknown version is an old one.

    >>> _version("1.2.10") > _version("1.2.9")
    True
    """
    return tuple(int(part) if part.isdecimal() and part.isascii() else 0 for part in text.split("."))


# -- symbols -----------------------------------------------------------------------------------------------------


def _symbols(state: EaState) -> Iterator[Finding]:
    """What the routes trade that the terminal does not show, or only in bigger lots."""
    wanted = sorted({symbol for route in state.routes for symbol in _named(route, state.account)})
    if not state.instruments:
        if wanted and (state.link is not None or state.reported is not None):
            yield Finding(code="NO_SYMBOLS_TOLD", severity=Severity.WARNING)
        return
    for symbol in wanted:
        theirs = state.account.broker_symbol(symbol)
        if theirs not in state.instruments:
            yield _unknown(symbol, theirs, state)
    for route in state.routes:
        yield from _small_lots(route, state)


def _named(route: Route, account: Account) -> tuple[str, ...]:
    """The symbols that a route names, or that its rules let through; of a route for any symbol those that are mapped."""
    return route.symbols or route.rules_for(account.name).symbols or tuple(account.symbols)


def _unknown(symbol: str, theirs: str, state: EaState) -> Finding:
    likely = likely_name(symbol, state.instruments)
    values = {"symbol": theirs, "ours": symbol, "likely": likely, "name": state.account.name}
    return Finding(code="SYMBOL_RENAMED" if likely else "SYMBOL_MISSING", values=values)


def likely_name(symbol: str, names: Mapping[str, object]) -> str:
    """What the broker probably calls a symbol: the same letters with something before, between or behind; else empty.

    >>> likely_name("EURUSD", {"EURUSD.m": 1, "EURUSDT": 1, "USDJPY.m": 1})
    'EURUSD.m'
    """
    plain = _letters(symbol)
    alike = [name for name in names if plain and plain in _letters(name)]

    def distance(name: str) -> tuple[bool, bool, int, str]:
        rest = name.upper().removeprefix(symbol.upper())
        marked = _letters(name) == plain or (rest != name.upper() and not rest[:1].isalpha())
        small = name.startswith(symbol) and name[len(symbol) :].islower()  # EURUSDm is a suffix, EURUSDT another asset
        return not (marked or small), not name.upper().startswith(symbol.upper()), len(name), name

    return min(alike, key=distance, default="")


def _letters(name: str) -> str:
    return "".join(c for c in name.upper() if c.isalnum())


def _small_lots(route: Route, state: EaState) -> Iterator[Finding]:
    """Fixed lots and the cap of lots that are below what the broker takes."""
    rules = route.rules_for(state.account.name)
    fixed = rules.size_value if rules.size_unit is SizeUnit.LOTS else None
    sizes: list[Lots] = [size for size in (fixed, rules.max_lots) if size is not None]
    if not sizes:
        return
    for symbol in sorted(_named(route, state.account)):
        known = state.instruments.get(state.account.broker_symbol(symbol))
        if known is not None and min(sizes) < known.vol_min:
            values = {"route": route.name, "symbol": known.symbol, "lots": _plain(min(sizes))}
            yield Finding(code="LOTS_BELOW_MINIMUM", values=values | {"minimum": _plain(known.vol_min)})


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
