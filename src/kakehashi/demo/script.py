"""The demo's script: each scene sends alerts as TradingView would, waits for what must follow, and checks it."""

import asyncio
import json
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from kakehashi.client.tradingview import Delivery, deliver
from kakehashi.demo.stage import Stage, lots
from kakehashi.domain.messages import DeliveriesLeased, OrderReported, Recorded, SignalReceived
from kakehashi.services import desk
from kakehashi.terminal.client import BrokerClient
from kakehashi.terminal.core.words import OrderType, Request, TradeAction

SCENE_LIMIT_S = 30.0
FIXED = ("tokyo", "osaka", "nagoya")
"""The accounts that trade 0.10 lots: by the mailbox, by the link, and in a session of the MT5 bridge."""


class Scene(msgspec.Struct, kw_only=True):
    """One scene as it went."""

    name: str
    ja: str
    expected: str
    expected_ja: str
    ok: bool = False
    seen: str = ""


class Script:
    """Plays the scenes on a stage and keeps what was seen.

    :param tell: is given each finished scene, for the terminal
    """

    def __init__(self, *, speed: float, seconds: float | None, tell: Callable[[Scene], None]) -> None:
        self._speed, self._seconds, self._tell = speed, seconds, tell
        self._http: httpx.AsyncClient
        self._stage: Stage
        self._bar = int(time.time()) // 300 * 300
        self.scenes: list[Scene] = []
        self.deliveries: list[Delivery] = []

    async def play(self, stage: Stage) -> None:
        """All scenes, in order; the first that fails does not stop the rest."""
        self._stage = stage
        async with httpx.AsyncClient() as self._http:
            await stage.ready(self._http)
            for scene in (
                *(self._entry, self._duplicate, self._refusal, self._partial, self._reversal),
                *(self._dying_ea, self._hub_restart, self._kill_switch, self._flat),
                *(self._manual_trade, self._stop_out, self._cut),
            ):
                await scene()
            began = time.monotonic()
            while self._seconds is not None and time.monotonic() - began < self._seconds:
                await self._round()
            self.report = await self._summary()

    # -- scenes --------------------------------------------------------------------------------------------------

    async def _entry(self) -> None:
        scene = Scene(
            name="entry",
            ja="エントリー",
            expected="0.10 long on tokyo, osaka and nagoya; small: 1 % of 100 USD is less than the minimum lot, refused",
            expected_ja="tokyo・osaka・nagoya で 0.10 の買い。small は 100 USD の 1 % が最小ロットに満たず、拒否",
        )
        await self._alert("LONG", id="1", sl_pips=20)
        await self._until(scene, lambda: all(self._open(a) == Decimal("0.1") for a in FIXED))

    async def _duplicate(self) -> None:
        scene = Scene(
            name="duplicate",
            ja="重複",
            expected="the same alert again changes nothing",
            expected_ja="同じアラートをもう一度送っても何も変わらない",
        )
        before = len(self._stage.deals())
        again = await self._send(self.deliveries[0].body)
        scene.seen = f"answered {again.answer.get('status')}"
        await asyncio.sleep(0.5)
        unchanged = len(self._stage.deals()) == before and again.answer.get("status") == "duplicate"
        await self._until(scene, lambda: unchanged)

    async def _refusal(self) -> None:
        scene = Scene(
            name="refusal",
            ja="拒否",
            expected="an alert that is 10 minutes old is refused with its code",
            expected_ja="10 分前のアラートは、コード付きで拒否される",
        )
        old = datetime.fromtimestamp(time.time() - 600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer = await self._alert("LONG", id="2", timenow=old)
        scene.seen = f"{answer.answer.get('status')} {answer.answer.get('code')}"
        await self._until(scene, lambda: answer.answer.get("code") == "EXPIRED_ENTRY")

    async def _partial(self) -> None:
        scene = Scene(
            name="partial take-profit",
            ja="部分利確",
            expected="half is closed: 0.05 stays on each of the three",
            expected_ja="半分を決済: 3 口座とも 0.05 が残る",
        )
        await self._alert("TP", id="3")
        await self._until(scene, lambda: all(self._open(a) == Decimal("0.05") for a in FIXED))

    async def _reversal(self) -> None:
        scene = Scene(
            name="reversal",
            ja="ドテン",
            expected="closed first, then 0.10 short on the three",
            expected_ja="先に決済し、3 口座とも 0.10 の売り",
        )
        await self._alert("REVERSE", id="4", sl_pips=20)
        await self._until(scene, lambda: all(self._open(a) == Decimal("-0.1") for a in FIXED))

    async def _dying_ea(self) -> None:
        scene = Scene(
            name="an EA dies holding a lease",
            ja="リース中の EA 停止",
            expected="restarted, it looks first: closed once",
            expected_ja="再起動した EA はまず確認する: 決済は 1 回だけ",
        )
        await self._alert("CLOSE", id="5")
        restarts = self._stage.supervisor.restarts
        await self._until(scene, lambda: bool(restarts.get("ea-tokyo")) and all(self._open(a) == 0 for a in FIXED))

    async def _hub_restart(self) -> None:
        scene = Scene(
            name="hub restart",
            ja="ハブ再起動",
            expected="alerts sent meanwhile are all answered 200",
            expected_ja="その間に送ったアラートにも、すべて 200 で応答する",
        )
        self._stage.supervisor.restart("hub")
        answers = await asyncio.gather(*(self._alert("LONG", id=f"6{n}", symbol="USDJPY") for n in range(4)))
        codes = [a.status for a in answers]
        scene.seen = f"answers {codes}"
        await self._until(scene, lambda: codes == [200] * 4 and all(self._open(a) for a in FIXED))

    async def _kill_switch(self) -> None:
        scene = Scene(
            name="kill switch",
            ja="キルスイッチ",
            expected="an entry is refused, a close passes",
            expected_ja="新規は拒否、決済は通る",
        )
        await desk.kill(self._stage.store, on=True, scope="*", by="demo", at=time.time_ns() // 1_000_000)
        await asyncio.sleep(0.6)
        entry = await self._alert("LONG", id="7")
        close = await self._alert("CLOSE", id="8", symbol="USDJPY")
        scene.seen = f"entry {entry.answer.get('code')}, close {close.answer.get('status')}"
        ok = entry.answer.get("code") == "KILLED" and close.answer.get("status") == "queued"
        await self._until(scene, lambda: ok and not any(self._open(a) for a in FIXED))
        await desk.kill(self._stage.store, on=False, scope="*", by="demo", at=time.time_ns() // 1_000_000)

    async def _flat(self) -> None:
        scene = Scene(
            name="the books agree",
            ja="帳簿の一致",
            expected="every fill of the hub is a deal of the broker",
            expected_ja="ハブの約定は、すべてブローカーの約定と一致する",
        )

        async def agree() -> bool:
            entries = [d["magic"] for d in self._stage.deals() if d["entry"] == "IN"]
            orders = await desk.listing(self._stage.store, "orders", limit=10_000)
            filled = {o["magic"] for o in orders if o["op"] == "OPEN" and Decimal(o["filled_volume"]) > 0}
            scene.seen = f"{len(entries)} entries at the broker, {len(filled)} at the hub, each once"
            return len(entries) == len(set(entries)) and set(entries) == filled

        await asyncio.sleep(0.7)
        await self._until_shown(scene, agree, time.monotonic())

    async def _manual_trade(self) -> None:
        scene = Scene(
            name="manual trade",
            ja="手動取引",
            expected="a person opens 0.05 in small's terminal: it appears here as EXTERNAL, counted in risk",
            expected_ja="small の端末で人が 0.05 を建てる: EXTERNAL として現れ、リスクに数えられる",
        )
        request = Request(action=TradeAction.DEAL, symbol="EURUSD", type=OrderType.BUY, volume=Decimal("0.05"))
        broker, began = BrokerClient(str(self._stage.socket)), time.monotonic()
        await broker.order_send("small", request)
        await broker.close()

        async def appeared() -> bool:
            lines = await self._stage.positions("small")
            return any(p["origin"] == "EXTERNAL" and p["volume"] == "0.05" and p["fresh"] for p in lines)

        await self._until_shown(scene, appeared, began)

    async def _stop_out(self) -> None:
        scene = Scene(
            name="stop-out",
            ja="ロスカット",
            expected="the price falls 170 pips: the broker closes it, and the reason is kept",
            expected_ja="価格が 170 pips 下がる: ブローカーが決済し、その理由が残る",
        )
        broker, began = BrokerClient(str(self._stage.socket)), time.monotonic()
        quote = await broker.quote("EURUSD")
        await broker.set_price("EURUSD", quote.bid - Decimal("0.0170"))

        async def recorded() -> bool:
            lines = await self._stage.positions("small")
            return [p.get("closed_reason") for p in lines] == ["STOP_OUT"]

        await self._until_shown(scene, recorded, began)
        await broker.set_price("EURUSD", None)
        await broker.close()

    async def _cut(self) -> None:
        scene = Scene(
            name="an EA is cut",
            ja="EA の切断",
            expected="osaka's EA is killed: shown stale, then live again once its mirror is proven",
            expected_ja="osaka の EA を止める: stale と表示され、ミラーが確かめられてから live に戻る",
        )
        began = time.monotonic()
        stages: list[str] = []

        async def shown(*links: str) -> bool:
            lines = {line["name"]: line["link"] for line in await self._stage.accounts()}
            return lines["osaka"] in links

        self._stage.supervisor.restart("ea-osaka", signal.SIGKILL)
        for links in (("stale", "off"), ("live",)):
            while not await shown(*links) and time.monotonic() - began < 2 * SCENE_LIMIT_S:  # noqa: ASYNC110 as below
                await asyncio.sleep(0.02)
            stages.append(f"{links[0]} after {time.monotonic() - began:.1f} s")
        scene.seen = ", ".join(stages)
        await self._until_shown(scene, lambda: shown("live"), began)

    async def _round(self) -> None:
        """Filler for a longer run: in and out."""
        number = len(self.deliveries)
        await self._alert("LONG", id=f"r{number}")
        await asyncio.sleep(1 / self._speed)
        await self._alert("CLOSE", id=f"r{number}c")
        await asyncio.sleep(1 / self._speed)

    # -- tools ---------------------------------------------------------------------------------------------------

    async def _alert(self, signal: str, *, symbol: str = "EURUSD", **fields: Any) -> Delivery:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {"signal": signal, "symbol": symbol, "timeframe": "5", "bar_time": self._bar * 1000, "timenow": now}
        return await self._send(json.dumps(body | fields))

    async def _send(self, body: str) -> Delivery:
        delivery = await deliver(self._http, self._stage.webhook, body, speed=self._speed)
        self.deliveries.append(delivery)
        return delivery

    def _open(self, account: str) -> Decimal:
        return lots(self._stage.deals(), account)

    async def _until_shown(self, scene: Scene, shown: Callable[[], Awaitable[bool]], began: float) -> None:
        """Wait until the hub shows it, and say how long that took."""
        while not (ok := await shown()) and time.monotonic() - began < SCENE_LIMIT_S:  # noqa: ASYNC110 as below
            await asyncio.sleep(0.02)
        scene.seen = scene.seen or f"shown after {time.monotonic() - began:.2f} s"
        await self._until(scene, lambda: ok)

    async def _until(self, scene: Scene, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SCENE_LIMIT_S
        while not reached() and time.monotonic() < deadline:  # noqa: ASYNC110 other processes move the world
            await asyncio.sleep(0.05)
        scene.ok = reached()
        books = ", ".join(f"{a} {self._open(a):+.2f}" for a in (*FIXED, "small"))
        scene.seen = f"{scene.seen}; {books}" if scene.seen else books
        self.scenes.append(scene)
        self._tell(scene)

    async def _summary(self) -> dict[str, Any]:
        by_status: dict[str, int] = {}
        by_code: dict[str, int] = {}
        for delivery in self.deliveries:
            status = str(delivery.answer.get("status", delivery.status))
            by_status[status] = by_status.get(status, 0) + 1
            if code := delivery.answer.get("code"):
                by_code[str(code)] = by_code.get(str(code), 0) + 1
        orders = await desk.listing(self._stage.store, "orders", limit=100_000)
        filled: dict[str, int] = {}
        for order in orders:
            filled[order["account"]] = filled.get(order["account"], 0) + (order["state"] == "FILLED")
        return {
            "ok": all(s.ok for s in self.scenes),
            "alerts": {"sent": len(self.deliveries), "by_status": by_status, "by_code": by_code},
            "orders_filled": filled,
            "latency_ms": await self._latencies(),
            "scenes": [msgspec.to_builtins(s) for s in self.scenes],
        }

    async def _latencies(self) -> dict[str, dict[str, float]]:
        """From sent to decided (the 200), to delivered (the lease) and to filled (the report), by the journal's times."""
        received: dict[str, int] = {}
        hops: dict[str, list[float]] = {"decided": [d.took_ms for d in self.deliveries if d.status == 200]}
        orders = {o["id"]: o["signal_id"] for o in await desk.listing(self._stage.store, "orders", limit=100_000)}
        for _, entry in await self._stage.store.journal(owner=desk.OWNER, limit=100_000):
            event = msgspec.json.decode(entry.body, type=Recorded).event
            if isinstance(event, SignalReceived):
                received[event.signal.id] = event.signal.received_at
            elif isinstance(event, DeliveriesLeased):
                for order in event.orders:
                    hops.setdefault("delivered", []).append(event.at - received.get(orders.get(order, ""), event.at))
            elif isinstance(event, OrderReported) and event.volume:
                hops.setdefault("filled", []).append(event.at - received.get(orders.get(event.order, ""), event.at))
        return {name: _percentiles(values) for name, values in hops.items()}


def _percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values) or [0.0]
    return {f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)], 1) for p in (50, 95, 99)}
