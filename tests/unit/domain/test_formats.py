"""What each format says, and that each fault gets its own clear error."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kakehashi.domain.alerts import Action, Alert, Level, LevelUnit, OrderKind, Size, SizeUnit, Standing
from kakehashi.domain.codes_input import INPUT_CODES
from kakehashi.domain.errors import Malformed
from kakehashi.domain.formats import parse, redacted

MALFORMED = json.loads((Path(__file__).parents[2] / "data" / "malformed_alerts.json").read_text("utf-8"))
TOKEN = "kk_webhook_ab12_S3cr3t-canary_value"


def alert(**fields: Any) -> Alert:
    return parse(json.dumps({"signal": "LONG", "symbol": "EURUSD", "id": "1"} | fields).encode())[0]


def text(said: str) -> Alert:
    return parse(said.encode())[0]


@pytest.mark.parametrize("row", MALFORMED, ids=lambda row: row["name"])
def test_each_fault_has_its_own_code_and_is_explained(row: dict[str, Any]) -> None:
    body = bytes.fromhex(row["body"]) if row.get("hex") else row["body"].encode() + b" " * row.get("pad", 0)
    with pytest.raises(Malformed) as refused:
        parse(body, content_type="text/plain")
    assert refused.value.code == row["code"]
    assert refused.value.message
    assert row["code"] in {code.code for code in INPUT_CODES}
    redacted(body)


def test_the_table_of_malformed_alerts_shows_every_code_and_each_code_has_both_languages() -> None:
    assert len(MALFORMED) >= 60
    assert {row["code"] for row in MALFORMED} == {code.code for code in INPUT_CODES}
    assert all(400 <= c.http < 500 and c.en and c.ja and c.fix_en and c.fix_ja for c in INPUT_CODES)


def test_a_relay_alert_is_read_whatever_its_synonyms() -> None:
    old = alert(x=1, timeframe="1H", price="1.0850", bar_time="2026-01-31T09:55:00Z", timenow=1769853601)
    new = parse(
        b'{"action":"buy","ticker":"oanda:eurusd","id":1,"interval":"1h","close":1.0850,"time":1769853300000,'
        b'"timestamp":"2026-01-31T19:00:01+09:00","x":1}\n'
    )[0]
    assert old == new
    assert (old.action, old.symbol, old.timeframe, old.price) == (Action.BUY, "EURUSD", "1h", Decimal("1.085"))
    assert (old.bar_time, old.fired_at) == (1_769_853_300_000, 1_769_853_601_000)


def test_numbers_as_text_are_coerced_and_missing_differs_from_zero() -> None:
    assert alert(lots=" 0.10 ").size == Size(SizeUnit.LOTS, Decimal("0.10"))
    assert alert(signal="MODIFY", sl=0).sl == Level(LevelUnit.AUTO, Decimal(0))
    quiet = alert(lots="NaN", sl="na", price="null", tp="")
    assert (quiet.size, quiet.sl, quiet.price, quiet.tps) == (None, None, None, ())
    assert sum(w.startswith("EMPTY_FIELD") for w in quiet.warnings) == 3


def test_targets_share_what_is_left_and_keep_their_order() -> None:
    tps = alert(tp2_r=2, tp1_pips="10", tp1_share="0.5", tp3_price=1.1).tps
    assert [(tp.level.unit, tp.share) for tp in tps] == [
        (LevelUnit.PIPS, Decimal("0.5")),
        (LevelUnit.R, Decimal("0.25")),
        (LevelUnit.PRICE, Decimal("0.25")),
    ]


def test_a_market_position_alone_is_a_target_but_a_signal_stays_the_action() -> None:
    position = {"market_position": "short", "market_position_size": "2", "prev_market_position": "flat"}
    alone = alert(signal=None, action="sell", **position)
    assert alone.action is Action.TARGET
    assert alone.target is not None
    assert (alone.target.position, alone.target.size) == (Standing.SHORT, Decimal(2))
    assert alone.target.prev_position is Standing.FLAT
    both = alert(signal="SHORT", **position)
    assert both.action is Action.SELL
    assert both.target == alone.target


def test_unknown_fields_are_kept_and_one_that_looks_like_a_stop_is_warned_of() -> None:
    read = alert(chart="https://x", deep={"token": "hunter2", "n": [1, 0.5, None]}, sl_pip=20)
    assert read.extra == {"chart": "https://x", "deep": {"n": [1, 0.5, None]}, "sl_pip": 20}
    assert [w.split(":")[0] for w in read.warnings] == ["UNKNOWN_FIELD"]


def test_the_secret_is_handed_over_and_kept_nowhere() -> None:
    for body in (
        json.dumps({"signal": "LONG", "symbol": "EURUSD", "passphrase": TOKEN, "comment": TOKEN, "x": [TOKEN]}),
        f"{TOKEN},buy,EURUSD,risk=1",
        f"601,buy,EURUSD,secret={TOKEN}",
        f"buy 0.1 EURUSD token={TOKEN}",
    ):
        read, secret = parse(body.encode())
        assert secret == TOKEN
        assert "canary" not in repr(read)
        assert "canary" not in redacted(body.encode())


def test_a_secret_shows_in_no_error_and_no_stored_body() -> None:
    for body in (
        '{"token":"hunter2" "signal":"LONG"}',
        '{"\\u0074oken":"hunter2","signal":"?"}',
        '{"a":{"secret":"hunter2"}}',
        '{"token":"hunter2',
        "601,buy,EURUSD,secret=hunter2,oops",
        "secret=hunter2&signal=LONG",
    ):
        with pytest.raises(Malformed) as refused:
            parse(body.encode())
        said = refused.value
        assert "hunter2" not in f"{said} {said.hint} {said.value}" + redacted(body.encode())


def test_a_secret_need_not_be_ascii() -> None:
    assert parse('{"signal":"LONG","symbol":"EURUSD","token":"秘密"}'.encode("utf-8-sig"))[1] == "秘密"


def test_a_time_without_zone_is_read_only_where_the_route_names_one() -> None:
    body = b'{"signal":"LONG","symbol":"EURUSD","time":"2026-01-31T18:55:00"}'
    assert parse(body, zone=ZoneInfo("Asia/Tokyo"))[0].bar_time == 1_769_853_300_000


def test_neither_id_nor_time_is_warned_of() -> None:
    assert text("close EURUSD").warnings[0].startswith("NO_ID_NO_TIME")
    assert not alert().warnings


@pytest.mark.parametrize(
    ("command", "action", "kind"),
    [
        ("buy", Action.BUY, OrderKind.MARKET),
        ("selllimit", Action.SELL, OrderKind.LIMIT),
        ("buystop", Action.BUY, OrderKind.STOP),
        ("closelong", Action.CLOSE_LONG, OrderKind.MARKET),
        ("cancelshort", Action.CANCEL_SHORT, OrderKind.MARKET),
        ("newsltplong", Action.MODIFY_LONG, OrderKind.MARKET),
        ("eaoff", Action.PAUSE, OrderKind.MARKET),
        ("eaon", Action.RESUME, OrderKind.MARKET),
    ],
)
def test_pineconnector_commands(command: str, action: Action, kind: OrderKind) -> None:
    read = text(f"60123,{command},EURUSD,price=1.08,risk=1,sl=20,tp=40,spread=2,betrigger=5")
    assert (read.format, read.action, read.kind, read.symbol) == ("pineconnector", action, kind, "EURUSD")
    assert (read.entry is None) == (kind is OrderKind.MARKET)
    assert (read.size, read.sl) == (Size(SizeUnit.RISK, Decimal(1)), Level(LevelUnit.AUTO, Decimal(20)))
    assert read.extra == {"betrigger": "5"}
    assert any(w.startswith("NOT_APPLIED") for w in read.warnings)
    assert "60123" not in repr(read)


def test_plain_text_takes_lots_and_symbol_in_either_order() -> None:
    assert text("buy 0.1 EURUSD sl=20 tp=40") == text("BUY eurusd 0.1 tp=40 sl=20")
    assert text("tp2 FX:EURUSD volume_ratio=0.5").tp_index == 2


@pytest.mark.parametrize(
    ("action", "sentiment", "becomes"),
    [
        ("buy", "bullish", Action.BUY),
        ("sell", "flat", Action.CLOSE),
        ("sell", "long", Action.TP_LONG),
        ("add", "bearish", Action.SELL),
        ("exit", None, Action.CLOSE),
        (None, "long", Action.TARGET),
    ],
)
def test_traderspost_sentiment_says_where_it_ends(action: str | None, sentiment: str | None, becomes: Action) -> None:
    body = {
        "ticker": "ES1!",
        "action": action,
        "sentiment": sentiment,
        "quantity": "2",
        "time": 1769853601,
        "extras": {},
    }
    read = parse(json.dumps(body).encode())[0]
    assert (read.format, read.action, read.fired_at) == ("traderspost", becomes, 1_769_853_601_000)
    assert read.size == Size(SizeUnit.CONTRACTS, Decimal(2))


def test_traderspost_orders_carry_their_stops() -> None:
    body = {"ticker": "AMD", "action": "buy", "signalPrice": 143.12, "limitPrice": "143", "cancelAfter": 60}
    body |= {"takeProfit": {"percent": 10}, "stopLoss": {"type": "trailing_stop", "trailPercent": 5}}
    read = parse(json.dumps(body).encode())[0]
    assert (read.kind, read.entry, read.cancel_after_s) == (OrderKind.LIMIT, Level(LevelUnit.PRICE, Decimal(143)), 60)
    assert (read.price, read.sl) == (Decimal("143.12"), Level(LevelUnit.PERCENT, Decimal(5)))
    assert any(w.startswith("NOT_APPLIED") for w in read.warnings)
