"""The bodies and queries of the REST requests: strict, bounded, and closed to fields nobody knows."""

import re
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from kakehashi.domain.alerts import LevelUnit, SizeUnit
from kakehashi.domain.rules import CloseScope, Direction, OnGap, SizeSource
from kakehashi.domain.values import MAX_AMOUNT, ZERO

MAX_LIMIT: Final = 1_000
_DAY_S: Final = 86_400
_PLAIN_NUMBER: Final = re.compile(r"-?[0-9]{1,13}(\.[0-9]{1,12})?")


def _exact(value: Any) -> Any:
    """A whole JSON number or a number in quotes, as our own answers write them; minus nought is nought."""
    if type(value) is int or (isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value)):
        value = Decimal(value)
    return ZERO if isinstance(value, Decimal) and value == 0 else value


_Bounds: Final = Field(le=MAX_AMOUNT, decimal_places=12, allow_inf_nan=False)
Amount = Annotated[Decimal, BeforeValidator(_exact), Field(gt=0), _Bounds]
AmountOrZero = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0), _Bounds]
Share = Annotated[Decimal, BeforeValidator(_exact), Field(gt=0, le=1, decimal_places=12, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Seconds = Annotated[int, Field(ge=1, le=366 * _DAY_S)]

PRINTABLE: Final = r"^[^\x00-\x1f\x7f]*$"
NAME: Final = r"^[^\x00-\x1f\x7f/?#]+$"
Text = Annotated[str, Field(max_length=64, pattern=PRINTABLE)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=NAME)]
Symbol = Annotated[str, Field(min_length=1, max_length=40, pattern=NAME)]
Clock = Annotated[str, Field(pattern=r"^[0-2][0-9]:[0-5][0-9]$")]

PathName = Annotated[str, Path(min_length=1, max_length=64, pattern=NAME)]
PathId = Annotated[str, Path(min_length=1, max_length=200, pattern=NAME)]


class Page(BaseModel):
    """How much of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="At most so many.")] = 100


class Texts(BaseModel):
    """In which language texts are wanted."""

    model_config = ConfigDict(extra="forbid")

    lang: Annotated[str, Field(pattern="^(en|ja)$", description="en or ja")] = "en"


class AccountPage(Page):
    account: Annotated[str, Field(max_length=64, pattern=PRINTABLE, description="Only this account's.")] = ""


class Wish(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class RetryWish(Wish):
    """``force``: also past the order's lifetime."""

    force: bool = False


class KillWish(Wish):
    """Everything where neither is named; else one account, or all accounts of one user."""

    account: Text = ""
    user: Text = ""


class LevelWish(Wish):
    unit: Annotated[LevelUnit, Field(strict=False)]
    value: Amount


class TakeProfitWish(Wish):
    level: LevelWish
    share: Share = Decimal(1)


class WindowWish(Wish):
    """Hours in which entries are allowed; an end before the start is on the next day."""

    days: Annotated[list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], Field(max_length=7)] | None = None
    start: Clock = "00:00"
    end: Clock = "24:00"


class RulesWish(Wish):
    """Rules as :class:`~kakehashi.domain.rules.RouteRules` means them. What is left out has its default; null is "off"."""

    size_unit: Annotated[SizeUnit, Field(strict=False)] = SizeUnit.LOTS
    size_value: Amount | None = None
    size_source: Annotated[SizeSource, Field(strict=False)] = SizeSource.SIGNAL
    risk_means: Annotated[SizeUnit, Field(strict=False)] = SizeUnit.RISK_PERCENT
    lots_per_contract: Amount | None = None
    max_lots: Amount | None = None
    max_notional: Amount | None = None
    stops_in: Annotated[LevelUnit, Field(strict=False)] = LevelUnit.PIPS
    sl: LevelWish | None = None
    tps: Annotated[list[TakeProfitWish], Field(max_length=10)] = []
    sl_required: bool = False
    tp_close_ratio: Share = Decimal("0.5")
    breakeven_offset_pips: AmountOrZero = ZERO
    reverse: bool = False
    close_scope: Annotated[CloseScope, Field(strict=False)] = CloseScope.ROUTE
    on_gap: Annotated[OnGap, Field(strict=False)] = OnGap.HOLD
    direction: Annotated[Direction, Field(strict=False)] = Direction.BOTH
    symbols: Annotated[list[Symbol], Field(max_length=500)] = []
    windows: Annotated[list[WindowWish], Field(max_length=50)] = []
    zone: Text = "UTC"
    entry_ttl_s: Seconds = 30
    exit_ttl_s: Seconds = _DAY_S
    max_spread_pips: Amount | None = None
    max_spread_percent: Amount | None = Decimal("0.5")
    price_collar_percent: Amount | None = Decimal(2)
    quote_age_ms: Annotated[int, Field(ge=1, le=_DAY_S * 1000)] = 3_000
    cooldown_s: Count | None = 2
    max_orders: Count | None = 10
    window_s: Seconds = 60
    max_orders_per_day: Count | None = 200
    max_positions: Count | None = 5
    pyramiding: Count | None = None
    max_exposure_lots: Amount | None = None
    max_backlog: Count | None = 50
    max_daily_loss: Amount | None = None
    max_daily_loss_percent: Amount | None = Decimal(5)
    max_losing_streak: Count | None = 5
    duplicate_window_s: Count | None = 10

    def table(self) -> dict[str, Any]:
        """What was said, as plain values for :func:`~kakehashi.domain.rules.rules_from_toml`."""
        return self.model_dump(mode="json", exclude_unset=True)


class RouteWish(Wish):
    """The whole route: what is left out has its default, not its former value."""

    accounts: Annotated[list[Name], Field(min_length=1, max_length=100)]
    strategy: Annotated[Text, Field(description="Only alerts of this token slot; empty is any.")] = ""
    symbols: Annotated[list[Symbol], Field(max_length=500, description="As the alert names them; empty is any.")] = []
    rules: RulesWish = RulesWish()
    per_account: Annotated[dict[Name, RulesWish], Field(max_length=100)] = {}
    dry_run: bool = False
    no_rails: bool = False
    enabled: bool = True
    after_version: Annotated[
        Count | None, Field(description="The version this change was made from: refused when there is a newer one.")
    ] = None


class TokenWish(Wish):
    """``route`` is what a webhook token is for, ``account`` what an ea token is for."""

    scope: Literal["webhook", "ea", "operator", "admin", "metrics", "read", "session"]
    route: Text = ""
    account: Text = ""
    name: Text = ""
    days: Annotated[int, Field(ge=1, le=3650, description="Expires after so many days; null never.")] | None = None
