import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakehashi import telemetry
from kakehashi.config.model import LogSettings, Settings

CANARY = "c2VjcmV0-canary_c2VjcmV0"
TOKEN = f"kk_webhook_ab12cd_{CANARY}"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    telemetry.setup_logging(Settings(log=LogSettings(level="debug")), stream=stream)
    yield stream
    root.handlers[:], root.level = before


@pytest.mark.parametrize(
    "text",
    [
        f"POST /webhook/tradingview/{TOKEN} 200",
        f"GET /webhook?token={CANARY}&x=1",
        f"auth_token={CANARY}",
        f"Authorization: Bearer {CANARY}",
        f'{{"passphrase": "{CANARY}", "ticker": "EURUSD"}}',
        f'"{{\\"token\\": \\"{CANARY}\\"}}"',
        f"postgresql://kk:{CANARY}@db/kakehashi",
    ],
)
def test_sec_4_no_secret_leaves_through_text(text: str) -> None:
    shown = telemetry.redact(text)
    assert CANARY not in shown
    assert "***" in shown


@given(st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True))
def test_whatever_the_random_part_of_a_token_is_it_is_masked(secret: str) -> None:
    assert telemetry.redact(f"kk_ea_x1_{secret} rest") == "kk_ea_x1_*** rest"


def test_what_is_no_secret_stays() -> None:
    for text in ("EURUSD buy 0.1 sl=20", "signal sig_01H token_id ab12", "design=1", "http://127.0.0.1:7800/health"):
        assert telemetry.redact(text) == text
    assert telemetry.redact_value("ab12", "token_id") == "ab12"


def test_sec_4_logs_of_ours_and_of_libraries_are_json_without_secrets(log: io.StringIO) -> None:
    telemetry.get_logger("kakehashi.test").info(
        "alert", token=CANARY, body={"secret": CANARY}, order=7, raw=TOKEN.encode()
    )
    logging.getLogger("uvicorn.access").info("%s %s", "GET", f"/webhook?token={CANARY}")
    try:
        raise RuntimeError(f"refused {TOKEN}")
    except RuntimeError:
        telemetry.get_logger("kakehashi.test").exception("failed")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["alert", "GET /webhook?token=***", "failed"]
    assert (lines[0]["order"], lines[0]["token"], lines[0]["level"]) == (7, "***", "info")
    assert CANARY not in log.getvalue()


def test_a_metric_asked_for_twice_is_one_metric() -> None:
    telemetry.counter("test_alerts", "Alerts of this test.", ["code"]).labels("OK").inc()
    telemetry.counter("test_alerts_total", "Alerts of this test.", ["code"]).labels("OK").inc()
    telemetry.histogram("test_wait_seconds", "Waits of this test.").observe(0.003)
    text = telemetry.render_metrics().decode()
    assert 'kakehashi_test_alerts_total{code="OK"} 2.0' in text
    assert 'kakehashi_test_wait_seconds_bucket{le="0.005"} 1.0' in text
    with pytest.raises(TypeError, match="is a Counter"):
        telemetry.gauge("test_alerts", "Not a gauge.")
