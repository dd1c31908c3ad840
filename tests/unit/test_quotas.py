"""What an account may have: defaults, an account's own, and the word of refusal."""

from typing import Any

import pytest

from braketeer.domain.errors import ServiceQuotaExceededException, ValidationException
from braketeer.domain.quotas import LARGEST, Quotas, changed


def test_a_setting_of_nothing_is_no_limit() -> None:
    quotas = Quotas.of_settings(tasks_queued=5, jobs_running=0, storage_bytes=0)
    assert quotas == Quotas(tasks_queued=5)
    quotas.require("jobs_running", 10**9)


def test_an_accounts_own_quotas_come_first() -> None:
    defaults = Quotas(tasks_queued=5, jobs_running=2)
    assert defaults.overridden(None) == defaults
    assert defaults.overridden({"tasks_queued": None, "storage_bytes": 0}) == Quotas(None, 2, 0)


def test_the_last_that_fits_is_taken_and_the_next_refused_with_its_number() -> None:
    quotas = Quotas(tasks_queued=3, storage_bytes=100)
    quotas.require("tasks_queued", 2)
    quotas.require("storage_bytes", 90, 10)
    with pytest.raises(
        ServiceQuotaExceededException, match="You have exceeded the service quota of 3 queued"
    ) as refused:
        quotas.require("tasks_queued", 3)
    assert refused.value.status == 402
    with pytest.raises(ServiceQuotaExceededException, match="of 100 bytes"):
        quotas.require("storage_bytes", 90, 11)
    quotas.require("storage_bytes", 150, 0)
    with pytest.raises(ServiceQuotaExceededException):
        Quotas(jobs_running=0).require("jobs_running", 0)


def test_changes_are_numbers_none_or_default() -> None:
    own = changed(None, {"tasks_queued": 4, "storage_bytes": "100", "jobs_running": "none"})
    assert own == {"tasks_queued": 4, "storage_bytes": 100, "jobs_running": None}
    assert changed(own, {"tasks_queued": "default", "storage_bytes": None}) == {
        "jobs_running": None,
        "storage_bytes": None,
    }
    assert changed(own, {}) == own


@pytest.mark.parametrize("value", [-1, LARGEST + 1, 1.5, True, "many", "-1", "1e3", "", [], {}, "٣", "9" * 5000])
def test_what_is_no_quota_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ValidationException, match="tasks_queued"):
        changed(None, {"tasks_queued": value})


def test_an_unknown_quota_is_refused_and_the_known_are_named() -> None:
    with pytest.raises(ValidationException, match=r"'tasks'.*tasks_queued, jobs_running, storage_bytes"):
        changed(None, {"tasks": 1})
