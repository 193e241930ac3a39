"""The simulated broker's rules, one account at a time, at pinned prices."""

from decimal import Decimal

import pytest
from brokerdesk import AT, MONDAY, D, at_price, market, opened, send
from hypothesis import given
from hypothesis import strategies as st

from kakehashi.terminal.core.book import Book
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.words import (
    ZERO,
    AccountSpec,
    Entry,
    Filling,
    MarginMode,
    OrderState,
    OrderType,
    Reason,
    Request,
    Retcode,
    Side,
    TradeAction,
)

DAY_MS = 86_400_000


def standing(book: Book) -> list[tuple[Side, Decimal, Decimal]]:
    return [(p.side, p.volume, p.price_open) for p in book.positions.values()]


def test_a_buy_pays_the_ask_and_is_valued_at_the_bid() -> None:
    broker, book = opened()
    result = market(broker, "BUY", "1.00")
    assert (result.retcode, result.price) == (Retcode.DONE, D("1.10010"))
    assert book.equity() == D("9990.00")  # the spread of 10 points


def test_hedging_keeps_a_position_per_deal() -> None:
    broker, book = opened()
    market(broker, "BUY", "0.10")
    market(broker, "SELL", "0.20")
    assert standing(book) == [(Side.BUY, D("0.10"), D("1.10010")), (Side.SELL, D("0.20"), D("1.10000"))]


def test_netting_averages_additions() -> None:
    broker, book = opened(margin_mode=MarginMode.NETTING)
    market(broker, "BUY", "0.10")
    at_price(broker, "1.10100")
    market(broker, "BUY", "0.30")
    assert standing(book) == [(Side.BUY, D("0.40"), D("1.10085"))]
    assert [d.position for d in book.deals] == [book.deals[0].order] * 2


def test_netting_reverses_by_one_inout_deal_and_keeps_the_identifier() -> None:
    broker, book = opened(margin_mode=MarginMode.NETTING)
    first = market(broker, "BUY", "0.10")
    at_price(broker, "1.10110")
    second = market(broker, "SELL", "0.30")
    (position,) = book.positions.values()
    assert (position.side, position.volume) == (Side.SELL, D("0.20"))
    assert (position.identifier, position.ticket) == (first.order, second.order)
    assert (book.deals[-1].entry, book.deals[-1].profit) == (Entry.INOUT, D("10.00"))


def test_a_partial_close_realises_its_share() -> None:
    broker, book = opened(commission_per_lot=D(4))
    ticket = market(broker, "BUY", "0.30").order
    at_price(broker, "1.10110")
    result = market(broker, "SELL", "0.10", position=ticket)
    assert result.retcode == Retcode.DONE
    deal = book.deals[-1]
    assert (deal.entry, deal.profit, deal.commission) == (Entry.OUT, D("10.00"), D("-0.40"))
    assert book.positions[ticket].volume == D("0.20")
    assert book.balance == D(10_000) - D("1.20") + D("9.60")


@pytest.mark.parametrize(("bid", "reason", "level"), [("1.09500", Reason.SL, "sl"), ("1.10500", Reason.TP, "tp")])
def test_the_server_closes_at_stop_and_target_without_our_magic(bid: str, reason: Reason, level: str) -> None:
    broker, book = opened()
    market(broker, "BUY", sl=D("1.09500"), tp=D("1.10500"))
    at_price(broker, "1.09501")
    assert book.positions
    at_price(broker, bid)
    deal = book.deals[-1]
    assert not book.positions
    assert (deal.reason, deal.magic, deal.price) == (reason, 0, D(bid))
    assert deal.comment.startswith(f"[{level}")


def test_a_sells_stop_is_tested_on_the_ask() -> None:
    broker, book = opened()
    market(broker, "SELL", sl=D("1.10100"))
    at_price(broker, "1.10089")
    assert book.positions
    at_price(broker, "1.10090")
    assert not book.positions


def test_stop_out_closes_the_most_losing_position_first() -> None:
    broker, book = opened(balance=D(1_000), leverage=500)
    small = market(broker, "BUY", "0.50").order
    at_price(broker, "1.10200")
    large = market(broker, "BUY", "1.00").order
    at_price(broker, "1.09550")
    assert [d.position for d in book.deals if d.reason is Reason.SO] == [large]
    assert list(book.positions) == [small]


