"""Security Token Service: who the caller is."""

from __future__ import annotations

from typing import Any

from braketeer.domain.accounts import JOBS_ROLE_NAME, Caller


class Sts:
    """The SDK reads ``Account`` for the name of its default bucket (AwsSession.default_bucket)."""

    async def get_caller_identity(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """A key of one's own is a user; the temporary key of a hybrid job is a session of the jobs role."""
        if caller.job_id is None:
            return {
                "UserId": caller.key_id,
                "Account": caller.account,
                "Arn": f"arn:aws:iam::{caller.account}:user/{caller.key_id}",
            }
        return {
            "UserId": f"{caller.key_id}:{caller.job_id}",
            "Account": caller.account,
            "Arn": f"arn:aws:sts::{caller.account}:assumed-role/{JOBS_ROLE_NAME}/{caller.job_id}",
        }
