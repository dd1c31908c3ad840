"""Any schedule on the pure core: windows, cancels, jumps of time and dead dispatchers in any order.

The rows are lists here; what the store's statements do with them is done in plain Python. Each rule is one transaction,
so a crash may come between any two of them. SCHEDULES=3000 in the environment tries as many.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import time

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from braketeer.domain import associations, scheduling
from braketeer.domain.consistency import Work, validate
from braketeer.domain.errors import ServiceError
from braketeer.domain.lifecycles import (
    DEVICE_TRANSITIONS,
    JOB_FINISHED,
    JOB_TRANSITIONS,
    TASK_FINISHED,
    TASK_TRANSITIONS,
    DeviceStatus,
    JobStatus,
    TaskStatus,
)
from braketeer.domain.queue import Head, Priority, Room, next_turn
from braketeer.domain.reservations import Reservation, ReservationKind, check_window, require_free
from braketeer.domain.scheduling import DeviceRow, View
from braketeer.domain.windows import DAYS, Window

HOUR = 3_600_000
QPU, OTHER, SIMULATOR = "x::device/qpu/a", "x::device/qpu/b", "x::device/quantum-simulator/s"
ACCOUNTS = ("1", "2")
SLOTS, MEMORY, JOB_SLOTS, PIECE = 3, 10, 2, 2

devices = st.sampled_from([QPU, QPU, SIMULATOR, OTHER])  # mostly where work meets
accounts = st.sampled_from(ACCOUNTS)
spans = st.integers(1, 4).map(lambda hours: hours * HOUR // 2)


@dataclass
class Task:
    id: str
    account: str
    device: str
    reservation: str | None
    place: tuple[int, int, int]  # priority, turn, sequence
    memory: int
    status: TaskStatus = TaskStatus.QUEUED
    attempt: int = 0
    started_at: int | None = None
    ended_at: int | None = None

    def become(self, status: TaskStatus, now: int) -> None:
        assert status in TASK_TRANSITIONS[self.status], (self, status)
        self.status = status
        self.ended_at = now if status in TASK_FINISHED else None
        if status is TaskStatus.QUEUED:
            self.started_at = None


@dataclass
class Job:
    id: str
    account: str
    device: str
    reservation: str | None
    sequence: int
    status: JobStatus = JobStatus.QUEUED
    started_at: int | None = None
    ended_at: int | None = None

    def become(self, status: JobStatus, now: int) -> None:
        assert status in JOB_TRANSITIONS[self.status], (self, status)
        self.status = status
        self.ended_at = now if status in JOB_FINISHED else None


@dataclass
class Dispatcher:
    """A process: the claims that it believes to hold (task, attempt), and whose turn it is."""

    held: list[tuple[Task, int]] = field(default_factory=list)
    last_device: str | None = None


class Scheduling(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 10 * HOUR
        self.sequence = 0
        self.tasks: list[Task] = []
        self.jobs: list[Job] = []
        self.reservations: dict[str, Reservation] = {}
        nights = Window(DAYS["Everyday"], time(20), time(3))
        self.devices = {
            QPU: DeviceRow(QPU, DeviceStatus.ONLINE, None, 1),
            OTHER: DeviceRow(OTHER, DeviceStatus.ONLINE, (nights,), 1),
            SIMULATOR: DeviceRow(SIMULATOR, DeviceStatus.ONLINE),
        }
        self.dispatchers = [Dispatcher(), Dispatcher()]

    # What clients and operators do.

    @rule(device=devices, account=accounts, memory=st.integers(0, MEMORY), of_job=st.booleans(), data=st.data())
    def create_task(self, device: str, account: str, memory: int, of_job: bool, data: st.DataObject) -> None:
        reservation = self._reservation_or_none(account, device, data)
        queued = [task for task in self.tasks if task.device == device and task.status is TaskStatus.QUEUED]
        turn = 0
        if device == SIMULATOR:  # where accounts take turns
            lane = self._lane(device, None)
            turns = [task.place[1] for task in queued if task.account == account]
            turn = next_turn(lane[0].place[1] if lane else None, max(turns, default=None))
        priority = Priority.PRIORITY if of_job and device != SIMULATOR else Priority.NORMAL
        place = (priority, turn, self._next())
        self.tasks.append(Task(f"task {place[2]}", account, device, reservation, place, memory))

    @rule(device=st.sampled_from([QPU, SIMULATOR, "local:x/y"]), account=accounts, data=st.data())
    def create_job(self, device: str, account: str, data: st.DataObject) -> None:
        reservation = self._reservation_or_none(account, device, data)
        number = self._next()
        self.jobs.append(Job(f"job {number}", account, device, reservation, number))

    @rule(
        device=devices, account=accounts, offset=st.integers(-1, 2), span=spans, kind=st.sampled_from(ReservationKind)
    )
    def reserve(self, device: str, account: str, offset: int, span: int, kind: ReservationKind) -> None:
        starts_at = self.now + offset * HOUR // 2
        others = [each for each in self.reservations.values() if each.device_arn == device]
        try:
            check_window(starts_at, starts_at + span, self.now)
            require_free(device, starts_at, starts_at + span, others)
        except ServiceError:
            return
        made = Reservation(f"r{self._next()}", account, device, starts_at, starts_at + span, kind, made_at=self.now)
        self.reservations[made.arn] = made

    @precondition(lambda self: self.reservations)
    @rule(data=st.data())
    def cancel_reservation(self, data: st.DataObject) -> None:
        arn = data.draw(st.sampled_from(sorted(self.reservations)))
        if not self.reservations[arn].is_over(self.now):
            self.reservations[arn] = replace(self.reservations[arn], cancelled_at=self.now)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def cancel_task(self, data: st.DataObject) -> None:
        task = data.draw(st.sampled_from(self.tasks))
        if task.status is TaskStatus.QUEUED:
            task.become(TaskStatus.CANCELLED, self.now)
        elif task.status is TaskStatus.RUNNING:
            task.become(TaskStatus.CANCELLING, self.now)

    @rule(device=devices, data=st.data())
    def set_status(self, device: str, data: st.DataObject) -> None:
        """One device at a time is not online, so that most have work."""
        for arn, row in self.devices.items():
            if row.status is not DeviceStatus.ONLINE:
                assert DeviceStatus.ONLINE in DEVICE_TRANSITIONS[row.status]
                self.devices[arn] = replace(row, status=DeviceStatus.ONLINE)
                return
        possible = sorted(DEVICE_TRANSITIONS[DeviceStatus.ONLINE])
        self.devices[device] = replace(self.devices[device], status=data.draw(st.sampled_from(possible)))

    @rule(by=st.one_of(st.just(1), st.just(HOUR // 2), spans, st.integers(0, 40 * HOUR)))
    def jump(self, by: int) -> None:
        self.now += by

    @rule()
    def sleep(self) -> None:
        """To the instant at which the core wants to look again, as the timekeeper does."""
        due = scheduling.next_due(self._view(), self.now)
        last = self.now + 1000 * HOUR if due is None else due - 1
        assert last >= self.now
        # Before that instant nothing opens and nothing is over. That windows close meanwhile is nobody's news.
        gates, later = (scheduling.gates(self._view(), moment) for moment in (self.now, last))
        assert all(set(later[arn].lanes) <= set(gates[arn].lanes) for arn in gates)
        assert self._over(last) == self._over(self.now)
        self.now = due or self.now

    # What the service does: each rule is one transaction of one process.

    @rule(number=st.integers(0, 1))
    def dispatch(self, number: int) -> None:
        process = self.dispatchers[number]
        used = [task.memory for task, _ in process.held]
        room = Room(SLOTS - len(process.held), MEMORY, sum(used), len(used))

        def claim(head: Head) -> bool:
            task = next(each for each in self.tasks if each.id == head.task_id)
            # No priority inversion, no overtaking: it had the first position of its lane.
            assert task is self._lane(task.device, task.reservation)[0]
            assert self._position(task) == 1
            gate = scheduling.gates(self._view(), self.now)[task.device]
            first_lane = gate.reservation is not None and self._lane(task.device, gate.reservation.arn)
            assert not first_lane or task.reservation == gate.reservation.arn
            task.become(TaskStatus.RUNNING, self.now)
            task.started_at, task.attempt = self.now, task.attempt + 1
            process.held.append((task, task.attempt))
            process.last_device = task.device
            return True

        heads, left = scheduling.start_tasks(
            self._view(), self.now, self._running(), room, process.last_device, self._head, claim
        )
        assert len(process.held) <= SLOTS
        # No head whose resources are free waits more than one dispatch.
        running = self._running()
        for arn, device in self.devices.items():
            head = self._head(arn, self._open_lanes(device))
            if head is not None and running.get(arn, 0) < (device.concurrency or 100):
                assert head in heads
                assert not left.slots or head.memory_bytes > left.free_memory

    @rule()
    def dispatch_job(self) -> None:
        lanes = {(job.device, job.reservation): job for job in reversed(self.jobs) if job.status is JobStatus.QUEUED}
        heads = [scheduling.JobHead(job.sequence, job.device, job.reservation) for job in lanes.values()]
        gates = scheduling.gates(self._view(), self.now)
        chosen = scheduling.next_job(heads, gates, self._jobs_running(), JOB_SLOTS)
        if chosen is not None:
            job = next(job for job in self.jobs if job.sequence == chosen.sequence)
            job.become(JobStatus.RUNNING, self.now)
            job.started_at = self.now
        elif not self._jobs_running().sharing:  # a free device of nobody's has its job
            assert not any(
                gates.get(head.device_arn, scheduling.FREE).admits(None) and head.reservation_arn is None
                for head in heads
                if not self._jobs_running().ordinary.get(head.device_arn)
            )

    @rule()
    def settle(self) -> None:
        """A piece of what is over, as the timekeeper does it."""
        for reservation in scheduling.to_settle(self._view(), self.now):
            for job in self.jobs:
                if job.reservation == reservation.arn and job.status is JobStatus.QUEUED:
                    job.become(JobStatus.CANCELLED, self.now)
                elif job.reservation == reservation.arn and job.status is JobStatus.RUNNING:
                    job.become(JobStatus.CANCELLING, self.now)
            unfinished = [
                task
                for task in self.tasks
                if task.reservation == reservation.arn and task.status in (TaskStatus.QUEUED, TaskStatus.RUNNING)
            ]
            for task in unfinished[:PIECE]:
                queued = task.status is TaskStatus.QUEUED
                task.become(TaskStatus.CANCELLED if queued else TaskStatus.CANCELLING, self.now)
            if len(unfinished) >= PIECE:
                return
            self.reservations[reservation.arn] = replace(reservation, settled=True)

    @rule(number=st.integers(0, 1), fails=st.booleans())
    def report(self, number: int, fails: bool) -> None:
        """The oldest claim of a process has come to an end, as it thinks."""
        process = self.dispatchers[number]
        if not process.held:
            return
        task, attempt = process.held.pop(0)
        if task.attempt != attempt or task.status not in (TaskStatus.RUNNING, TaskStatus.CANCELLING):
            return  # a stale report: somebody else has the task, or it has ended
        own = self.reservations[task.reservation] if task.reservation is not None else None
        if task.status is TaskStatus.CANCELLING or (own is not None and own.is_over(self.now)):
            task.become(TaskStatus.CANCELLED, self.now)
        else:
            task.become(TaskStatus.FAILED if fails else TaskStatus.COMPLETED, self.now)

    @rule(number=st.integers(0, 1))
    def crash(self, number: int) -> None:
        self.dispatchers[number] = Dispatcher()

    @rule(number=st.integers(0, 1))
    def leases_end(self, number: int) -> None:
        """Real time has jumped, or the process is dead or slow: its tasks are taken back; it may not know."""
        alive = {id(task) for task, _ in self.dispatchers[1 - number].held}
        for task in self.tasks:
            if task.status is TaskStatus.RUNNING and id(task) not in alive:
                task.become(TaskStatus.QUEUED, self.now)
            elif task.status is TaskStatus.CANCELLING and id(task) not in alive:
                task.become(TaskStatus.CANCELLED, self.now)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def end_job(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.jobs))
        if job.status in (JobStatus.RUNNING, JobStatus.CANCELLING):
            cancelled = job.status is JobStatus.CANCELLING
            job.become(JobStatus.CANCELLED if cancelled else JobStatus.COMPLETED, self.now)

    @invariant()
    def rows_are_consistent(self) -> None:
        tasks = [_work(task) for task in self.tasks]
        jobs = [_work(job) for job in self.jobs]
        validate(tasks, jobs, self.reservations.values(), self.devices)

    def teardown(self) -> None:
        """Once every device is online and open and nobody interferes, every accepted thing reaches its end."""
        self.devices = {arn: replace(row, status=DeviceStatus.ONLINE) for arn, row in self.devices.items()}
        self.leases_end(0)
        for _ in range(4 * (len(self.tasks) + len(self.jobs) + len(self.reservations)) + 10):
            self.settle()
            for number in (0, 1):
                self.dispatch(number)
                self.report(number, fails=False)
            self.dispatch_job()
            for job in self.jobs:
                if job.status in (JobStatus.RUNNING, JobStatus.CANCELLING):
                    job.become(JobStatus.CANCELLED, self.now)
            self.rows_are_consistent()
            self.now = scheduling.next_due(self._view(), self.now) or self.now
        for process in self.dispatchers:
            assert not [task for task, attempt in process.held if task.attempt == attempt and task.ended_at is None]
        assert [task for task in self.tasks if task.status not in TASK_FINISHED] == []
        assert [job for job in self.jobs if job.status not in JOB_FINISHED] == []
        assert all(each.settled for each in self.reservations.values())

    # What the store's statements find.

    def _view(self) -> View:
        unsettled = [each for each in self.reservations.values() if not each.settled]
        begun = [each for each in unsettled if each.cancelled_at is not None or each.starts_at <= self.now]
        coming = [each for each in unsettled if each not in begun]
        return View(self.devices, [*begun, *sorted(coming, key=lambda each: each.starts_at)[:1]])

    def _open_lanes(self, device: DeviceRow) -> list[str | None]:
        """Whose tasks may start, in the words of the documentation."""
        if device.status is not DeviceStatus.ONLINE:
            return []
        for each in self.reservations.values():
            if each.device_arn == device.arn and each.is_active(self.now):
                others = each.kind is ReservationKind.PRIORITY and device.is_open(self.now)
                return [each.arn, None] if others else [each.arn]
        return [None] if device.is_open(self.now) else []

    def _lane(self, device: str, reservation: str | None) -> list[Task]:
        return sorted(
            (
                task
                for task in self.tasks
                if (task.device, task.reservation, task.status) == (device, reservation, TaskStatus.QUEUED)
            ),
            key=lambda task: task.place,
        )

    def _position(self, task: Task) -> int:
        """As GetQuantumTask tells it."""
        return 1 + sum(other.place < task.place for other in self._lane(task.device, task.reservation))

    def _head(self, device: str, lanes: object) -> Head | None:
        for lane in lanes:  # type: ignore[attr-defined]
            if queued := self._lane(device, lane):
                return Head(queued[0].id, device, queued[0].memory)
        return None

    def _running(self) -> dict[str, int]:
        held = [task.device for task in self.tasks if task.status in (TaskStatus.RUNNING, TaskStatus.CANCELLING)]
        return {device: held.count(device) for device in held}

    def _jobs_running(self) -> scheduling.JobsRunning:
        held = [job for job in self.jobs if job.status in (JobStatus.RUNNING, JobStatus.CANCELLING)]
        ordinary = [job.device for job in held if job.reservation is None]
        reserved = [job.reservation for job in held if job.reservation is not None]
        return scheduling.JobsRunning(
            {device: ordinary.count(device) for device in ordinary}, {arn: reserved.count(arn) for arn in reserved}
        )

    def _over(self, moment: int) -> list[str]:
        return [each.arn for each in scheduling.to_settle(self._view(), moment)]

    def _next(self) -> int:
        self.sequence += 1
        return self.sequence

    def _reservation_or_none(self, account: str, device: str, data: st.DataObject) -> str | None:
        """One that the create lets through, or none."""
        named = data.draw(st.none() | st.sampled_from(sorted(self.reservations))) if self.reservations else None
        if named is None:
            return None
        try:
            associations.check(named, self.reservations[named], account, device, reservable=True, now_ms=self.now)
        except ServiceError:
            return None
        return named


def _work(one: Task | Job) -> Work:
    return Work(one.id, one.account, one.device, one.status, one.reservation, one.started_at, one.ended_at)


TestScheduling = Scheduling.TestCase
TestScheduling.settings = settings(
    max_examples=int(os.environ.get("SCHEDULES", "100")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
