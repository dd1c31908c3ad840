"""IAM roles as far as there are any: each account has the jobs role, and any well-formed role of it can be assumed."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Self

from braketeer.domain.accounts import JOBS_ROLE_NAME

SERVICE_PATH = "/service-role/"
# IAM's own bounds: a path of up to 512 characters that begins and ends with a slash, a name of up to 64.
_ROLE_ARN = re.compile(
    r"arn:aws[a-z\-]*:iam::(?P<account>\d{12}):role(?P<path>/(?:[!-~]{0,510}/)?)(?P<name>[\w+=,.@-]{1,64})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class RoleName:
    """A role of an account: ``arn:aws:iam::{account}:role{path}{name}``."""

    account: str
    path: str
    name: str

    @classmethod
    def parse(cls, arn: str) -> Self | None:
        """The parts of a role's ARN, or None where the text is none."""
        match = _ROLE_ARN.fullmatch(arn)
        return cls(match["account"], match["path"], match["name"]) if match else None

    @classmethod
    def of_jobs(cls, account: str) -> Self:
        """The role that hybrid jobs run under, where the SDK looks for it (AwsSession.get_default_jobs_role)."""
        return cls(account, SERVICE_PATH, JOBS_ROLE_NAME)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:role{self.path}{self.name}"

    @property
    def id(self) -> str:
        """The role's unique id, ``AROA`` and 17 letters: the same for the same name for ever."""
        digest = hashlib.sha256(f"{self.account}/{self.name}".encode()).digest()
        return "AROA" + base64.b32encode(digest)[:17].decode()

    def session_arn(self, session: str) -> str:
        """The ARN of who acts in a session of this role."""
        return f"arn:aws:sts::{self.account}:assumed-role/{self.name}/{session}"
