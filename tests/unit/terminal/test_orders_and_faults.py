"""Stop-limit orders, thin markets, levels too near, and the faults that can be asked for."""

from decimal import Decimal

import pytest
from brokerdesk import AT, D, at_price, market, opened, send
from hypothesis import given
from hypothesis import strategies as st

from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.faults import Faults
from kakehashi.terminal.core.levels import Edge, Levels
from kakehashi.terminal.core.words import (
    AccountSpec,
    Filling,
    MarginMode,
    OrderState,
    OrderType,
    Reason,
    Request,
    Result,
    Retcode,
    TradeAction,
)


def pending(broker: Broker, kind: str, price: str, **fields: object) -> Result:
    return send(broker, TradeAction.PENDING, type=OrderType(kind), price=D(price), **fields)


@pytest.mark.parametrize(
    ("kind", "price", "stoplimit", "wakes", "limit", "fills"),
    [
        ("BUY_STOP_LIMIT", "1.10110", "1.10060", "1.10100", OrderType.BUY_LIMIT, "1.10050"),
        ("SELL_STOP_LIMIT", "1.09900", "1.09950", "1.09900", OrderType.SELL_LIMIT, "1.09950"),
    ],
)
def test_a_stop_limit_becomes_its_limit_order_under_the_same_ticket(
    kind: str, price: str, stoplimit: str, wakes: str, limit: OrderType, fills: str
) -> None:
    broker, book = opened()
    ticket = pending(broker, kind, price, stoplimit=D(stoplimit)).order
    assert book.orders[ticket].type.is_stop_limit
    at_price(broker, wakes)
    assert (book.orders[ticket].type, book.orders[ticket].price_open) == (limit, D(stoplimit))
    assert not book.deals
    at_price(broker, fills)
    assert (book.deals[0].order, book.deals[0].price, book.done[-1].state) == (ticket, D(stoplimit), OrderState.FILLED)


@pytest.mark.parametrize(
    ("price", "stoplimit", "retcode"),
    [
        ("1.10000", "1.09900", Retcode.INVALID_PRICE),  # the stop is below the ask
        ("1.10110", "1.10110", Retcode.INVALID_PRICE),
        ("1.10110", "1.10120", Retcode.INVALID_PRICE),
        ("1.10110", "0", Retcode.INVALID_PRICE),
    ],
)
def test_a_buy_stop_limits_limit_lies_below_its_stop(price: str, stoplimit: str, retcode: Retcode) -> None:
    broker, book = opened()
    assert pending(broker, "BUY_STOP_LIMIT", price, stoplimit=D(stoplimit)).retcode == retcode
    assert not book.orders


def test_stops_nearer_than_the_stops_level_are_invalid_and_frozen_levels_stay() -> None:
    broker, book = opened({"stops_level": 20, "freeze_level": 10})
    assert market(broker, sl=D("1.09981")).retcode == Retcode.INVALID_STOPS
    assert pending(broker, "BUY_LIMIT", "1.09991").retcode == Retcode.INVALID_STOPS
    ticket = market(broker, sl=D("1.09980")).order
    order = pending(broker, "BUY_LIMIT", "1.09990").order
    at_price(broker, "1.09989")
    frozen = [
        send(broker, TradeAction.SLTP, position=ticket, sl=D("1.09900")),
        market(broker, "SELL", position=ticket),
        send(broker, TradeAction.MODIFY, order=order, price=D("1.09900")),
        send(broker, TradeAction.REMOVE, order=order),
    ]
    assert {r.retcode for r in frozen} == {Retcode.FROZEN}
    assert (list(book.positions), list(book.orders)) == ([ticket], [order])


def test_an_ioc_order_fills_what_there_is_and_the_rest_is_gone() -> None:
    broker, book = opened({"liquidity": D("0.047")})
    result = market(broker, filling=Filling.IOC)
    assert (result.retcode, result.volume) == (Retcode.DONE_PARTIAL, D("0.04"))  # whole steps of 0.01
    done = book.done[-1]
    assert (done.state, done.volume_initial, done.volume_current) == (OrderState.PARTIAL, D("0.10"), D("0.06"))
    broker.act(AT)
    assert (len(book.deals), book.orders) == (1, {})


def test_a_fill_or_kill_order_in_a_thin_market_is_killed() -> None:
    broker, book = opened({"liquidity": D("0.05")})
    assert market(broker, filling=Filling.FOK).retcode == Retcode.REJECT
    assert (book.deals, book.done) == ([], [])


def test_a_symbol_allows_the_filling_modes_it_names() -> None:
    broker, _ = opened({"fillings": (Filling.FOK,)})
    assert market(broker, filling=Filling.IOC).retcode == Retcode.INVALID_FILL
    assert market(broker, filling=Filling.FOK).retcode == Retcode.DONE


