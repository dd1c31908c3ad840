"""Fault rules: what an operator lets go wrong on purpose, so that clients' tests see how their code bears it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

# Names under which clients know that their credentials have ended; each service words it in its own way.
EXPIRED = ("ExpiredTokenException", "ExpiredToken")


class Kind(StrEnum):
    """What a rule does."""

    ERROR = "error"  # calls of an operation are refused
    FAILURE = "failure"  # quantum tasks end as FAILED
    DELAY = "delay"  # results of quantum tasks are stored later
    OFFLINE = "offline"  # a device is offline until a time


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule. It looks at what it matches, one after the other: of these, every ``every``-th meets it, and it ends
    after ``times`` of them (None: never).

    ``service`` and ``operation`` (None: all) name the calls of an ERROR, whose answer has the code ``error``;
    ``device_arn`` (None: all) the device of the others, ``account`` (None: all) whose calls and tasks are meant.
    ``message`` is what the error or the failure says, ``delay_ms`` real time, ``ends_at`` service time in epoch
    milliseconds.
    """

    id: str
    kind: Kind
    service: str | None = None
    operation: str | None = None
    error: str | None = None
    message: str | None = None
    device_arn: str | None = None
    account: str | None = None
    every: int = 1
    times: int | None = None
    delay_ms: int = 0
    ends_at: int | None = None

    @classmethod
    def of(cls, rule: Mapping[str, Any]) -> Self:
        """The rule that ``as_rule`` has written."""
        return cls(**{**rule, "kind": Kind(rule["kind"])})

    def as_rule(self) -> dict[str, Any]:
        return asdict(self)

    def matches_call(self, account: str, service: str, operation: str) -> bool:
        return (
            self.kind is Kind.ERROR
            and self.account in (None, account)
            and self.service in (None, service)
            and self.operation in (None, operation)
        )

    def matches_task(self, kind: Kind, account: str, device_arn: str) -> bool:
        return self.kind is kind and self.account in (None, account) and self.device_arn in (None, device_arn)

    def fires(self, hit: int) -> bool:
        """Whether the ``hit``-th of what it matches, counted from 1, meets it."""
        return hit % self.every == 0 and not (self.times is not None and hit > self.times * self.every)

    def is_used_up(self, hits: int) -> bool:
        return self.times is not None and hits >= self.times * self.every


def offline_until(faults: Iterable[Fault], device_arn: str, now_ms: int) -> int | None:
    """Until when a device is offline by these rules; None where it is not."""
    ends = [
        fault.ends_at
        for fault in faults
        if fault.kind is Kind.OFFLINE and fault.device_arn == device_arn and fault.ends_at is not None
    ]
    last = max(ends, default=0)
    return last if last > now_ms else None
