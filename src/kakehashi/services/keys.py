"""Which idempotency keys may be taken already: answered from memory, so that a new alert asks the store nothing.

Law 2 makes it possible: only the owner takes keys, so it can know of all of them. A Bloom filter of fixed size says
"never taken" without doubt; "perhaps" is asked of the store, whose unique index has the last word in any case.
"""

from collections.abc import Iterable
from typing import Final

_BITS: Final = 1 << 25
"""4 MiB: with a million keys one new key in 500,000 is asked of the store needlessly, with five million one in 25."""
_PROBES: Final = 5
_ROOM: Final = 4_000_000
"""So many keys, or twice those of the start, and a new filter is due: expired ones leave it only so."""
_MASK: Final = (1 << 32) - 1


class TakenKeys:
    """All keys that were taken since it was filled, and perhaps a few more."""

    __slots__ = ("_bits", "_count", "_room", "complete")

    def __init__(self) -> None:
        self._bits = bytearray(_BITS >> 3)
        self._count, self._room = 0, _ROOM
        self.complete = False
        """Whether the keys that the store held before are in; until then every key is asked of the store."""

    def add(self, keys: Iterable[str]) -> None:
        bits = self._bits
        for key in keys:
            self._count += 1
            for place in _places(key):
                bits[place >> 3] |= 1 << (place & 7)

    def completed(self) -> None:
        """The store's keys are all in."""
        self.complete = True
        self._room = max(_ROOM, 2 * self._count)

    @property
    def full(self) -> bool:
        """Whether a new filter should be filled."""
        return self._count >= self._room

    def perhaps(self, key: str) -> bool:
        """False: it was never taken. True: ask the store."""
        if not self.complete:
            return True
        bits = self._bits
        return all(bits[place >> 3] & 1 << (place & 7) for place in _places(key))


def _places(key: str) -> list[int]:
    """Bits of one key, by double hashing; the hash differs from process to process, and so does the filter."""
    both = hash(key)
    start, step = both & _MASK, ((both >> 32) & _MASK) | 1
    return [(start + i * step) & (_BITS - 1) for i in range(_PROBES)]
