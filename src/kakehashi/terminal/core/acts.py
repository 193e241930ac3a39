"""What a command means on this account now: one trade request, or the reason why there is none (R10, R18, R21).

An exit is judged here, where the positions are: it goes out only against an open position that matches.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeAlias

import msgspec

from kakehashi.domain.frames import Cmd, OrderRow, PositionRow, SymbolRow
from kakehashi.terminal.core.doubt import Verdict
from kakehashi.terminal.core.link_words import View
from kakehashi.terminal.core.words import ZERO, Filling, OrderType, Request, Side, TradeAction

EXITS: Final = frozenset({"CLOSE", "CLOSE_PARTIAL"})
ENTRIES: Final = frozenset({"OPEN", "PENDING"})
_COMMENT: Final = 16
_MAGIC_END: Final = 1 << 63


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """:ivar volume: lots that it trades; 0 for changes and cancels"""

    request: Request
    volume: Decimal = ZERO
    target: str = ""


Decision: TypeAlias = Plan | Verdict


def content(cmd: Cmd) -> tuple[object, ...]:
    """What makes two commands of one id the same (R3)."""
    return (
        cmd.op, cmd.sym, cmd.side, cmd.vol, cmd.price, cmd.sl, cmd.tp, cmd.target, cmd.expect_vol, cmd.magic, cmd.ttl_ms
    )  # fmt: skip


def conflict(a: Cmd, b: Cmd, *, netting: bool) -> bool:
    """Whether two commands may not be under way at once: one target; on netting, exits of one symbol (R19, R10)."""
    if a.target and a.target == b.target:
        return True
    nameless = not a.target or not b.target
    return a.op in EXITS and b.op in EXITS and a.sym == b.sym and (netting or nameless)


def decide(cmd: Cmd, view: View, *, halted: bool, specs: Mapping[str, SymbolRow]) -> Decision:
    """:param specs: of all symbols; none known yet is no reason to refuse"""
    if cmd.op in ENTRIES and halted:
        return _rejected("HALTED")
    if cmd.op in ENTRIES and not 0 < int(cmd.magic) < _MAGIC_END:
        return _rejected("BAD_MAGIC")
    if cmd.op in ENTRIES and specs and cmd.sym not in specs:
        return _rejected("NO_SPEC")
    match cmd.op:
        case "OPEN":
            return _open(cmd, filling(specs.get(cmd.sym)))
        case "PENDING":
            return _pending(cmd)
        case "CLOSE" | "CLOSE_PARTIAL":
            return _exit(cmd, view, specs)
        case "MODIFY":
            return _modify(cmd, view, halted=halted)
        case "CANCEL":
            return cancel(cmd, view)
    return _rejected("BAD_OP")


def filling(spec: SymbolRow | None) -> Filling | None:
    """How a market order asks to be filled: what there is, else all or nothing; None where the symbol says neither."""
    told = spec.filling.split(",") if spec is not None else []
    return next((mode for mode in (Filling.IOC, Filling.FOK) if mode.value in told), None)


def _open(cmd: Cmd, mode: Filling | None) -> Decision:
    side = _side(cmd.side)
    if side is None or cmd.vol <= 0:
        return _rejected("BAD_COMMAND")
    request = Request(
        action=TradeAction.DEAL,
        symbol=cmd.sym,
        type=OrderType(side.value),
        volume=cmd.vol,
        price=cmd.price,
        sl=cmd.sl,
        tp=cmd.tp,
        filling=mode,
        magic=int(cmd.magic),
        comment=cmd.id[:_COMMENT],
    )
    return Plan(request=request, volume=cmd.vol)


def _pending(cmd: Cmd) -> Decision:
    side = _side(cmd.side)
    name = f"{side.value}_{cmd.kind}" if side else ""
    if name not in OrderType.__members__ or not OrderType(name).is_pending or cmd.vol <= 0 or cmd.price <= 0:
        return _rejected("BAD_COMMAND")
    request = Request(
        action=TradeAction.PENDING,
        symbol=cmd.sym,
        type=OrderType(name),
        volume=cmd.vol,
        price=cmd.price,
        stoplimit=cmd.stoplimit,
        sl=cmd.sl,
        tp=cmd.tp,
        expiration=cmd.expiry_ms or None,
        magic=int(cmd.magic),
        comment=cmd.id[:_COMMENT],
    )
    return Plan(request=request, volume=cmd.vol)


def _exit(cmd: Cmd, view: View, specs: Mapping[str, SymbolRow]) -> Decision:
    position = _meant(cmd, view)
    if position is None or (cmd.side and position.side != cmd.side[:1]) or position.symbol != cmd.sym:
        partial = cmd.op == "CLOSE_PARTIAL"
        return _rejected("PRECOND") if partial else Verdict(st="DONE", reason="ALREADY_FLAT")
    volume = min(position.volume, cmd.expect_vol or position.volume)
    if cmd.op == "CLOSE_PARTIAL":
        if cmd.expect_vol != position.volume or not 0 < cmd.vol <= position.volume:
            return _rejected("PRECOND")
        volume = cmd.vol
    request = Request(
        action=TradeAction.DEAL,
        symbol=position.symbol,
        type=OrderType.SELL if position.side == "B" else OrderType.BUY,
        volume=volume,
        filling=filling(specs.get(position.symbol)),
        position=int(position.ticket),
        magic=int(cmd.magic),
        comment=cmd.id[:_COMMENT],
    )
    return Plan(request=request, volume=volume, target=position.ticket)


def _meant(cmd: Cmd, view: View) -> PositionRow | None:
    """The named position; else the oldest of ours on the symbol that is no younger than ``opened_before``."""
    if cmd.target:
        return next((p for p in view.positions if (p.ident or p.ticket) == cmd.target), None)
    mine = [
        p
        for p in view.positions
        if p.symbol == cmd.sym
        and p.side == (cmd.side[:1] or p.side)
        and 0 < p.opened <= cmd.opened_before
        and int(p.magic) >> 48 == int(cmd.magic) >> 48 != 0
    ]
    return min(mine, key=lambda p: (p.opened, int(p.ticket)), default=None)


def _modify(cmd: Cmd, view: View, *, halted: bool) -> Decision:
    for p in view.positions:
        if cmd.target == (p.ident or p.ticket):
            if (p.sl, p.tp) == (cmd.sl, cmd.tp):
                return Verdict(st="DONE", reason="NO_CHANGES")
            if halted and _loosens(p.sl, cmd.sl, buys=p.side == "B"):
                return _rejected("HALTED")
            request = Request(
                action=TradeAction.SLTP,
                symbol=p.symbol,
                position=int(p.ticket),
                sl=cmd.sl,
                tp=cmd.tp,
                magic=int(cmd.magic),
            )
            return Plan(request=request, target=p.ticket)
    order = next((o for o in view.orders if o.ticket == cmd.target), None)
    return _modify_order(cmd, order, halted=halted) if order else _rejected("GONE")


def _modify_order(cmd: Cmd, o: OrderRow, *, halted: bool) -> Decision:
    price = cmd.price or o.price
    if (o.sl, o.tp, o.price) == (cmd.sl, cmd.tp, price):
        return Verdict(st="DONE", reason="NO_CHANGES")
    if halted and (price != o.price or _loosens(o.sl, cmd.sl, buys=o.type.startswith("BUY"))):
        return _rejected("HALTED")
    request = Request(
        action=TradeAction.MODIFY,
        symbol=o.symbol,
        type=OrderType(o.type),
        order=int(o.ticket),
        price=price,
        stoplimit=cmd.stoplimit,
        sl=cmd.sl,
        tp=cmd.tp,
        expiration=cmd.expiry_ms or None,
        magic=int(cmd.magic),
    )
    return Plan(request=request, target=o.ticket)


def _loosens(old: Decimal, new: Decimal, *, buys: bool) -> bool:
    """Whether the stop moves so that more can be lost."""
    if not old:
        return False
    return not new or (new < old if buys else new > old)


def cancel(cmd: Cmd, view: View) -> Decision:
    order = next((o for o in view.orders if o.ticket == cmd.target), None)
    if order is None:
        return _rejected("GONE")
    request = Request(
        action=TradeAction.REMOVE, symbol=order.symbol, type=OrderType(order.type), order=int(order.ticket)
    )
    return Plan(request=request, target=order.ticket)


def halt_cancels(gen: int, view: View, prefixes: set[int]) -> list[Cmd]:
    """A CANCEL of our own for each pending order of ours (R21). Without a memory, every tagged order counts as ours."""
    return [
        Cmd(id=f"halt-{gen}-{o.ticket}", seq=0, op="CANCEL", sym=o.symbol, magic="0", ep=0, ttl_ms=0, target=o.ticket)
        for o in view.orders
        if int(o.magic) >> 48 and (not prefixes or int(o.magic) >> 48 in prefixes)
    ]


def _rejected(reason: str) -> Verdict:
    return Verdict(st="REJECTED", reason=reason)


def _side(text: str) -> Side | None:
    return {"B": Side.BUY, "S": Side.SELL}.get(text[:1])
