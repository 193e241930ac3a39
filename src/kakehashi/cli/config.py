"""``kakehashi config``: the settings as they stand, and why."""

from typing import Any

import click

from kakehashi.cli.output import command_output, language


@click.group("config")
def config() -> None:
    """Show, check and explain the settings."""


@config.command("show")
@command_output(columns=("key", "value", "origin"))
def show() -> list[dict[str, str]]:
    """Every setting with its value and where that came from; secrets are masked."""
    from kakehashi.config import explain_all

    return [
        {"key": row.key, "value": row.value, "origin": row.origin, "meaning": _meaning(row)} for row in explain_all()
    ]


@config.command("check")
@command_output(human=lambda data: f"{data['settings']} settings in order, {data['changed']} not at their default")
def check() -> dict[str, int]:
    """Read every source, fetch the secrets, and say whether the system could start with them."""
    from kakehashi.config import explain_all, load_settings

    load_settings().store.resolved_url()
    rows = explain_all()
    return {"settings": len(rows), "changed": sum(row.origin != "default" for row in rows)}


def _explained(data: dict[str, str]) -> str:
    return f"{data['key']} = {data['value']}\n{data['meaning']}\n{data['origin']}; {data['env']}"


@config.command("explain")
@click.argument("key")
@command_output(human=_explained)
def explain(key: str) -> dict[str, str]:
    """One setting: KEY as in store.url."""
    from kakehashi.config import explain as explain_key

    row = explain_key(key)
    return {"key": row.key, "value": row.value, "origin": row.origin, "env": row.env, "meaning": _meaning(row)}


@config.command("env-example")
@command_output(human=str.rstrip)
def env_example() -> str:
    """The text of .env.example: every variable with its meaning and default."""
    from kakehashi.config import env_example as example

    return example()


def _meaning(row: Any) -> str:
    return str(row.meaning_ja if language() == "ja" else row.meaning)
