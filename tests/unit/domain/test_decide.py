"""What an alert means for an account: entries, exits, reversal, target position."""

from decimal import Decimal

import msgspec
import pytest
from desk import AT, account, alert, legacy, order, pips, position, run, signal, to, view

from kakehashi.domain.alerts import Standing, TakeProfit, Target
from kakehashi.domain.decide import Decision, redecide
from kakehashi.domain.orders import Op, Order
from kakehashi.domain.rules import Route, RouteRules
from kakehashi.domain.values import MarginMode, Side
from kakehashi.domain.views import AccountView, RouteMemory

D = Decimal


def acts(decision: Decision) -> list[tuple[str, str, Decimal | None]]:
    return [(i.op.value, i.target, i.volume) for i in decision.intents]


LONG_AND_SHORT = view(
    positions=(position(), position("SELL", "0.30", "2"), position(ident="3", magic=8), position(ident="4", magic=0))
)


@pytest.mark.parametrize(
    ("action", "scope", "targets"),
    [
        ("CLOSE", "route", ["1", "2"]),
        ("CLOSE_LONG", "route", ["1"]),
        ("CLOSE_SHORT", "route", ["2"]),
        ("CLOSE", "own", ["1", "2", "3"]),
        ("CLOSE", "all", ["1", "2", "3", "4"]),
    ],
)
def test_an_exit_closes_what_is_in_its_scope(action: str, scope: str, targets: list[str]) -> None:
    decision = run(alert(action), LONG_AND_SHORT, close_scope=scope)
    assert [i.target for i in decision.intents] == targets
    assert all(i.op is Op.CLOSE and i.expect_vol == i.volume for i in decision.intents)


def test_a_full_exit_cancels_unsent_entries_and_waits_for_sent_ones() -> None:
    v = view(positions=(position(),), orders=(order("q"), order("s", state="SENT"), order("z", route="other")))
    decision = run(alert("CLOSE"), v)
    assert decision.cancels == ("q",)
    assert [(i.target, i.after, i.held) for i in decision.intents] == [("1", (), False), ("", ("s",), True)]


def test_a_held_exit_closes_what_its_entry_opened() -> None:
    held = order("c", "CLOSE", waits_for=("s",), held=True)
    decision = again(held, view(positions=(position(ident="new"),), orders=(held,)), action="CLOSE")
    assert acts(decision) == [("CLOSE", "new", D("0.10"))]


@pytest.mark.parametrize(
    ("volume", "ratio", "expected"),
    [
        ("0.10", "0.5", [("CLOSE_PARTIAL", "1", D("0.05"))]),
        ("0.11", "0.5", [("CLOSE_PARTIAL", "1", D("0.05"))]),
        ("0.10", "1", [("CLOSE", "1", D("0.10"))]),
        ("0.01", "0.5", [("CLOSE", "1", D("0.01"))]),
        ("0.10", "0.05", []),
    ],
)
def test_a_part_is_rounded_down_and_what_cannot_stand_closes_all(
    volume: str, ratio: str, expected: list[object]
) -> None:
    decision = run(alert("TP_LONG", close_ratio=D(ratio)), view(positions=(position(volume=volume),)))
    assert acts(decision) == expected
    assert decision.code == ("" if expected else "BELOW_MIN_VOLUME")


def test_the_shares_of_targets_are_of_the_initial_volume() -> None:
    third = tuple(TakeProfit(pips("10"), D(s)) for s in ("0.3", "0.3", "0.4"))
    left = [D("1.00"), D("0.70"), D("0.40")]
    for index, (volume, closed) in enumerate(zip(left, ("0.30", "0.30", "0.40"), strict=True), start=1):
        v = view(positions=(position(volume=str(volume)),))
        assert run(alert("TP", tp_index=index), v, tps=third).intents[0].volume == D(closed)


def test_a_part_stays_behind_its_entry() -> None:
    (intent,) = run(alert("TP"), view(orders=(order("q"),))).intents
    assert (intent.op, intent.after, intent.held, intent.volume_ratio) == (Op.CLOSE_PARTIAL, ("q",), True, D("0.5"))


def test_an_exit_to_an_account_without_reports_is_delivered_and_touches_nothing_younger() -> None:
    (full,) = run(alert("CLOSE"), legacy(), age_ms=1_000).intents
    (part,) = run(alert("TP"), legacy()).intents
    assert (full.op, full.side, full.target, full.opened_before) == (Op.CLOSE, None, "", AT - 1_000)
    assert (part.op, part.volume, part.volume_ratio) == (Op.CLOSE_PARTIAL, None, D("0.5"))


