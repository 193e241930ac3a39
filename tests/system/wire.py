"""An EA that says what the test wants, straight at the hub's gateway: no socket, no memory, no rules of its own."""

import asyncio
import json
from typing import Any

import msgspec
from room import Room

from kakehashi.domain.frames import PositionRow, position_crc

SPEC = {
    "symbol": "EURUSD", "digits": 5, "point": "0.00001", "tick_size": "0.00001", "tick_value": "1",
    "contract_size": "100000", "vol_min": "0.01", "vol_max": "100", "vol_step": "0.01", "profit_currency": "USD",
}  # fmt: skip


class Wire:
    """One connection of one EA instance. :ivar heard: the hub's frames, oldest first"""

    def __init__(self, room: Room, instance: str = "ea-a", *, account: str = "demo", number: str = "1001") -> None:
        self._room, self._instance, self._number = room, instance, number
        self._beats = self._events = 0
        self.heard: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.conn = room.hub.trader.gateway.open(account, self)

    # -- the gateway's line

    def send(self, frame: bytes) -> None:
        self.heard.append(json.loads(frame))

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)
        self.cut()

    def pause(self, on: bool) -> None:
        pass

    def idle(self) -> None:
        pass

    # -- the EA's words

    def say(self, t: str, **fields: Any) -> None:
        self._room.hub.trader.gateway.heard(self.conn, json.dumps({"v": 1, "t": t, **fields}))

    def hello(self, **more: Any) -> None:
        fields = {"account": self._number, "server": "Demo-1", "instance": self._instance, "boot": 1, "jhi": 1}
        self.say("HELLO", **(fields | more))

    async def come(self, **more: Any) -> None:
        """HELLO, specification, snapshot, price and the heartbeat that proves it: fresh."""
        self.hello(**more)
        await self.wait("WELCOME")
        self.say("SYMS", rows=[SPEC])
        self.snap(sseq=1)
        self.say("PRICE", q=[["EURUSD", "1.1", "1.1001", 1]])
        await self.beat(sseq=1)

    def snap(self, *, sseq: int, positions: Any = ()) -> None:
        crc = position_crc(msgspec.convert(list(positions), list[PositionRow], strict=False))
        self.say("SNAP", boot=1, sseq=sseq, synced=True, positions=list(positions), orders=[], crc=crc, ocrc=0)

    async def beat(self, *, sseq: int, crc: int = 0, **more: Any) -> None:
        self._beats += 1
        state = {"boot": 1, "sseq": sseq, "crc": crc, "ocrc": 0, "npos": 0, "gen": self.gen, "synced": True}
        self.say("HB", n=self._beats, balance="10000", equity="10000", **(state | more))
        await self.wait("HBA", n=self._beats)

    @property
    def gen(self) -> int:
        return max((f["gen"] for f in self.heard if f["t"] in ("HALT", "RESUME", "SET")), default=0)

    def filled(self, cmd: dict[str, Any], *, n: int, st: str = "FILLED") -> None:
        """EVT: the command was executed whole."""
        self.say(
            "EVT",
            n=n,
            j=n + 1,
            id=cmd["id"],
            st=st,
            retcode=10009,
            order="77",
            deals=[deal(cmd)],
            vol=cmd["vol"],
            price="1.1001",
        )

    def cut(self) -> None:
        """The connection breaks."""
        self._room.hub.trader.gateway.lost(self.conn)

    async def wait(self, t: str, **fields: Any) -> dict[str, Any]:
        """The first frame of this type with these fields, when it has come."""
        async with asyncio.timeout(10):
            while True:
                for frame in self.heard:
                    if frame["t"] == t and all(frame.get(k) == v for k, v in fields.items()):
                        return frame
                await asyncio.sleep(0.002)

    def all(self, t: str) -> list[dict[str, Any]]:
        return [frame for frame in self.heard if frame["t"] == t]


def deal(cmd: dict[str, Any], ticket: str = "501") -> dict[str, Any]:
    """The deal that executed a command."""
    return {
        "ticket": ticket, "order": "77", "position": "77", "symbol": cmd["sym"], "side": "B", "entry": "IN",
        "volume": cmd["vol"], "price": "1.1001", "time": 1, "reason": "EXPERT", "magic": cmd["magic"],
    }  # fmt: skip
