"""Taken keys: never a taken one called new, hardly ever a new one called taken."""

import pytest

from kakehashi.services import keys as keys_module
from kakehashi.services.keys import TakenKeys


def test_a_taken_key_is_never_called_new_and_new_ones_hardly_ever_taken() -> None:
    keys = TakenKeys()
    keys.completed()
    keys.add(f"taken{n}" for n in range(20_000))
    assert all(keys.perhaps(f"taken{n}") for n in range(20_000))
    assert sum(keys.perhaps(f"new{n}") for n in range(20_000)) < 20


def test_a_filter_that_was_filled_is_not_full_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "_ROOM", 10)
    keys = TakenKeys()
    keys.add(map(str, range(50)))
    keys.completed()
    assert not keys.full
    keys.add(map(str, range(50, 100)))
    assert keys.full


def test_until_the_stores_keys_are_known_every_key_is_asked_for() -> None:
    keys = TakenKeys()
    assert keys.perhaps("new")