def test_a_flat_account_has_nothing_to_close_unless_its_mirror_may_be_late() -> None:
    assert run(alert("CLOSE")).code == "NOTHING_TO_CLOSE"
    just_entered = RouteMemory(entries=(AT - 1_000,))
    assert acts(run(alert("CLOSE"), None, just_entered)) == [("CLOSE", "", None)]
    foreign = view(positions=(position(magic=0),))
    assert run(alert("CLOSE"), foreign, just_entered).code == "NOTHING_TO_CLOSE"


def test_an_entry_waits_for_older_exits_that_could_close_it() -> None:
    old = (order("blind", "CLOSE"), order("named", "CLOSE", target="1"))
    assert run(alert(), view(orders=old)).intents[0].after == ("blind",)
    netting = view(orders=old, account=account(margin_mode=MarginMode.NETTING))
    assert run(alert(), netting).intents[0].after == ("blind", "named")


def test_cancel_ends_unsent_entries_here_and_placed_ones_at_the_broker() -> None:
    v = view(orders=(order("q"), order("p", "PENDING", "PLACED", ticket="77"), order("s", side="SELL")))
    decision = run(alert("CANCEL_LONG"), v)
    assert (decision.cancels, acts(decision)) == (("q",), [("CANCEL", "77", None)])
    assert run(alert("CANCEL")).code == "NOTHING_TO_CLOSE"


def test_an_unreported_account_cannot_change_stops() -> None:
    assert run(alert("BREAKEVEN"), legacy()).code == "VENUE_UNSUPPORTED"


def test_pause_and_resume_are_wishes_for_the_route() -> None:
    assert run(alert("PAUSE"), view(killed=True)).pause is True
    assert run(alert("RESUME")).pause is False


# --- reversal


def again(held: Order, v: AccountView, action: str = "SELL", **more: int) -> Decision:
    route = Route(name="r", accounts=("A",), rules=RouteRules(size_value=D("0.10"), reverse=True))
    memory = RouteMemory(entries=(AT,), last_entry=(Side.SELL, D("0.10"), AT))
    return redecide(held, signal(alert(action)), route, v, memory, at=AT + more.get("after_ms", 1_000))


def test_a_reversal_closes_first_and_holds_its_entry() -> None:
    for a in (alert("REVERSE"), alert("SELL")):
        decision = run(a, view(positions=(position(),)), reverse=True)
        assert [(i.op, i.side, i.waits, i.held) for i in decision.intents] == [
            (Op.CLOSE, Side.BUY, False, False),
            (Op.OPEN, Side.SELL, True, True),
        ]


def test_the_exits_of_a_reversal_go_even_if_its_entry_is_refused() -> None:
    decision = run(alert("REVERSE"), view(positions=(position(),), killed=True))
    assert (decision.code, acts(decision)) == ("KILLED", [("CLOSE", "1", D("0.10"))])
    assert not decision.refused


def test_reverse_needs_a_position_of_one_side() -> None:
    assert run(alert("REVERSE")).code == "NOTHING_TO_CLOSE"
    assert run(alert("REVERSE"), LONG_AND_SHORT).code == "MIXED"


HELD = order("h", side="SELL", held=True, volume=None)


def test_the_held_entry_opens_once_all_has_closed() -> None:
    assert acts(again(HELD, view(orders=(HELD,)))) == [("OPEN", "", D("0.10"))]


@pytest.mark.parametrize(
    ("code", "v", "after_ms"),
    [
        ("REVERSAL_INCOMPLETE", view(positions=(position(volume="0.01"),)), 1_000),
        ("EXPIRED_ENTRY", view(), 30_000),
        ("KILLED", view(killed=True), 1_000),
        ("STALE_ACCOUNT", view(fresh=False), 1_000),
    ],
)
def test_the_held_entry_passes_every_check_again(code: str, v: AccountView, after_ms: int) -> None:
    assert again(HELD, v, after_ms=after_ms).code == code


def test_to_an_account_without_reports_a_reversal_goes_in_order_of_arrival() -> None:
    memory = RouteMemory(last_entry=(Side.BUY, D("0.10"), AT - 60_000))
    decision = run(alert("REVERSE"), legacy(), memory)
    assert [(i.op, i.side, i.held) for i in decision.intents] == [
        (Op.CLOSE, Side.BUY, False),
        (Op.OPEN, Side.SELL, False),
    ]


