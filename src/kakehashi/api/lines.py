"""What the REST answers hold. Amounts are texts of exact decimals, times milliseconds UTC."""

from typing import Any

from pydantic import BaseModel


class SignalLine(BaseModel):
    """An alert received, what it said, and what became of it on each account (``legs``)."""

    id: str
    trace_id: str
    received_at: int
    strategy: str
    symbol: str
    action: str
    status: str
    code: str
    idem: str | None
    idem_until: int | None
    alert: dict[str, Any]
    notes: list[str]
    legs: list[dict[str, Any]]
    duplicate_of: str | None = None
    differs: list[str] | None = None


class OrderLine(BaseModel):
    """One command to one account. ``magic`` is a text: it may have more digits than a JSON number keeps."""

    id: str
    account: str
    symbol: str
    side: str | None
    volume: str | None
    op: str
    state: str
    filled_volume: str
    filled_price: str | None
    magic: str
    ticket: str
    retcode: int | None
    code: str
    reason: str
    route: str
    signal_id: str
    trace_id: str
    target: str
    attempt: int
    created_at: int
    updated_at: int


class FillLine(BaseModel):
    """What a venue executed."""

    id: str
    order_id: str
    account: str
    symbol: str
    side: str | None
    op: str
    volume: str
    price: str
    at: int
    ticket: str
    profit: str


class PositionLine(BaseModel):
    """An open position as its account last reported it."""

    account: str
    ident: str
    ticket: str
    symbol: str
    side: str
    volume: str
    price_open: str
    sl: str
    tp: str
    magic: str
    opened_at: int | None
    profit: str
    fresh: bool
    origin: str


class AccountLine(BaseModel):
    """An account; a REAL one trades only where it is ``armed``."""

    name: str
    number: str
    platform: str
    currency: str
    margin_mode: str
    mode: str
    armed: bool
    server: str
    user: str
    enabled: bool
    redelivery: str
    market_hours: str
    version: int
    symbols: dict[str, str]
    pips: dict[str, str]


class AccountStanding(AccountLine):
    """An account and how it stands with its EA. ``link`` is live, stale or off."""

    link: str
    fresh: bool
    epoch: int
    instance: str
    boot: int
    sseq: int
    suspended: bool
    balance: str | None
    equity: str | None


class FindingLine(BaseModel):
    """One thing that is wrong with an account's EA. ``severity`` is error, warning or info."""

    code: str
    severity: str
    message: str
    remedy: str


class LinkAsked(BaseModel):
    """The hub was asked; ``accounts`` shows what came of it."""

    account: str
    asked: str


class RouteLine(BaseModel):
    """A route; ``rules`` are those that differ from the defaults."""

    name: str
    accounts: list[str]
    strategy: str
    symbols: list[str]
    rules: dict[str, Any]
    per_account: dict[str, dict[str, Any]]
    dry_run: bool
    no_rails: bool
    enabled: bool
    version: int


class RouteVersion(BaseModel):
    """One version; ``value`` null is a removal."""

    version: int
    at: int
    by: str
    value: dict[str, Any] | None


class RouteStory(BaseModel):
    """A route (null when it was removed) and every version of it, oldest first."""

    route: RouteLine | None
    history: list[RouteVersion]


class KillLine(BaseModel):
    """What is stopped: ``*``, an account, or ``user:NAME``."""

    scope: str
    version: int
    at: int
    by: str


class TokenLine(BaseModel):
    """A token without its secret."""

    id: str
    scope: str
    name: str
    route: str
    account: str
    user: str
    slot: str
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None


class TokenShown(BaseModel):
    """The only time that the secret is shown: it is kept as a hash."""

    id: str
    scope: str
    token: str
    expires_at: int | None


class Hop(BaseModel):
    at: int
    hop: str
    subject: str
    text: str


class TraceStory(BaseModel):
    """Everything known of one alert: each hop with its time."""

    trace_id: str
    signals: list[SignalLine]
    orders: list[dict[str, Any]]
    hops: list[Hop]


class KnockLine(BaseModel):
    """One request at the webhook door.

    ``presented`` is the token without its secret; ``understood`` the alert that was read, else ``fault`` why not.
    """

    seq: int
    at: int
    peer: str
    content_type: str
    presented: str
    bytes: int
    body: str
    understood: dict[str, Any] | None
    fault: dict[str, Any] | None
    http: int
    answer: dict[str, Any]
    routes: list[str]


class KnockNews(BaseModel):
    """Ask after ``newest`` next; ``missed`` are forgotten already."""

    newest: int
    missed: int
    knocks: list[KnockLine]


class Asked(BaseModel):
    """The owner was asked; the order's next state shows what it did."""

    id: str
    asked: str


class Killed(BaseModel):
    scope: str
    killed: bool


class Removed(BaseModel):
    name: str
    removed: bool


class Revoked(BaseModel):
    id: str
    revoked: bool
