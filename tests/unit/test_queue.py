"""Queue order, positions, and which head starts next."""

from hypothesis import given
from hypothesis import strategies as st

from braketeer.domain.queue import PATIENCE_SECONDS, Head, Kept, Priority, Waiting, capped, next_to_start, waiting

DEVICES = st.sampled_from(["device/a", "device/b", "device/c", "device/d"])


def head(device: str, memory: int = 1) -> Head:
    return Head(f"task of {device}", device, memory)


def test_devices_take_turns() -> None:
    heads = [head("device/b"), head("device/a"), head("device/c")]
    order, last = [], None
    for _ in range(4):
        chosen = next_to_start(heads, last, 1, 10)
        assert chosen is not None
        order.append(chosen.device_arn)
        last = chosen.device_arn
    assert order == ["device/a", "device/b", "device/c", "device/a"]


def test_a_head_that_waits_for_memory_holds_back_only_its_own_device() -> None:
    heads = [head("device/a", memory=100), head("device/b", memory=5)]
    chosen = next_to_start(heads, None, 1, 10)
    assert chosen is not None
    assert chosen.device_arn == "device/b"


def test_nothing_starts_without_a_slot() -> None:
    assert next_to_start([head("device/a")], None, 0, 10) is None


def test_a_head_that_has_waited_long_enough_keeps_others_out() -> None:
    """Ten are there, large needs eight; of small ones there is no end, each takes one for four seconds."""
    heads = [head("device/large", memory=8), *(head(f"device/small {number}", memory=1) for number in range(3))]
    assert passed_by(heads, memory=10, seconds_of_a_run=4) <= PATIENCE_SECONDS + 4


def test_what_leaves_room_for_a_head_that_waits_may_pass_it_still() -> None:
    large, small = head("device/large", memory=8), head("device/small")
    waits = waiting([large, small], 6, 100.0, None)
    assert waits is not None
    impatient = 100.0 + PATIENCE_SECONDS
    assert waits.kept(impatient - 0.1, 10, [(99.0, 4)]) is None
    kept = waits.kept(impatient, 10, [(99.0, 4), (impatient, 1)])
    assert kept == Kept(large.task_id, 1)
    assert next_to_start([large, small], None, 1, 5, kept) == small
    kept = waits.kept(impatient, 10, [(99.0, 4), (impatient, 2)])
    assert next_to_start([large, small], None, 1, 4, kept) is None
    assert next_to_start([small, large], "device/large", 1, 8, kept) == large


def test_a_head_is_waited_for_until_it_has_gone() -> None:
    large, larger, small = head("device/b", memory=8), head("device/a", memory=9), head("device/c")
    first = waiting([large, small], 5, 1.0, None)
    assert first == Waiting(large, 1.0)
    assert waiting([large, larger, small], 10, 2.0, first) == first  # it fits, but has not started
    assert waiting([larger, small], 5, 3.0, first) == Waiting(larger, 3.0)
    assert waiting([small], 5, 3.0, first) is None
    gone = Kept(large.task_id, -5)
    assert next_to_start([small], None, 1, 5, gone) == small


def passed_by(heads: list[Head], memory: int, seconds_of_a_run: int) -> float:
    """How many seconds the first of ``heads`` waits while each of the others is a head again as soon as it started."""
    waits, last, running = None, None, [(float(0), 3)]
    for tick in range(1, 100):
        now = tick / 2
        running = [(started, taken) for started, taken in running if now - started < seconds_of_a_run]
        while True:
            free = memory - sum(taken for _, taken in running)
            kept = waits.kept(now, memory, running) if waits is not None else None
            chosen = next_to_start(heads, last, 1, free, kept)
            waits = waiting(heads, free, now, waits)
            if chosen is None:
                break
            if chosen is heads[0]:
                return now
            last = chosen.device_arn
            running.append((now, chosen.memory_bytes))
    raise AssertionError("it waits for ever")


@given(st.sets(DEVICES, min_size=1), st.one_of(st.none(), DEVICES), st.integers(0, 3), st.data())
def test_a_head_whose_resources_are_free_never_waits(
    devices: set[str], last: str | None, slots: int, data: st.DataObject
) -> None:
    heads = [head(device, data.draw(st.integers(0, 20))) for device in sorted(devices)]
    chosen = next_to_start(heads, last, slots, 10)
    startable = [item for item in heads if item.memory_bytes <= 10]
    if slots and startable:
        assert chosen in startable
    else:
        assert chosen is None


def test_positions_are_capped_as_clients_know_them() -> None:
    assert capped(2000, 2000) == "2000"
    assert capped(2001, 2000) == ">2000"
    assert Priority.PRIORITY < Priority.NORMAL
    assert [priority.label for priority in Priority] == ["Priority", "Normal"]
