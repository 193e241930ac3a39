"""Trading hours: closed markets refuse and stand still, opens may gap, nights are charged on the symbol's weekday."""

import pytest
from brokerdesk import MONDAY, D, symbols

from kakehashi.terminal.core.book import Book
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.sessions import DAY_MS, Sessions
from kakehashi.terminal.core.words import (
    AccountSpec,
    OrderState,
    OrderTime,
    OrderType,
    Reason,
    Request,
    Result,
    Retcode,
    TradeAction,
    Weekday,
)

HOUR = 3_600_000
FRIDAY_NIGHT = MONDAY + 4 * DAY_MS + 23 * HOUR
SUNDAY_NIGHT = MONDAY + 6 * DAY_MS + 23 * HOUR
FOREX = ("sun 22:05 - fri 21:55",)


def opened(at: int = MONDAY, *, seed: int = 7, **fields: object) -> tuple[Broker, Book]:
    broker = Broker(seed=seed, at=at, symbols=symbols(**fields))
    return broker, broker.open_account(AccountSpec(account="a", number="1"))


def send(broker: Broker, at: int, action: TradeAction = TradeAction.DEAL, **fields: object) -> Result:
    request = {"symbol": "EURUSD", "volume": D("0.10")} | fields
    return broker.order_send("a", Request(action=action, **request), at)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("texts", "opens", "closes"),
    [
        (FOREX, -DAY_MS + 22 * HOUR + 5 * 60_000, 4 * DAY_MS + 21 * HOUR + 55 * 60_000),
        (("mon-fri 09:00-17:30",), 9 * HOUR, 17 * HOUR + 30 * 60_000),
        (("mon 00:00-24:00", "tue 00:00-01:00"), 0, DAY_MS + HOUR),
        (("sat 10:00 - mon 02:00",), -2 * DAY_MS + 10 * HOUR, 2 * HOUR),
    ],
)
def test_a_session_is_open_from_its_first_to_before_its_last_instant(
    texts: tuple[str, ...], opens: int, closes: int
) -> None:
    sessions = Sessions(texts)
    instants = [opens - 1, opens, closes - 1, closes]
    assert [sessions.is_open(MONDAY + at) for at in instants] == [False, True, True, False]
    assert sessions.opening(MONDAY + closes - 1)[0] == MONDAY + opens


def test_a_weekend_lasts_from_friday_to_sunday() -> None:
    assert Sessions(FOREX).opening(SUNDAY_NIGHT)[1] == 48 * HOUR + 10 * 60_000


@pytest.mark.parametrize("text", ["always", "mon 9-17", "mon-fry 09:00-17:00", "mon 17:00-09:00", "mon 24:30-24:45"])
def test_hours_that_cannot_be_read_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="session"):
        Sessions([text])


def test_a_closed_market_refuses_every_kind_of_request_with_10018() -> None:
    broker, book = opened(sessions=FOREX)
    ticket = send(broker, MONDAY).order
    price = broker.market.ticks["EURUSD"].bid - D("0.01")
    order = send(
        broker, MONDAY, TradeAction.PENDING, type=OrderType.BUY_LIMIT, price=price, type_time=OrderTime.GTC
    ).order
    closed = [
        send(broker, FRIDAY_NIGHT),
        send(broker, FRIDAY_NIGHT, type=OrderType.SELL, position=ticket),
        send(broker, FRIDAY_NIGHT, TradeAction.PENDING, type=OrderType.BUY_LIMIT, price=price),
        send(broker, FRIDAY_NIGHT, TradeAction.SLTP, position=ticket, sl=price),
        send(broker, FRIDAY_NIGHT, TradeAction.MODIFY, order=order, price=price - D("0.01")),
        send(broker, FRIDAY_NIGHT, TradeAction.REMOVE, order=order),
    ]
    assert {(r.retcode, r.deal, r.order) for r in closed} == {(Retcode.MARKET_CLOSED, 0, 0)}
    assert (list(book.positions), list(book.orders)) == ([ticket], [order])
    assert send(broker, FRIDAY_NIGHT, symbol="BTCUSD", volume=D("0.01")).retcode == Retcode.DONE
    assert send(broker, SUNDAY_NIGHT).retcode == Retcode.DONE


def test_prices_stand_and_nothing_triggers_until_the_open() -> None:
    broker, book = opened(sessions=FOREX)
    bid = broker.market.ticks["EURUSD"].bid
    send(broker, MONDAY, sl=bid - D("0.00100"))
    send(broker, MONDAY, TradeAction.PENDING, type=OrderType.BUY_LIMIT, price=bid - D("0.00100"))
    broker.tick(FRIDAY_NIGHT)
    assert broker.market.ticks["EURUSD"].bid == bid
    broker.market.pin("EURUSD", bid - D("0.01000"), None, FRIDAY_NIGHT)  # the hand of a test reaches through
    broker.act(FRIDAY_NIGHT)
    assert (len(book.positions), len(book.orders)) == (1, 1)
    broker.act(SUNDAY_NIGHT)
    assert [d.reason for d in book.deals[1:]] == [Reason.EXPERT, Reason.SL]
    assert not book.orders


