"""SEC-3: no start with a secret everybody knows, and no open port that nobody asked for."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from kakehashi.bootstrap import bind
from kakehashi.cli.output import ExitCode
from kakehashi.config import load_settings
from kakehashi.domain.errors import KakehashiError
from kakehashi.services.access import create_token

KAKEHASHI = (__import__("sys").executable, "-m", "kakehashi")


def started(folder: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """A start that must end by itself."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("KAKEHASHI_")}
    return subprocess.run(
        [*KAKEHASHI, *argv], env=clean | env, cwd=folder, capture_output=True, timeout=50, check=False
    )


@pytest.mark.parametrize("role", [("run", "hub"), ("up",)], ids=" ".join)
def test_sec_3_no_role_starts_with_a_password_everybody_knows(tmp_path: Path, role: tuple[str, ...]) -> None:
    done = started(tmp_path, *role, KAKEHASHI_STORE__URL="postgresql://kk:changeme@127.0.0.1:1/kakehashi")
    assert done.returncode == ExitCode.CONFIGURATION
    assert b"well-known" in done.stderr
    assert b"changeme" not in done.stdout + done.stderr


def test_sec_3_no_role_listens_beyond_this_machine_unless_told_twice(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/k.db"
    done = started(tmp_path, "run", "hub", "--host", "0.0.0.0", "--port", "0", KAKEHASHI_STORE__URL=store)
    assert done.returncode == ExitCode.CONFIGURATION
    assert b"beyond this machine" in done.stderr


def test_sec_3_what_is_not_configured_listens_on_loopback_only() -> None:
    listening = bind(load_settings({"hub.port": 0}))
    try:
        assert listening.getsockname()[0] == "127.0.0.1"
        assert listening.family == socket.AF_INET
    finally:
        listening.close()


@pytest.mark.parametrize("trusting", ["*", "0.0.0.0/0", "::/0"])
def test_sec_3_no_setting_trusts_every_proxy_or_exempts_every_address(
    trusting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("INGEST__TRUSTED_PROXIES", "INGEST__ALLOW_IPS", "MAILBOX__ALLOW_IPS", "HUB__UNCAPPED_IPS"):
        with monkeypatch.context() as patch:
            patch.setenv(f"KAKEHASHI_{key}", trusting)
            with pytest.raises(KakehashiError):
                load_settings()


def test_sec_3_a_token_is_never_chosen_by_a_person() -> None:
    secrets = {create_token("webhook", at=0).secret for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(secret.rsplit("_", 1)[1]) == 43 for secret in secrets), "32 random bytes"
