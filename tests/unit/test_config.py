from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kakehashi.config import (
    TRADINGVIEW_IPS,
    Rate,
    Settings,
    env_example,
    explain,
    explain_all,
    load_settings,
    networks,
    parse_rate,
    resolve_secret,
)
from kakehashi.config.model import setting_fields
from kakehashi.domain.errors import KakehashiError

ROOT = Path(__file__).parents[2]
GOOD_PASSWORD = "3nQ_vx81-Zk0TqGmB"

pytestmark = pytest.mark.usefixtures("in_empty_dir")


def refusal(flags: Mapping[str, Any] | None = None) -> KakehashiError:
    with pytest.raises(KakehashiError) as caught:
        load_settings(flags)
    assert caught.value.code == "BAD_CONFIG"
    return caught.value


def test_without_any_source_the_hub_is_private_and_keeps_a_file_of_the_user(tmp_path: Path) -> None:
    settings = load_settings()
    assert (settings.hub.host, settings.hub.port) == ("127.0.0.1", 7800)
    assert settings.store.url == f"sqlite:///{tmp_path}/data/kakehashi/kakehashi.db"
    assert all(row.origin == "default" for row in explain_all())


def test_flags_beat_the_environment_which_beats_the_file(in_empty_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (in_empty_dir / "kakehashi.toml").write_text("[hub]\nport = 1\nhost = 'localhost'\n[ttl]\nentry_s = 5\n")
    monkeypatch.setenv("KAKEHASHI_HUB__PORT", "2")
    monkeypatch.setenv("KAKEHASHI_TTL__ENTRY_S", "6")
    settings = load_settings({"hub.port": 3, "hub.host": None})
    assert (settings.hub.port, settings.hub.host, settings.ttl.entry_s) == (3, "localhost", 6)


def test_explain_says_where_a_value_came_from(in_empty_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (in_empty_dir / "mine.toml").write_text("[hub]\nport = 1\n")
    monkeypatch.setenv("KAKEHASHI_CONFIG", "mine.toml")
    monkeypatch.setenv("KAKEHASHI_MAILBOX__LEASE_S", "9")
    assert explain("hub.port").origin == "mine.toml"
    assert explain("mailbox.lease_s").origin == "KAKEHASHI_MAILBOX__LEASE_S"
    assert explain("hub.port", {"hub.port": 4}).origin == "flag"
    assert explain("hub.host").origin == "default"


def test_every_setting_says_what_it_means_in_both_languages() -> None:
    rows = explain_all()
    assert [row.key for row in rows] == [key for key, _ in setting_fields()]
    assert all(row.meaning and any(ord(char) > 0x3000 for char in row.meaning_ja) for row in rows)


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("KAKEHASHI_HUB__PROT", "KAKEHASHI_HUB__PORT"),
        ("KAKEHASHI_STORE_URL", "KAKEHASHI_STORE__URL"),
        ("KAKEHASHI_X", ""),
    ],
)
def test_an_unknown_variable_is_refused_by_name(name: str, suggestion: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    error = refusal()
    assert name in error.message
    assert suggestion in error.hint


@pytest.mark.parametrize("text", ["[hub]\nprot = 1", "[hbu]\nport = 1", "port = 1", "hub = 3"])
def test_an_unknown_key_of_the_file_is_refused_by_name(text: str, in_empty_dir: Path) -> None:
    (in_empty_dir / "kakehashi.toml").write_text(text)
    assert "no setting" in refusal().message


def test_a_file_that_is_named_but_missing_or_broken_is_refused(
    in_empty_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAKEHASHI_CONFIG", "absent.toml")
    assert "absent.toml" in refusal().message
    (in_empty_dir / "absent.toml").write_text("[hub\n")
    assert "absent.toml" in refusal().message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hub.port", "70000"),
        ("hub.port", "many"),
        ("hub.host", "example.com"),
        ("ingest.rate_per_token", "20"),
        ("ingest.rate_per_token", "0/s"),
        ("ingest.commit_timeout_s", "3"),
        ("ingest.commit_timeout_s", "nan"),
        ("ttl.entry_s", "inf"),
        ("ttl.entry_s", "-1"),
        ("ingest.trusted_proxies", "*"),
        ("ingest.trusted_proxies", "0.0.0.0/0"),
        ("store.url", "mysql://x"),
        ("risk.day_zone", "Mars/Olympus"),
        ("log.level", "loud"),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_its_key(key: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKEHASHI_" + key.replace(".", "__").upper(), value)
    assert key in refusal().message


def test_the_hub_listens_beyond_loopback_only_when_told_twice() -> None:
    """SEC-3."""
    for host in ("0.0.0.0", "192.168.1.5", "::"):
        assert "beyond this machine" in refusal({"hub.host": host}).message
        assert load_settings({"hub.host": host, "hub.public": True}).hub.host == host
    assert load_settings({"hub.host": "::1"}).hub.host == "::1"


@pytest.mark.parametrize("password", ["postgres", "changeme", "Password", "short-one", "secret"])
def test_a_default_or_short_password_stops_the_start(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SEC-3; and the password itself is not in the message (SEC-4)."""
    url = f"postgresql://kk:{password}@db/kakehashi"
    monkeypatch.setenv("KAKEHASHI_STORE__URL", url)
    error = refusal()
    assert url not in error.message
    assert f":{password}@" not in error.message


def test_a_password_in_the_file_or_on_the_command_line_is_refused(in_empty_dir: Path) -> None:
    url = f"postgresql://kk:{GOOD_PASSWORD}@db/kakehashi"
    assert GOOD_PASSWORD not in refusal({"store.url": url}).message
    (in_empty_dir / "kakehashi.toml").write_text(f"[store]\nurl = '{url}'\n")
    assert GOOD_PASSWORD not in refusal().message


def test_a_password_is_read_from_a_file_late_and_shown_masked(
    in_empty_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql://kk:{GOOD_PASSWORD}@db/kakehashi"
    (in_empty_dir / "url").write_text(url + "\n")
    monkeypatch.setenv("KAKEHASHI_STORE__URL_FILE", str(in_empty_dir / "url"))
    assert load_settings().store.resolved_url() == url
    monkeypatch.setenv("KAKEHASHI_STORE__URL", url)
    assert explain("store.url").value == "postgresql://kk:***@db/kakehashi"
    (in_empty_dir / "url").unlink()
    with pytest.raises(KakehashiError, match=r"store\.url_file"):
        load_settings().store.resolved_url()


@pytest.mark.parametrize(("cloud", "hint"), [("aws", "kakehashi[aws]"), ("gcp", "kakehashi[gcp]"), ("azure", "")])
def test_a_secret_manager_that_is_not_installed_says_how_to_get_it(
    cloud: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("boto3", "google.cloud", "google.cloud.secretmanager"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(KakehashiError) as caught:
        resolve_secret(f"secret://{cloud}/name", None, key="store.url")
    assert caught.value.code == "BAD_CONFIG"
    assert hint in caught.value.hint


def test_a_field_of_a_secret_comes_from_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    class Secrets:
        def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803  Amazon's name
            return {"SecretString": f'{{"url": "sqlite:////{SecretId}.db"}}'}

    fake = type("boto3", (), {"client": staticmethod(lambda _service: Secrets())})
    monkeypatch.setitem(__import__("sys").modules, "boto3", fake)
    assert resolve_secret("secret://aws/hub#url", None, key="store.url") == "sqlite:////hub.db"


@pytest.mark.parametrize(
    ("text", "rate"), [("20/s", Rate(20)), ("600/m", Rate(600, 60)), ("5/h", Rate(5, 3600)), ("off", Rate(0))]
)
def test_a_rate_reads_back_as_it_was_written(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate
    assert str(rate) == text
    assert rate.unlimited == (text == "off")


def test_the_preset_stands_for_tradingviews_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKEHASHI_INGEST__ALLOW_IPS", "tradingview, 10.0.0.0/8")
    allowed = networks(load_settings().ingest.allow_ips)
    assert [str(network) for network in allowed] == [f"{ip}/32" for ip in TRADINGVIEW_IPS] + ["10.0.0.0/8"]


def test_the_env_example_is_what_the_model_says_today() -> None:
    assert (ROOT / ".env.example").read_text("utf-8") == env_example(), "run: make env-example"


def test_the_env_example_can_be_used_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    for line in env_example().splitlines():
        if line.startswith("#KAKEHASHI_") and "_FILE=" not in line:
            name, _, value = line[1:].partition("=")
            monkeypatch.setenv(name, value)
    assert isinstance(load_settings(), Settings)
