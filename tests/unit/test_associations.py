"""Associations: which reservations may be named, and the words of refusal."""

from dataclasses import replace

import pytest

from braketeer.domain.associations import check, inherited, reservation_arn, to
from braketeer.domain.errors import ValidationException
from braketeer.domain.reservations import Reservation

ARN = "arn:aws:braket:eu-north-1:000000000000:reservation/a"
DEVICE = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
WINDOW = Reservation(ARN, "000000000000", DEVICE, 1000, 2000)


def verdict(
    reservation: Reservation | None,
    *,
    account: str = "000000000000",
    device: str = DEVICE,
    now: int = 1500,
    reservable: bool = True,
) -> str:
    try:
        check(ARN, reservation, account, device, reservable=reservable, now_ms=now)
    except ValidationException as refusal:
        return refusal.message
    return "accepted"


def test_a_window_of_ones_own_is_accepted_before_and_inside_it() -> None:
    assert verdict(WINDOW, now=0) == "accepted"
    assert verdict(WINDOW, now=1999) == "accepted"


@pytest.mark.parametrize(
    "case",
    [
        {"reservation": None},
        {"reservation": WINDOW, "account": "111111111111"},
        {"reservation": WINDOW, "device": DEVICE.replace("Garnet", "Emerald")},
        {"reservation": WINDOW, "now": 2000},
        {"reservation": replace(WINDOW, cancelled_at=1200)},
        {"reservation": replace(WINDOW, settled=True)},  # by a service whose clock is ahead
    ],
)
def test_everything_else_is_invalid(case) -> None:
    assert verdict(case.pop("reservation"), **case) == "Reservation arn is invalid"


def test_devices_that_cannot_be_reserved_say_so_first() -> None:
    assert verdict(None, reservable=False) == f"Braket Direct is not supported for {DEVICE}"


def test_no_association_names_no_reservation() -> None:
    assert reservation_arn(None) is None
    assert reservation_arn([]) is None
    assert reservation_arn([{"arn": ARN, "type": "RESERVATION_TIME_WINDOW_ARN"}]) == ARN


def test_tasks_of_a_reserved_job_inherit_its_reservation_on_its_device_only() -> None:
    sv1, own = "arn:aws:braket:::device/quantum-simulator/amazon/sv1", to(ARN + "b")
    assert inherited(None, DEVICE, DEVICE, ARN) == to(ARN)
    assert inherited(None, sv1, DEVICE, None) is None
    assert inherited(own, sv1, DEVICE, ARN) == own, "that one is checked by itself"
    with pytest.raises(ValidationException, match=f"cannot run on {sv1} on demand"):
        inherited([], sv1, DEVICE, ARN)