def test_a_stop_out_leaves_what_does_not_trade_now() -> None:
    broker, book = opened(sessions=FOREX)
    send(broker, MONDAY, volume=D(8))
    crypto = send(broker, MONDAY, symbol="BTCUSD", volume=D("0.01")).order
    broker.market.pin("EURUSD", D("1.07000"), None, FRIDAY_NIGHT)
    broker.act(FRIDAY_NIGHT)
    assert crypto not in book.positions
    assert [p.symbol for p in book.positions.values()] == ["EURUSD"]
    broker.act(SUNDAY_NIGHT)
    assert not book.positions


def test_the_open_after_a_weekend_gaps_by_the_seed_and_a_pause_of_an_hour_less() -> None:
    def jump(seed: int, sessions: tuple[str, ...], last: int, first: int) -> int:
        broker, _ = opened(last, seed=seed, sessions=sessions, gap=300.0, volatility=0.0)
        before = broker.market.points["EURUSD"][0]
        broker.tick(first)
        once = broker.market.points["EURUSD"][0]
        broker.tick(first + 1)
        assert abs(broker.market.points["EURUSD"][0] - once) <= 1  # one jump; the pull of the walk remains
        return once - before

    weekend = [jump(seed, FOREX, FRIDAY_NIGHT - 2 * HOUR, SUNDAY_NIGHT) for seed in range(20)]
    pause = [jump(seed, ("mon-fri 01:00-24:00",), MONDAY + 23 * HOUR, MONDAY + 26 * HOUR) for seed in range(20)]
    assert weekend == [jump(seed, FOREX, FRIDAY_NIGHT - 2 * HOUR, SUNDAY_NIGHT) for seed in range(20)]
    assert len(set(weekend)) > 10
    assert 100 < sum(map(abs, weekend)) / 20 < 500
    assert 0 < sum(map(abs, pause)) / 20 < sum(map(abs, weekend)) / 20 / 3


def test_swap_is_three_nights_on_the_symbols_own_weekday() -> None:
    broker, book = opened(swap_3days=Weekday.FRI)
    ticket = send(broker, MONDAY, volume=D(1)).order
    charged = []
    for day in range(1, 8):
        broker.tick(MONDAY + day * DAY_MS)
        charged.append(book.positions[ticket].swap)
    nights = [after - before for before, after in zip([D(0), *charged], charged, strict=False)]
    one = D("-7.10")
    assert nights == [one, one, one, one, 3 * one, 0, 0]


@pytest.mark.parametrize(
    ("type_time", "expiration", "lives_until"),
    [
        (OrderTime.GTC, None, None),
        (OrderTime.DAY, None, MONDAY + DAY_MS),
        (OrderTime.SPECIFIED, MONDAY + 5 * HOUR, MONDAY + 5 * HOUR),
        (None, MONDAY + 5 * HOUR, MONDAY + 5 * HOUR),
        (OrderTime.SPECIFIED_DAY, MONDAY + 30 * HOUR, MONDAY + 2 * DAY_MS - 1_000),
    ],
)
def test_a_pending_order_rests_as_long_as_its_time_says(
    type_time: OrderTime | None, expiration: int | None, lives_until: int | None
) -> None:
    broker, book = opened(volatility=0.0)
    price = broker.market.ticks["EURUSD"].bid - D("0.05")
    order = {"type": OrderType.BUY_LIMIT, "price": price, "type_time": type_time, "expiration": expiration}
    ticket = send(broker, MONDAY + HOUR, TradeAction.PENDING, **order).order
    broker.tick((lives_until or MONDAY + 30 * DAY_MS) - 1)
    assert ticket in book.orders
    if lives_until is not None:
        broker.tick(lives_until)
        assert [(o.state, o.time_done) for o in book.done] == [(OrderState.EXPIRED, lives_until)]
        assert not book.deals


def test_an_order_for_a_day_without_trading_ends_at_the_next_trading_time() -> None:
    broker, book = opened(sessions=FOREX, volatility=0.0)
    price = broker.market.ticks["EURUSD"].bid - D("0.05")
    until = {"type_time": OrderTime.SPECIFIED_DAY, "expiration": MONDAY + 5 * DAY_MS}
    send(broker, MONDAY, TradeAction.PENDING, type=OrderType.BUY_LIMIT, price=price, **until)
    broker.tick(MONDAY + 6 * DAY_MS)
    assert book.orders
    broker.tick(SUNDAY_NIGHT)
    assert [o.state for o in book.done] == [OrderState.EXPIRED]


def test_an_expiration_that_is_missing_or_over_is_refused() -> None:
    broker, _ = opened()
    order = {"type": OrderType.BUY_LIMIT, "price": D("1.00000")}
    missing = send(broker, MONDAY, TradeAction.PENDING, type_time=OrderTime.SPECIFIED, **order)
    over = send(broker, MONDAY, TradeAction.PENDING, expiration=MONDAY, **order)
    assert missing.retcode == over.retcode == Retcode.INVALID_EXPIRATION
