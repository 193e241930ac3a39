"""Options and argument types that several commands take."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import click

LIMIT = click.option("--limit", type=click.IntRange(1, 100_000), default=100, help="How many, newest first.")
ACCOUNT = click.option("--account", default="", help="Only this account.")
HUB_URL = click.option("--url", default=None, help="The hub, where it is not the configured one.")

_SPAN: Final = re.compile(r"(\d{1,6})(s|m|h|d)", re.ASCII)
_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class DecimalType(click.ParamType[Decimal]):
    """A positive decimal number."""

    name = "decimal"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not number.is_finite() or not 0 < number <= 1_000_000:
            self.fail(f"{value!r} is not a number over 0", param, ctx)
        return number


class SpanType(click.ParamType[int]):
    """A length of time such as 90s, 30m, 48h or 7d, as milliseconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SPAN.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not a length of time such as 90s, 30m, 48h or 7d", param, ctx)
        return int(found[1]) * _UNIT_MS[found[2]]
