"""The ``kakehashi`` command. Sub-commands are imported when they run, so that ``--help`` stays instant.

To add a command: write a click command in a module of this package (``kakehashi.cli.output`` gives it ``--json``,
``--lang`` and its exit code), and add its line to :data:`COMMANDS`.
"""

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

import click

from kakehashi import __version__
from kakehashi.cli.output import ExitCode, Lang, fail, language, set_language
from kakehashi.domain.errors import KakehashiError


class Command(NamedTuple):
    """Where a command lives (``module:attribute``), and its line in the help."""

    target: str
    en: str
    ja: str


COMMANDS: Final[Mapping[str, Command]] = {
    "up": Command("kakehashi.cli.run:up", "Run everything on this machine.", "このマシンで全体を起動。"),
    "run": Command("kakehashi.cli.run:run", "Run one role.", "役割を一つ起動。"),
    "status": Command("kakehashi.cli.run:status", "Whether the hub answers.", "ハブの状態。"),
    "send": Command("kakehashi.cli.run:send", "Fire a test alert.", "テストアラートを送信。"),
    "trace": Command("kakehashi.cli.lists:trace", "Every hop of one signal.", "一つのシグナルの全経路。"),
    "signals": Command("kakehashi.cli.lists:signals", "Alerts received.", "受信したアラート。"),
    "orders": Command("kakehashi.cli.lists:orders", "Orders and their states.", "注文と状態。"),
    "fills": Command("kakehashi.cli.lists:fills", "What was executed.", "約定。"),
    "positions": Command("kakehashi.cli.lists:positions", "Open positions.", "ポジション。"),
    "accounts": Command("kakehashi.cli.accounts:accounts", "The accounts that orders go to.", "発注先の口座。"),
    "symbols": Command("kakehashi.cli.accounts:symbols", "Broker symbols and pips.", "シンボル対応と pip。"),
    "routes": Command("kakehashi.cli.routes:routes", "Which alerts go where.", "アラートの振り分け。"),
    "token": Command("kakehashi.cli.tokens:token", "Tokens for the doors.", "トークン。"),
    "webhook": Command("kakehashi.cli.webhook:webhook", "What knocks at the door, live.", "届いた要求の監視。"),
    "kill": Command("kakehashi.cli.kill:kill", "The kill switch.", "キルスイッチ。"),
    "dlq": Command("kakehashi.cli.dlq:dlq", "Dead letters.", "デッドレター。"),
    "incidents": Command("kakehashi.cli.oncall:incidents", "What is wrong, and what to do.", "インシデント。"),
    "maintenance": Command("kakehashi.cli.oncall:maintenance", "Planned stops.", "計画停止。"),
    "notify": Command("kakehashi.cli.oncall:notify", "Who is told of incidents.", "通知。"),
    "reliability": Command("kakehashi.cli.oncall:reliability", "How reliable the links were.", "信頼性の実績。"),
    "db": Command("kakehashi.cli.db:db", "The store.", "ストア。"),
    "ea": Command("kakehashi.cli.ea:ea", "The Expert Advisor, and the simulated EA.", "EA の導入と模擬 EA。"),
    "broker": Command(
        "kakehashi.cli.broker:broker", "Trade by hand on the simulated broker.", "模擬ブローカーでの手動取引。"
    ),
    "tv": Command("kakehashi.cli.ea:tv", "TradingView's sender, emulated.", "TradingView 送信の模擬。"),
    "demo": Command("kakehashi.cli.demo:demo", "The main job, before your eyes.", "デモ。"),
    "config": Command(
        "kakehashi.cli.config:config", "Show, check and explain the settings.", "設定の表示・検査・説明。"
    ),
    "explain": Command("kakehashi.cli.about:explain", "Say what a reason code means.", "理由コードの意味を説明。"),
    "version": Command("kakehashi.cli.about:version", "Say which version this is.", "バージョンを表示。"),
}
"""In the order of the help."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        lang = language()
        with formatter.section("コマンド" if lang == "ja" else "Commands"):
            formatter.write_dl([(name, entry.ja if lang == "ja" else entry.en) for name, entry in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as e:
            raise click.UsageError(f"{e.format_message()} {_nearest(args[0])}".rstrip(), ctx) from None


def _nearest(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    return f"Did you mean {near[0]!r}?" if near else ""


def _choose_language(ctx: click.Context, _param: click.Parameter, value: Lang | None) -> None:
    if value:
        set_language(ctx, value)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--lang", type=click.Choice(["en", "ja"]), callback=_choose_language, expose_value=False, is_eager=True)
@click.version_option(__version__, prog_name="kakehashi")
def cli() -> None:
    """One hub between trading decisions and the accounts that carry them out.

    Data goes to stdout, talk to stderr; --json on every command prints {ok, data | error}.

    Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 configuration, 5 auth, 6 not running, 7 timeout, 8 refused.
    """


def execute(args: Sequence[str]) -> int:
    """Run one command line; its exit code."""
    as_json = "--json" in args
    try:
        result: Any = cli.main(args=list(args), prog_name="kakehashi", standalone_mode=False)
    except click.UsageError as e:
        if as_json:
            path = e.ctx.command_path if e.ctx else "kakehashi"
            return fail(KakehashiError("USAGE", e.format_message(), hint=f"{path} --help"), as_json=True)
        e.show()
        return ExitCode.USAGE
    except click.ClickException as e:  # a file that cannot be opened, and the like
        return fail(KakehashiError("USAGE", e.format_message()), as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        return 128 + 2  # what a shell gives for Ctrl-C
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as e:  # noqa: BLE001  the outermost edge: a fault becomes an exit code
        return fail(e, as_json=as_json)
    return int(result) if isinstance(result, int) else ExitCode.OK


def main() -> NoReturn:
    """The entry point of the ``kakehashi`` command."""
    sys.exit(execute(sys.argv[1:]))
