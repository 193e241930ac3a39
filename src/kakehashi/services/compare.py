"""What two records of one thing say differently: a dry run beside what really happened, a duplicate beside its first.

A dry-run route has no positions and remembers no entries, so its exits name none and its rails that count entries
never bite; what it decides is otherwise what it would have ordered.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from kakehashi.domain.orders import Op, Order, State
from kakehashi.domain.values import Lots, Millis, Side
from kakehashi.domain.views import Leg
from kakehashi.ports import Store
from kakehashi.services import desk

ENTRY, EXIT = "entry", "exit"
NEVER_HAPPENED: Final = frozenset({State.REJECTED, State.EXPIRED, State.NOT_EXECUTED, State.CANCELLED, State.DEAD})
"""Without a fill, such an order moved nothing on its account."""
_KINDS: Final = {Op.OPEN: ENTRY, Op.PENDING: ENTRY, Op.CLOSE: EXIT, Op.CLOSE_PARTIAL: EXIT}
_WISH: Final = re.compile(rf"({'|'.join(Op)}) (BUY|SELL|) (None|\d+(?:\.\d+)?) (.+)", re.ASCII)
_PAGE: Final = 1_000
_IDS: Final = 500


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One order, sent or only wished. ``volume`` None left it to the executor, ``side`` None is either."""

    op: Op
    side: Side | None
    volume: Lots | None
    symbol: str

    @property
    def kind(self) -> str:
        return _KINDS.get(self.op, self.op.value.lower())

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.op, self.side, self.volume, self.symbol) if part is not None)


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What the route decided of one signal on one account; ``wishes`` are the orders a dry run did not send."""

    at: Millis
    signal_id: str
    strategy: str
    alert: str
    account: str
    status: str
    code: str = ""
    wishes: tuple[Act, ...] = ()


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """An order that another route really sent."""

    at: Millis
    order_id: str
    signal_id: str
    account: str
    route: str
    strategy: str
    state: str
    act: Act


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One would-be order beside the real one it matches; either may be missing.

    :ivar verdict: ``match``; ``extra``: only the dry run would have done it; ``missing``: really done, and the dry run
        would not have; ``refused``, with its code; ``nothing``: there was nothing to do
    """

    at: Millis
    verdict: str
    account: str
    signal_id: str = ""
    strategy: str = ""
    alert: str = ""
    would: str = ""
    code: str = ""
    really: str = ""
    route: str = ""
    order_id: str = ""
    state: str = ""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    lines: tuple[Line, ...]
    totals: dict[str, Any]


# -- a dry run beside what really happened -------------------------------------------------------------------------


def compare(decided: Sequence[Decided], done: Sequence[Done], *, within_ms: Millis) -> Comparison:
    """Put each would-be order beside the real one nearest to it, each used once.

    Two orders match where account, symbol, kind (entry, exit) and side are the same and they are at most ``within_ms``
    apart; two of one signal before all others, then the nearest in time. Volumes may differ.
    """
    wishes = [(one, wish) for one in decided for wish in one.wishes]
    partner = _partners(wishes, done, within_ms)
    used = {mate.order_id for mate in partner.values()}
    lines = [_wish_line(one, wish, partner.get(i)) for i, (one, wish) in enumerate(wishes)]
    lines += [_plain_line(one) for one in decided if not one.wishes and one.status in ("refused", "dry_run")]
    lines += [
        Line(at=d.at, verdict="missing", account=d.account, signal_id=d.signal_id, **_real(d))
        for d in done
        if d.order_id not in used
    ]
    verdicts = Counter(line.verdict for line in lines)
    kinds = Counter(wish.kind for _, wish in wishes)
    same = sum(partner[i].act.volume == wish.volume for i, (_, wish) in enumerate(wishes) if i in partner)
    totals = {
        "signals": len({one.signal_id for one in decided}),
        "entries": kinds.pop(ENTRY, 0),
        "exits": kinds.pop(EXIT, 0),
        "others": kinds.total(),
        "refusals": dict(sorted(Counter(one.code for one in decided if one.status == "refused").items())),
        "carried_out": sum(one.status in ("queued", "satisfied") for one in decided),
        "matching": verdicts["match"],
        "matching_with_the_same_volume": same,
        "missing": verdicts["missing"],
        "extra": verdicts["extra"],
        "really_by_strategy": dict(sorted(Counter(d.strategy for d in done).items())),
    }
    return Comparison(lines=tuple(sorted(lines, key=lambda x: (x.at, x.signal_id, x.order_id))), totals=totals)


