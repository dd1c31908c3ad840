"""Amazon resource names of the things this service keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_PATTERN = re.compile(
    r"arn:aws[a-z\-]*:(?P<service>[a-z0-9\-]+):(?P<region>[a-z0-9\-]*):(?P<account>\d{12}|):(?P<rest>.+)"
)


@dataclass(frozen=True, slots=True)
class Arn:
    """``arn:aws:{service}:{region}:{account}:{kind}/{name}``; simulators have neither region nor account."""

    service: str
    region: str
    account: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"arn:aws:{self.service}:{self.region}:{self.account}:{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The parts of an ARN, or None where the text is none."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            return None
        kind, _, name = match["rest"].partition("/")
        return cls(match["service"], match["region"], match["account"], kind, name)


def quantum_task(region: str, account: str, task_id: str) -> str:
    return str(Arn("braket", region, account, "quantum-task", task_id))


def job(region: str, account: str, job_id: str) -> str:
    return str(Arn("braket", region, account, "job", job_id))


def spending_limit(region: str, account: str, limit_id: str) -> str:
    return str(Arn("braket", region, account, "spending-limit", limit_id))


def reservation(region: str, account: str, reservation_id: str) -> str:
    return str(Arn("braket", region, account, "reservation", reservation_id))
