"""The broker's books in the wire's words."""

from decimal import Decimal

import msgspec

from kakehashi.terminal.core.book import Book
from kakehashi.terminal.core.money import worth
from kakehashi.terminal.core.words import Position, Symbol
from kakehashi.terminal.wire import AccountFacts, PositionFacts, SymbolCard, SymbolFacts, TerminalSymbol


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
    return PositionFacts(**msgspec.structs.asdict(p), price_current=price, profit=book.gain(p, p.volume, price))


def symbol_facts(book: Book, spec: Symbol) -> SymbolFacts:
    tick = book.market.ticks[spec.name]
    return SymbolFacts(
        symbol=spec.name + book.spec.suffix,
        digits=spec.digits,
        point=spec.point,
        tick_size=spec.step,
        tick_value=tick_value(book, spec),
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


def tick_value(book: Book, spec: Symbol) -> Decimal:
    """Account currency per tick and lot, at the middle of the quotes."""
    return round(spec.step * worth(spec) * book.market.rate(spec.profit, book.spec.currency), 8)


def symbol_card(book: Book, spec: Symbol, at: int) -> SymbolCard:
    tick, value = book.market.ticks[spec.name], tick_value(book, spec)
    return SymbolCard(
        name=spec.name + book.spec.suffix,
        spec=spec,
        bid=tick.bid,
        ask=tick.ask,
        at=tick.at,
        open=book.market.is_open(spec.name, at),
        tick_value=value,
        tick_value_profit=value,
        tick_value_loss=value,
        day=book.market.history.day(spec.name, at),
    )
