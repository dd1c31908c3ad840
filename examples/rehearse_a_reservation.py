"""Tonight's booking, played through in seconds.

A Braket Direct reservation is an hour that costs thousands of dollars and cannot be repeated. Here the whole evening
is rehearsed on a virtual clock, with the unmodified Amazon Braket SDK: what is prepared before the window, what runs in
it, what is left when it ends. Run it with `python examples/rehearse_a_reservation.py`.
"""

import os
from datetime import timedelta

from botocore.exceptions import ClientError
from braket.aws import AwsDevice, AwsQuantumTask, DirectReservation
from braket.circuits import Circuit
from braket.tracking import Tracker

from braketeer.testing.service import Service, running

GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"


def rehearse(service: Service) -> None:
    """The evening, hour by hour."""
    clock = service.clock
    tonight = service.clock.now().replace(hour=20, minute=0, second=0, microsecond=0) + timedelta(days=1)
    booking = service.reservations(GARNET, start=tonight, duration="1h")
    tell(service, f"booked {GARNET.rpartition('/')[2]} from {booking.start:%H:%M} to {booking.end:%H:%M}")

    device = AwsDevice(GARNET)
    bell = Circuit().h(0).cnot(0, 1)
    prepared = device.run(bell, shots=100, reservation_arn=booking.arn)
    tell(service, f"the first circuit is handed in: {prepared.state()}, {position(prepared)}")

    clock.advance_to(booking.start - timedelta(minutes=1))
    tell(service, f"a minute before: {prepared.state()}")
    clock.advance_to(booking.start)
    counts = prepared.result().measurement_counts
    tell(service, f"the window has begun: {prepared.state()}, {dict(counts)}")

    foreign = device.run(bell, shots=100)
    tell(service, f"somebody without a booking: {foreign.state()}, {position(foreign)}")

    with Tracker() as tracker, DirectReservation(device, reservation_arn=booking.arn):
        for angle in (0.1, 0.2, 0.3):  # the loop of the experiment: every run in here belongs to the booking
            counts = device.run(Circuit().rx(0, angle).cnot(0, 1), shots=100).result().measurement_counts
            tell(service, f"rx({angle}): {dict(counts)}")
    done = sum(tracker.quantum_tasks_statistics()[GARNET]["tasks"].values())
    tell(service, f"these {done} tasks cost {tracker.qpu_tasks_cost()} USD beyond the booking")

    clock.advance_to(booking.end)
    counts = foreign.result().measurement_counts
    tell(service, f"the window is over, and the other one runs: {foreign.state()}, {dict(counts)}")
    try:
        device.run(bell, shots=100, reservation_arn=booking.arn)
    except ClientError as refusal:  # what the experiment's script has to expect at five past nine
        tell(service, f"too late: {refusal}")


def position(task: AwsQuantumTask) -> str:
    """Where a task stands, or what it waits for."""
    found = task.queue_position()
    return f"position {found.queue_position}" if found.message is None else found.message


def tell(service: Service, what: str) -> None:
    print(f"{service.clock.now():%H:%M}  {what}")


if __name__ == "__main__":
    with running() as own:
        os.environ.update(own.variables)
        os.environ.pop("AWS_SESSION_TOKEN", None)
        rehearse(own)