def _partners(wishes: Sequence[tuple[Decided, Act]], done: Sequence[Done], within_ms: Millis) -> dict[int, Done]:
    """Index of a wish to the order it matches: all possible pairs, the best first."""
    places: dict[tuple[str, str, str], list[Done]] = defaultdict(list)
    for d in sorted(done, key=lambda d: (d.at, d.order_id)):
        places[d.account, d.act.symbol, d.act.kind].append(d)
    possible: list[tuple[bool, int, int, str, Done]] = []
    for i, (one, wish) in enumerate(wishes):
        near = places.get((one.account, wish.symbol, wish.kind), [])
        for d in near[bisect_left(near, one.at - within_ms, key=lambda d: d.at) :]:
            if d.at > one.at + within_ms:
                break
            if None in (wish.side, d.act.side) or wish.side is d.act.side:
                possible.append((d.signal_id != one.signal_id, abs(d.at - one.at), i, d.order_id, d))
    partner: dict[int, Done] = {}
    used: set[str] = set()
    for _, _, i, order_id, d in sorted(possible, key=lambda p: p[:4]):
        if i not in partner and order_id not in used:
            partner[i] = d
            used.add(order_id)
    return partner


def _wish_line(one: Decided, wish: Act, mate: Done | None) -> Line:
    real = _real(mate) if mate else {}
    return msgspec.structs.replace(
        _plain_line(one), verdict="match" if mate else "extra", would=str(wish), **{**real, "strategy": one.strategy}
    )


def _plain_line(one: Decided) -> Line:
    return Line(
        at=one.at,
        verdict="refused" if one.status == "refused" else "nothing",
        account=one.account,
        signal_id=one.signal_id,
        strategy=one.strategy,
        alert=one.alert,
        code=one.code,
    )


def _real(d: Done) -> dict[str, str]:
    return {
        "really": str(d.act),
        "route": d.route,
        "order_id": d.order_id,
        "state": d.state,
        "strategy": d.strategy,
    }


async def compare_route(store: Store, name: str, *, since: Millis, within_ms: Millis) -> Comparison:
    """A route's dry run since a moment, beside the orders of all other routes on its accounts and symbols.

    :param since: ms UTC
    :raises Rejected: NOT_FOUND
    """
    route = await desk.route(store, name)
    heard = await _since(store, "signals", "received_at", since)
    decided = [one for row in reversed(heard) for one in _decided(row, name)]
    orders = await _since(store, "orders", "created_at", since, where={"account": route.accounts})
    found = [msgspec.json.decode(row["body"], type=Order) for row in orders if row["route"] != name]
    real = [
        o
        for o in found
        if (not route.symbols or o.signal_symbol in route.symbols)
        and (o.filled_volume > 0 or o.state not in NEVER_HAPPENED)
    ]
    strategies = {row["id"]: row["strategy"] for row in heard}
    strangers = await _signals(store, {o.signal_id for o in real} - strategies.keys())
    strategies |= {id_: row["strategy"] for id_, row in strangers.items()}
    done = [_done(o, strategies.get(o.signal_id, "")) for o in real]
    return compare(decided, done, within_ms=within_ms)


class _Body(msgspec.Struct):
    """The part of a signal's row that is read here."""

    legs: tuple[Leg, ...] = ()


def _decided(row: Mapping[str, Any], route: str) -> Iterable[Decided]:
    for leg in msgspec.json.decode(row["body"], type=_Body).legs:
        if leg.route == route:
            yield Decided(
                at=row["received_at"],
                signal_id=row["id"],
                strategy=row["strategy"],
                alert=f"{row['action']} {row['symbol']}",
                account=leg.account,
                status=leg.status,
                code=leg.code,
                wishes=wishes_in(leg.notes) if leg.status == "dry_run" else (),
            )


def wishes_in(notes: Sequence[str]) -> tuple[Act, ...]:
    """The orders among a dry run's notes, e.g. ``OPEN BUY 0.10 EURUSD``; other notes begin with a word and a colon."""
    found = (_WISH.fullmatch(note) for note in notes)
    return tuple(
        Act(
            op=Op(wish[1]),
            side=Side(wish[2]) if wish[2] else None,
            volume=None if wish[3] == "None" else Lots(wish[3]),
            symbol=wish[4],
        )
        for wish in found
        if wish
    )


def _done(order: Order, strategy: str) -> Done:
    return Done(
        at=order.created_at,
        order_id=order.id,
        signal_id=order.signal_id,
        account=order.account,
        route=order.route,
        strategy=strategy,
        state=order.state.value,
        act=Act(op=order.op, side=order.side, volume=order.volume, symbol=order.symbol),
    )


async def _since(
    store: Store, table: str, column: str, since: Millis, *, where: Mapping[str, Any] | None = None
) -> list[Mapping[str, Any]]:
    """Rows whose ``column`` is not before ``since``, newest first; the store lists by number, so ask for more and more."""
    limit = _PAGE
    while True:
        rows = await store.rows(table, where=where, limit=limit)
        if len(rows) < limit or rows[-1][column] < since:
            return [row for row in rows if row[column] >= since]
        limit *= 4


async def _signals(store: Store, ids: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    wanted = sorted(ids)
    found: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(wanted), _IDS):
        part = tuple(wanted[start : start + _IDS])
        found |= {row["id"]: row for row in await store.rows("signals", where={"id": part}, limit=_IDS)}
    return found


# -- a duplicate beside the alert that was taken -------------------------------------------------------------------
