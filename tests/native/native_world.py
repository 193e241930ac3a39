"""A :class:`~world.World` whose linked EAs are compiled ones."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from world import World

PACE = 4.0
"""How much faster the EAs' time passes than the hub's."""
TRANSPORTS = {"ws": "1", "poll": "2"}


class NativeWorld(World):
    """:ivar program: the compiled EA; a test's fixture sets it"""

    program: Path

    def start_linked_ea(
        self, account: str, number: str, token: str, *more: str, url: str = "", pace: float = PACE
    ) -> None:
        link = more[more.index("--link") + 1] if "--link" in more else "ws"
        self.start_compiled("ea", account, number, token, link=link, url=url, pace=pace)

    def start_compiled(
        self, name: str, account: str, number: str, token: str, *more: str,
        link: str = "ws", url: str = "", pace: float = PACE,
    ) -> None:  # fmt: skip
        """An EA on the chart of a terminal of its own: its data folder has the process's name."""
        inputs = {"HubUrl": f"{(url or self.url).replace('http', 'ws', 1)}/ea/v1", "Transport": TRANSPORTS[link]}
        argv = [str(self.program), "--account", account, "--number", number, "--balance", "1000000000"]
        argv += ["--broker", str(self._broker_socket), "--data", str(self.folder / name), "--pace", str(pace)]
        argv += [part for item in inputs.items() for part in ("--set", "=".join(item))]
        self._commands[name] = (*argv, "--set", f"Token={token}", *more)
        self.restart(name)
