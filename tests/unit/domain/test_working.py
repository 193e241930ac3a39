"""Orders are found by what a decision asks for, whatever has become of them since."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.desk import order

from kakehashi.domain.orders import Op, Order, State
from kakehashi.domain.values import Side
from kakehashi.domain.working import Working


def numbered(seq: int, **fields: str) -> Order:
    return msgspec.structs.replace(order(f"o{seq}", **fields), seq=seq)


def test_an_order_that_comes_back_stands_where_its_age_says() -> None:
    first, second = numbered(1), numbered(2)
    working = Working([first, second])
    working.put(msgspec.structs.replace(first, state=State.SENT))
    working.put(first)
    assert [o.id for o in working.standing(State.QUEUED)] == ["o1", "o2"]
    assert list(working.standing(State.SENT)) == []


orders = st.builds(
    numbered,
    st.integers(1, 8),
    op=st.sampled_from([Op.OPEN, Op.CLOSE, Op.CLOSE_PARTIAL]),
    state=st.sampled_from([State.QUEUED, State.SENT, State.UNKNOWN]),
    side=st.sampled_from(["BUY", "SELL"]),
    route=st.sampled_from(["r", "other"]),
)


@given(st.lists(st.one_of(orders, st.integers(1, 8)), max_size=30))
def test_every_answer_is_what_a_look_at_all_of_them_would_find(history: list[Order | int]) -> None:
    """An integer drops that order, an order replaces its earlier self."""
    working, plain = Working(), dict[str, Order]()
    for what in history:
        if isinstance(what, Order):
            working.put(what)
            plain[what.id] = what
        else:
            working.drop(f"o{what}")
            plain.pop(f"o{what}", None)
    oldest_first = sorted(plain.values(), key=lambda o: o.seq)
    assert list(working) == oldest_first
    assert len(working) == len(plain)
    for side in (None, *Side):
        wanted = [o for o in oldest_first if o.is_entry and side in (None, o.side)]
        assert list(working.entries("EURUSD", side)) == wanted
    assert list(working.exits("EURUSD")) == [o for o in oldest_first if not o.is_entry]
    assert list(working.entries_of("r")) == [o for o in oldest_first if o.is_entry and o.route == "r"]
    wanted = [o for o in oldest_first if o.state in (State.QUEUED, State.UNKNOWN)]
    assert list(working.standing(State.QUEUED, State.UNKNOWN)) == wanted
    assert working.count(State.SENT) == sum(o.state is State.SENT for o in plain.values())
