"""The EA's door: poll, ack and report on one account's mailbox."""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from kakehashi.domain.errors import KakehashiError, Rejected
from kakehashi.domain.messages import AccountReport, OrderReported
from kakehashi.domain.orders import Order
from kakehashi.domain.reconcile import check_binding
from kakehashi.ports import Clock
from kakehashi.services.trader import Trader
from kakehashi.services.wishes import Poll

log = structlog.get_logger("mailbox")


class _Seen(msgspec.Struct):
    instance: str
    at: float


class AckCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many keys changed something or were known already, and which were not ours."""

    acknowledged: int
    missing: int
    refused: tuple[str, ...] = ()


class Postbox:
    """Speaks to the trader for EAs. Which EA holds a symbol filter is remembered for one lease."""

    def __init__(self, trader: Trader, clock: Clock, *, lease_ms: int, timeout_s: float = 5.0) -> None:
        self._trader, self._clock, self._lease_ms, self._timeout_s = trader, clock, lease_ms, timeout_s
        self._seen: dict[tuple[str, str], _Seen] = {}
        self.conflicts: dict[str, str] = {}

    async def poll(
        self, account: str, *, symbol: str = "", limit: int = 10, instance: str = "", remembers: bool = False
    ) -> tuple[Order, ...]:
        """Work for one EA, leased to it. Empty when there is none, or another EA holds this mailbox."""
        if instance and not self._hold(account, symbol, instance):
            return ()
        if self._trader.available:
            self._trader.heard(account)
        now = self._clock.now_ms()
        ready = self._trader.engine.offerable(account, symbol=symbol, limit=limit, at=now, remembers=remembers)
        if not ready:
            return ()
        poll = Poll(
            at=now,
            account=account,
            symbol=symbol,
            limit=limit,
            instance=instance,
            remembers=remembers,
            lease_ms=self._lease_ms,
        )
        outcome = await self._trader.submit(poll, within_s=self._timeout_s)
        return outcome.offered

    def _hold(self, account: str, symbol: str, instance: str) -> bool:
        """One instance at a time per account and filter: a second gets nothing until the first is silent for a lease."""
        now = self._clock.monotonic()
        holder = self._seen.get((account, symbol))
        if holder is not None and holder.instance != instance and now - holder.at < self._lease_ms / 1000:
            text = f"{instance} polls while {holder.instance} holds the mailbox"
            if self.conflicts.get(account) != text:
                log.warning("lease_conflict", code="LEASE_CONFLICT", account=account, message=text)
            self.conflicts[account] = text
            return False
        if holder is not None and holder.instance != instance:
            self.conflicts.pop(account, None)
        self._seen[(account, symbol)] = _Seen(instance, now)
        return True

    async def ack(self, events: Sequence[OrderReported]) -> AckCount:
        """Take results in; each is applied at most once, whatever is repeated."""
        done = await asyncio.gather(
            *(self._trader.submit(e, within_s=self._timeout_s) for e in events), return_exceptions=True
        )
        missing, refused = 0, []
        for event, outcome in zip(events, done, strict=True):
            if isinstance(outcome, Rejected) and outcome.code in ("NOT_FOUND", "FORBIDDEN"):
                missing += 1
            elif isinstance(outcome, KakehashiError) and not isinstance(outcome, Rejected):
                if outcome.code == "ILLEGAL_TRANSITION":
                    refused.append(event.order)
                else:
                    raise outcome
            elif isinstance(outcome, BaseException):
                raise outcome
        return AckCount(acknowledged=len(events) - missing - len(refused), missing=missing, refused=tuple(refused))

    async def report(self, report: AccountReport) -> None:
        """Fold a position report in.

        :raises Rejected: the EA is logged in elsewhere than this account says (SERVER_MISMATCH)
        """
        account = self._trader.engine.accounts.get(report.account)
        mirror = self._trader.engine.mirrors.get(report.account)
        if account is None:
            raise Rejected("UNKNOWN_ACCOUNT", f"no account {report.account}", hint="kakehashi accounts add")
        check_binding(account, report, bound=account.server or (mirror.server if mirror else ""))
        await self._trader.submit(report, within_s=self._timeout_s)
