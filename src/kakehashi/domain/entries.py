"""Opening: an entry's checks, size and stops, and how several targets become several orders."""

from decimal import Decimal

import msgspec

from kakehashi.domain.alerts import OrderKind
from kakehashi.domain.codes import refused
from kakehashi.domain.decision import Decision, Intent
from kakehashi.domain.exits import Case
from kakehashi.domain.gates import check_duplicate, check_entry, check_market, check_room, limits_room, time_left
from kakehashi.domain.orders import Op
from kakehashi.domain.sizing import Sized, fit, volume_of
from kakehashi.domain.stops import Levels, expected_entry, levels_of
from kakehashi.domain.values import Instrument, Lots, MarginMode, Price, Side, round_down


def enter(
    case: Case,
    side: Side,
    *,
    lots: Lots | None = None,
    leaving: frozenset[str] = frozenset(),
    cancelled: frozenset[str] = frozenset(),
) -> Decision:
    """Open a position, if every rule allows it.

    :param lots: the volume, where it is not the alert's and route's sizing that says it (target mode)
    :param leaving: identifiers of positions that end before it opens
    :param cancelled: ids of entries that end with this decision
    :raises Refused: any code of the gates, of sizing and of stops
    """
    alert, rules, view, at = case.alert, case.rules, case.view, case.at
    notes = list(check_entry(case.route, rules, view, case.memory, case.signal, side, at))
    ttl_ms = time_left(case.signal, rules.entry_ttl_s, at, "EXPIRED_ENTRY")
    if alert.cancel_after_s is not None:
        ttl_ms = min(ttl_ms, alert.cancel_after_s * 1000)
    if case.signal.age_ms is None:
        notes.append("NOT_CHECKED: the alert's age (it sent no time that tells); counted from receipt")
    if alert.kind is not OrderKind.MARKET and not view.reported:
        raise refused("VENUE_UNSUPPORTED", what=f"a {alert.kind} order")
    price = expected_entry(alert, side, rules, view, symbol=case.symbol, at=at)
    seen = alert.price if alert.kind is OrderKind.MARKET else price
    notes += check_market(rules, view, case.signal, symbol=case.symbol, price=seen, at=at)
    levels = levels_of(alert, side, rules, view, symbol=case.symbol, entry=price)
    sized = _sized(case, lots, price, levels)
    check_duplicate(rules, case.memory, side, sized.volume, at)
    parts = _parts(case, sized.volume, levels, notes)
    if limits_room(rules):
        name = case.route.name
        own = [p for p in view.positions if view.magics.get(p.magic) == name and p.ident not in leaving]
        under_way = [o for o in view.orders.entries_of(name) if o.id not in cancelled]
        check_room(rules, own, under_way, symbol=case.symbol, side=side, volume=sized.volume, parts=len(parts))
    whole = Intent(
        op=Op.OPEN if alert.kind is OrderKind.MARKET else Op.PENDING,
        symbol=case.symbol,
        ttl_ms=ttl_ms,
        side=side,
        kind=alert.kind,
        price=price if alert.kind is not OrderKind.MARKET else None,
        sl=levels.sl,
        comment=alert.comment or "",
        after=case.older_exits() if view.reported else (),
    )
    intents = tuple(msgspec.structs.replace(whole, volume=volume, tp=tp) for volume, tp in parts)
    return Decision(intents=intents, notes=(*notes, *sized.notes))


def _sized(case: Case, lots: Lots | None, price: Price | None, levels: Levels) -> Sized:
    if lots is not None:
        return fit(lots, case.rules, case.view, symbol=case.symbol, entry=price)
    return volume_of(case.alert, case.rules, case.view, symbol=case.symbol, entry=price, sl=levels.sl)


def _parts(
    case: Case, volume: Lots | None, levels: Levels, notes: list[str]
) -> tuple[tuple[Lots | None, Price | None], ...]:
    """(volume, target) of each order. A hedging account gets one for each target, so that the broker closes each share.

    Where that cannot be (netting, no specification, a share below the minimum) it is one order with the last target.
    """
    tps = levels.tps
    if len(tps) < 2:
        return ((volume, tps[0][0] if tps else None),)
    instrument = case.view.instrument
    hedging = case.view.account.margin_mode is MarginMode.HEDGING
    if hedging and volume is not None and instrument is not None:
        volumes = _split(volume, [share for _, share in tps], instrument)
        if all(part >= instrument.vol_min for part in volumes):
            targets: list[Price | None] = [price for price, _ in tps]
            targets += [None] * (len(volumes) - len(targets))
            return tuple(zip(volumes, targets, strict=True))
    notes.append("TP_NOT_SPLIT: one order with the last target; TP signals close the shares before it")
    return ((volume, tps[-1][0]),)


def _split(volume: Lots, shares: list[Decimal], instrument: Instrument) -> list[Lots]:
    """The volume in shares, each rounded down; what rounding leaves goes to the last share.

    Shares that do not add up to the whole leave a part without target (one more, if it is tradable).
    """
    parts = [round_down(volume * share, instrument.vol_step) for share in shares]
    rest = volume - sum(parts, Decimal(0))
    runner = 1 - sum(shares, Decimal(0))
    if runner > Decimal("1e-9") and rest >= instrument.vol_min:
        parts.append(rest)
    else:
        parts[-1] += rest
    return parts
