"""A dead letter is offered again within its own time, or with a new one where a person insists."""

import pytest
from desk import order

from kakehashi.domain.deadletters import Ttl, retried
from kakehashi.domain.errors import Rejected
from kakehashi.domain.orders import Op

TTL = Ttl(entry_ms=1_000, exit_ms=50_000)
DEAD = order("o1", state="DEAD")


def test_in_time_it_keeps_its_own_end() -> None:
    event = retried(DEAD, force=False, by="me", at=DEAD.expires_at - 1, ttl=TTL)
    assert (event.order, event.by, event.expires_at) == ("o1", "me", DEAD.expires_at)


@pytest.mark.parametrize("late_ms", [0, 1, 3_600_000])
def test_too_late_it_is_refused_unless_forced(late_ms: int) -> None:
    at = DEAD.expires_at + late_ms
    with pytest.raises(Rejected, match="TTL_OVER"):
        retried(DEAD, force=False, by="me", at=at, ttl=TTL)
    assert retried(DEAD, force=True, by="me", at=at, ttl=TTL).expires_at == at + TTL.entry_ms


def test_a_forced_exit_gets_the_longer_life_of_exits() -> None:
    close = order("x1", op=Op.CLOSE, state="DEAD")
    assert retried(close, force=True, by="me", at=close.expires_at, ttl=TTL).expires_at == close.expires_at + 50_000
