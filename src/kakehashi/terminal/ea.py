"""The mock EA: polls the hub's mailbox, trades on the simulated broker, acknowledges and reports, like a real one."""

import asyncio
import contextlib
import logging
import signal
import time
from decimal import Decimal
from pathlib import Path
from typing import Final

import httpx
import msgspec

from kakehashi.domain.errors import KakehashiError, OutcomeUnknown, Unavailable
from kakehashi.terminal.client import BrokerClient
from kakehashi.terminal.core.words import ZERO, MarginMode
from kakehashi.terminal.executor import Executor
from kakehashi.terminal.journal import ExecutionJournal, Note, Step
from kakehashi.terminal.mailbox import Batch, Done, Item, build_report
from kakehashi.terminal.wire import Filter, Login

_HTTP_TIMEOUT_S: Final = 5.0
"""A real EA's WebRequest timeout."""
_LONGEST_PAUSE_S: Final = 10.0
_DEALS_PER_REPORT: Final = 200
_ACKS_PER_REQUEST: Final = 100
_log = logging.getLogger(__name__)


class EaDied(Exception):
    """A fault knob took effect: the EA is gone, as after a kill."""


class EaConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One EA on one account.

    :ivar account: the hub's name of the account, and the simulated broker's
    :ivar socket: of the broker
    :ivar journal: the file it remembers executed commands in; None declares no ``caps=journal``
    :ivar legacy: acts as the old relay's EA: no memory, no report, acks by ``keys`` whatever came of them
    :ivar die_after_poll: dies holding the lease of the n-th poll that brought something
    :ivar die_after_send: dies after the n-th command was executed, before its result is on record
    :ivar reject: answers every command with this retcode, sending nothing
    """

    base_url: str
    token: str
    account: str
    socket: str
    instance: str = "ea-1"
    poll_s: float = 1.0
    limit: int = 10
    symbol: str = ""
    report_s: float = 5.0
    journal: Path | None = None
    legacy: bool = False
    default_lot: Decimal = Decimal("0.01")
    number: str = ""
    currency: str = "USD"
    margin_mode: MarginMode = MarginMode.HEDGING
    balance: Decimal = Decimal(10_000)
    leverage: int = 100
    suffix: str = ""
    commission_per_lot: Decimal = ZERO
    die_after_poll: int | None = None
    die_after_send: int | None = None
    latency_ms: int = 0
    reject: int | None = None


class MockEa:
    """One EA; :meth:`turn` is one round of its timer."""

    def __init__(self, config: EaConfig, broker: BrokerClient, http: httpx.AsyncClient) -> None:
        self.config = config
        self._broker = broker
        self._http = http
        self._journal = ExecutionJournal(config.journal) if config.journal and not config.legacy else None
        self._executor = Executor(broker, config.account, default_lot=config.default_lot, close_foreign=config.legacy)
        self._unsent: dict[str, Done] = {}
        self._resting: dict[str, Done] = {}
        """By command id, orders that were placed and not seen to end."""
        self._unresolved: dict[str, Item] = {}
        self._unknown: set[str] = set()
        self._ids: dict[str, str] = {}
        self._reported_deal = 0
        self._report_due = 0.0
        self._polls = self._sends = 0
        if self._journal is not None:
            self._reported_deal = self._journal.reported_deal
            self._unsent = {done.key: done for done in self._journal.unacknowledged()}
            self._resting = self._journal.resting()

    async def login(self) -> None:
        """Log in at the broker, which opens the account if it does not know it."""
        c = self.config
        await self._broker.login(
            Login(
                account=c.account,
                number=c.number,
                currency=c.currency,
                margin_mode=c.margin_mode,
                balance=c.balance,
                leverage=c.leverage,
                suffix=c.suffix,
                commission_per_lot=c.commission_per_lot,
            )
        )

    async def run(self) -> None:
        """Turn after turn until cancelled; a hub or broker that is away is waited for."""
        pause, logged_in = self.config.poll_s, False
        while True:
            try:
                if not logged_in:
                    await self.login()
                    logged_in = True
                await self.turn()
                pause = self.config.poll_s
            except (httpx.HTTPError, Unavailable, OutcomeUnknown, msgspec.DecodeError) as e:
                _log.warning("EA %s on %s: %s", self.config.instance, self.config.account, repr(e))
                pause = min(max(pause, 0.1) * 2, _LONGEST_PAUSE_S)
                logged_in = False
            await asyncio.sleep(pause)

    async def turn(self) -> None:
        """Poll, execute, acknowledge, and report when it is due or something was traded.

        :raises EaDied: a fault knob says so
        """
        delivered = {item.id: item for item in await self.poll()}
        items = self._unresolved | delivered
        for item in items.values():
            await self._handle(item, again=item.id not in delivered)
        report_is_due = not self.config.legacy and (bool(items) or time.monotonic() >= self._report_due)
        if report_is_due:
            await self._look_after_resting()
        await self.acknowledge()
        if report_is_due:
            await self.report()

    async def poll(self) -> list[Item]:
        c = self.config
        params: dict[str, str | int] = {"limit": c.limit}
        if not c.legacy:
            params |= {"account": c.account, "instance": c.instance}
        if c.symbol:
            params["symbol"] = c.symbol
        if self._journal is not None:
            params["caps"] = "journal"
        answer = await self._http.get(f"{c.base_url}/api/poll", params=params, headers=self._headers())
        answer.raise_for_status()
        items = msgspec.json.decode(answer.content, type=Batch).items
        self._polls += bool(items)
        if items and self._polls == c.die_after_poll:
            raise EaDied(f"holding {len(items)} command(s)")
        return items

    async def acknowledge(self) -> None:
        """Tell the hub what came of its commands; what it does not take is told again next time."""
        c = self.config
        while batch := list(self._unsent.values())[:_ACKS_PER_REQUEST]:
            keys = [done.key for done in batch]
            body: object = {"keys": keys}
            if not c.legacy:
                body = {"account": c.account, "instance": c.instance, "results": batch}
            answer = await self._post("/api/ack", body)
            if answer.status_code in (400, 422):  # repeating it will not make it better
                _log.error("the hub refuses the ack of %s: %s", keys, answer.text[:500])
            else:
                answer.raise_for_status()
            for done in batch:
                self._unsent.pop(done.key)
                self._note(self._ids.pop(done.key, done.key), Step.ACKED)

    async def report(self) -> None:
        """Send the account's state, and each deal until a report with it was taken."""
        c, wanted = self.config, Filter(account=self.config.account)
        recent = Filter(account=c.account, after=self._reported_deal, limit=_DEALS_PER_REPORT)
        deals = await self._broker.history_deals(recent)
        body = build_report(
            c.account,
            c.instance,
            await self._broker.account_info(c.account),
            await self._broker.positions(wanted),
            await self._broker.orders(wanted),
            await self._broker.symbols(c.account),
            deals,
        )
        (await self._post("/api/report", body)).raise_for_status()
        more = len(deals) == _DEALS_PER_REPORT
        self._report_due = 0.0 if more else time.monotonic() + c.report_s
        if deals:
            self._reported_deal = deals[-1].ticket
            if self._journal is not None:
                self._journal.write(Note(id="", step=Step.REPORTED, deal=self._reported_deal))

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    async def _handle(self, item: Item, *, again: bool = False) -> None:
        """Execute one delivery unless its id is known; leave its result for the ack.

        :param again: nobody asked for it anew: where its outcome is unknown, it is looked for and not repeated
        """
        self._ids[item.key] = item.id
        known = self._journal.known(item.id) if self._journal else None
        if known is not None and known.result is not None:
            self._unsent[item.key] = known.result
            return
        try:
            done = await self._execute(item, known, only_look=again and item.id in self._unknown)
        except (Unavailable, OutcomeUnknown) as e:
            _log.warning("command %s: %s", item.id, e)
            if isinstance(e, OutcomeUnknown):
                self._unknown.add(item.id)
            if self.config.legacy:  # acknowledges whatever came of it, as the old EA does
                self._unsent[item.key] = Done(key=item.key, status="rejected")
            else:
                self._unresolved[item.id] = item
            return
        except (KakehashiError, ValueError) as e:
            done = Done(key=item.key, status="rejected", message=str(e))
        self._unresolved.pop(item.id, None)
        self._unknown.discard(item.id)
        self._finished(item.id, done)

    async def _look_after_resting(self) -> None:
        """A second result for each order that rested and does not any more: filled, deleted by somebody, expired."""
        for command_id, placed in list(self._resting.items()):
            if (done := await self._executor.ended(placed)) is not None:
                self._finished(command_id, done)

    def _finished(self, command_id: str, done: Done) -> None:
        self._resting.pop(command_id, None)
        if done.status == "placed" and not self.config.legacy:
            self._resting[command_id] = done
        self._ids[done.key] = command_id
        self._unsent[done.key] = done
        self._note(command_id, Step.RESULT, result=done)

    async def _execute(self, item: Item, known: Note | None, *, only_look: bool) -> Done:
        c = self.config
        begun = known is not None or item.id in self._unresolved
        look_first = not c.legacy and (begun or item.attempt > 1)
        if c.latency_ms:
            await asyncio.sleep(c.latency_ms / 1000)
        if c.reject is not None:
            return Done(key=item.key, status="rejected", retcode=c.reject, message="refused by a fault knob")
        if known is None:
            self._note(item.id, Step.INTENT)

        def sending(volume: Decimal) -> None:
            self._note(item.id, Step.SENT, planned=volume)

        done = await self._executor.perform(
            item,
            sending,
            look_first=look_first,
            planned=known.planned if known else None,
            expired=item.expires_at is not None and time.time_ns() // 1_000_000 >= item.expires_at,
            only_look=only_look,
        )
        self._sends += 1
        if self._sends == c.die_after_send:
            raise EaDied(f"{item.id} was executed, its result is on no record")
        return done

    def _note(self, command_id: str, step: Step, *, planned: Decimal | None = None, result: Done | None = None) -> None:
        if self._journal is not None:
            self._journal.write(Note(id=command_id, step=step, planned=planned, result=result))

    async def _post(self, path: str, body: object) -> httpx.Response:
        headers = self._headers() | {"Content-Type": "application/json"}
        return await self._http.post(self.config.base_url + path, content=msgspec.json.encode(body), headers=headers)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.config.token}"}


async def run_ea(config: EaConfig, broker: BrokerClient | None = None) -> None:
    """Run one EA until SIGTERM, SIGINT, cancellation, or a fault knob kills it.

    :param broker: where it trades, if not at the socket of its configuration
    """
    broker = broker or BrokerClient(config.socket)
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    if task is not None:
        for name in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(name, task.cancel)
    async with httpx.AsyncClient(timeout=_HTTP_TIMEOUT_S) as http:
        ea = MockEa(config, broker, http)
        try:
            await ea.run()
        except EaDied as e:
            _log.warning("EA %s died: %s", config.instance, e)
        except asyncio.CancelledError:
            _log.info("EA %s stops", config.instance)
        finally:
            ea.close()
            await broker.close()
