"""Queue order, positions, and which head starts next."""

from hypothesis import given
from hypothesis import strategies as st

from braketeer.domain.queue import Head, Priority, capped, next_to_start

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
