"""What a broker does with an account's money: credit, zero cut, margin call, stop-out, fees, swaps that re-open."""

from pathlib import Path

import pytest
from brokerdesk import AT, MONDAY, D, at_price, market, opened

from kakehashi.terminal.accounts import read_world
from kakehashi.terminal.core.kinds import DealKind, Execution, StopOutMode, SwapMode
from kakehashi.terminal.core.words import (
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


def test_the_deposit_and_the_credit_are_in_the_history_and_only_the_deposit_in_the_balance() -> None:
    _, book = opened(credit=D(500))
    assert [(p.kind, p.profit) for p in book.payments] == [(DealKind.BALANCE, 10_000), (DealKind.CREDIT, 500)]
    assert (book.balance, book.credit, book.equity()) == (10_000, 500, 10_500)


def test_credit_carries_margin_that_the_balance_alone_does_not() -> None:
    assert market(opened(balance=D(1_000))[0], volume="1.00").retcode == Retcode.NO_MONEY  # 1 lot takes 1,100
    assert market(opened(balance=D(1_000), credit=D(200))[0], volume="1.00").retcode == Retcode.DONE


def test_a_gap_beyond_the_money_is_cut_to_zero_and_the_credit_pays_first() -> None:
    broker, book = opened(balance=D(2_000), credit=D(300), zero_cut=True)
    market(broker, volume="1.00")
    at_price(broker, "1.07010")  # 300 points of 10: 3,000 lost at one go
    assert [d.reason for d in book.deals] == [Reason.EXPERT, Reason.SO]
    assert [(p.kind, p.profit) for p in book.payments[2:]] == [(DealKind.CREDIT, -300), (DealKind.CORRECTION, 1_000)]
    assert (book.balance, book.credit) == (0, 0)


def test_without_zero_cut_the_account_owes() -> None:
    broker, book = opened(balance=D(2_000))
    market(broker, volume="1.00")
    at_price(broker, "1.07010")
    assert book.balance == -1_000


def test_a_margin_call_comes_before_the_stop_out() -> None:
    broker, book = opened(balance=D(2_000))
    market(broker, volume="1.00")
    assert not book.short_of(book.spec.so_call)
    at_price(broker, "1.09050")  # equity 1,040 of 1,090 margin: below 100 %, above 50 %
    assert book.short_of(book.spec.so_call)
    assert book.positions
    at_price(broker, "1.08500")  # 490 of 1,085
    assert not book.positions
    assert book.deals[-1].comment.startswith("so 490.00/")


def test_a_stop_out_in_money_looks_at_the_equity_alone() -> None:
    broker, book = opened(balance=D(10_000), so_mode=StopOutMode.MONEY, so_call=D(9_900), so_so=D(9_500))
    market(broker, volume="1.00")
    at_price(broker, "1.09511")
    assert (bool(book.positions), book.short_of(book.spec.so_call)) == (True, True)
    at_price(broker, "1.09509")  # equity 9,499
    assert [d.reason for d in book.deals] == [Reason.EXPERT, Reason.SO]


def test_commission_and_fee_are_fields_of_the_deal_and_leave_the_balance() -> None:
    broker, book = opened(commission_per_lot=D("3.5"), fee_per_lot=D("0.25"))
    market(broker, volume="2.00")
    deal = book.deals[0]
    assert (deal.commission, deal.fee, deal.paid, book.balance) == (-7, D("-0.5"), D("-7.5"), D("9992.5"))


@pytest.mark.parametrize(
    ("mode", "closed_at"), [(SwapMode.REOPEN_CURRENT, "1.10010"), (SwapMode.REOPEN_BID, "1.10000")]
)
def test_a_swap_that_reopens_keeps_the_identifier_and_changes_the_ticket(mode: SwapMode, closed_at: str) -> None:
    broker, book = opened({"swap_mode": mode, "swap_short": D(-4)})
    ticket = market(broker, "SELL", "1.00", sl=D("1.20000"), magic=5).order
    broker.tick(MONDAY + DAY_MS)
    (position,) = book.positions.values()
    assert (position.identifier, position.ticket != ticket, position.reason) == (ticket, True, Reason.EXPERT)
    assert {o.reason for o in book.done} == {Reason.EXPERT, Reason.CLIENT}
    assert (position.price_open, position.sl, position.magic) == (D(closed_at) - D("0.00004"), D("1.20000"), 5)
    assert [(d.entry, d.reason) for d in book.deals[1:]] == [(Entry.OUT, Reason.ROLLOVER), (Entry.IN, Reason.ROLLOVER)]


@pytest.mark.parametrize("mode", [MarginMode.NETTING, MarginMode.EXCHANGE])
def test_an_exchange_account_nets_and_the_rest_of_a_return_order_waits_for_the_market(mode: MarginMode) -> None:
    broker, book = opened({"execution": Execution.EXCHANGE, "liquidity": D("0.40")}, margin_mode=mode)
    result = market(broker, volume="1.00", filling=Filling.RETURN)
    assert (result.retcode, result.volume) == (Retcode.DONE_PARTIAL, D("0.40"))
    assert book.orders[result.order].volume_current == D("0.60")
    broker.act(AT)
    broker.act(AT)
    (position,) = book.positions.values()
    assert (position.side, position.volume, position.identifier) == (Side.BUY, 1, result.order)
    assert (book.orders, book.done[-1].state) == ({}, OrderState.FILLED)


def test_a_netting_close_frees_margin_instead_of_asking_for_it() -> None:
    broker, book = opened(margin_mode=MarginMode.NETTING, balance=D(1_200))
    market(broker, volume="1.00")
    assert market(broker, "SELL", "2.00").retcode == Retcode.DONE  # 1 closes, 1 opens: no more margin than before
    assert [(p.side, p.volume) for p in book.positions.values()] == [(Side.SELL, 1)]
    assert market(broker, "SELL", "1.00").retcode == Retcode.NO_MONEY


def test_a_pending_order_that_cannot_be_paid_for_when_it_is_reached_is_rejected() -> None:
    broker, book = opened(balance=D(1_200))
    request = Request(
        action=TradeAction.PENDING, symbol="EURUSD", type=OrderType.BUY_STOP, volume=D(2), price=D("1.10100")
    )
    assert broker.order_send("a", request, AT).retcode == Retcode.DONE
    at_price(broker, "1.10100")
    assert ([o.state for o in book.done], book.positions) == ([OrderState.REJECTED], {})


def test_a_check_says_what_would_be_and_changes_nothing() -> None:
    broker, book = opened(balance=D(10_000))
    request = Request(action=TradeAction.DEAL, symbol="EURUSD", volume=D(2))
    checked = broker.order_check("a", request, AT)
    assert (checked.retcode, checked.balance, checked.margin) == (0, 10_000, D("2200.10"))
    assert checked.margin_free == D("7799.90")
    assert (checked.margin_level, book.deals) == (D("454.52"), [])


def test_paying_in_and_out_moves_the_balance_but_never_below_zero() -> None:
    broker, book = opened()
    broker.pay("a", D(-4_000), AT)
    assert (book.balance, book.payments[-1].comment) == (6_000, "withdrawal")
    with pytest.raises(ValueError, match="6000"):
        broker.pay("a", D(-6_001), AT)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_pages_accounts_file_is_read_and_its_clock_runs(language: str, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / language / "simulated-broker.md").read_text("utf-8")
    file = tmp_path / "accounts.toml"
    rules = '\n[[account]]\naccount = "us"\nfifo_close = true\nzero_cut = false\nso_mode = "MONEY"\ncredit = 12.5\n'
    file.write_text(page.split("```toml\n")[1].split("```")[0] + rules, "utf-8")
    world = read_world(file)
    us = world.accounts[-1]
    assert (us.fifo_close, us.zero_cut, us.so_mode, us.credit) == (True, False, StopOutMode.MONEY, D("12.5"))
    assert next(s for s in world.symbols if s.name == "USDSGD").start == 134_000
    clock = world.clock.started(after=0)
    assert 0 <= clock.now_ms() - (MONDAY + 3 * 3_600_000) < 3_600_000


def test_a_future_without_its_margin_and_tick_value_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text('[[symbol]]\nname = "US500"\ncalc_mode = "FUTURES"\n', "utf-8")
    with pytest.raises(ValueError, match="margin_initial"):
        read_world(file)