@pytest.mark.parametrize(
    ("fields", "retcode"),
    [
        ({"volume": D("0.015")}, Retcode.INVALID_VOLUME),
        ({"volume": D("0.001")}, Retcode.INVALID_VOLUME),
        ({"volume": D("100.01")}, Retcode.INVALID_VOLUME),
        ({"volume": D(50)}, Retcode.NO_MONEY),
        ({"sl": D("1.10001")}, Retcode.INVALID_STOPS),
        ({"tp": D("1.09999")}, Retcode.INVALID_STOPS),
        ({"filling": Filling.RETURN}, Retcode.INVALID_FILL),
        ({"symbol": "EURUSD.m"}, Retcode.INVALID),
        ({"position": 12345}, Retcode.POSITION_CLOSED),
        ({"type": OrderType.BUY_LIMIT}, Retcode.INVALID),
    ],
)
def test_a_refusal_has_its_retcode_and_changes_nothing(fields: dict[str, object], retcode: Retcode) -> None:
    broker, book = opened()
    request = {"symbol": "EURUSD", "volume": D("0.10")} | fields
    result = send(broker, TradeAction.DEAL, **request)
    assert (result.retcode, result.deal, result.order) == (retcode, 0, 0)
    assert (book.deals, book.done, book.balance) == ([], [], D(10_000))


def test_no_more_than_the_position_is_closed() -> None:
    broker, _ = opened()
    ticket = market(broker, "BUY", "0.10").order
    assert market(broker, "SELL", "0.20", position=ticket).retcode == Retcode.INVALID_CLOSE_VOLUME


def test_covered_lots_use_the_hedged_margin() -> None:
    broker, book = opened()
    market(broker, "BUY", "1.00")
    alone = book.margin()
    market(broker, "SELL", "1.00")
    assert (alone, book.margin()) == (D("1100.05"), D("550.02"))


def test_a_thin_market_fills_a_part_or_nothing() -> None:
    broker, book = opened()
    broker.liquidity["EURUSD"] = D("0.05")
    assert market(broker, "BUY", filling=Filling.FOK).retcode == Retcode.REJECT
    result = market(broker, "BUY", filling=Filling.IOC)
    assert (result.retcode, result.volume) == (Retcode.DONE_PARTIAL, D("0.05"))
    assert (book.deals[0].volume, book.deals[0].requested_volume) == (D("0.05"), D("0.10"))


def test_a_suffix_is_part_of_the_accounts_symbol_names() -> None:
    broker, book = opened(suffix=".m")
    assert market(broker, "BUY").retcode == Retcode.INVALID
    assert market(broker, "BUY", symbol="EURUSD.m").retcode == Retcode.DONE
    assert book.deals[0].symbol == "EURUSD.m"


@pytest.mark.parametrize(
    ("kind", "price", "fills_at"),
    [
        ("BUY_LIMIT", "1.09900", "1.09890"),
        ("BUY_STOP", "1.10110", "1.10100"),
        ("SELL_LIMIT", "1.10100", "1.10100"),
        ("SELL_STOP", "1.09900", "1.09900"),
    ],
)
def test_a_pending_order_fills_when_its_side_of_the_market_gets_there(kind: str, price: str, fills_at: str) -> None:
    broker, book = opened()
    result = send(
        broker, TradeAction.PENDING, symbol="EURUSD", type=OrderType(kind), volume=D("0.10"), price=D(price), magic=5
    )
    assert (result.retcode, list(book.orders)) == (Retcode.DONE, [result.order])
    at_price(broker, fills_at)
    assert not book.orders
    assert (book.done[-1].state, book.deals[-1].magic) == (OrderState.FILLED, 5)
    assert book.deals[-1].position == result.order


def test_pending_orders_are_checked_changed_removed_and_expire() -> None:
    broker, book = opened()
    order = {"symbol": "EURUSD", "type": OrderType.BUY_LIMIT, "volume": D("0.10")}
    assert send(broker, TradeAction.PENDING, price=D("1.20000"), **order).retcode == Retcode.INVALID_PRICE
    fok = send(broker, TradeAction.PENDING, price=D("1.05000"), filling=Filling.FOK, **order)
    assert fok.retcode == Retcode.INVALID_FILL
    ticket = send(broker, TradeAction.PENDING, price=D("1.05000"), **order).order
    assert send(broker, TradeAction.MODIFY, order=ticket, price=D("1.06000")).retcode == Retcode.DONE
    assert book.orders[ticket].price_open == D("1.06000")
    assert send(broker, TradeAction.MODIFY, order=ticket, price=D("1.06000")).retcode == Retcode.NO_CHANGES
    assert send(broker, TradeAction.REMOVE, order=ticket).retcode == Retcode.DONE
    assert send(broker, TradeAction.REMOVE, order=ticket).retcode == Retcode.INVALID_ORDER
    send(broker, TradeAction.PENDING, price=D("1.05000"), expiration=AT + 1, **order)
    broker.act(AT + 1)
    assert [o.state for o in book.done] == [OrderState.CANCELED, OrderState.EXPIRED]


