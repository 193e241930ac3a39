"""The simulated broker that kills itself at one point of one deal: ``crashing_broker.py POINT NTH`` and ``run broker``'s options.

``after_books``: the account's books have it, the ledger not; ``after_ledger``: both have it, the terminal was not answered.
"""

import os
import signal
import sys

from kakehashi.cli import main
from kakehashi.terminal import server
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.words import Deal
from kakehashi.terminal.ledger import Ledger

_, POINT, NTH, *OPTIONS = sys.argv


class CrashingLedger(Ledger):
    left = int(NTH)
    serving = False

    def write(self, broker: Broker, at: int) -> None:
        self.serving = True  # what restore() makes up for is not counted
        super().write(broker, at)

    def _append_deals(self, deals: list[Deal]) -> None:
        self.left -= bool(deals and self.serving)
        if not self.left and POINT == "after_books":
            os.kill(os.getpid(), signal.SIGKILL)
        super()._append_deals(deals)
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    server.Ledger = CrashingLedger  # type: ignore[misc]
    sys.argv[1:] = ["run", "broker", *OPTIONS]
    main()