@pytest.mark.parametrize("mode", MarginMode)
def test_a_pending_order_fills_in_parts_into_one_position(mode: MarginMode) -> None:
    broker, book = opened({"liquidity": D("0.04")}, margin_mode=mode)
    ticket = pending(broker, "BUY_LIMIT", "1.09900").order
    at_price(broker, "1.09890")
    resting = book.orders[ticket]
    assert (resting.state, resting.volume_current, len(book.deals)) == (OrderState.PARTIAL, D("0.06"), 1)
    at_price(broker, "1.10000")  # a limit order waits for its price
    assert len(book.deals) == 1
    at_price(broker, "1.09880")
    at_price(broker, "1.09880")
    (position,) = book.positions.values()
    assert (position.volume, position.identifier, book.orders) == (D("0.10"), ticket, {})
    assert [d.volume for d in book.deals] == [D("0.04"), D("0.04"), D("0.02")]
    assert book.done[-1].state is OrderState.FILLED


def test_the_rest_of_a_triggered_stop_order_goes_at_any_price() -> None:
    broker, book = opened({"liquidity": D("0.06")})
    pending(broker, "BUY_STOP", "1.10110")
    at_price(broker, "1.10100")
    at_price(broker, "1.10000")
    assert [d.price for d in book.deals] == [D("1.10110"), D("1.10010")]
    assert not book.orders


@pytest.mark.parametrize(
    ("faults", "retcode"),
    [
        (Faults(requote=1.0), Retcode.REQUOTE),
        (Faults(price_off=1.0), Retcode.PRICE_OFF),
        (Faults(reject=1.0), Retcode.REJECT),
    ],
)
def test_a_fault_that_was_asked_for_refuses_with_its_retcode_and_the_price(faults: Faults, retcode: Retcode) -> None:
    broker, book = opened(faults=faults)
    result = market(broker)
    assert (result.retcode, result.deal, result.order, result.ask) == (retcode, 0, 0, D("1.10010"))
    assert result.comment
    assert (book.deals, book.done, book.balance) == ([], [], D(10_000))


def test_faults_meet_the_accounts_they_name() -> None:
    broker, _ = opened(faults=Faults(reject=1.0, accounts=("b",)))
    broker.open_account(AccountSpec(account="b", number="2"))
    assert market(broker).retcode == Retcode.DONE
    request = Request(action=TradeAction.DEAL, symbol="EURUSD", volume=D("0.1"))
    assert broker.order_send("b", request, AT).retcode == Retcode.REJECT


def test_the_same_seed_draws_the_same_faults() -> None:
    def drawn(seed: int) -> list[tuple[int, Decimal]]:
        broker, _ = opened(faults=Faults(requote=0.2, price_off=0.1, reject=0.1, slippage=4.0), seed=seed)
        return [(r.retcode, r.price) for r in (market(broker, volume="0.01") for _ in range(200))]

    assert drawn(3) == drawn(3) != drawn(4)
    assert {code for code, _ in drawn(3)} == {10004, 10006, 10009, 10021}


def test_slippage_moves_market_orders_and_stops_both_ways_but_not_targets() -> None:
    broker, book = opened(faults=Faults(slippage=5.0))
    for _ in range(40):
        market(broker, volume="0.01", sl=D("1.09900"))
        market(broker, volume="0.01", tp=D("1.10100"))
    opening = {d.price - D("1.10010") for d in book.deals}
    assert min(opening) < 0 < max(opening)
    at_price(broker, "1.10100")
    at_price(broker, "1.09900")
    prices = {reason: {d.price for d in book.deals if d.reason is reason} for reason in (Reason.TP, Reason.SL)}
    assert prices[Reason.TP] == {D("1.10100")}
    assert len(prices[Reason.SL]) > 5


@given(st.lists(st.tuples(st.sampled_from(Edge), st.integers(1, 50), st.booleans()), max_size=60), st.integers(1, 50))
def test_the_index_finds_what_a_scan_finds(rows: list[tuple[Edge, int, bool]], bid: int) -> None:
    levels, left = Levels(), []
    for ticket, (edge, points, stays) in enumerate(rows):
        levels.add("X", edge, points, 0, ticket)
        left += [(edge, points, ticket)] if stays else []
    for ticket, (edge, points, stays) in enumerate(rows):
        if not stays:
            levels.remove("X", edge, points, 0, ticket)
    ask = bid + 2
    reached = {
        Edge.BID_FALLS: lambda p: bid <= p,
        Edge.BID_RISES: lambda p: bid >= p,
        Edge.ASK_FALLS: lambda p: ask <= p,
        Edge.ASK_RISES: lambda p: ask >= p,
    }
    scanned = sorted((0, ticket) for edge, points, ticket in left if reached[edge](points))
    assert sorted(levels.reached("X", bid, ask)) == scanned
