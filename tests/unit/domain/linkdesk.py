"""A hub's link at a desk: time is moved by hand, and an EA's frames are typed in."""

from decimal import Decimal
from typing import Any

import msgspec

from kakehashi.domain import frames as f
from kakehashi.domain import linkwords as w
from kakehashi.domain.commands import Delivery
from kakehashi.domain.link import Link
from kakehashi.domain.linkwords import LinkRecord, LinkSettings, Steps

D = Decimal
WALL = 1_790_000_000_000
DAY = 86_400_000


def row(ticket: str = "1001", volume: str = "0.10", **more: Any) -> f.PositionRow:
    given = {"symbol": "EURUSD", "side": "B", "open": D("1.08550"), "magic": "7", "ident": ticket}
    return f.PositionRow(ticket=ticket, volume=D(volume), **(given | more))


def deal(ticket: str, **more: Any) -> f.DealRow:
    given = {"symbol": "EURUSD", "side": "B", "entry": "IN", "volume": D("0.10"), "price": D("1.08551"), "time": WALL}
    return f.DealRow(ticket=ticket, **(given | more))


def cmd(number: int, op: str = "OPEN", **more: Any) -> f.Cmd:
    given = {"sym": "EURUSD", "side": "B", "vol": D("0.10"), "magic": f"9{number:03}", "ep": 0, "ttl_ms": 30_000}
    return f.Cmd(id=f"c-{number}", seq=number, op=op, **(given | more))


class Desk:
    """One link and the newest EA on it, as the protocol's frames see them."""

    def __init__(self, record: LinkRecord | None = None, *, deliveries: tuple[Delivery, ...] = (), **settings: int):
        self.now, self.at = 1_000_000, WALL
        self.settings = LinkSettings(**settings)
        self.link = Link(record or LinkRecord(account="77"), self.settings, now=self.now, deliveries=deliveries)
        self.conn, self.n, self.boot, self.sseq = "", 0, 1, 0
        self.rows: dict[str, f.PositionRow] = {}
        self.orders: dict[str, f.OrderRow] = {}

    def step(self, event: type[msgspec.Struct], **fields: Any) -> Steps:
        return self.link.step(event(now=self.now, at=self.at, **fields))  # type: ignore[arg-type]

    def hear(self, frame: Any, conn: str = "") -> Steps:
        return self.step(w.Arrived, conn=conn or self.conn, frame=frame)

    def passes(self, ms: int) -> list[Steps]:
        """Time passes; the link is stepped whenever it asked to be."""
        steps: list[Steps] = []
        end = self.now + ms
        while (due := self.link.next_deadline()) is not None and due <= end:
            assert due > self.now, "the link wants to be stepped again and again"
            self.tick(due - self.now)
            steps.append(self.step(w.TimePassed))
        self.tick(end - self.now)
        return steps

    def tick(self, ms: int) -> None:
        self.now, self.at = self.now + ms, self.at + ms

    # -- what an EA says -----------------------------------------------------------------------------------------

    def hello(self, conn: str, instance: str = "A", **more: Any) -> Steps:
        self.conn = conn
        given = {"account": "77", "boot": self.boot, "jhi": 10, "jchain": 5, "broker_time": self.at}
        return self.hear(f.Hello(instance=instance, **(given | more)))

    def beat(self, **more: Any) -> Steps:
        self.n += 1
        given = {
            "boot": self.boot, "sseq": self.sseq, "synced": True,
            "crc": f.position_crc(self.rows.values()), "ocrc": f.order_crc(self.orders.values()),
        }  # fmt: skip
        return self.hear(f.Heartbeat(n=self.n, **(given | more)))

    def snap(self, *rows: f.PositionRow, **more: Any) -> Steps:
        self.sseq += 1
        self.rows = {r.ticket: r for r in rows}
        given = {"boot": self.boot, "sseq": self.sseq, "synced": True, "positions": rows}
        given |= {"crc": f.position_crc(rows), "ocrc": f.order_crc(self.orders.values())}
        return self.hear(f.Snap(**(given | {"orders": tuple(self.orders.values())} | more)))

    def change(self, ticket: str, new: f.PositionRow | None) -> Steps:
        self.sseq += 1
        self.rows.pop(ticket, None)
        if new is not None:
            self.rows[ticket] = new
        change = f.PositionChange(ticket=ticket, row=new)
        return self.hear(f.Delta(boot=self.boot, sseq=self.sseq, rows=(change,)))

    def come(self, conn: str = "ws1", instance: str = "A", *rows: f.PositionRow, **more: Any) -> Steps:
        """An EA connects and is fresh."""
        first = self.hello(conn, instance, **more)
        self.snap(*rows)
        self.beat()
        return first

    def lives(self, ms: int) -> list[Steps]:
        """Time passes with a heartbeat every five seconds."""
        steps: list[Steps] = []
        while ms > 0:
            steps += self.passes(min(ms, 5_000))
            steps.append(self.beat())
            ms -= 5_000
        return steps

    def deliver(self, command: f.Cmd, age_ms: int = 0) -> Steps:
        return self.step(w.Deliver, cmd=command, age_ms=age_ms)

    def restarted(self, **settings: int) -> "Desk":
        """The hub dies and is started again from what was kept."""
        again = Desk(self.link.record, deliveries=tuple(self.link.commands), **settings)
        again.boot, again.sseq, again.n, again.rows = self.boot, self.sseq, self.n, self.rows
        return again


def sent(steps: Steps | list[Steps], kind: type[Any]) -> list[Any]:
    many = steps if isinstance(steps, list) else [steps]
    return [frame for s in many for _, frame in s.frames if isinstance(frame, kind)]


def facts(steps: Steps | list[Steps], kind: type[Any]) -> list[Any]:
    many = steps if isinstance(steps, list) else [steps]
    return [fact for s in many for fact in s.facts if isinstance(fact, kind)]


def alarms(steps: Steps | list[Steps]) -> list[str]:
    return [alarm.code for alarm in facts(steps, w.Alarm)]


def moves(steps: Steps | list[Steps]) -> list[tuple[str, str, str]]:
    return [(m.id, m.before.value, m.after.value) for m in facts(steps, w.CommandMoved)]


def positions(steps: Steps | list[Steps]) -> list[tuple[str, str]]:
    return [(m.change.value, m.row.ticket) for m in facts(steps, w.PositionMoved)]