# --- target position

STOPPED = RouteMemory(target=Target(position=Standing.LONG, size=D(3)), closed_by_other=True)


def aim(
    where: str, contracts: str | None, v: AccountView | None = None, memory: RouteMemory | None = None, **more: str
) -> Decision:
    return run(to(where, contracts, **more), v, memory, lots_per_contract=D("0.1"))


@pytest.mark.parametrize(
    ("where", "contracts", "held", "expected"),
    [
        ("LONG", "1", (), [("OPEN", "", D("0.1"))]),
        ("LONG", "3", (position(),), [("OPEN", "", D("0.20"))]),
        ("LONG", "1", (position(),), []),
        ("LONG", "1", (position(volume="0.30"),), [("CLOSE_PARTIAL", "1", D("0.20"))]),
        ("LONG", "1", (position(volume="0.10"), position(ident="2")), [("CLOSE", "1", D("0.10"))]),
        ("FLAT", None, (position(),), [("CLOSE", "1", D("0.10"))]),
        ("FLAT", "0", (), []),
        ("SHORT", "2", (position(),), [("CLOSE", "1", D("0.10")), ("OPEN", "", D("0.20"))]),
        ("LONG", None, (), [("OPEN", "", D("0.10"))]),
        ("LONG", None, (position(),), []),
        ("LONG", "1", (position(magic=0),), [("OPEN", "", D("0.1"))]),
        ("SHORT", "0", (position(),), [("CLOSE", "1", D("0.10"))]),
    ],
)
def test_a_target_brings_our_share_to_where_the_strategy_stands(
    where: str, contracts: str | None, held: tuple, expected: list[object]
) -> None:  # type: ignore[type-arg]
    decision = aim(where, contracts, view(positions=held))
    assert (acts(decision), decision.code) == (expected, "")
    assert decision.target is not None


def test_what_is_under_way_counts() -> None:
    assert acts(aim("LONG", "3", view(orders=(order(),)))) == [("OPEN", "", D("0.20"))]
    assert aim("FLAT", None, view(orders=(order("q"),))).cancels == ("q",)


@pytest.mark.parametrize(
    ("code", "v", "memory", "more"),
    [
        ("TARGET_IN_DOUBT", view(orders=(order(state="UNKNOWN"),)), RouteMemory(), {}),
        ("TARGET_IN_DOUBT", legacy(), RouteMemory(), {}),
        ("TARGET_GAP", view(), RouteMemory(), {"prev": "LONG", "prev_size": "1"}),
        ("TARGET_GAP", view(), RouteMemory(target=Target(position=Standing.LONG, size=D(1))), {"prev": "FLAT"}),
        (
            "CLOSED_BY_OTHER",
            view(),
            RouteMemory(target=Target(position=Standing.LONG, size=D(3)), closed_by_other=True),
            {},
        ),
    ],
)
def test_any_doubt_holds_an_increase(code: str, v: AccountView, memory: RouteMemory, more: dict[str, str]) -> None:
    decision = aim("LONG", "3", v, memory, **more)
    assert (decision.code, decision.intents) == (code, ())
    assert decision.target is not None, "the next alert compares itself with this one"


def test_no_doubt_holds_a_reduction() -> None:
    v = view(positions=(position(volume="0.50"),), orders=(order(state="UNKNOWN"),))
    assert acts(aim("LONG", "1", v, prev="SHORT", prev_size="9")) == [("CLOSE_PARTIAL", "1", D("0.40"))]


def test_a_gap_can_be_healed_at_once_where_the_route_says_so() -> None:
    a = to("LONG", "3", prev="LONG", prev_size="1")
    assert run(a, lots_per_contract=D("0.1"), on_gap="heal").code == ""


def test_an_older_target_is_stale_and_contracts_need_a_factor() -> None:
    a = msgspec.structs.replace(to("FLAT"), fired_at=AT - 1)
    assert run(a, view(positions=(position(),)), RouteMemory(target_fired_at=AT)).code == "STALE_TARGET"
    assert run(to("LONG", "1")).code == "NO_FACTOR"


def test_after_a_stop_a_changed_target_enters_again() -> None:
    memory = RouteMemory(target=Target(position=Standing.LONG, size=D(1)), closed_by_other=True)
    assert acts(aim("LONG", "2", None, memory)) == [("OPEN", "", D("0.2"))]


def test_a_target_that_says_nothing_is_refused_and_not_raised() -> None:
    assert run(alert("TARGET")).code == "BAD_TARGET"
