"""Laws of decide() that hold for every account, alert and route."""

import sys
from decimal import Decimal
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "domain"))

from desk import AT, EURUSD, alert, lots, order, position, run, size, to, view

from kakehashi.domain.alerts import Alert
from kakehashi.domain.decide import Decision
from kakehashi.domain.orders import Op
from kakehashi.domain.values import Side
from kakehashi.domain.views import AccountView, BrokerPosition, RouteMemory

D = Decimal

amounts = st.decimals(min_value=D("0.001"), max_value=D(100), places=3)
volumes = st.integers(1, 300).map(lambda n: D(n) / 100)
books = st.lists(st.tuples(st.sampled_from(["BUY", "SELL"]), volumes), max_size=5).map(
    lambda rows: tuple(position(side, str(v), str(n)) for n, (side, v) in enumerate(rows))
)
one_sided = st.tuples(st.sampled_from(["BUY", "SELL"]), st.lists(volumes, max_size=3)).map(
    lambda row: tuple(position(row[0], str(v), str(n)) for n, v in enumerate(row[1]))
)
exits = st.sampled_from(["CLOSE", "CLOSE_LONG", "CLOSE_SHORT", "TP", "TP_LONG", "TP_SHORT"])
ratios = st.none() | st.decimals(min_value=D("0.01"), max_value=D(1), places=2)


@given(amounts, st.none() | amounts, st.sampled_from(["LOTS", "BALANCE_RATIO", "NOTIONAL", "EQUITY_PERCENT"]))
def test_a_volume_is_never_rounded_up_and_never_over_the_maximum(
    value: Decimal, maximum: Decimal | None, unit: str
) -> None:
    decision = run(alert(size=size(unit, str(value))), max_lots=maximum)
    for intent in decision.intents:
        assert intent.volume is not None
        assert EURUSD.vol_min <= intent.volume <= min(EURUSD.vol_max, maximum or EURUSD.vol_max)
        assert intent.volume % EURUSD.vol_step == 0
        if unit == "LOTS":
            assert intent.volume <= value


@given(books, exits, ratios, st.booleans(), st.booleans(), st.integers(0, 20))
def test_no_rail_refuses_an_exit(
    book: tuple[BrokerPosition, ...], action: str, ratio: Decimal | None, killed: bool, fresh: bool, streak: int
) -> None:
    memory = RouteMemory(entries=(AT,) * 30, last_entry=(Side.BUY, D("0.10"), AT))
    sick = view(positions=book, killed=killed, fresh=fresh, losing_streak=streak, day_profit=D(-9_999))
    decision = run(alert(action, close_ratio=ratio), sick, memory, age_ms=60_000, symbols=("USDJPY",))
    assert decision.code in ("", "NOTHING_TO_CLOSE", "BELOW_MIN_VOLUME")
    if action.startswith("CLOSE") and ratio is None and book:
        side = {"CLOSE_LONG": Side.BUY, "CLOSE_SHORT": Side.SELL}.get(action)
        meant = [p.ident for p in book if side in (None, p.side)]
        assert [i.target for i in decision.intents if i.target] == meant


@given(books, exits, ratios)
def test_an_exit_never_closes_more_than_there_is(
    book: tuple[BrokerPosition, ...], action: str, ratio: Decimal | None
) -> None:
    decision = run(alert(action, close_ratio=ratio), view(positions=book))
    held = {p.ident: p.volume for p in book}
    for intent in decision.intents:
        assert intent.op in (Op.CLOSE, Op.CLOSE_PARTIAL)
        assert intent.volume is not None
        assert 0 < intent.volume <= held.pop(intent.target)  # pop: no position twice


alerts = st.one_of(
    exits.map(alert),
    amounts.map(lambda v: alert("BUY", size=lots(str(v)))),
    st.sampled_from(["REVERSE", "BREAKEVEN", "CANCEL", "PAUSE"]).map(alert),
    st.tuples(st.sampled_from(["LONG", "SHORT", "FLAT"]), st.integers(0, 9)).map(lambda t: to(t[0], str(t[1]))),
)


@given(books, alerts, st.booleans())
def test_the_same_inputs_give_the_same_decision(book: tuple[BrokerPosition, ...], a: Alert, reported: bool) -> None:
    v = view(positions=book, reported=reported, orders=(order("q"), order("s", state="SENT")))
    first, second = (run(a, v, lots_per_contract=D("0.1")) for _ in range(2))
    assert msgspec.json.encode(first) == msgspec.json.encode(second)
    assert first.intents or first.cancels or first.code or first.notes or first.pause is not None, "silence (law 7)"


def applied(v: AccountView, decision: Decision) -> AccountView:
    """The account after the broker did everything."""
    book = {p.ident: p for p in v.positions}
    for n, intent in enumerate(decision.intents):
        volume = intent.volume or D(0)
        if intent.op is Op.OPEN:
            book[f"n{n}"] = position(str(intent.side), str(volume), f"n{n}")
        elif intent.target:
            left = book[intent.target].volume - volume
            book[intent.target] = msgspec.structs.replace(book[intent.target], volume=left)
    return msgspec.structs.replace(v, positions=tuple(p for p in book.values() if p.volume > 0))


@given(one_sided, st.sampled_from(["LONG", "SHORT", "FLAT"]), st.integers(1, 30))
def test_a_target_leaves_no_difference_whatever_was_missed(
    book: tuple[BrokerPosition, ...], where: str, contracts: int
) -> None:
    a = to(where, str(contracts))
    before = view(positions=book)
    decision = run(a, before, lots_per_contract=D("0.1"))
    after = applied(before, decision)
    wanted = {"LONG": 1, "SHORT": -1, "FLAT": 0}[where] * contracts * D("0.1")
    assert decision.code == ""
    assert sum(p.volume * p.side.sign for p in after.positions) == wanted
    healed = run(a, after, lots_per_contract=D("0.1"))
    assert (healed.code, healed.intents) == ("", ())
