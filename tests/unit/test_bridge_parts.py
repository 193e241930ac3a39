"""Parts of the bridge by themselves: judging orders in doubt, sealing, directories, frames, what a child may inherit."""

from pathlib import Path
from typing import Any

import pytest

from kakehashi.domain.errors import Malformed, Rejected
from kakehashi.domain.terminalcalls import MAX_FRAME, Run, frame, numbered, size_of, to_child
from kakehashi.domain.terminaldoubt import Evidence, Mark, Verdict, judge, same_wish
from kakehashi.services.sessions.child import child_environment
from kakehashi.services.sessions.folders import Folders
from kakehashi.services.sessions.sealing import Seal, key_in
from kakehashi.store.locks import FileLock

REQUEST = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "magic": 7, "comment": "mine"}


def order(ticket: int, **fields: Any) -> dict[str, Any]:
    blank = {"symbol": "EURUSD", "type": 0, "volume_initial": 0.1, "magic": 7, "comment": "mine", "state": 4}
    return blank | {"price_open": 0.0, "position_id": ticket, "position_by_id": 0, "ticket": ticket} | fields


def deal(ticket: int, of: int, volume: float = 0.1, price: float = 1.1) -> dict[str, Any]:
    return {"ticket": ticket, "order": of, "volume": volume, "price": price}


def seen(*ended: dict[str, Any], deals: Any = (), orders: Any = (), positions: Any = ()) -> Evidence:
    return Evidence(positions=positions, orders=orders, ended=ended, deals=deals)


def test_the_one_new_order_that_fits_is_the_answer() -> None:
    now = seen(order(1), order(2), deals=[deal(20, 2, 0.06, 1.0), deal(21, 2, 0.04, 2.0)])
    found = judge(REQUEST, Mark(orders=frozenset({1})), now, claimed=frozenset())
    assert found.result is not None
    told = {k: found.result[k] for k in ("retcode", "deal", "order", "volume", "price")}
    assert told == {"retcode": 10009, "deal": 20, "order": 2, "volume": 0.1, "price": 1.4}


@pytest.mark.parametrize(
    "other",
    [{"symbol": "GBPUSD"}, {"type": 1}, {"volume_initial": 0.2}, {"magic": 8}, {"comment": "theirs"}],
    ids=lambda o: next(iter(o)),
)
def test_an_order_that_differs_is_no_trace(other: dict[str, Any]) -> None:
    assert judge(REQUEST, Mark(), seen(order(2, **other)), claimed=frozenset()).verdict is Verdict.NONE


def test_several_that_fit_stay_unknown_unless_the_others_are_known_to_be_somebody_elses() -> None:
    now = seen(order(2), order(3), deals=[deal(30, 3)])
    assert judge(REQUEST, Mark(), now, claimed=frozenset()).verdict is Verdict.MANY
    assert judge(REQUEST, Mark(), now, claimed=frozenset({2})).ticket == 3


def test_a_market_order_that_still_works_is_not_judged_and_a_part_of_one_is_told_as_such() -> None:
    assert judge(REQUEST, Mark(), seen(orders=[order(2)]), claimed=frozenset()).verdict is Verdict.WORKING
    part = judge(REQUEST, Mark(), seen(order(2), deals=[deal(20, 2, 0.04)]), claimed=frozenset())
    refused = judge(REQUEST, Mark(), seen(order(2, state=5)), claimed=frozenset())
    assert part.result is not None
    assert refused.result is not None
    assert (part.result["retcode"], part.result["volume"], refused.result["retcode"]) == (10010, 0.04, 10006)


