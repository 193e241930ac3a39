"""What decide() is allowed to see of the world: taken by the shell, journalled with the event."""

from decimal import Decimal
from typing import Any

import msgspec

from kakehashi.domain.alerts import Alert, Target
from kakehashi.domain.values import ZERO, Account, Instrument, Lots, Millis, Money, Price, Quote, Side
from kakehashi.domain.working import Working


class BrokerPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position as the account reported it.

    :ivar ident: POSITION_IDENTIFIER, never changes; ``ticket`` may
    :ivar magic: of the opening deal; 0 when a person opened it
    """

    account: str
    ident: str
    ticket: str
    symbol: str
    side: Side
    volume: Lots
    open_price: Price
    sl: Price = ZERO
    tp: Price = ZERO
    magic: int = 0
    opened_at: Millis | None = None
    profit: Money = ZERO

    @property
    def key(self) -> str:
        """Unique over all accounts: identifiers are only unique within one."""
        return f"{self.account}/{self.ident}"


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """One account as it stood when the decision was made.

    :ivar reported: whether it ever sent a report; one that never did is decided with what is known
    :ivar fresh: whether the last report is recent; reported and not fresh means only closing is allowed
    :ivar balance: None where unknown
    :ivar day_profit: today's profit in account currency, deposits, withdrawals and credit left out
    :ivar positions: all of them, foreign ones included
    :ivar magics: ``magic`` of an order of ours to the route that sent it
    :ivar orders: our orders that have not ended
    :ivar atr: by broker symbol, in price units, from bars the system keeps
    """

    account: Account
    reported: bool = False
    fresh: bool = False
    balance: Money | None = None
    equity: Money | None = None
    day_profit: Money | None = None
    day_start_equity: Money | None = None
    losing_streak: int = 0
    killed: bool = False
    positions: tuple[BrokerPosition, ...] = ()
    magics: dict[int, str] = {}
    orders: Working = msgspec.field(default_factory=Working)
    instrument: Instrument | None = None
    quote: Quote | None = None
    atr: Decimal | None = None


class RouteMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What one route remembers about one account and symbol, for the rails and target mode.

    :ivar entries: times of accepted entries, oldest first, trimmed to the last day
    :ivar target: the last target taken, and when the alert that set it fired
    :ivar closed_by_other: a stop or a person closed our position since ``target`` was set
    :ivar last_entry: (side, volume, at) of the last accepted entry, for the duplicate guard
    """

    entries: tuple[Millis, ...] = ()
    target: Target | None = None
    target_fired_at: Millis | None = None
    closed_by_other: bool = False
    last_entry: tuple[Side, Lots | None, Millis] | None = None


class Signal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An authenticated alert on its way to a decision.

    :ivar strategy: the webhook token's slot: the first part of the idempotency key
    :ivar idem: the idempotency key, unique for its window
    :ivar age_ms: how old the alert was at receipt; None where it cannot be told
    :ivar raw: the body as received, secrets removed
    """

    id: str
    trace_id: str
    strategy: str
    token_id: str
    idem: str
    received_at: Millis
    alert: Alert
    age_ms: int | None = None
    raw: str = ""
    notes: tuple[str, ...] = ()
    source: str = "tradingview"
    peer: str = ""


class Leg(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a signal on one account of one route."""

    route: str
    account: str
    status: str
    code: str = ""
    orders: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    detail: dict[str, Any] = {}