def test_close_by_pairs_two_positions_without_a_spread() -> None:
    broker, book = opened()
    buy = market(broker, "BUY", "0.30").order
    at_price(broker, "1.10110")
    sell = market(broker, "SELL", "0.10").order
    assert send(broker, TradeAction.CLOSE_BY, position=buy, position_by=sell).retcode == Retcode.DONE
    assert standing(book) == [(Side.BUY, D("0.20"), D("1.10010"))]
    assert [(d.entry, d.profit) for d in book.deals[-2:]] == [(Entry.OUT_BY, D("10.00")), (Entry.OUT_BY, D("0.00"))]


def test_swap_is_charged_each_night_three_times_on_wednesday() -> None:
    broker, book = opened()
    ticket = market(broker, "BUY", "1.00").order
    broker.tick(MONDAY + DAY_MS)
    one_night = book.positions[ticket].swap
    broker.tick(MONDAY + 7 * DAY_MS)
    assert one_night == D("-7.10")
    assert book.positions[ticket].swap == 7 * one_night
    market(broker, "SELL", "1.00", position=ticket)
    assert book.deals[-1].swap == 7 * one_night


def test_profit_is_converted_into_the_accounts_currency() -> None:
    broker, book = opened(currency="JPY", balance=D(1_000_000))
    broker.market.pin("USDJPY", D("150.000"), D("150.000"), AT)
    ticket = market(broker, "BUY", "0.10").order
    at_price(broker, "1.10110")
    market(broker, "SELL", "0.10", position=ticket)
    assert book.deals[-1].profit == D(1_500)


steps = st.lists(
    st.tuples(
        st.sampled_from(["BUY", "SELL", "close", "tick"]),
        st.sampled_from(["EURUSD", "USDJPY", "XAUUSD"]),
        st.integers(1, 300),
        st.booleans(),
    ),
    max_size=40,
)


def play(history: list[tuple[str, str, int, bool]], mode: MarginMode, seed: int) -> Book:
    broker = Broker(seed=seed, at=AT)
    book = broker.open_account(AccountSpec(account="a", number="1", margin_mode=mode, commission_per_lot=D("3.5")))
    for number, (what, symbol, cents, stops) in enumerate(history):
        at, volume = AT + number * DAY_MS // 4, D(cents) / 100
        if what == "tick":
            broker.tick(at)
        elif what == "close" and book.positions:
            position = next(iter(book.positions.values()))
            kind = OrderType(position.side.opposite.value)
            lots = min(volume, position.volume)
            closing = Request(
                action=TradeAction.DEAL, symbol=position.symbol, type=kind, volume=lots, position=position.ticket
            )
            broker.order_send("a", closing, at)
        elif what != "close":
            side, spec = Side(what), broker.market.symbols[symbol]
            sl = broker.market.ticks[symbol].exit(side) - side.sign * spec.point * 20 if stops else ZERO
            order = Request(action=TradeAction.DEAL, symbol=symbol, type=OrderType(what), volume=volume, sl=sl)
            broker.order_send("a", order, at)
    return book


@given(steps, st.sampled_from(MarginMode), st.integers(0, 5))
def test_the_balance_is_the_deposit_and_the_sum_of_the_deals(
    history: list[tuple[str, str, int, bool]], mode: MarginMode, seed: int
) -> None:
    book = play(history, mode, seed)
    assert book.balance == D(10_000) + sum((d.profit + d.swap + d.commission for d in book.deals), ZERO)


@given(steps, st.sampled_from(MarginMode), st.integers(0, 5))
def test_signed_deal_volumes_add_up_to_what_stands_and_repeat_exactly(
    history: list[tuple[str, str, int, bool]], mode: MarginMode, seed: int
) -> None:
    book = play(history, mode, seed)
    for symbol in ("EURUSD", "USDJPY", "XAUUSD"):
        traded = sum((d.side.sign * d.volume for d in book.deals if d.symbol == symbol), ZERO)
        assert traded == sum((p.side.sign * p.volume for p in book.positions.values() if p.symbol == symbol), ZERO)
    again = play(history, mode, seed)
    assert (again.deals, again.equity()) == (book.deals, book.equity())


def test_the_same_seed_gives_the_same_ticks_and_another_seed_others() -> None:
    def ticks(seed: int) -> list[Decimal]:
        broker = Broker(seed=seed, at=AT)
        bids = []
        for n in range(50):
            broker.tick(AT + n)
            bids.append(broker.market.ticks["BTCUSD"].bid)
        return bids

    assert ticks(1) == ticks(1) != ticks(2)
