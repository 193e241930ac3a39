"""The session bridge over HTTP, on real terminal processes: what it answers, what it remembers, who may see what."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

import bridgeroom
from bridgeroom import BUY, BridgeRoom, bridge_room, until

from kakehashi.api.doors import scopes_of
from kakehashi.domain.errors import Unavailable
from kakehashi.domain.markethours import DAYS

PASSWORD = "canary-of-a-password"


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[BridgeRoom]:
    async with bridge_room(tmp_path) as room:
        yield room


async def test_a_session_answers_as_the_package_does(room: BridgeRoom) -> None:
    session = await room.create(1000)
    answer = (await room.command(session, "account_info", id="first")).json()
    assert list(answer) == ["id", "ok", "result", "last_error", "took_ms"]
    assert (answer["id"], answer["ok"], answer["last_error"]) == ("first", True, [1, "Success"])
    assert answer["result"]["login"] == 1000
    missing = (await room.command(session, "symbol_info", {"symbol": "NOPE"})).json()
    assert (missing["ok"], missing["result"], missing["last_error"][0]) == (False, None, -4)


async def test_an_order_goes_through_with_names_for_constants_and_its_comment_untouched(room: BridgeRoom) -> None:
    session = await room.create(1000)
    sent = (await room.send(session, "one")).json()["result"]
    assert sent["retcode"] == 10009
    (deal,) = room.deals(1000)
    assert (deal.ticket, deal.comment, deal.magic) == (sent["deal"], "mine", 7)
    (position,) = await room.result(session, "positions_get", {"symbol": "EURUSD"})
    assert (position["magic"], position["comment"]) == (7, "mine")


async def test_the_same_id_twice_is_one_order_also_at_the_same_time_and_after_a_restart(room: BridgeRoom) -> None:
    session = await room.create(1000)
    both = await asyncio.gather(room.send(session, "one"), room.send(session, "one"))
    assert both[0].json()["result"] == both[1].json()["result"]
    await until(lambda: not room.bridge.keeper.sessions[session]._keeping)
    deal = both[0].json()["result"]["deal"]
    room.bridge.keeper.sessions[session]._live.clear()  # as after a restart: only the store remembers
    assert (await room.send(session, "one")).json()["result"]["deal"] == deal
    assert len(room.deals(1000)) == 1
    reused = await room.send(session, "one", volume=0.2)
    assert (reused.status_code, reused.json()["error"]["code"]) == (409, "ID_REUSED")


async def test_reads_are_answered_with_an_id_or_without_while_the_store_is_away_and_orders_are_not_sent(
    room: BridgeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await room.create(1000)

    async def away(*_: object) -> None:
        raise Unavailable("STORE_UNAVAILABLE", "the disk is gone")

    for way in ("_read", "_submit"):
        monkeypatch.setattr(room.store, way, away)
    assert await room.result(session, "positions_total") == 0
    assert await room.result(session, "positions_total", id="mine") == 0
    for options in ({}, {"id": "one"}):
        refused = await room.command(session, "order_send", {"request": BUY}, **options)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "STORE_UNAVAILABLE")
    assert room.deals(1000) == []
    monkeypatch.undo()


async def test_an_order_is_found_by_its_id_also_where_a_read_bears_the_id_since(room: BridgeRoom) -> None:
    session = await room.create(1000)
    deal = (await room.send(session, "one")).json()["result"]["deal"]
    assert (await room.command(session, "positions_total", id="one")).status_code == 409
    await until(lambda: not room.bridge.keeper.sessions[session]._keeping)
    room.bridge.keeper.sessions[session]._live.clear()  # a thousand commands later
    assert await room.result(session, "positions_total", id="one") == 1
    assert (await room.known(session, "one"))["result"]["deal"] == deal


async def test_a_restart_of_the_bridge_brings_sessions_and_command_ids_back(tmp_path: Path) -> None:
    room = BridgeRoom(tmp_path)
    async with room.broker_open():
        async with room.bridge_open():
            session = await room.create(1000, name="mine")
            deal = (await room.send(session, "one")).json()["result"]["deal"]
        async with room.bridge_open():
            assert (await room.result(session, "account_info"))["login"] == 1000
            assert (await room.view(session))["name"] == "mine"
            assert (await room.send(session, "one")).json()["result"]["deal"] == deal
    assert len(room.deals(1000)) == 1
    await room.http.aclose()


async def test_a_password_is_in_no_answer_and_in_no_file(room: BridgeRoom) -> None:
    session = await room.create(1000, password=PASSWORD)
    said = str(await room.view(session)) + (await room.request("GET", "/session/list")).text
    files = b"".join(p.read_bytes() for p in room.folder.iterdir() if p.is_file())
    assert PASSWORD not in said
    assert PASSWORD.encode() not in files


async def test_what_cannot_be_done_says_why(room: BridgeRoom) -> None:
    session = await room.create(1000)
    wrong = {
        "no such function": ("order_sent", {}, 404, "NO_SUCH_COMMAND", "order_sent"),
        "the session's own": ("login", {"login": 5}, 403, "COMMAND_REFUSED", "login"),
        "to end it": ("shutdown", {}, 403, "COMMAND_REFUSED", "shutdown"),
        "a word for a number": (
            "order_send",
            {"request": BUY | {"volume": "much"}},
            422,
            "BAD_PARAMETER",
            "request.volume",
        ),
        "no such field": ("order_send", {"request": BUY | {"lots": 1}}, 422, "BAD_PARAMETER", "request.lots"),
        "no such constant": (
            "order_send",
            {"request": BUY | {"type": "ORDER_TYPE_BY"}},
            422,
            "BAD_PARAMETER",
            "request.type",
        ),
        "an argument is missing": ("symbol_info", {}, 422, "BAD_PARAMETER", "params.symbol"),
        "no date": ("history_deals_total", {"date_from": "today", "date_to": 1}, 422, "BAD_PARAMETER", "date_from"),
        "half a period": ("history_deals_get", {"date_to": 5}, 422, "BAD_PARAMETER", "date_from"),
    }
    for what, (name, params, status, code, named) in wrong.items():
        answer = await room.command(session, name, params)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (status, code), (what, answer.text)
        assert named in error["message"], (what, error)
    assert (await room.command("m-none", "version")).status_code == 404
    assert room.deals(1000) == []


async def test_a_token_sees_only_its_own_sessions_and_a_reader_can_do_nothing(room: BridgeRoom) -> None:
    session = await room.create(1000)
    other, reader, webhook = [await room.new_token(scope) for scope in ("session", "read", "webhook")]
    for method, path in (("GET", f"/session/{session}"), ("DELETE", f"/session/{session}")):
        assert (await room.request(method, path, token=other)).status_code == 404
    assert (await room.request("GET", "/session/list", token=other)).json() == {"sessions": []}
    assert (await room.request("GET", f"/session/{session}", token=reader)).status_code == 200
    body = {"command": "account_info"}
    path = f"/session/{session}/command"
    assert (await room.request("POST", path, token=reader, json=body)).status_code == 403
    assert (await room.request("POST", path, token=webhook, json=body)).status_code == 403
    assert (await room.request("POST", path, token="", json=body)).status_code == 401
    assert (await room.request("GET", "/session/list", token=webhook)).status_code == 403


async def test_every_door_of_the_bridge_declares_who_may(room: BridgeRoom) -> None:
    """Written down from SECURITY's table, not from the code's."""
    readers = {"session", "read", "operator", "admin"}
    seen = {"GET /v5/session/list", "GET /v5/session/{session_id}", "GET /v5/retcodes", "GET /v5/openapi.json"}
    open_to_all = {"GET /health", "GET /livez", "GET /readyz"}
    for route in room.app.routes:
        for method in sorted(getattr(route, "methods", None) or {"GET"}):  # a WebSocket's handshake is a GET
            path = route.path  # type: ignore[attr-defined]
            door, scopes = f"{method} {path}".replace("HEAD ", "GET "), scopes_of(method, path)
            if door in open_to_all:
                assert "" in scopes
            elif door in seen:
                assert scopes == readers
            else:
                assert scopes == ({"metrics", "admin"} if door == "GET /metrics" else {"session"}), door


async def test_dates_come_as_seconds_or_iso_and_tables_as_rows_or_columns(room: BridgeRoom) -> None:
    session = await room.create(1000)
    await room.send(session, "one")
    seconds, iso = [
        await room.result(session, "history_deals_total", {"date_from": start, "date_to": end})
        for start, end in ((0, 4_000_000_000), ("1970-01-01", "2096-10-02T07:06:40Z"))
    ]
    assert seconds == iso == 2  # the deposit and the deal
    wanted = {"symbol": "EURUSD", "timeframe": "TIMEFRAME_M1", "start_pos": 0, "count": 3}
    rows = await room.result(session, "copy_rates_from_pos", wanted)
    columns = await room.result(session, "copy_rates_from_pos", wanted, format="columns")
    assert [row["time"] for row in rows] == columns["time"]
    assert list(rows[0]) == list(columns)


async def test_several_commands_in_one_request_each_have_their_answer(room: BridgeRoom) -> None:
    session = await room.create(1000)
    commands = [
        {"command": "positions_total"},
        {"command": "symbol_info", "params": {"symbol": "NOPE"}},
        {"command": "order_send", "params": {"request": BUY}, "id": "b"},
        {"command": "positions_total"},
    ]
    batch = {"commands": commands}
    answers = (await room.request("POST", f"/session/{session}/commands", json=batch)).json()["answers"]
    assert [a["ok"] for a in answers] == [True, False, True, True]
    assert (answers[0]["result"], answers[3]["result"]) == (0, 1)


async def test_a_deleted_session_is_gone_with_its_process(room: BridgeRoom) -> None:
    session = await room.create(1000)
    process = room.bridge.keeper.sessions[session].line.child
    assert process is not None
    assert (await room.request("DELETE", f"/session/{session}")).status_code == 200
    assert process.gone.is_set()
    assert (await room.request("GET", f"/session/{session}")).status_code == 404
    assert await room.store.rows("bridge_sessions") == []


async def test_a_server_that_is_an_address_is_refused_unless_it_is_the_bridges_own(room: BridgeRoom) -> None:
    for server in ("/var/run/docker.sock", "10.0.0.1:22"):
        answer = await room.request("POST", "/session/create", json={"login": 1, "password": "x", "server": server})
        assert answer.json()["error"]["code"] == "BAD_SERVER"
    assert await room.create(1000, server=room.broker_socket)


async def test_a_queue_that_is_full_refuses_and_a_waiting_command_can_be_cancelled(tmp_path: Path) -> None:
    async with bridge_room(tmp_path, **{"bridge.queue_max": 2}) as room:
        session = await room.create(1000)
        room.faults(delay_s=1.0)
        slow = asyncio.create_task(room.send(session, "slow"))
        served = room.bridge.keeper.sessions[session]
        line = served.line
        await until(lambda: served.orders.record("slow") is not None and not len(line.queue))
        waiting = [asyncio.create_task(room.command(session, "version", id=f"w{n}")) for n in range(2)]
        await until(lambda: len(line.queue) == 2)
        full = await room.command(session, "version")
        assert (full.status_code, full.json()["error"]["code"]) == (429, "QUEUE_FULL")
        assert (await room.request("DELETE", f"/session/{session}/command/w1")).status_code == 200
        assert (await waiting[1]).json()["error"]["code"] == "CANCELLED"
        assert (await waiting[0]).json()["ok"]
        assert (await slow).json()["ok"]


async def test_metrics_show_sessions_and_need_a_token(room: BridgeRoom) -> None:
    session = await room.create(1000)
    await room.result(session, "account_info")
    assert (await room.http.get(f"{room.base}/metrics")).status_code == 401
    headers = {"authorization": f"Bearer {await room.new_token('metrics')}"}
    text = (await room.http.get(f"{room.base}/metrics", headers=headers)).text
    assert 'kakehashi_bridge_sessions{state="READY"} 1.0' in text
    assert 'kakehashi_bridge_command_seconds_count{command="account_info"}' in text


async def test_an_idle_session_sleeps_and_wakes_for_the_next_command(tmp_path: Path) -> None:
    async with bridge_room(tmp_path, **{"bridge.idle_s": 0.2, "bridge.health_s": 0.1}) as room:
        session = await room.create(1000)
        line = room.bridge.keeper.sessions[session].line
        await until(lambda: line.state == "ASLEEP" and line.child is None)
        assert (await room.view(session))["pid"] is None
        assert (await room.result(session, "account_info"))["login"] == 1000


async def test_a_process_that_has_grown_is_replaced_between_two_commands(tmp_path: Path) -> None:
    async with bridge_room(tmp_path, **{"bridge.health_s": 0.1}) as room:
        session = await room.create(1000)
        found = room.bridge.keeper.sessions[session]
        before = found.line.child
        found._terms = type(found._terms)(broker=room.broker_socket, rss_bytes=1)
        await until(lambda: found.line.restarts)
        found._terms = room.bridge.keeper.terms
        assert (await room.result(session, "account_info"))["login"] == 1000
        assert found.line.child is not before


async def test_a_session_whose_prices_stopped_is_not_well_whatever_its_servers_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridgeroom, "_now_ms", lambda: time.time_ns() // 1_000_000 + 2 * 3_600_000)
    hours = {"bridge.market_hours": "always", "bridge.health_s": 0.05, "bridge.tick_age_s": 2.5}
    async with bridge_room(tmp_path, **hours) as room:
        session = await room.create(1000)
        found = room.bridge.keeper.sessions[session]
        assert (await room.view(session))["tick_age_s"] is None
        await room.result(session, "symbol_info_tick", {"symbol": "EURUSD"})
        await until(lambda: found.view()["tick_age_s"] is not None and found.healthy())
        for name in room.broker.market.symbols:
            room.broker.market.shut(name, shut=True)
        await until(lambda: not found.healthy())
        assert (await room.view(session))["tick_age_s"] > 2.5
        await room.result(session, "symbol_info_tick", {"symbol": "USDJPY"})  # another one is as silent
        assert not found.healthy()
        room.broker.market.shut("USDJPY", shut=False)
        await until(found.healthy)


async def test_a_session_is_well_while_its_market_is_closed(tmp_path: Path) -> None:
    day = DAYS[(datetime.now(UTC) + timedelta(days=3)).weekday()]
    hours = {"bridge.market_hours": f"{day} 00:01-{day} 00:00", "bridge.health_s": 0.05, "bridge.tick_age_s": 0.001}
    async with bridge_room(tmp_path, **hours) as room:
        session = await room.create(1000)
        await room.result(session, "symbol_info_tick", {"symbol": "EURUSD"})
        found = room.bridge.keeper.sessions[session]
        await until(lambda: found.health._ticks.newest)
        assert (found.view()["tick_age_s"], found.healthy()) == (None, True)


async def test_only_named_pages_may_call_from_a_browser(tmp_path: Path) -> None:
    page = "https://desk.example.com"
    async with bridge_room(tmp_path, **{"bridge.origins": (page,)}) as room:
        for origin, allowed in ((page, page), ("https://evil.example.com", None)):
            asked = {"origin": origin, "access-control-request-method": "POST"}
            answer = await room.http.options(f"{room.base}/v5/session/create", headers=asked)
            assert answer.headers.get("access-control-allow-origin") == allowed
