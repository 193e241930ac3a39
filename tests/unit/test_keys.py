"""Taken keys: never a taken one called new, hardly ever a new one called taken."""

from kakehashi.services.keys import TakenKeys


def test_a_taken_key_is_never_called_new_and_new_ones_hardly_ever_taken() -> None:
    keys = TakenKeys()
    keys.complete = True
    keys.add(f"taken{n}" for n in range(20_000))
    assert all(keys.perhaps(f"taken{n}") for n in range(20_000))
    assert sum(keys.perhaps(f"new{n}") for n in range(20_000)) < 20


def test_until_the_stores_keys_are_known_every_key_is_asked_for() -> None:
    keys = TakenKeys()
    assert keys.perhaps("new")
