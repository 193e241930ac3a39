"""When absence is proof, when a terminal is believed, whose deal it is: the parts that decide, by themselves."""

import msgspec
import pytest
from tests.unit.terminal.link_desk import (
    WALL,
    D,
    Ea,
    closing,
    deal,
    only,
    order,
    position,
    results,
    see,
    welcome,
)  # fmt: skip

from kakehashi.domain.frames import HeartbeatAck, ReqSnap
from kakehashi.terminal.core import journal
from kakehashi.terminal.core.doubt import REFUSALS, Absence, window_ms
from kakehashi.terminal.core.link_words import Answered, Connected, Look, Seen, Trade, View
from kakehashi.terminal.core.mirror import Synced
from kakehashi.terminal.core.words import ZERO, OrderState, Result


def test_absence_is_two_reads_five_seconds_apart_after_the_window_on_a_settled_terminal() -> None:
    def reads(*asked: int, until: int = 10_000, synced: int | None = 0) -> bool:
        absence = Absence(until=until)
        return [absence.proves(asked=a, now=a + 100, synced_since=synced) for a in asked][-1]

    assert reads(10_000, 15_100)
    assert not reads(10_000, 15_000), "counted from the end of the first read"
    assert not reads(9_999, 15_100), "the first lay in the in-flight window"
    assert not reads(20_000), "one read"
    assert not reads(19_000, 25_000, synced=10_000), "the first lay in the first 10 s"
    assert reads(20_000, 25_100, synced=10_000)
    assert not reads(20_000, 26_000, synced=None)


def test_a_break_between_the_reads_begins_anew() -> None:
    absence = Absence(until=0)
    assert not absence.proves(asked=20_000, now=20_100, synced_since=0)
    assert not absence.proves(asked=40_000, now=40_100, synced_since=30_000)
    assert absence.proves(asked=46_000, now=46_100, synced_since=30_000)


def test_the_window_is_long_without_an_answer_and_longer_after_another_holder() -> None:
    plain = [window_ms(code, other_instance=False, lease_ms=15_000) for code in (10008, 10012, 10031, 0, None)]
    assert plain == [10_000, 180_000, 180_000, 180_000, 180_000]
    assert window_ms(None, other_instance=True, lease_ms=15_000) == 195_000
    ea = Ea().connect()
    ea.command()
    again = Ea(ea.raw)
    start, told = again.now, False
    while not told:
        for look in only(again.wait(250), Look):
            told = told or bool(again.do(Seen(id=look.id, n=look.n)) and again.link.memory.works["c-1"].final)
    assert 200_000 <= again.now - start < 207_000


def test_the_list_of_refusals_is_the_protocols() -> None:
    unknown = {0, 10008, 10011, 10012, 10023, 10025, 10028, 10031, 10036, 10039}
    assert not REFUSALS & unknown
    assert len(REFUSALS) == 3 + (6 + 4) + 5 + 4 + 1 + 7  # as the protocol lists them


def test_a_late_read_of_positions_proves_nothing_about_a_modify() -> None:
    ea = Ea().connect()
    ea.show(positions=(position(),))
    ea.command(op="MODIFY", target="1001", sl=D("1.07"))
    ea.do(Answered(id="c-1", result=Result(retcode=10008)))
    stale = ea.view
    for _ in range(40):  # looks are answered, but the terminal has not been read since the call
        ea.now += 1_000
        look = only(ea.out, Look)[-1]
        ea.do(Seen(id=look.id, n=look.n))
        n = ea.beat
        ea.do(HeartbeatAck(n=n, ep=5))
    assert not ea.link.memory.works["c-1"].final
    assert stale is ea.view


@pytest.mark.parametrize(
    ("reads", "synced"),
    [
        ([(0, 1), (5_000, 1)], True),
        ([(0, 1), (4_999, 1)], False),
        ([(0, 0), (4_900, 1), (5_100, 1)], False),
        ([(0, 0), (4_900, 1), (5_900, 1)], True),
        ([(0, 1), (3_000, None), (6_000, 1), (7_500, 1)], False),
    ],
    ids=["settled", "too short", "reads differ", "same again", "broke in between"],
)
def test_a_terminal_is_believed_after_five_seconds_and_two_same_reads(
    reads: list[tuple[int, int | None]], synced: bool
) -> None:
    terminal = Synced(Ea().identity)
    for at, positions in reads:
        rows = tuple(position(str(i + 1)) for i in range(positions or 0))
        shown = View(connected=positions is not None, login="77", server="Demo", broker_time=WALL, positions=rows)
        terminal.read(shown, at)
    assert (terminal.since is not None) is synced


def test_the_stop_loss_of_our_own_position_is_not_our_fill() -> None:
    ea = Ea().connect()
    ea.command()
    ea.do(Answered(id="c-1", result=Result(retcode=10012)))
    both = (deal("9", volume=D("0.04")), deal("10", entry="OUT", side="S", reason="SL", order="3002"))
    out = see(ea, working=(order(OrderState.PARTIAL, volume_current=D("0.06")),), deals=both)
    assert results(out) == [("PARTIAL", "")]
    assert ea.link.memory.works["c-1"].told is not None
    assert ea.link.memory.works["c-1"].told.vol == D("0.04")


def test_deals_that_history_still_owes_are_waited_for() -> None:
    ea = Ea().connect()
    ea.command()
    ea.do(Answered(id="c-1", result=Result(retcode=10009, order=3001)))
    assert not results(see(ea, ended=(order(OrderState.FILLED, volume_current=ZERO),)))
    ea.wait(1_000)
    part = order(OrderState.PARTIAL, volume_current=D("0.06"))  # IOC: ended, and a part of it was there
    assert results(see(ea, ended=(part,), deals=(deal("9", volume=D("0.04")),))) == [("CANCELLED", "PARTIAL")]
    assert ea.link.memory.works["c-1"].final


def test_an_exit_without_target_leaves_what_is_younger_than_its_alert() -> None:
    ea = Ea().connect()
    ea.show(positions=(position(opened=WALL - 1_000),))
    out = closing(ea, target="", opened_before=WALL - 6_000) + ea.wait(6_000)
    assert not only(out, Trade)
    assert results(out) == [("DONE", "ALREADY_FLAT")]


def test_an_answer_that_comes_late_gives_what_is_left_of_the_lease() -> None:
    ea = Ea()
    ea.do(Connected(fresh="x"))
    ea.do(welcome())
    for _ in range(2):  # the hub is there, it just answers no heartbeat
        ea.wait(7_000, beats=False)
        ea.do(ReqSnap())
    first = min(ea.link._beats)
    assert not only(ea.command(1), Trade)
    assert only(ea.do(HeartbeatAck(n=first, ep=5)), Trade)
    ea.do(ReqSnap())
    ea.wait(1_250, beats=False)
    assert not only(ea.command(2, sym="USDJPY"), Trade)


def test_lines_of_another_journal_do_not_fit_however_whole_they_are() -> None:
    mine, other = Ea().connect(), Ea().connect(6)
    mine.command()
    other.command()
    grafted = b"".join(mine.raw.splitlines(True)[:2] + other.raw.splitlines(True)[2:])
    assert journal.read(other.raw).line == 5
    assert journal.read(grafted).line == 2
    assert msgspec.json.decode(grafted.splitlines()[2].split(b" ", 3)[3])["k"] == "DEALS"
