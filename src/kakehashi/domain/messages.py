"""What can happen to the trader: the union of events, which is the journal's format.

An event that is journalled is enough, with the mirror views recorded beside it, to repeat what the engine did.
Polls and reports are wishes and measurements: what they cause (a lease, evidence) is journalled, they are not.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from kakehashi.domain.orders import Happening
from kakehashi.domain.values import ZERO, Instrument, Lots, Millis, Money, Price, Quote, Side
from kakehashi.domain.views import BrokerPosition, Signal


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", omit_defaults=True):
    at: Millis


class SignalReceived(_Event, frozen=True, kw_only=True, tag="signal"):
    """An authenticated alert arrived. ``duplicate_of`` names the signal that took its key."""

    signal: Signal
    duplicate_of: str = ""
    idem_until: Millis = 0


class DeliveriesLeased(_Event, frozen=True, kw_only=True, tag="leased"):
    """Orders were handed to one executor until ``until``; ``linked``: over the EA link, which knows no end."""

    account: str
    orders: tuple[str, ...]
    instance: str
    until: Millis
    remembers: bool
    linked: bool = False


class OrderReported(_Event, frozen=True, kw_only=True, tag="reported"):
    """What an executor, or evidence, says became of an order.

    :ivar volume: cumulative filled lots
    :ivar evidence: how it is known, where the executor did not say so itself
    """

    account: str
    order: str
    happening: Happening
    volume: Lots = ZERO
    price: Price | None = None
    ticket: str = ""
    deal: str = ""
    retcode: int | None = None
    code: str = ""
    message: str = ""
    profit: Money = ZERO
    evidence: str = ""


class TimePassed(_Event, frozen=True, kw_only=True, tag="time"):
    """The clock moved: leases and lifetimes may have ended. Journalled only when one did."""


class ConfigChanged(_Event, frozen=True, kw_only=True, tag="config"):
    """A new version of an account, a route or the kill switch; ``body`` None means deleted."""

    kind: str
    name: str
    version: int
    by: str
    body: Any = None


class DeadLetterRetried(_Event, frozen=True, kw_only=True, tag="retried"):
    order: str
    by: str
    expires_at: Millis


class DeadLetterDiscarded(_Event, frozen=True, kw_only=True, tag="discarded"):
    order: str
    by: str


class ForeignClose(_Event, frozen=True, kw_only=True, tag="foreign_close"):
    """A stop or a person closed a position of a route: target mode must not re-enter by itself."""

    account: str
    route: str
    symbol: str


class IncidentAcked(_Event, frozen=True, kw_only=True, tag="incident_acked"):
    """A person has seen an incident: it is not told again."""

    incident: str
    by: str


class IncidentClosed(_Event, frozen=True, kw_only=True, tag="incident_closed"):
    """A person says that an incident is over, or that it never was one (``false``)."""

    incident: str
    by: str
    false: bool = False


class MaintenanceSet(_Event, frozen=True, kw_only=True, tag="maintenance"):
    """A planned stop of an account begins or ends. ``until`` None: until somebody ends it."""

    account: str
    on: bool
    by: str
    until: Millis | None = None


class ExitAgain(_Event, frozen=True, kw_only=True, tag="exit_again"):
    """The position of an exit that was refused for its volume has been seen: the exit is decided again."""

    account: str
    order: str
    held: BrokerPosition | None
    instrument: Instrument | None = None


class Renumbered(_Event, frozen=True, kw_only=True, tag="renumbered"):
    """Order numbers and magics begin anew beyond what any copy of this hub has ever given out (R20)."""

    prefix: int
    seq: int


class Ask(StrEnum):
    """What a person wants of an account's link."""

    RESYNC = "resync"
    CONFIRM = "confirm"


class LinkAsked(_Event, frozen=True, kw_only=True, tag="link_asked"):
    """A person's wish for the link of one account."""

    account: str
    ask: Ask
    by: str


Event: TypeAlias = (
    SignalReceived
    | DeliveriesLeased
    | OrderReported
    | TimePassed
    | ConfigChanged
    | DeadLetterRetried
    | DeadLetterDiscarded
    | ForeignClose
    | IncidentAcked
    | IncidentClosed
    | MaintenanceSet
    | ExitAgain
    | Renumbered
    | LinkAsked
)


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """A deal as the account reported it (R22)."""

    ticket: str
    symbol: str
    side: Side
    entry: str
    volume: Lots
    price: Price
    time: Millis
    order: str = ""
    position: str = ""
    profit: Money = ZERO
    swap: Money = ZERO
    commission: Money = ZERO
    reason: str = ""
    magic: int = 0


class AccountReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an EA says of its account (``POST /api/report``). None is "not said", which differs from empty."""

    at: Millis
    account: str
    instance: str = ""
    server: str = ""
    login: str = ""
    trade_mode: str = ""
    margin_mode: str = ""
    currency: str = ""
    balance: Money | None = None
    equity: Money | None = None
    credit: Money = ZERO
    positions: tuple[BrokerPosition, ...] | None = None
    instruments: tuple[Instrument, ...] = ()
    quotes: dict[str, Quote] = {}
    deals: tuple[Deal, ...] = ()


class MirrorView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of :class:`~kakehashi.domain.views.AccountView` that comes from the account's mirror."""

    reported: bool = False
    fresh: bool = False
    balance: Money | None = None
    equity: Money | None = None
    day_profit: Money | None = None
    day_start_equity: Money | None = None
    losing_streak: int = 0
    positions: tuple[BrokerPosition, ...] = ()
    instrument: Instrument | None = None
    quote: Quote | None = None
    atr: Decimal | None = None


class Recorded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A journal line: the event, and each mirror view that was used while it was processed (key ``account|symbol``)."""

    event: Event
    views: dict[str, MirrorView] = {}
