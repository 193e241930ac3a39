import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from kakehashi import cli
from kakehashi.cli.output import Answer, command_output, exit_code
from kakehashi.domain.codes import CODES
from kakehashi.domain.errors import KakehashiError, Malformed, OutcomeUnknown, Rejected, Unavailable

pytestmark = pytest.mark.usefixtures("in_empty_dir")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def once(*args: str) -> tuple[int, str, str]:
        code = cli.execute(args)
        out, err = capsys.readouterr()
        return code, out, err

    return once


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Add a command ``pretend`` that does what the test says."""

    def install(function: Callable[[], Any], **options: Any) -> None:
        command = click.command("pretend")(command_output(**options)(function))
        monkeypatch.setattr(sys.modules[__name__], "_pretended", command, raising=False)
        entry = cli.Command(f"{__name__}:_pretended", "Pretend.", "ふり。")
        monkeypatch.setitem(cli.COMMANDS, "pretend", entry)  # type: ignore[arg-type]
        monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])

    return install


def test_help_imports_nothing_heavy() -> None:
    heavy = (
        "fastapi starlette sqlalchemy alembic pydantic pydantic_settings httpx rich structlog prometheus_client asyncpg"
    )
    program = f"""
import sys
from kakehashi.cli import execute
code = execute(["--help"])
print([name for name in {heavy.split()!r} if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert all(name in done.stdout for name in cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_of_the_table_exists_and_has_help_in_both_languages(name: str, run: Run) -> None:
    entry = cli.COMMANDS[name]
    assert entry.en.endswith(".")
    assert entry.ja.endswith("。")
    code, out, _ = run(name, "--help")
    assert code == 0
    assert "Usage: kakehashi " + name in out


def leaves(command: click.Command, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        return [leaf for name, inner in command.commands.items() for leaf in leaves(inner, (*path, name))]
    return [(path, command)]


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_takes_json(name: str) -> None:
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert command is not None
    for path, leaf in leaves(command, (name,)):
        assert any("--json" in option.opts for option in leaf.params), " ".join(path)


def test_json_is_one_object_with_ok_and_data(run: Run) -> None:
    code, out, err = run("version", "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert answer["ok"] is True
    assert set(answer["data"]) == {"version", "python", "platform"}


@pytest.mark.parametrize(
    "args", [["confg"], ["config", "shw"], ["version", "--bogus"], ["explain"], ["config"], ["--lang", "fr", "version"]]
)
def test_a_usage_error_is_2_in_both_forms(args: list[str], run: Run) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert err
    code, out, err = run(*args, "--json")
    assert (code, err) == (2, "")
    answer = json.loads(out)
    assert (answer["ok"], answer["error"]["code"]) == (False, "USAGE")
    assert set(answer["error"]) == {"code", "message", "hint"}


def test_a_misspelt_command_gets_a_suggestion(run: Run) -> None:
    assert "'config'" in run("confg")[2]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KakehashiError("INTERNAL", ""), 1),
        (Malformed("ANYTHING", ""), 2),
        (Rejected("NOT_FOUND", ""), 3),
        (KakehashiError("BAD_CONFIG", ""), 4),
        (Unavailable("NOT_RUNNING", ""), 6),
        (Unavailable("ANYTHING", ""), 6),
        (OutcomeUnknown("ANYTHING", ""), 7),
        (Rejected("ANYTHING", ""), 8),
    ],
)
def test_an_error_has_the_exit_code_of_its_remedy(error: KakehashiError, code: int) -> None:
    assert exit_code(error) == code


def test_a_code_that_http_answers_with_401_or_403_is_an_auth_error() -> None:
    refused = [name for name, code in CODES.items() if code.http in (401, 403)]
    assert refused
    assert {exit_code(Rejected(name, "")) for name in refused} == {5}


def test_an_error_is_told_on_stderr_or_as_json(run: Run, pretend: Callable[..., None]) -> None:
    def fails() -> None:
        raise Rejected("ANYTHING", "expected a, got b", hint="try c")

    pretend(fails)
    assert run("pretend") == (8, "", "error: ANYTHING: expected a, got b\nhint: try c\n")
    code, out, err = run("pretend", "--json")
    assert (code, err) == (8, "")
    assert json.loads(out) == {
        "ok": False,
        "error": {"code": "ANYTHING", "message": "expected a, got b", "hint": "try c"},
    }


def test_a_bug_is_1_and_leaks_no_token(run: Run, pretend: Callable[..., None]) -> None:
    def breaks() -> None:
        raise RuntimeError("no route for kk_webhook_ab12_c2VjcmV0c2VjcmV0")

    pretend(breaks)
    code, out, err = run("pretend", "--json")
    assert code == 1
    assert json.loads(out)["error"]["code"] == "INTERNAL"
    assert "c2VjcmV0" not in out + err
    assert "kk_webhook_ab12_***" in out


@pytest.mark.parametrize(
    ("error", "code"), [(TimeoutError(), 7), (ConnectionRefusedError(), 6), (KeyboardInterrupt(), 130)]
)
def test_what_the_system_raises_has_its_exit_code(
    error: BaseException, code: int, run: Run, pretend: Callable[..., None]
) -> None:
    def fails() -> None:
        raise error

    pretend(fails)
    assert run("pretend", "--json")[0] == code


def test_a_list_is_a_table_with_the_columns_asked_for(run: Run, pretend: Callable[..., None]) -> None:
    async def rows() -> list[dict[str, object]]:
        return [{"id": "a", "hidden": 1, "name": "架け橋"}, {"id": "bcd", "hidden": 2, "name": None}]

    pretend(rows, columns=("id", "name"))
    assert run("pretend") == (0, "id   name\na    架け橋\nbcd\n", "")
    assert json.loads(run("pretend", "--json")[1])["data"][0]["hidden"] == 1


def test_an_answer_carries_its_own_exit_code_and_bare_json_has_no_envelope(
    run: Run, pretend: Callable[..., None]
) -> None:
    pretend(lambda: Answer({"sent": 3}, exit_code=1), bare=True)
    assert run("pretend", "--json") == (1, '{"sent":3}\n', "")


def test_the_language_comes_from_the_option_then_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    english, japanese = (text.partition("{")[0] for text in (CODES["BAD_CONFIG"].en, CODES["BAD_CONFIG"].ja))
    assert english in run("explain", "BAD_CONFIG")[1]
    assert japanese in run("explain", "bad_config", "--lang", "ja")[1]
    assert japanese in run("--lang", "ja", "explain", "BAD_CONFIG")[1]
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert japanese in run("explain", "BAD_CONFIG")[1]
    assert english in run("explain", "BAD_CONFIG", "--lang", "en")[1]
    monkeypatch.setenv("KAKEHASHI_LANG", "en")
    assert english in run("explain", "BAD_CONFIG")[1]


def test_an_unknown_code_is_not_found_and_gets_a_suggestion(run: Run) -> None:
    code, out, _ = run("explain", "BAD_CONFG", "--json")
    assert code == 3
    assert "BAD_CONFIG" in json.loads(out)["error"]["hint"]


def test_config_commands_show_check_and_explain(run: Run, in_empty_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKEHASHI_HUB__PORT", "7999")
    shown = {row["key"]: row for row in json.loads(run("config", "show", "--json")[1])["data"]}
    assert (shown["hub.port"]["value"], shown["hub.port"]["origin"]) == ("7999", "KAKEHASHI_HUB__PORT")
    assert json.loads(run("config", "check", "--json")[1])["data"]["changed"] == 1
    assert "hub.port = 7999" in run("config", "explain", "hub.port")[1]
    assert run("config", "explain", "hub.prot")[0] == 4
    (in_empty_dir / "kakehashi.toml").write_text("[hub]\nprot = 1\n")
    assert run("config", "check")[0] == 4
