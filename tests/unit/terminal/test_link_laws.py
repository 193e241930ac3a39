"""Law 5 at the EA: whatever is delivered, dropped or repeated, and wherever it dies, a command is one trade request."""

from collections import Counter

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.terminal.link_desk import WALL, D, Ea, deal, opening, order, position, resting, welcome

from kakehashi.domain.frames import Cmd, EvtAck, Halt, HeartbeatAck, Query, Refuse, ReqSnap, Resume
from kakehashi.terminal.core import journal
from kakehashi.terminal.core.link import EaLink
from kakehashi.terminal.core.link_words import (
    Answered,
    Append,
    Connected,
    Disconnected,
    Input,
    Look,
    Passed,
    Seen,
    Started,
    Stopping,
    Trade,
)
from kakehashi.terminal.core.words import ZERO, OrderState, Result

COMMANDS = (
    opening(1),
    opening(2, op="CLOSE", target="1001", vol=ZERO, expect_vol=D("0.10")),
    opening(3, op="PENDING", kind="LIMIT", price=D("1.05")),
    opening(4, op="MODIFY", target="1001", sl=D("1.07")),
    opening(5, op="CANCEL", target="2001"),
    opening(6, op="CLOSE_PARTIAL", target="1001", vol=D("0.05"), expect_vol=D("0.10")),
)

acts = st.one_of(
    st.tuples(st.just("deliver"), st.sampled_from(COMMANDS)),
    st.tuples(st.just("wait"), st.sampled_from([250, 1_000, 6_000, 20_000])),
    st.tuples(st.just("jump"), st.sampled_from([900, 1_500, 60_000])),
    st.tuples(st.just("answer"), st.sampled_from([0, 10004, 10006, 10008, 10009, 10012, 10025, 10031, 10036, 10039])),
    st.tuples(st.just("see"), st.sampled_from(["nothing", "filled", "working", "canceled"])),
    st.tuples(st.just("ack"), st.integers(0, 9)),
    st.tuples(st.just("hub"), st.sampled_from([Halt(gen=1), Resume(gen=2), Halt(gen=3), ReqSnap(), Query(id="c-1")])),
    st.tuples(st.just("connection"), st.sampled_from(["down", "up", "refused"])),
    st.tuples(st.just("die"), st.booleans()),
)


class Mortal:
    """A shell that may die before any output of the machine, or in the middle of a line; the journal is what is left."""

    def __init__(self) -> None:
        self.raw, self.now, self.ep = b"", 1_000_000, 4
        self.trades: Counter[str] = Counter()
        self.calls: list[Trade] = []
        self.looks: list[Look] = []
        self.left: int | None = None
        view = Ea().view
        self.view = msgspec.structs.replace(view, positions=(position(),), orders=(resting(),))
        self.start()

    def start(self, kept: int | None = None) -> None:
        self.link = EaLink(journal.read(self.raw), Ea().identity)
        self.raw = self.raw[: self.link.memory.kept]
        self.calls, self.looks, self.left = [], [], kept
        self.do(Started(fresh=f"i-{len(self.raw)}"))
        self.up()

    def up(self) -> None:
        self.ep += self.link.memory.ep < self.ep or self.link.memory.prev is not None
        self.do(Connected(fresh=f"c-{len(self.raw)}"))
        self.do(welcome(self.ep))
        for _ in range(28):
            self.tick()

    def tick(self) -> None:
        self.now += 250
        self.do(Passed())
        self.do(self.view)
        self.do(HeartbeatAck(n=self.link._n, ep=self.ep))

    def do(self, event: Input) -> None:
        for out in self.link.take(event, now=self.now, wall=WALL + self.now):
            if self.left == 0:
                self.raw += out.raw[:-3] if isinstance(out, Append) else b""
                self.start()
                return
            self.left = self.left - 1 if self.left else None
            match out:
                case Append():
                    self.raw += out.raw
                case Trade():
                    self.trades[out.id] += 1
                    self.calls.append(out)
                    known = journal.read(self.raw)
                    assert known.kept == len(self.raw)
                    assert known.works[out.id].sent is not None, "SENT is on disk before the call"
                case Look():
                    self.looks.append(out)
        assert self.left or journal.read(self.raw) == self.link.memory, "what it knows is what is written"

    def deliver(self, cmd: Cmd) -> None:
        self.do(msgspec.structs.replace(cmd, ep=self.ep, hn=self.link._n))

    def wait(self, ms: int) -> None:
        for _ in range(ms // 250):
            self.tick()

    def jump(self, ms: int) -> None:
        self.now += ms

    def answer(self, retcode: int) -> None:
        if self.calls:
            self.do(Answered(id=self.calls.pop().id, result=Result(retcode=retcode)))

    def see(self, what: str) -> None:
        if not self.looks:
            return
        look = self.looks.pop()
        number = look.magic & 0xFF
        match what:
            case "filled":
                seen = Seen(
                    id=look.id, n=look.n, deals=(deal("9", number),), ended=(order(OrderState.FILLED, number),)
                )  # fmt: skip
            case "working":
                seen = Seen(id=look.id, n=look.n, working=(order(OrderState.PLACED, number),))
            case "canceled":
                seen = Seen(id=look.id, n=look.n, ended=(order(OrderState.CANCELED, number),))
            case _:
                seen = Seen(id=look.id, n=look.n)
        self.do(seen)

    def ack(self, n: int) -> None:
        self.do(EvtAck(n=n))

    def hub(self, frame: Input) -> None:
        self.do(frame)

    def connection(self, what: str) -> None:
        if what == "up":
            self.up()
        else:
            self.do(Disconnected() if what == "down" else Refuse(reason="JOURNAL_BACK"))

    def die(self, clean: bool) -> None:
        if clean:
            self.do(Stopping())
            self.start()
        else:
            self.left = 1  # after the next output


@settings(max_examples=150)
@given(st.lists(acts, max_size=25), st.lists(st.tuples(st.integers(0, 24), st.integers(0, 4)), max_size=3))
def test_a_command_is_at_most_one_trade_request(
    history: list[tuple[str, object]], deaths: list[tuple[int, int]]
) -> None:
    ea = Mortal()
    for number, (name, argument) in enumerate(history):
        if number in dict(deaths):
            ea.left = dict(deaths)[number]
        getattr(ea, name)(argument)
    assert all(count == 1 for count in ea.trades.values()), ea.trades


@given(st.integers(0, 5), st.integers(0, 40))
def test_delivered_again_after_any_death_it_is_not_sent_again(which: int, outputs: int) -> None:
    ea = Mortal()
    ea.left = outputs or None
    for _ in range(3):
        ea.deliver(COMMANDS[which])
        ea.wait(1_000)
    assert ea.trades[COMMANDS[which].id] <= 1


@given(st.data())
def test_any_prefix_of_a_journal_is_read_up_to_its_last_whole_line(data: st.DataObject) -> None:
    ea = Ea().connect()
    ea.command()
    ea.do(Stopping())
    cut = data.draw(st.integers(0, len(ea.raw)))
    read = journal.read(ea.raw[:cut])
    assert read.kept == ea.raw[:cut].rfind(b"\n") + 1
    assert read.clean == (cut == len(ea.raw))
    assert read.line == ea.raw[:cut].count(b"\n")


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_breaks_the_chain_where_it_is(at: int, flip: int) -> None:
    ea = Ea().connect()
    ea.command()
    raw = bytearray(ea.raw)
    at %= len(raw)
    raw[at] ^= flip
    assert journal.read(bytes(raw)).line <= ea.raw[:at].count(b"\n")
