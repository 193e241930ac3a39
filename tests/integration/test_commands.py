"""The commands on a real store: what they write, what they refuse, and that a refusal writes nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kakehashi import cli
from kakehashi.domain.codes import CODES

Say = Callable[..., dict[str, Any]]

ROUTES = """
[routes.trend]
accounts = ["one", "two"]
strategy = "slot"
symbols = ["eurusd"]
dry_run = true

[routes.trend.rules]
size_value = 0.10
sl = { unit = "ATR", value = "1.5" }
tps = [{ level = { unit = "R", value = "1" }, share = "0.5" }, { level = { unit = "R", value = "3" }, share = "0.5" }]
windows = [{ days = ["mon", "fri"], start = "09:00", end = "24:00" }]
zone = "Asia/Tokyo"
cooldown_s = false
max_orders = 3

[routes.trend.per_account.two]
size_unit = "RISK_PERCENT"
size_value = "0.5"
max_losing_streak = false

[routes.scalp]
accounts = ["one"]
no_rails = true
enabled = false
"""


@pytest.fixture
def say(in_empty_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Run a command with ``--json`` on a store of its own; its object, with the exit code as ``exit``."""
    monkeypatch.setenv("KAKEHASHI_STORE__URL", f"sqlite:///{in_empty_dir}/k.db")

    def once(*args: str) -> dict[str, Any]:
        code = cli.execute([*args, "--json"])
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer | {"exit": code}

    return once


@pytest.fixture
def routes_file(in_empty_dir: Path) -> Path:
    path = in_empty_dir / "routes.toml"
    path.write_text(ROUTES, encoding="utf-8")
    return path


@pytest.fixture
def two_accounts(say: Say) -> None:
    for number, name in enumerate(("one", "two")):
        assert say("accounts", "add", name, "--number", str(number + 1))["ok"]


def versions(say: Say) -> dict[str, int]:
    return {route["name"]: route["version"] for route in say("routes", "list")["data"]}


@pytest.mark.usefixtures("two_accounts")
def test_what_routes_export_writes_routes_import_reads_back_without_a_change(
    say: Say, routes_file: Path, in_empty_dir: Path
) -> None:
    assert [row["change"] for row in say("routes", "import", str(routes_file))["data"]] == ["add", "add"]
    before = say("routes", "list")["data"]
    out = in_empty_dir / "out.toml"
    assert say("routes", "export", "--file", str(out))["data"]["file"] == str(out)
    again = say("routes", "import", str(out))["data"]
    assert [(row["route"], row["change"], row["fields"]) for row in again] == [
        ("scalp", "same", []),
        ("trend", "same", []),
    ]
    assert say("routes", "list")["data"] == before  # versions included: nothing was written
    trend = next(route for route in before if route["name"] == "trend")
    assert trend["rules"]["cooldown_s"] is None
    assert trend["per_account"]["two"]["max_losing_streak"] is None
    assert trend["symbols"] == ["EURUSD"]


@pytest.mark.usefixtures("two_accounts")
def test_an_import_says_what_changes_and_as_a_dry_run_changes_nothing(say: Say, routes_file: Path) -> None:
    assert say("routes", "import", str(routes_file))["ok"]
    routes_file.write_text(ROUTES.replace("size_value = 0.10", "size_value = 0.20").replace("max_orders = 3\n", ""))
    wanted = ["rules.max_orders: 3 -> default", "rules.size_value: 0.1 -> 0.2"]
    tried = say("routes", "import", str(routes_file), "--dry-run")["data"]
    assert [row["fields"] for row in tried] == [[], wanted]
    assert versions(say) == {"scalp": 1, "trend": 1}
    done = say("routes", "import", str(routes_file))["data"]
    assert done == tried
    assert versions(say) == {"scalp": 1, "trend": 2}


