"""An EA typed by hand, over either transport of klink/1: it says exactly what a test wants said, also what is wrong.

:class:`Socket` and :class:`Poller` share one face, so that one table of cases holds for both.
"""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec
import websockets
from websockets.asyncio.client import ClientConnection, connect

from kakehashi.domain import frames as f
from kakehashi.domain.framecodec import encode

WITHIN_S = 8.0
"""For whatever the hub owes; a busy machine is slow, a hub that never answers fails the test all the same."""
BROKER_TIME = 1_790_000_000_000

Frame = dict[str, Any]
SYMS: Frame = {
    "t": "SYMS",
    "rows": [
        {
            "symbol": symbol, "digits": digits, "point": point, "tick_size": point, "tick_value": "1",
            "contract_size": "100000", "vol_min": "0.01", "vol_max": "100", "vol_step": "0.01", "profit_currency": "USD",
        }
        for symbol, digits, point in (("EURUSD", 5, "0.00001"), ("USDJPY", 3, "0.001"))
    ],
}  # fmt: skip
PRICE: Frame = {"t": "PRICE", "q": [["EURUSD", "1.08550", "1.08551", BROKER_TIME]]}


def position(ticket: str = "1001", volume: str = "0.10", **more: Any) -> f.PositionRow:
    """A position as this EA's terminal would hold it; dealt by a person where ``magic`` is not given."""
    given = {"symbol": "EURUSD", "side": "B", "open": "1.08550", "ident": ticket, "opened": BROKER_TIME} | more
    return msgspec.convert({"ticket": ticket, "volume": volume} | given, f.PositionRow, strict=False)


def deal(ticket: str, entry: str = "IN", **more: Any) -> Frame:
    given = {"symbol": "EURUSD", "side": "B" if entry == "IN" else "S", "volume": "0.10", "price": "1.08551"}
    return {"ticket": ticket, "entry": entry, "time": BROKER_TIME + 1, **given, **more}


class Missing(AssertionError):
    """What was waited for did not come; the message has what came instead."""


class RawEa:
    """What both transports have in common: the EA's own counters, and frames made of them.

    :ivar heard: frames of the hub that nobody has waited for yet
    :ivar ep: the epoch of the last WELCOME
    """

    def __init__(self, url: str, account: str, number: str, token: str, *, instance: str = "") -> None:
        self.url, self.account, self.number, self.token = url, account, number, token
        self.instance = instance or f"i-{uuid.uuid4().hex[:12]}"
        self.boot, self.jhi, self.sseq, self.n, self.evt_n, self.ep, self.gen = 1, 0, 0, 0, 0, 0, 0
        self.rows: dict[str, f.PositionRow] = {}
        self.heard: list[Frame] = []

    # -- the transport's part ------------------------------------------------------------------------------------

    async def open(self) -> None: ...

    async def say(self, *frames: Frame | str | bytes) -> None: ...

    async def _hear(self, until: float) -> bool:
        """Take what has come, waiting no longer than ``until``; False: nothing more will come."""
        raise NotImplementedError

    async def end(self) -> None: ...

    # -- what an EA says -----------------------------------------------------------------------------------------

    def hello_frame(self, **more: Any) -> Frame:
        return {
            "v": 1, "t": "HELLO", "account": self.number, "server": "Demo-1", "instance": self.instance,
            "boot": self.boot, "jhi": self.jhi, "jchain": 5, "evt_hi": self.evt_n, "evt_acked": self.evt_n, "ep": self.ep,
            "margin_mode": "hedging", "trade_mode": "demo", **more,
        }  # fmt: skip

    async def hello(self, **more: Any) -> Frame:
        """Say HELLO; the WELCOME."""
        await self.say(self.hello_frame(**more))
        welcome = await self.hears("WELCOME")
        self.ep = welcome["ep"]
        return welcome

    def beat_frame(self, **more: Any) -> Frame:
        self.n += 1
        crc = f.position_crc(self.rows.values())
        return {
            "t": "HB", "n": self.n, "boot": self.boot, "sseq": self.sseq, "crc": crc, "npos": len(self.rows),
            "gen": self.gen, "synced": True, "balance": "10000", "equity": "10000", **more,
        }  # fmt: skip

    async def beat(self, **more: Any) -> Frame:
        """Send a heartbeat; its HBA."""
        sent = self.beat_frame(**more)
        await self.say(sent)
        return await self.hears("HBA", n=sent["n"])

    def snap_frame(self, *rows: f.PositionRow, **more: Any) -> Frame:
        self.sseq += 1
        self.rows = {row.ticket: row for row in rows}
        told = json.loads(encode(f.Snap(boot=self.boot, sseq=self.sseq, positions=rows, synced=True)))
        return told | {"crc": f.position_crc(rows)} | more

    def delta_frame(self, ticket: str, row: f.PositionRow | None) -> Frame:
        self.sseq += 1
        self.rows.pop(ticket, None)
        if row is not None:
            self.rows[ticket] = row
        change = f.PositionChange(ticket=ticket, row=row)
        told: Frame = json.loads(encode(f.Delta(boot=self.boot, sseq=self.sseq, rows=(change,))))
        return told

    def evt_frame(self, st: str, **more: Any) -> Frame:
        self.evt_n += 1
        return {"t": "EVT", "n": self.evt_n, "st": st, **more}

    async def come(self, *rows: f.PositionRow, **more: Any) -> None:
        """Open, be welcomed, and be fresh."""
        await self.open()
        await self.hello(**more)
        await self.say(SYMS, PRICE, self.snap_frame(*rows))
        await self.beat()

    async def in_order(self) -> None:
        """Until the hub has taken all that was said: TEST is answered after it."""
        word = uuid.uuid4().hex
        await self.say({"t": "TEST", "id": word})
        await self.hears("TEST", id=word, re=True)

    # -- what the hub says ---------------------------------------------------------------------------------------

    async def hears(self, kind: str, within_s: float = WITHIN_S, **fields: Any) -> Frame:
        """Wait for a frame of this type with these fields; whatever else came stays in ``heard``.

        :raises Missing: it did not come, or the connection ended
        """
        until = asyncio.get_running_loop().time() + within_s
        while True:
            for index, frame in enumerate(self.heard):
                if frame["t"] == kind and fields.items() <= frame.items():
                    del self.heard[index]
                    return frame
            if asyncio.get_running_loop().time() >= until or not await self._hear(until):
                raise Missing(f"no {kind} {fields or ''} came; there was {self.heard}, {self.ended_how()}")

    async def silent_about(self, kind: str, during_s: float = 0.3) -> bool:
        """Whether nothing of this type comes for a while."""
        with contextlib.suppress(Missing):
            await self.hears(kind, during_s)
            return False
        return True

    def ended_how(self) -> str:
        return ""


