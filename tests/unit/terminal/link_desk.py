"""An EA machine with a clock, a journal file and a terminal that shows what it is told to; and rows to show it."""

from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from kakehashi.domain.frames import (
    Cmd,
    DealRow,
    Evt,
    Heartbeat,
    HeartbeatAck,
    OrderRow,
    PositionRow,
    Welcome,
)
from kakehashi.terminal.core import journal
from kakehashi.terminal.core.link import EaLink
from kakehashi.terminal.core.link_words import (
    Append,
    Connected,
    Identity,
    Input,
    Look,
    Output,
    Passed,
    Seen,
    Send,
    Started,
    View,
)
from kakehashi.terminal.core.words import (
    ZERO,
    MarginMode,
    Order,
    OrderState,
    OrderType,
    Reason,
)

T = TypeVar("T")
D = Decimal
PREFIX = 0x1234 << 48
WALL = 1_790_000_000_000


class Ea:
    """A machine and the shell around it: a clock, a journal file, a terminal that shows what it is told to."""

    def __init__(self, raw: bytes = b"", *, margin_mode: MarginMode = MarginMode.HEDGING) -> None:
        self.raw, self.now, self.skew = raw, 1_000_000, 0
        self.identity = Identity(account="77", server="Demo", margin_mode=margin_mode)
        self.link = EaLink(journal.read(raw), self.identity)
        self.out: list[Output] = []
        self.view = View(connected=True, login="77", server="Demo", broker_time=WALL)
        self.answering = True
        self.ep, self.acks = 5, True
        self.do(Started(fresh=f"i-{len(raw)}"))

    def do(self, event: Input) -> list[Output]:
        fresh = self.link.take(event, now=self.now, wall=WALL + self.now + self.skew)
        self.out += fresh
        self.raw += b"".join(o.raw for o in fresh if isinstance(o, Append))
        return fresh

    def show(self, **changes: Any) -> list[Output]:
        self.view = msgspec.structs.replace(self.view, **changes)
        return self.do(self.view)

    def wait(self, ms: int, *, beats: bool = True) -> list[Output]:
        """Time passes as it does: a turn each 250 ms with a read of the terminal; the hub answers heartbeats."""
        start = len(self.out)
        for _ in range(ms // 250):
            self.now += 250
            fresh = self.do(Passed()) + self.do(self.view)
            for hb in [f for f in frames(fresh, Heartbeat) if beats]:
                self.do(HeartbeatAck(n=hb.n, ep=self.ep))
        return self.out[start:]

    def connect(self, ep: int = 5) -> "Ea":
        """Welcomed, with a lease, on a terminal that has settled."""
        self.ep = ep
        self.do(Connected(fresh=f"c-{len(self.raw)}"))
        self.do(welcome(ep))
        for hb in frames(self.out, Heartbeat):
            self.do(HeartbeatAck(n=hb.n, ep=ep))
        self.wait(7_000)
        self.out.clear()
        return self

    @property
    def beat(self) -> int:
        return max(self.link._beats)

    def command(self, number: int = 1, **fields: Any) -> list[Output]:
        return self.do(self.cmd(number, **fields))

    def cmd(self, number: int = 1, **fields: Any) -> Cmd:
        n = self.beat
        stamped = {"hn": n, "hn_ago_ms": self.now - self.link._beats[n], "ep": self.ep}
        return opening(number, **(stamped | fields))


def opening(number: int = 1, **fields: Any) -> Cmd:
    base: dict[str, Any] = {
        "id": f"c-{number}", "seq": number, "op": "OPEN", "sym": "EURUSD", "side": "B", "vol": D("0.10"),
        "magic": str(PREFIX | number), "ttl_ms": 30_000, "ep": 5,
    }  # fmt: skip
    return Cmd(**(base | fields))


def welcome(ep: int = 5, evt_ack: int = 0) -> Welcome:
    return Welcome(ep=ep, lease_ms=15_000, hb_ms=5_000, stale_ms=6_500, dead_ms=12_000, evt_ack=evt_ack)


def frames(out: list[Output], kind: type[T]) -> list[T]:
    return [o.frame for o in out if isinstance(o, Send) and isinstance(o.frame, kind)]


def only(out: list[Output], kind: type[T]) -> list[T]:
    return [o for o in out if isinstance(o, kind)]


def notes(out: list[Output]) -> list[str]:
    return [msgspec.json.decode(o.raw.split(b" ", 3)[3])["k"] for o in only(out, Append)]


def results(out: list[Output]) -> list[tuple[str, str]]:
    return [(e.st, e.reason) for e in frames(out, Evt)]


def position(ticket: str = "1001", **fields: Any) -> PositionRow:
    base: dict[str, Any] = {
        "ticket": ticket, "ident": ticket, "symbol": "EURUSD", "side": "B", "volume": D("0.10"), "open": D("1.08"),
        "magic": str(PREFIX | 900), "opened": WALL - 5_000,
    }  # fmt: skip
    return PositionRow(**(base | fields))


def resting(ticket: str = "2001", **fields: Any) -> OrderRow:
    base: dict[str, Any] = {
        "ticket": ticket, "symbol": "EURUSD", "type": "BUY_LIMIT", "volume": D("0.10"), "price": D("1.05"),
        "magic": str(PREFIX | 901),
    }  # fmt: skip
    return OrderRow(**(base | fields))


def deal(ticket: str, number: int = 1, **fields: Any) -> DealRow:
    base: dict[str, Any] = {
        "ticket": ticket, "order": "3001", "position": "3001", "symbol": "EURUSD", "side": "B", "entry": "IN",
        "volume": D("0.10"), "price": D("1.08"), "time": WALL, "reason": "EXPERT", "magic": str(PREFIX | number),
    }  # fmt: skip
    return DealRow(**(base | fields))


def order(state: OrderState, number: int = 1, **fields: Any) -> Order:
    base: dict[str, Any] = {
        "ticket": 3001, "symbol": "EURUSD", "type": OrderType.BUY, "state": state, "volume_initial": D("0.10"),
        "volume_current": D("0.10"), "price_open": ZERO, "sl": ZERO, "tp": ZERO, "magic": PREFIX | number,
        "comment": "", "reason": Reason.EXPERT, "time_setup": WALL,
    }  # fmt: skip
    return Order(**(base | fields))


def see(ea: Ea, **found: Any) -> list[Output]:
    """Answer the newest look."""
    look = only(ea.out, Look)[-1]
    return ea.do(Seen(id=look.id, n=look.n, **found))


def closing(ea: Ea, number: int = 1, **fields: Any) -> list[Output]:
    base = {"op": "CLOSE", "target": "1001", "vol": ZERO, "expect_vol": D("0.10")}
    return ea.command(number, **(base | fields))
