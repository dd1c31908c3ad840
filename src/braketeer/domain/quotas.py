"""Quotas: what an account may have at once. Pure; store/quotas.py counts, inside the transaction that adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from braketeer.domain.errors import ServiceQuotaExceededException, ValidationException

LARGEST = 2**62

# What a quota counts, in the words of the refusal.
_COUNTED = {
    "tasks_queued": "queued quantum tasks",
    "jobs_running": "hybrid jobs that have not ended",
    "storage_bytes": "bytes of object storage",
}


@dataclass(frozen=True, slots=True)
class Quotas:
    """The most of each that an account may have; None is as much as it likes, 0 is nothing.

    ``tasks_queued`` counts QUEUED tasks, ``jobs_running`` jobs that have not ended, ``storage_bytes`` the bytes of all
    objects and parts of unfinished uploads.
    """

    tasks_queued: int | None = None
    jobs_running: int | None = None
    storage_bytes: int | None = None

    @classmethod
    def of_settings(cls, **settings: int) -> Self:
        """The service's own quotas, where 0 stands for none."""
        return cls(**{name: value or None for name, value in settings.items()})

    def overridden(self, overrides: Mapping[str, int | None] | None) -> Quotas:
        """These quotas, but for what an account has of its own."""
        return Quotas(**{**asdict(self), **overrides}) if overrides else self

    def require(self, name: str, used: int, more: int = 1) -> None:
        """ServiceQuotaExceededException where ``more`` on top of ``used`` would be more than the quota ``name``.

        What adds nothing is always allowed, even where a quota was lowered below what there is.
        """
        most: int | None = getattr(self, name)
        if most is not None and more > 0 and used + more > most:
            raise ServiceQuotaExceededException(
                f"You have exceeded the service quota of {most} {_COUNTED[name]} of this account"
            )


NAMES = tuple(field.name for field in fields(Quotas))


def changed(overrides: Mapping[str, int | None] | None, changes: Mapping[str, Any]) -> dict[str, int | None]:
    """An account's own quotas after a change: a number, ``none`` for no limit, ``default`` for the service's.

    ValidationException for a name that is no quota and a value that is none of these.
    """
    kept = dict(overrides or {})
    for name, value in changes.items():
        if name not in NAMES:
            raise ValidationException(f"There is no quota '{name[:40]}'; quotas are {', '.join(NAMES)}")
        word = value if value is not None else "none"
        number = int(word) if isinstance(word, str) and word.isascii() and word.isdigit() and len(word) < 20 else word
        if word == "default":
            kept.pop(name, None)
        elif word == "none":
            kept[name] = None
        elif isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= LARGEST:
            kept[name] = number
        else:
            raise ValidationException(
                f"The quota {name} is a number from 0 to {LARGEST}, or none, or default; not '{str(value)[:40]}'"
            )
    return kept
