"""What becomes of an order that is handed out: leased, told of, forgotten, offered again. State in, state out.

Source: PROTOCOL section 3, laws 4 and 5; the mailbox contract of the TradingView facts.
"""

from typing import Final

import msgspec

from kakehashi.domain.decision import Intent
from kakehashi.domain.errors import Rejected
from kakehashi.domain.messages import OrderReported
from kakehashi.domain.orders import TRANSITIONS, Fill, Happening, Op, Order, State, step
from kakehashi.domain.values import ZERO, Lots, Millis, Redelivery

_GOOD: Final = (Happening.PLACED, Happening.FILLED_PART, Happening.FILLED, Happening.DONE)
"""What settles an earlier doubt."""


def may_repeat(order: Order, policy: Redelivery, *, remembers: bool) -> bool:
    """Whether an order of unknown outcome may be offered once more (law 4): never to an executor without memory,
    except a whole CLOSE, which is harmless twice.
    """
    if policy is Redelivery.NEVER:
        return False
    return policy is Redelivery.ALWAYS or remembers or order.op is Op.CLOSE


def leased(order: Order, *, instance: str, until: Millis, remembers: bool, at: Millis, linked: bool = False) -> Order:
    """Handed to one executor until ``until``; over the EA link without an end."""
    return msgspec.structs.replace(
        order,
        state=step(order, Happening.LEASED),
        attempt=order.attempt + 1,
        instance=instance,
        lease_until=None if linked else until,
        remembers=remembers,
        linked=linked,
        updated_at=at,
    )


def lease_ended(order: Order, policy: Redelivery, *, max_attempts: int, at: Millis) -> Order:
    """No result came: UNKNOWN, or a dead letter where it may not be offered again."""
    unknown = msgspec.structs.replace(
        order, state=step(order, Happening.LEASE_ENDED), code="OUTCOME_UNKNOWN", lease_until=None, updated_at=at
    )
    if unknown.attempt >= max_attempts:
        return msgspec.structs.replace(unknown, state=State.DEAD, code="ATTEMPTS_EXHAUSTED")
    if not may_repeat(unknown, policy, remembers=unknown.remembers):
        return msgspec.structs.replace(unknown, state=State.DEAD)
    return unknown


def told(order: Order, report: OrderReported, *, mirrored: bool, max_attempts: int, page_ms: Millis) -> Order | None:
    """The order as an executor's word, or evidence, leaves it; None where nothing is new.

    :param mirrored: whether the account reports its positions: else a bare "taken" is the last that can be known
    :param page_ms: how long "taken" may stay without a result before a person is told
    :raises IllegalTransition: it cannot befall this order
    """
    happening = report.happening
    if happening is Happening.TAKEN and order.state in (State.SENT, State.UNKNOWN) and not mirrored:
        order = msgspec.structs.replace(order, state=State.UNCONFIRMED)
        happening = Happening.UNREPORTED
    if happening is Happening.PLACED:  # an order that rests: its volume and price are asked for, nothing is filled
        report = msgspec.structs.replace(report, volume=ZERO, price=None)
    if _repeats(order, happening, report):
        return None
    if happening is Happening.FILLED_PART and order.volume is not None and report.volume >= order.volume:
        happening = Happening.FILLED
    after = msgspec.structs.replace(
        order,
        state=step(order, happening),
        updated_at=report.at,
        filled_volume=max(order.filled_volume, report.volume),
        filled_price=report.price or order.filled_price,
        ticket=report.ticket or order.ticket,
        retcode=report.retcode if report.retcode is not None else order.retcode,
        code=report.code or _code_of(order, happening, report),
        reason=report.message or report.evidence or order.reason,
        lease_until=report.at + page_ms if happening is Happening.TAKEN else None,
    )
    if happening is Happening.NACKED and order.attempt >= max_attempts:
        return msgspec.structs.replace(after, state=State.DEAD, code="ATTEMPTS_EXHAUSTED")
    return after


def _code_of(order: Order, happening: Happening, report: OrderReported) -> str:
    """A good result clears an earlier doubt; one that is over with less than was ordered says so."""
    if happening not in _GOOD:
        return order.code
    over = happening in (Happening.FILLED, Happening.DONE)
    done = max(order.filled_volume, report.volume)
    return "PARTIAL_FILL" if over and order.volume is not None and 0 < done < order.volume else ""


def _repeats(order: Order, happening: Happening, report: OrderReported) -> bool:
    """The same result again, or less than is known already, changes nothing."""
    if happening is Happening.TAKEN and order.state is not State.SENT and order.state is not State.UNKNOWN:
        return True
    if report.volume and report.volume <= order.filled_volume and order.terminal:
        return True
    impossible = happening not in TRANSITIONS.get(order.state, {})
    return order.terminal and order.state is not State.DEAD and impossible


def fill_of(before: Order, after: Order, report: OrderReported) -> Fill | None:
    """What a report adds to the executed volume; None where it adds nothing."""
    gained: Lots = report.volume - before.filled_volume
    if gained <= 0:
        return None
    return Fill(
        id=f"{after.id}:{after.filled_volume.normalize():f}",
        order_id=after.id,
        account=after.account,
        symbol=after.symbol,
        side=after.side,
        op=after.op,
        volume=gained,
        price=report.price or after.price or ZERO,
        at=report.at,
        ticket=report.deal or report.ticket,
        profit=report.profit,
    )


def ended(order: Order, happening: Happening, *, code: str, at: Millis, reason: str = "") -> Order:
    """An order that is over without an execution: expired, cancelled, refused, discarded.

    :raises IllegalTransition: it cannot end like that
    """
    return msgspec.structs.replace(
        order, state=step(order, happening), code=code, reason=reason or order.reason, updated_at=at, held=False
    )


def released(order: Order, intent: Intent, *, at: Millis) -> Order:
    """A held order as its second decision wants it; it may be offered now."""
    return msgspec.structs.replace(
        order,
        held=False,
        op=intent.op,
        volume=intent.volume,
        volume_ratio=intent.volume_ratio,
        price=intent.price,
        sl=intent.sl,
        tp=intent.tp,
        target=intent.target,
        expect_vol=intent.expect_vol,
        opened_before=intent.opened_before,
        updated_at=at,
    )


def retried(order: Order, *, by: str, expires_at: Millis, at: Millis) -> Order:
    """A dead letter back in the mailbox, as if it had never been handed out."""
    return msgspec.structs.replace(
        order,
        state=step(order, Happening.RETRIED),
        expires_at=expires_at,
        attempt=0,
        code="",
        reason=f"retried by {by}",
        updated_at=at,
    )


def check_whole(order: Order, account: str) -> None:
    """:raises Rejected: FORBIDDEN: an executor spoke of another account's order"""
    if order.account != account:
        raise Rejected("FORBIDDEN", f"order {order.id} is not of account {account}")