class Socket(RawEa):
    """Over WebSocket. :ivar ws: the library's connection, for whoever wants to misuse it"""

    ws: ClientConnection

    async def open(self, *, headers: Mapping[str, str] | None = None, path: str = "/ea/v1", **more: Any) -> None:
        given = {"Authorization": f"Bearer {self.token}"} if headers is None and self.token else dict(headers or {})
        self.ws = await connect(
            self.url.replace("http", "ws", 1) + path,
            additional_headers=given,
            **({"subprotocols": ["klink.1"]} | more),
            compression=None,
            ping_interval=None,
            max_size=None,
            close_timeout=2,
            open_timeout=WITHIN_S,
        )

    async def say(self, *frames: Frame | str | bytes) -> None:
        for frame in frames:
            await self.ws.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def _hear(self, until: float) -> bool:
        try:
            async with asyncio.timeout_at(until):
                self.heard.append(json.loads(await self.ws.recv()))
        except TimeoutError:
            return True
        except websockets.ConnectionClosed:
            return False
        return True

    async def closes(self, within_s: float = WITHIN_S) -> tuple[int, str]:
        """Wait for the hub's close: its code and reason. Frames before it stay in ``heard``."""
        async with asyncio.timeout(within_s):
            while await self._hear(asyncio.get_running_loop().time() + within_s):
                pass
        return self.ws.close_code or 0, self.ws.close_reason or ""

    async def end(self) -> None:
        with contextlib.suppress(Exception):
            await self.ws.close()

    def abort(self) -> None:
        """Reset the connection: the hub gets RST, no close frame."""
        self.ws.transport.abort()

    def ended_how(self) -> str:
        return f"close code {self.ws.close_code} {self.ws.close_reason}"


class Poller(RawEa):
    """Over ``POST /ea/v1/poll``. :ivar answer: the last one that was not 200"""

    answer: httpx.Response | None = None

    async def open(self) -> None:
        self._http = httpx.AsyncClient(timeout=WITHIN_S)
        self.session = uuid.uuid4().hex

    async def say(self, *frames: Frame | str | bytes) -> None:
        await self.post(*frames)

    async def post(self, *frames: Frame | str | bytes, wait_ms: int = 0, headers: Any = None) -> httpx.Response:
        texts = [json.dumps(x) if isinstance(x, dict) else x.decode() if isinstance(x, bytes) else x for x in frames]
        return await self.post_raw("[" + ",".join(texts) + "]", wait_ms=wait_ms, headers=headers)

    async def post_raw(self, body: str | bytes, *, wait_ms: int | str = 0, headers: Any = None) -> httpx.Response:
        given = {"Authorization": f"Bearer {self.token}"} if headers is None and self.token else (headers or {})
        params = {"wait_ms": wait_ms, "session": self.session}
        answer = await self._http.post(f"{self.url}/ea/v1/poll", content=body, params=params, headers=given)
        if answer.status_code == 200:
            self.heard += answer.json()
        else:
            self.answer = answer
        return answer

    async def _hear(self, until: float) -> bool:
        left = max(0.0, until - asyncio.get_running_loop().time())
        return (await self.post(wait_ms=int(min(left, 0.2) * 1000))).status_code == 200

    async def end(self) -> None:
        await self._http.aclose()

    def ended_how(self) -> str:
        return f"answer {self.answer.text if self.answer is not None else None}"
