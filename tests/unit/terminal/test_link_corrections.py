"""An exit that a trade by hand overtakes on a netting account opens something: it is taken back at once, and once (R10)."""

import msgspec
import pytest
from tests.unit.terminal.link_desk import PREFIX, D, Ea, closing, deal, frames, notes, only, order, position, see

from kakehashi.domain.frames import Evt, Query, QueryResult
from kakehashi.terminal.core.link_words import Answered, Look, Output, Trade
from kakehashi.terminal.core.words import MarginMode, OrderState, OrderType, Result

HELD = position("1001")
OPENING = deal("90", 900, position="1001", order="1001")
FIX = PREFIX | 1 << 40 | 1


def sold(ticket: str = "100", entry: str = "IN", **fields: object) -> object:
    return deal(ticket, side="S", entry=entry, order="3001", **fields)


def overtaken(ea: Ea, *deals: object) -> list[Output]:
    """CLOSE 0.10 of the position is sent, and comes back as ``deals``."""
    ea.show(positions=(HELD,))
    closing(ea)
    (trade,) = only(ea.out, Trade)
    ea.out.clear()
    ea.show(positions=())
    out = ea.do(Answered(id=trade.id, result=Result(retcode=10009, order=3001, deal=100), deals=deals))
    ea.now += 250  # what the terminal shows from now on is younger
    return out


def netting() -> Ea:
    return Ea(margin_mode=MarginMode.NETTING).connect()


def wrong(volume: str = "0.10", ident: str = "3001") -> object:
    return position(ident, side="S", volume=D(volume), magic=str(PREFIX | 1))


def test_an_exit_that_came_after_a_close_by_hand_is_taken_back_whole() -> None:
    ea = netting()
    overtaken(ea, sold())
    ea.show(positions=(wrong(),))
    out = see(ea, deals=(sold(),))
    (trade,) = only(out, Trade)
    r = trade.request
    assert (trade.id, r.type, r.volume, r.position, r.magic) == ("fix1-c-1", OrderType.BUY, D("0.10"), 3001, FIX)
    back = deal("101", side="B", entry="OUT", order="3002", position="3001", magic=str(FIX))
    told = frames(ea.do(Answered(id=trade.id, result=Result(retcode=10009, order=3002, deal=101), deals=(back,))), Evt)
    assert [(e.n, e.id, e.st, e.vol) for e in told] == [(2, "fix1-c-1", "FILLED", D("0.10"))]
    assert not only(ea.wait(30_000), Trade)


def test_of_an_exit_that_reversed_a_position_only_what_it_opened_is_taken_back() -> None:
    ea = netting()
    byhand = deal("95", 0, side="S", entry="OUT", position="1001", volume=D("0.06"), magic="0", reason="CLIENT")
    reversed_ = sold(entry="INOUT", position="1001")
    overtaken(ea, reversed_)
    ea.show(positions=(wrong("0.06", "1001"),))
    assert not only(see(ea, deals=(reversed_,)), Trade)  # history does not show yet what was before
    ea.wait(1_000)
    (trade,) = only(see(ea, deals=(OPENING, byhand, reversed_)), Trade)
    assert (trade.request.volume, trade.request.position) == (D("0.06"), 1001)


def test_what_somebody_has_closed_meanwhile_is_left_alone_and_told_as_flat() -> None:
    ea = netting()
    overtaken(ea, sold())
    see(ea, deals=(sold(),))
    ea.wait(4_000)  # the terminal may only not show it yet
    assert "fix1-c-1" not in ea.link.memory.works
    told = {(e.id, e.st, e.reason) for e in frames(ea.wait(1_500), Evt)}
    assert ("fix1-c-1", "DONE", "ALREADY_FLAT") in told
    assert not only(ea.wait(30_000), Trade)


def test_no_more_is_taken_back_than_is_still_there() -> None:
    ea = netting()
    overtaken(ea, sold())
    ea.show(positions=(wrong("0.03"),))
    (trade,) = only(see(ea, deals=(sold(),)), Trade)
    assert trade.request.volume == D("0.03")


def test_the_next_exit_of_the_symbol_waits_for_the_correction() -> None:
    ea = netting()
    overtaken(ea, sold())
    ea.show(positions=(wrong(),))
    closing(ea, 2, target="3001", side="S")
    assert not only(ea.out, Trade)
    (trade,) = only(see(ea, deals=(sold(),)), Trade)
    assert trade.id == "fix1-c-1"


