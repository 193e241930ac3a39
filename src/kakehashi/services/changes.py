"""Whether anybody has changed a setting or a token, without reading them all: each such change has its audit row."""

from typing import Final

from kakehashi.ports import Store

OWN: Final = frozenset({"order", "page", "token use"})
"""What a hub itself writes into the audit while it trades; none of it is a change of configuration."""
MOST: Final = 1_000
"""More new rows than these are not looked at one by one."""


class Changes:
    """Watches the audit chain, which is numbered without gaps and grows in the transaction of each change (SEC-16)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read = -1

    async def newest(self) -> int | None:
        """Up to which audit row things have moved, or None: not since :meth:`taken`.

        :raises Unavailable: the store does not answer
        """
        rows = await self._store.audits(limit=1)
        newest = int(rows[0]["seq"]) if rows else 0
        if newest == self._read:
            return None
        new = newest - self._read
        if self._read >= 0 and 0 < new <= MOST:
            rows = await self._store.audits(limit=new) if new > 1 else rows
            known = [row for row in rows if row["seq"] <= newest]  # newer ones may have pushed some of these out
            if len(known) == new and all(row["action"] in OWN for row in known):
                self._read = newest
                return None
        return newest

    def taken(self, newest: int) -> None:
        """Everything up to there has been read."""
        self._read = newest