def test_pending_orders_levels_and_removals_are_judged_by_what_stands_there() -> None:
    pending = REQUEST | {"action": 5, "type": 2, "price": 1.0}
    resting = seen(orders=[order(2, type=2, price_open=1.0)])
    assert judge(pending, Mark(), resting, claimed=frozenset()).ticket == 2
    levels = {"action": 6, "position": 5, "sl": 1.0, "tp": 0.0}
    for sl, verdict in ((1.0, Verdict.FOUND), (0.9, Verdict.NONE)):
        now = seen(positions=[{"ticket": 5, "sl": sl, "tp": 0.0}])
        assert judge(levels, Mark(), now, claimed=frozenset()).verdict is verdict
    removal = {"action": 8, "order": 2}
    assert judge(removal, Mark(), resting, claimed=frozenset()).verdict is Verdict.NONE
    gone = judge(removal, Mark(), seen(order(2, state=2)), claimed=frozenset())
    assert gone.result is not None
    assert gone.result["retcode"] == 10009


def test_a_kind_of_request_that_is_not_known_is_never_called_absent() -> None:
    for action in (99, "TRADE_ACTION_DEAL", None):
        found = judge(REQUEST | {"action": action}, Mark(), seen(), claimed=frozenset())
        assert found.verdict is Verdict.UNKNOWABLE


def test_twins_are_requests_whose_traces_look_alike() -> None:
    assert same_wish(REQUEST, dict(REQUEST) | {"deviation": 5})
    assert not same_wish(REQUEST, REQUEST | {"magic": 8})


def test_names_of_constants_become_the_packages_numbers() -> None:
    read = numbered({"action": "TRADE_ACTION_CLOSE_BY", "type": "ORDER_TYPE_SELL_STOP_LIMIT", "type_time": 1})
    assert read == {"action": 10, "type": 7, "type_time": 1}
    with pytest.raises(Malformed, match=r"request\.type"):
        numbered({"type": "ORDER_TYPE_BY"})


def test_a_sealed_password_opens_with_its_own_key_only(tmp_path: Path) -> None:
    key = key_in(tmp_path / "deep" / "bridge.key")
    assert key_in(tmp_path / "deep" / "bridge.key") == key
    sealed = Seal(key).seal("日本語 password")
    assert "password" not in sealed
    assert Seal(key).unseal(sealed) == "日本語 password"
    with pytest.raises(Rejected, match="KEY_MISMATCH"):
        Seal(key + "x").unseal(sealed)
    with pytest.raises(Rejected, match="BAD_CONFIG"):
        Seal("short")


def test_each_session_has_a_directory_of_its_own_that_no_other_bridge_may_use(tmp_path: Path) -> None:
    installed = tmp_path / "installed" / "terminal64.exe"
    installed.parent.mkdir()
    installed.write_bytes(b"MZ")
    session = "m-" + "0" * 27
    mine, theirs = (Folders(tmp_path / "homes", installed, FileLock) for _ in range(2))
    program = mine.take(session)
    assert program.read_bytes() == b"MZ"
    with pytest.raises(Rejected, match="FOLDER_TAKEN"):
        theirs.take(session)
    assert theirs.sweep(frozenset()) == []
    mine.let_go(session, remove=False)
    assert theirs.take(session) == program
    theirs.let_go(session, remove=False)
    (tmp_path / "homes" / "named").mkdir()
    assert mine.sweep(frozenset()) == [session]
    assert (tmp_path / "homes" / "named").exists()


def test_frames_are_bounded_and_a_message_comes_back_as_it_was() -> None:
    sent = Run(id=3, calls=(("version", {"a": [1, 2.5, "x"]}, "objects"),))
    raw = frame(sent)
    assert size_of(raw[:4]) == len(raw) - 4
    assert to_child(raw[4:]) == sent
    with pytest.raises(ValueError, match="frame"):
        size_of((MAX_FRAME + 1).to_bytes(4, "little"))


def test_a_terminal_process_inherits_no_secret() -> None:
    environ = {"KAKEHASHI_BRIDGE__KEY": "k", "KAKEHASHI_STORE__URL": "u", "KAKEHASHI_NOTIFY__TARGETS": "t", "PATH": "p"}
    assert child_environment(environ | {"KAKEHASHI_BRIDGE__KEY_FILE": "f"}) == {"PATH": "p"}
