"""Orders and deals of the past: by period, by ticket, by position."""

from collections.abc import Callable
from typing import Any

from kakehashi.terminal.core.words import Deal, Order
from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.face import Failed, answers, moment_ms, text, whole
from kakehashi.terminal.metatrader5.groups import every, group_filter
from kakehashi.terminal.metatrader5.rows import deal_row, order_row
from kakehashi.terminal.metatrader5.session import terminal
from kakehashi.terminal.metatrader5.structs import TradeDeal, TradeOrder


def _history_orders_total(date_from: object, date_to: object, /) -> int:
    """How many orders were placed or ended in a period."""
    return len(_history_orders_get(date_from, date_to))


def _history_orders_get(
    date_from: object = None,
    date_to: object = None,
    *,
    group: object = None,
    ticket: object = None,
    position: object = None,
) -> tuple[TradeOrder, ...]:
    """Ended orders that were placed or ended in a period, of a ticket, or of a position's identifier."""
    t = terminal()
    wanted, takes = _wanted(date_from, date_to, group, ticket, position, ticket_is="ticket")
    return tuple(order_row(o) for o in t.ask("history_orders", list[Order], **wanted) if takes(o.symbol))


def _history_deals_total(date_from: object, date_to: object, /) -> int:
    """How many deals there were in a period, deposits included."""
    return len(_history_deals_get(date_from, date_to))


def _history_deals_get(
    date_from: object = None,
    date_to: object = None,
    *,
    group: object = None,
    ticket: object = None,
    position: object = None,
) -> tuple[TradeDeal, ...]:
    """Deals of a period, of an ORDER's ticket, or of a position's identifier; deposits too."""
    t = terminal()
    wanted, takes = _wanted(date_from, date_to, group, ticket, position, ticket_is="order")
    return tuple(deal_row(d) for d in t.ask("history_deals", list[Deal], money=True, **wanted) if takes(d.symbol))


def _wanted(
    date_from: object, date_to: object, group: object, ticket: object, position: object, *, ticket_is: str
) -> tuple[dict[str, Any], Callable[[str], bool]]:
    """What to ask the server for, and which symbols of its answer to keep; a ticket wins over a position over dates."""
    takes = group_filter(text(group, "group")) if group is not None else every
    if ticket is not None:
        return {ticket_is: whole(ticket, "ticket")}, takes
    if position is not None:
        return {"position": whole(position, "position")}, takes
    if date_from is None or date_to is None:
        raise Failed(c.RES_E_INVALID_PARAMS, "Invalid arguments")
    since, until = moment_ms(date_from, "date_from") // 1000, moment_ms(date_to, "date_to") // 1000
    return {"since": since * 1000, "until": until * 1000 + 999}, takes  # the terminal selects by whole seconds


history_orders_total = answers(_history_orders_total)
history_orders_get = answers(_history_orders_get)
history_deals_total = answers(_history_deals_total)
history_deals_get = answers(_history_deals_get)
