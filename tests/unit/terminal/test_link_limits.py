"""What grows is kept in bounds: frames below 64 KiB, a journal that is rewritten; and deals are told from the first start on."""

import msgspec
from tests.unit.terminal.link_desk import WALL, D, Ea, deal, frames, only, opening, order, see

from kakehashi.domain.framecodec import MAX_FRAME, encode
from kakehashi.domain.frames import Evt, EvtAck, FromEa, Query, QueryResult, SymbolRow, Syms
from kakehashi.terminal.core import journal
from kakehashi.terminal.core.link_words import DAY, Output, Send, Stopping, Symbols, Trade
from kakehashi.terminal.core.words import Filling, OrderState

LONG_NAME = "A_SYMBOL_WITH_A_NAME_AS_LONG_AS_"


def sent(out: list[Output]) -> list[FromEa]:
    return [o.frame for o in out if isinstance(o, Send)]


def fits(out: list[Output]) -> bool:
    return all(len(encode(frame)) <= MAX_FRAME for frame in sent(out))


def specs(count: int, **more: str) -> Symbols:
    size = D("0.00000001")
    rows = (
        SymbolRow(symbol=f"{LONG_NAME}{n}", digits=8, point=size, tick_size=size, tick_value=size, vol_step=size, **more)
        for n in range(count)
    )  # fmt: skip
    return Symbols(tuple(rows))


def test_a_thousand_symbols_are_told_in_frames_that_fit() -> None:
    ea = Ea().connect()
    out = ea.do(specs(1_000, filling="FOK,IOC", profit_currency="USD", trade_mode="FULL"))
    assert fits(out)
    assert [row.symbol for frame in frames(out, Syms) for row in frame.rows] == [
        f"{LONG_NAME}{n}" for n in range(1_000)
    ]


def test_a_market_order_asks_for_the_filling_its_symbol_allows() -> None:
    for told, filling in (("FOK,IOC", Filling.IOC), ("FOK", Filling.FOK), ("", None)):
        ea = Ea().connect()
        ea.do(Symbols((SymbolRow(symbol="EURUSD", filling=told),)))
        assert only(ea.command(), Trade)[0].request.filling is filling


def test_an_order_of_many_deals_is_told_in_frames_that_fit_and_each_deal_once() -> None:
    ea = Ea().connect()
    ea.command(vol=D(3), ttl_ms=600_000)
    deals = tuple(deal(str(n), volume=D("0.01"), symbol=LONG_NAME) for n in range(1, 301))
    ea.wait(5_250)
    out = see(ea, ended=(order(OrderState.FILLED, volume_initial=D(3), volume_current=D(0)),), deals=deals)
    told = frames(out, Evt)
    assert fits(out)
    assert [(e.st, len(e.deals)) for e in told] == [("DEAL", 100), ("DEAL", 100), ("FILLED", 100)]
    assert told[-1].vol == 3
    assert [d.ticket for e in told for d in e.deals] == [d.ticket for d in deals]
    assert not frames(ea.show(deals=deals), Evt)


def test_a_long_history_is_answered_in_frames_that_fit_of_which_the_last_counts() -> None:
    ea = Ea().connect()
    ea.do(Query(position="1"))
    deals = tuple(deal(str(n), symbol=LONG_NAME) for n in range(1, 251))
    out = see(ea, deals=deals)
    answers = frames(out, QueryResult)
    assert fits(out)
    assert [(len(a.found), a.synced, a.hist_from > 0) for a in answers] == [
        (100, False, False),
        (100, False, False),
        (50, True, True),
    ]


def test_what_was_dealt_while_the_ea_was_away_for_days_is_told_even_if_it_never_told_one() -> None:
    ea = Ea().connect()
    assert ea.link.memory.deals_since == WALL - DAY
    ea.do(Stopping())
    later = Ea(ea.raw)
    later.show(broker_time=WALL + 9 * DAY)
    assert later.link.memory.deals_since == WALL - DAY, "it is what the terminal is asked for"


def grown() -> Ea:
    """A thousand commands, 990 of them long over, one unfinished."""
    ea = Ea().connect()
    for n in range(1, 1_001):
        ea.command(n, ttl_ms=600_000, target=str(n))
        if n == 1_000:
            break
        journal_line = journal.Told(
            evt=Evt(n=ea.link.memory.evt_hi + 1, id=f"c-{n}", st="FILLED", vol=D("0.10")),
            wall=0 if n <= 990 else journal.KEEP_MS,
        )
        ea.raw += journal.write(ea.link.memory, journal_line)
        if n <= 995:
            ea.do(EvtAck(n=ea.link.memory.evt_hi))
    return ea


def test_a_rewritten_journal_knows_what_matters_and_goes_on_with_the_chain() -> None:
    ea = grown()
    before = journal.read(ea.raw)
    raw = journal.rewritten(before, journal.KEEP_MS + 1)
    after = journal.read(raw)
    assert len(raw) < len(ea.raw) / 20
    assert after.kept == len(raw)
    assert after.line > before.line
    assert {*after.works} == {f"c-{n}" for n in range(991, 1_001)}
    assert ([*after.outbox], [*after.acked]) == ([*before.outbox], [991, 992, 993, 994, 995])
    assert ([*after.open_works], after.works["c-1000"].state) == (["c-1000"], "SENT")
    same = (
        "instance",
        "prev",
        "holder",
        "boot",
        "ep",
        "control",
        "cmd_hi",
        "evt_hi",
        "evt_acked",
        "deal_hi",
        "deals",
        "started",
    )
    assert {name: getattr(after, name) for name in same} == {name: getattr(before, name) for name in same}
    assert after.forgotten == 990
    raw += journal.write(after, journal.Clean())
    assert journal.read(raw).clean
    assert journal.read(raw[1:]).line == 0, "the number is part of the chain"


def test_a_command_that_was_forgotten_is_not_carried_out_again() -> None:
    ea = Ea(journal.rewritten(journal.read(grown().raw), journal.KEEP_MS + 1)).connect()
    out = ea.command(7)
    assert [frame.code for frame in sent(out) if msgspec.to_builtins(frame)["t"] == "ERR"] == ["SAME_ID"]
    assert not [o for o in out if isinstance(o, Trade)]
    assert opening(7).id not in ea.link.memory.works
