"""SEC-6: what is too big, too deep, too many or too often is refused, and a healthy sender does not feel it."""

import asyncio
import collections
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from siege import Besieged, HealthySender, besieged, post

MB = 1 << 20
PATIENCE_S = 3.0
"""After which TradingView hangs up: the least that must hold on any machine. The p99 is printed (pytest -s)."""
HEAD = b"POST /webhook/tradingview HTTP/1.1\r\nhost: hub\r\n"


def assert_unharmed(sender: HealthySender, what: str) -> None:
    sender.report(what)
    assert len(sender.answers) > 5
    assert sender.not_200 == []
    assert sender.slowest_s < PATIENCE_S


async def test_sec_6_bodies_of_a_megabyte_and_bodies_without_end_are_cut_and_fill_no_memory(tmp_path: Path) -> None:
    async with besieged(tmp_path) as hub:
        before_mb = hub.resident_mb
        async with HealthySender(hub).at_work() as sender:
            wires = [await hub.connect() for _ in range(50)]
            big = await asyncio.gather(*(wire.ask(post(b"x" * MB)) for wire in wires[:20]))
            took = await asyncio.gather(
                *(
                    w.pour(HEAD + b"content-length: 9999999999\r\n\r\n", b"x" * 65_536, most=64 * MB)
                    for w in wires[20:30]
                ),
                *(
                    w.pour(
                        HEAD + b"transfer-encoding: chunked\r\n\r\n",
                        b"10000\r\n" + b"x" * 65_536 + b"\r\n",
                        most=64 * MB,
                    )
                    for w in wires[30:40]
                ),
                *(w.pour(HEAD + b"x-endless: ", b"x" * 65_536, most=64 * MB) for w in wires[40:]),
            )
        for wire in wires:
            wire.close()
        assert_unharmed(sender, "bodies and headers without end")
        assert set(big) <= {413, 0}, "0: the answer was lost in the reset, as we went on sending"
        assert 413 in big
        assert max(took) < 32 * MB, "it was all read"
        assert hub.resident_mb - before_mb < 100


async def test_sec_6_ten_thousand_bad_tokens_are_401_or_429_and_valid_ones_go_on(tmp_path: Path) -> None:
    async with besieged(tmp_path, KAKEHASHI_INGEST__RATE_PER_IP="600/m") as hub:
        alert = json.dumps({"signal": "LONG", "symbol": "EURUSD", "id": "bad"}).encode()

        async def guess(worker: int) -> collections.Counter[int]:
            wire = await hub.connect()
            seen: collections.Counter[int] = collections.Counter()
            for n in range(500):
                seen[await wire.ask(post(alert, token=f"kk_webhook_{worker:04x}{n:08x}_{'A' * 43}"))] += 1
            wire.close()
            return seen

        async with HealthySender(hub).at_work() as sender:
            seen = sum(await asyncio.gather(*(guess(worker) for worker in range(20))), collections.Counter())
        assert_unharmed(sender, "10,000 bad tokens")
        assert set(seen) == {401, 429}
        assert seen.total() == 10_000
        assert seen[401] < 1_000, "the address was limited"


async def test_sec_6_deep_and_wide_bodies_are_refused_quickly_with_and_without_a_token(tmp_path: Path) -> None:
    deep = [
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"signal":"LONG","symbol":"EURUSD","x":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    ]
    wide = [
        json.dumps({"signal": "LONG", "symbol": "EURUSD"} | {f"k{n}": n for n in range(4_000)}).encode(),
        b'{"signal":"LONG",' + b",".join(b'"a":1' for _ in range(10_000)) + b"}",
        b'{"signal":"LONG","symbol":"EURUSD","lots":' + b"9" * 60_000 + b"}",
        b'{"signal":"LONG","symbol":"EURUSD","lots":"' + b"9" * 60_000 + b'"}',
        b"buy " + b"EURUSD " * 9_000,
        b"kk,buy,EURUSD," + b"sl=1," * 12_000,
    ]
    async with besieged(tmp_path) as hub:
        async with HealthySender(hub).at_work() as sender:
            valid = await _statuses(hub, [*deep, *wide], hub.tokens["webhook"])
            without = await _statuses(hub, [*deep, *wide], "")
        assert_unharmed(sender, "deep and wide bodies")
        assert without == {401}
        assert valid <= {200, 400, 413, 422}, "200: four thousand unknown fields are kept with their alert"


async def test_sec_6_a_request_of_a_thousand_header_fields_or_an_endless_line_is_refused(tmp_path: Path) -> None:
    async with besieged(tmp_path) as hub:
        many = HEAD + b"".join(b"x-%d: 1\r\n" % n for n in range(1_000)) + b"content-length: 0\r\n\r\n"
        wire = await hub.connect()
        assert await wire.ask(many) == 400
        endless = await hub.connect()
        assert await endless.pour(b"GET /", b"a" * 65_536, most=64 * MB) < 8 * MB
        trailers = await hub.connect()
        start = HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n"
        assert await trailers.pour(start, b"x-t: 1\r\n" * 8_000, most=64 * MB) < 8 * MB


async def _statuses(hub: Besieged, bodies: list[bytes], token: str) -> set[int]:
    """Each body ten times, on ten connections at once."""
    wires = [await hub.connect() for _ in range(10)]

    async def all_bodies(n: int) -> set[int]:
        return {await wires[n].ask(post(body, token=token)) for body in bodies}

    found = await asyncio.gather(*(all_bodies(n) for n in range(10)))
    for wire in wires:
        wire.close()
    return set().union(*found)