def test_a_correction_that_the_broker_refuses_is_tried_again_under_another_name() -> None:
    ea = netting()
    overtaken(ea, sold())
    ea.show(positions=(wrong(),))
    see(ea, deals=(sold(),))
    ea.do(Answered(id="fix1-c-1", result=Result(retcode=10004)))
    ea.out.clear()
    assert not only(ea.wait(1_750), Trade)
    (trade,) = only(ea.wait(500), Trade)
    assert (trade.id, trade.request.magic) == ("fix2-c-1", PREFIX | 2 << 40 | 1)


def test_a_correction_that_is_overtaken_itself_is_corrected_in_its_turn() -> None:
    ea = netting()
    overtaken(ea, sold())
    ea.show(positions=(wrong(),))
    (trade,) = only(see(ea, deals=(sold(),)), Trade)
    bought = deal("105", side="B", order="3002", position="3002", magic=str(FIX))
    ea.do(Answered(id=trade.id, result=Result(retcode=10009, order=3002, deal=105), deals=(bought,)))
    ea.now += 250
    ea.show(positions=(position("3002"),))
    (trade,) = only(see(ea, deals=(bought,)), Trade)
    assert (trade.id, trade.request.type, trade.request.position) == ("fix2-c-1", OrderType.SELL, 3002)


def test_a_hedging_account_corrects_nothing() -> None:
    ea = Ea().connect()
    overtaken(ea, sold())
    assert not only(ea.wait(5_000), Look)


LINES = ("INTENT", "SENT", "TOLD")


@pytest.mark.parametrize("survives", range(1, 4), ids=[f"after {name}" for name in LINES])
def test_killed_at_any_line_of_the_correction_it_is_sent_once(survives: int) -> None:
    """What is on disk when the EA dies; its successor sends what was never sent, and nothing twice."""
    ea = netting()
    overtaken(ea, sold())
    ea.show(positions=(wrong(),))
    out = see(ea, deals=(sold(),))
    back = deal("101", side="B", entry="OUT", order="3002", position="3001", magic=str(FIX))
    out += ea.do(Answered(id="fix1-c-1", result=Result(retcode=10009, order=3002, deal=101), deals=(back,)))
    assert notes(out) == list(LINES)
    lines = ea.raw.splitlines(keepends=True)
    again = Ea(b"".join(lines[: len(lines) - len(LINES) + survives]), margin_mode=MarginMode.NETTING).connect()
    fills = order(OrderState.FILLED, ticket=3002, magic=FIX, type=OrderType.BUY, volume_current=D(0))
    for _ in range(60):
        for look in [o for o in again.wait(5_000) if isinstance(o, Look)][-1:]:
            again.do(msgspec.structs.replace(again.view))
            again.out.append(look)
            see(again, deals=(sold(), back), ended=(fills,))
    assert not only(again.out, Trade)
    assert again.link.memory.works["fix1-c-1"].state == "FILLED"


def test_killed_before_the_correction_began_it_is_looked_for_and_then_sent() -> None:
    """Its lines may have been lost with the power: so nothing goes out before its absence is proven."""
    ea = netting()
    overtaken(ea, sold())
    again = Ea(ea.raw, margin_mode=MarginMode.NETTING).connect()
    again.show(positions=(wrong(),))
    sent: list[Trade] = []
    for _ in range(60):
        fresh = again.wait(5_000)
        sent += only(fresh, Trade)
        for look in only(fresh, Look)[-1:]:
            again.out.append(look)
            sent += only(see(again, deals=(sold(),) if look.position else ()), Trade)
    assert [t.id for t in sent] == ["fix2-c-1"]
    assert again.link.memory.works["fix1-c-1"].state == "NOT_EXECUTED"


def test_the_hub_may_ask_what_became_of_a_correction() -> None:
    ea = netting()
    overtaken(ea, sold())
    ea.show(positions=(wrong(),))
    see(ea, deals=(sold(),))
    (answer,) = frames(ea.do(Query(id="fix1-c-1", magic=str(FIX))), QueryResult)
    assert answer.jst == "SENT"


def test_the_next_exit_is_judged_by_what_the_terminal_shows_after_the_one_before() -> None:
    ea = netting()
    ea.show(positions=(HELD,))
    closing(ea, 1, op="CLOSE_PARTIAL", vol=D("0.05"))
    closing(ea, 2)
    (first,) = only(ea.out, Trade)
    part = deal("100", side="S", entry="OUT", position="1001", volume=D("0.05"))
    done = Answered(id=first.id, result=Result(retcode=10009, order=3001, deal=100), deals=(part,))
    assert not only(ea.do(done), Trade)
    ea.now += 250
    (second,) = only(ea.show(positions=(position("1001", volume=D("0.05")),)), Trade)
    assert second.request.volume == D("0.05")
