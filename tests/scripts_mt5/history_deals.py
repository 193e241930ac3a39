"""Deals of the past: the balance is their sum."""

from datetime import UTC, datetime, timedelta

import MetaTrader5 as mt5

assert mt5.initialize()
opened = mt5.Buy("GBPUSD", 0.5, comment="in")
closed = mt5.Sell("GBPUSD", 0.5, ticket=opened.order)
mt5.Sell("EURJPY", 0.1)
date_from = datetime.now(tz=UTC) - timedelta(days=1)
date_to = datetime.now(tz=UTC) + timedelta(days=1)
deals = mt5.history_deals_get(date_from, date_to)
assert len(deals) == mt5.history_deals_total(date_from, date_to)
for deal in deals:
    print(deal._asdict())
total = sum(d.profit + d.swap + d.commission + d.fee for d in deals)
assert abs(total - mt5.account_info().balance) < 0.01
assert deals[0].type == mt5.DEAL_TYPE_BALANCE
assert deals[0].symbol == ""

by_position = mt5.history_deals_get(position=opened.order)
assert [d.entry for d in by_position] == [mt5.DEAL_ENTRY_IN, mt5.DEAL_ENTRY_OUT]
assert [d.type for d in by_position] == [mt5.DEAL_TYPE_BUY, mt5.DEAL_TYPE_SELL]
assert by_position[0].reason == mt5.DEAL_REASON_EXPERT
assert mt5.history_deals_get(ticket=closed.order) == by_position[1:]  # an ORDER's ticket
assert {d.symbol for d in mt5.history_deals_get(date_from, date_to, group="*JPY*")} == {"EURJPY"}
assert mt5.history_deals_get(ticket=opened.deal) == ()
mt5.shutdown()
