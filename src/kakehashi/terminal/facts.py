"""The broker's books in the wire's words."""

from decimal import Decimal

import msgspec

from kakehashi.terminal.core.book import Book
from kakehashi.terminal.core.words import Position, Symbol
from kakehashi.terminal.wire import AccountFacts, PositionFacts, SymbolFacts, TerminalSymbol


def account_facts(book: Book) -> AccountFacts:
    spec, equity, margin = book.spec, book.equity(), book.margin()
    return AccountFacts(
        account=spec.account,
        login=spec.number,
        server=spec.server,
        trade_mode=spec.trade_mode,
        margin_mode=spec.margin_mode,
        currency=spec.currency,
        leverage=spec.leverage,
        balance=book.balance,
        equity=equity,
        profit=equity - book.balance - book.credit,
        credit=book.credit,
        margin=margin,
        margin_free=equity - margin,
        margin_level=(equity * 100 / margin).quantize(Decimal("0.01")) if margin > 0 else None,
        so_mode=spec.so_mode,
        so_call=spec.so_call,
        so_so=spec.so_so,
        margin_call=book.short_of(spec.so_call),
        limit_orders=spec.limit_orders,
        currency_digits=spec.currency_digits,
        fifo_close=spec.fifo_close,
        trade_allowed=spec.trade_allowed,
        trade_expert=spec.trade_expert,
        name=spec.name or spec.account,
        company=spec.company,
    )


def position_facts(book: Book, p: Position) -> PositionFacts:
    price = book.tick(p.symbol).exit(p.side)
    return PositionFacts(**msgspec.structs.asdict(p), price_current=price, profit=book.floating(p))


def symbol_facts(book: Book, spec: Symbol) -> SymbolFacts:
    tick = book.market.ticks[spec.name]
    rate = book.market.rate(spec.profit, book.spec.currency)
    return SymbolFacts(
        symbol=spec.name + book.spec.suffix,
        digits=spec.digits,
        point=spec.point,
        tick_size=spec.point,
        tick_value=round(spec.point * spec.contract_size * rate, 8),
        contract_size=spec.contract_size,
        vol_min=spec.vol_min,
        vol_max=spec.vol_max,
        vol_step=spec.vol_step,
        stops_level=spec.stops_level,
        fillings=spec.fillings,
        profit_currency=spec.profit,
        bid=tick.bid,
        ask=tick.ask,
    )


def terminal_symbol(book: Book, spec: Symbol) -> TerminalSymbol:
    return TerminalSymbol(
        **msgspec.structs.asdict(symbol_facts(book, spec)),
        base=spec.base,
        freeze_level=spec.freeze_level,
        volume_limit=spec.volume_limit,
        margin_hedged=spec.margin_hedged,
        swap_long=spec.swap_long,
        swap_short=spec.swap_short,
    )
