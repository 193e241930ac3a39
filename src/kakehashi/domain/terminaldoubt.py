"""What became of an order request that was sent and not answered: the rules, without any I/O.

A user's magic and comment are the user's own and stay untouched, so there is no tag to look for. What is newer than the
snapshot from just before the call is compared by symbol, side, volume, magic and comment: one candidate is the answer.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from enum import StrEnum
from typing import Any, Final

import msgspec

Row = Mapping[str, Any]

DEAL, PENDING, CLOSE_BY = 1, 5, 10
DONE, DONE_PARTIAL, REJECT, INVALID_ORDER, POSITION_CLOSED = 10009, 10010, 10006, 10035, 10036
CANCELED, REJECTED, EXPIRED = 2, 5, 6
COMMENT: Final = 31
"""Longest comment that a server keeps."""
FAR_FUTURE_S: Final = 4_102_444_800
LOOK_BACK_S: Final = 60
"""How much history before the call belongs to the snapshot: whatever lies in it and was not there is new."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What there was just before a request was sent.

    :ivar since_s: from where on the history was read, in the server's seconds
    :ivar orders: tickets that were known then, resting or ended
    """

    since_s: int = 0
    orders: frozenset[int] = frozenset()


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What there is now: rows of positions_get, orders_get, history_orders_get and history_deals_get."""

    positions: Sequence[Row]
    orders: Sequence[Row]
    ended: Sequence[Row]
    deals: Sequence[Row]


class Verdict(StrEnum):
    """NONE: no trace; MANY: more than one order could be it; WORKING: found, and the server is not done with it;
    UNKNOWABLE: what this kind of request leaves behind is not known here.
    """

    FOUND = "FOUND"
    NONE = "NONE"
    MANY = "MANY"
    WORKING = "WORKING"
    UNKNOWABLE = "UNKNOWABLE"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """:ivar result: in the place of order_send's own answer, where ``verdict`` is FOUND"""

    verdict: Verdict
    result: dict[str, Any] | None = None
    ticket: int = 0


def same_wish(one: Row, other: Row) -> bool:
    """Whether the traces of two requests could be taken for each other's."""
    keys = ("action", "symbol", "type", "volume", "magic", "comment", "position", "order")
    return all((one.get(key) or 0) == (other.get(key) or 0) for key in keys)


def judge(request: Row, mark: Mark, now: Evidence, *, claimed: Set[int]) -> Finding:
    """What became of ``request``.

    :param claimed: tickets of orders that are known to be other commands'
    """
    match request.get("action"):
        case 1 | 5 | 10:
            return _placed(request, mark, now, claimed)
        case 6:
            return _levels(request, now.positions, "position", ("sl", "tp"))
        case 7:
            return _levels(request, now.orders, "order", ("price", "sl", "tp"))
        case 8:
            return _removed(request, now)
        case _:
            return Finding(verdict=Verdict.UNKNOWABLE)


def _placed(request: Row, mark: Mark, now: Evidence, claimed: Set[int]) -> Finding:
    old = mark.orders | claimed
    found = {int(o["ticket"]): o for o in (*now.ended, *now.orders) if int(o["ticket"]) not in old and _is(request, o)}
    if not found:
        return Finding(verdict=Verdict.NONE)
    if len(found) > 1:
        return Finding(verdict=Verdict.MANY)
    ticket, order = next(iter(found.items()))
    deals = [d for d in now.deals if int(d["order"]) == ticket]
    ended = ticket in {int(o["ticket"]) for o in now.ended}
    if not ended and request["action"] != PENDING:
        return Finding(verdict=Verdict.WORKING, ticket=ticket)
    return Finding(verdict=Verdict.FOUND, ticket=ticket, result=_answer(request, order, deals))


def _is(request: Row, order: Row) -> bool:
    if request["action"] == CLOSE_BY:
        return request.get("position") in (order.get("position_id"), order.get("position_by_id"))
    asked = request.get("position") or 0
    return bool(
        order["symbol"] == request.get("symbol")
        and order["type"] == request.get("type", 0)
        and _near(order["volume_initial"], request.get("volume", 0))
        and int(order["magic"]) == int(request.get("magic") or 0)
        and str(order["comment"])[:COMMENT] == str(request.get("comment") or "")[:COMMENT]
        and (request["action"] != PENDING or _near(order["price_open"], request.get("price", 0)))
        and (not asked or int(order["position_id"]) == int(asked))
    )


def _near(one: float, other: float) -> bool:
    return abs(float(one) - float(other)) < 1e-9 * max(1.0, abs(float(one)))


def _answer(request: Row, order: Row, deals: Sequence[Row]) -> dict[str, Any]:
    volume = round(sum(float(d["volume"]) for d in deals), 8)
    worth = sum(float(d["volume"]) * float(d["price"]) for d in deals)
    wanted = float(order["volume_initial"])
    retcode = DONE
    if request["action"] != PENDING and not deals:
        retcode = REJECT if order.get("state") in (CANCELED, REJECTED, EXPIRED) else DONE
    elif request["action"] == DEAL and volume + 1e-9 < wanted:
        retcode = DONE_PARTIAL
    return _result(
        request,
        retcode=retcode,
        deal=int(deals[0]["ticket"]) if deals else 0,
        order=int(order["ticket"]),
        volume=volume if deals else wanted,
        price=round(worth / volume, 8) if volume else float(order.get("price_open") or 0),
    )


def _result(request: Row, **known: Any) -> dict[str, Any]:
    """OrderSendResult's fields in its order; prices of the moment are not known any more."""
    blank = {"retcode": DONE, "deal": 0, "order": 0, "volume": 0.0, "price": 0.0, "bid": 0.0, "ask": 0.0}
    return blank | known | {"comment": "", "request_id": 0, "retcode_external": 0, "request": dict(request)}


def _levels(request: Row, rows: Iterable[Row], asked: str, levels: tuple[str, ...]) -> Finding:
    """Changing levels leaves no deal: they are as wished, or they are not."""
    ticket = int(request.get(asked) or 0)
    row = next((r for r in rows if int(r["ticket"]) == ticket), None)
    if row is None:
        gone = POSITION_CLOSED if asked == "position" else INVALID_ORDER
        return Finding(verdict=Verdict.FOUND, result=_result(request, retcode=gone))
    names = {"price": "price_open"}
    if all(_near(row[names.get(n, n)], request.get(n) or 0) for n in levels):
        return Finding(verdict=Verdict.FOUND, result=_result(request, order=int(request.get("order") or 0)))
    return Finding(verdict=Verdict.NONE)


def _removed(request: Row, now: Evidence) -> Finding:
    ticket = int(request.get("order") or 0)
    gone = all(int(o["ticket"]) != ticket for o in now.orders)
    state = next((o["state"] for o in now.ended if int(o["ticket"]) == ticket), None)
    if not gone:
        return Finding(verdict=Verdict.NONE)
    retcode = DONE if state == CANCELED else INVALID_ORDER
    return Finding(verdict=Verdict.FOUND, result=_result(request, retcode=retcode, order=ticket))