@pytest.mark.usefixtures("two_accounts")
@pytest.mark.parametrize(
    ("wrong", "code", "named"),
    [
        ("max_ordres = 3", "BAD_CONFIG", "max_ordres"),
        ("max_orders = -1", "BAD_CONFIG", "routes.trend"),
        ('windows = [{ start = "25:00" }]', "BAD_CONFIG", "25:00"),
        ("[routes.trend.per_account.three]", "BAD_CONFIG", "three"),
        ("[routes.third]\naccount = 'one'", "BAD_CONFIG", "account"),
        ("[routes.third]\naccounts = ['nobody']", "NOT_FOUND", "nobody"),
        ("[routes.third]\naccounts = []", "BAD_CONFIG", "third"),
        ("= 1", "BAD_CONFIG", "line"),
    ],
)
def test_one_wrong_route_and_nothing_of_the_file_is_imported(
    say: Say, in_empty_dir: Path, wrong: str, code: str, named: str
) -> None:
    path = in_empty_dir / "routes.toml"
    path.write_text(
        f"[routes.good]\naccounts = ['one']\n[routes.trend]\naccounts = ['two']\n[routes.trend.rules]\n{wrong}\n"
    )
    said = say("routes", "import", str(path))
    assert (said["error"]["code"], named in said["error"]["message"]) == (code, True), said
    assert versions(say) == {}


def test_exporting_a_route_that_is_not_there_is_3(say: Say) -> None:
    assert say("routes", "export", "nobody")["exit"] == 3


@pytest.mark.usefixtures("two_accounts")
def test_switching_an_account_or_a_route_shows_it_switched(say: Say) -> None:
    assert [say("accounts", word, "one")["data"]["armed"] for word in ("arm", "disarm")] == [True, False]
    assert [say("accounts", word, "one")["data"]["enabled"] for word in ("disable", "enable")] == [False, True]
    assert say("routes", "add", "trend", "--account", "one", "--lots", "0.1")["ok"]
    assert "enabled" not in say("routes", "enable", "trend")["data"]  # the default is left out
    assert say("routes", "disable", "trend")["data"]["enabled"] is False
    assert say("routes", "disable", "nobody")["exit"] == 3
    assert say("kill", "on", "--account", "one")["data"] == {"scope": "one", "killed": True}
    assert say("kill", "status")["data"] == {"killed": ["one"]}
    assert say("kill", "off", "--account", "one")["ok"]
    assert say("kill", "status")["data"] == {"killed": []}
    assert say("db", "verify")["data"]["audits"] >= 9


def test_rotating_makes_a_second_token_of_the_slot_and_gives_the_old_one_an_end(say: Say) -> None:
    made = say("token", "create", "--scope", "webhook", "--route", "trend", "--name", "tv")["data"]
    new = say("token", "rotate", made["id"], "--overlap", "2h")["data"]
    assert new["token"] != made["token"]
    rows = {row["id"]: row for row in say("token", "list")["data"]}
    old, second = rows[made["id"]], rows[new["id"]]
    assert {k: old[k] for k in ("scope", "slot", "route", "name", "user")} == {
        k: second[k] for k in ("scope", "slot", "route", "name", "user")
    }
    assert old["expires_at"] - second["created_at"] == pytest.approx(7_200_000, abs=1_000)
    assert second["expires_at"] is None


def test_rotating_never_lengthens_a_life_and_refuses_a_token_that_ended(say: Say) -> None:
    made = say("token", "create", "--scope", "read", "--days", "1")["data"]
    new = say("token", "rotate", made["id"], "--overlap", "30d")["data"]
    assert new["replaces"]["expires_at"] == made["expires_at"]
    assert new["expires_at"] >= made["expires_at"]  # a day from now, as the old one had
    assert say("token", "revoke", made["id"])["ok"]
    refused = say("token", "rotate", made["id"])
    assert (refused["error"]["code"], refused["exit"]) == ("TOKEN_ENDED", 8)
    assert CODES["TOKEN_ENDED"].http == 409
    assert say("token", "rotate", "nobody")["exit"] == 3
    assert say("token", "rotate", new["id"], "--overlap", "soon")["exit"] == 2
