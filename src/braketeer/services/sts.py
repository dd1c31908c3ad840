"""Security Token Service: who the caller is, and temporary keys.

A temporary key is never worth more than the key that asked for it: it ends with it at the latest, is revoked with it,
has at most the role user, and a viewer's stays a viewer's. Times are real time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from braketeer.domain.accounts import AccessKey, Caller, Role, is_temporary
from braketeer.domain.clock import Clock
from braketeer.domain.errors import NotImplementedHere, ServiceError
from braketeer.domain.roles import RoleName
from braketeer.store import accounts, jobs
from braketeer.store.database import Database, Transaction
from braketeer.store.secrets import Secrets

DEFAULT_SECONDS = 3600
DEFAULT_SESSION_SECONDS = 43_200
MOST_CHAINED_SECONDS = 3600
TOKEN_LETTERS = 128
MOST_SESSIONS = 10_000  # of one key at a time
# What would narrow or bind a temporary key in a way that is not kept here, and so must not be taken for granted.
_NOT_HONOURED = {
    "Policy": "session policies are not evaluated",
    "PolicyArns": "session policies are not evaluated",
    "SerialNumber": "there are no MFA devices",
    "TokenCode": "there are no MFA devices",
    "SourceIdentity": "source identities are not kept",
    "ProvidedContexts": "trusted contexts are not kept",
}


class Sts:
    """The SDK reads ``Account`` for the name of its default bucket (AwsSession.default_bucket)."""

    def __init__(
        self, database: Database, secrets: Secrets, clock: Clock, real_time: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._clock = clock
        self._real_time = real_time

    async def get_caller_identity(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """A key of one's own, or a session made from it, is a user; an assumed role and a hybrid job are sessions."""
        return await self._database.read(lambda connection: _identity(connection, caller))

    async def get_access_key_info(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """The account of a key, if it is the caller's: other accounts' keys are as unknown as those that never were."""
        key_id = request["AccessKeyId"]
        found = await self._database.read(lambda connection: accounts.key_of(connection, caller.account, key_id))
        if found is None:
            raise _invalid("Invalid Access Key Id")
        return {"Account": caller.account}

    async def assume_role(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """A key for a session of a role of the caller's own account, for 900 to 43,200 seconds.

        Any well-formed name is a role. With a temporary key it is a chained session, which AWS gives one hour. Tags and
        ExternalId change nothing where no policy could ask for them.
        """
        _refuse_what_is_not_honoured(request)
        role = RoleName.parse(request["RoleArn"])
        if role is None:
            raise _invalid(f"{request['RoleArn']} is invalid")
        seconds, session = request.get("DurationSeconds") or DEFAULT_SECONDS, request["RoleSessionName"]

        def issue(transaction: Transaction) -> AccessKey:
            connection = transaction.connection
            if role.account != caller.account:
                raise _denied(
                    f"User: {_identity(connection, caller)['Arn']} is not authorized to perform: sts:AssumeRole "
                    f"on resource: {request['RoleArn']}"
                )
            if is_temporary(caller.key_id) and seconds > MOST_CHAINED_SECONDS:
                raise _invalid(
                    "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
                )
            return self._issue(transaction, caller, seconds, session_name=session, role_arn=role.arn)

        key = await self._database.write(issue)
        return {
            "Credentials": _credentials(key),
            "AssumedRoleUser": {"AssumedRoleId": f"{role.id}:{session}", "Arn": role.session_arn(session)},
        }

    async def get_session_token(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """A temporary key of the same user, for 900 to 129,600 seconds; as at AWS, not with a temporary key."""
        _refuse_what_is_not_honoured(request)
        if is_temporary(caller.key_id):
            raise _denied("Cannot call GetSessionToken with session credentials")
        seconds = request.get("DurationSeconds") or DEFAULT_SESSION_SECONDS
        key = await self._database.write(lambda transaction: self._issue(transaction, caller, seconds))
        return {"Credentials": _credentials(key)}

    async def get_federation_token(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """Refused: a federated user has what a session policy gives, and without one nothing."""
        raise NotImplementedHere(
            "Braketeer does not have GetFederationToken, because session policies are not evaluated; "
            "use AssumeRole or GetSessionToken"
        )

    async def decode_authorization_message(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        """No refusal of this service carries an encoded message, so none is valid."""
        raise ServiceError(
            "Message is not valid: Braketeer's refusals say in plain words what they refuse",
            code="InvalidAuthorizationMessageException",
        )

    def _issue(
        self,
        transaction: Transaction,
        caller: Caller,
        seconds: int,
        session_name: str | None = None,
        role_arn: str | None = None,
    ) -> AccessKey:
        """A key that ends with the caller's, at the latest; LimitExceeded where the caller's has MOST_SESSIONS already.

        A hybrid job's key makes none (domain.accounts.authorise); if it did, the job's end would revoke that too.
        """
        connection = transaction.connection
        parent = accounts.key_of(connection, caller.account, caller.key_id)
        expires_at = int(self._real_time()) + seconds
        if parent is not None and parent["expires_at"] is not None:  # a key's end never changes
            expires_at = min(expires_at, parent["expires_at"])
        key = accounts.create_key(
            connection,
            self._secrets,
            caller.account,
            Role.VIEWER if caller.role is Role.VIEWER else Role.USER,
            self._clock.now_ms(),
            expires_at=expires_at,
            job_id=caller.job_id,
            issued_by=caller.key_id,
            session_name=session_name,
            role_arn=role_arn,
        )
        # Counted with the new one, and undone if it is too many: create_key has locked the row of the key that asks.
        if accounts.count_issued(connection, caller.key_id, self._real_time(), MOST_SESSIONS + 1) > MOST_SESSIONS:
            raise ServiceError(
                f"A key has at most {MOST_SESSIONS:,} temporary keys at a time: wait until some of them have ended",
                code="LimitExceeded",
            )
        return key


def _identity(connection: Connection, caller: Caller) -> dict[str, Any]:
    """GetCallerIdentity's answer."""
    key = accounts.key_of(connection, caller.account, caller.key_id) if is_temporary(caller.key_id) else None
    role, session = _acting_role(connection, caller, key)
    if role is not None and session is not None:
        return {"UserId": f"{role.id}:{session}", "Account": caller.account, "Arn": role.session_arn(session)}
    user = (key["issued_by"] if key is not None else None) or caller.key_id
    return {"UserId": user, "Account": caller.account, "Arn": f"arn:aws:iam::{caller.account}:user/{user}"}


def _acting_role(connection: Connection, caller: Caller, key: RowMapping | None) -> tuple[RoleName | None, str | None]:
    """The role that a key acts in and the name of its session; (None, None) for a user's."""
    if key is not None and key["role_arn"] is not None:
        return RoleName.parse(key["role_arn"]), key["session_name"]
    if caller.job_id is not None:
        job = jobs.get(connection, caller.job_id)
        given = RoleName.parse(job["request"]["roleArn"]) if job is not None else None
        return given or RoleName.of_jobs(caller.account), caller.job_id
    return None, None


def _credentials(key: AccessKey) -> dict[str, Any]:
    return {
        "AccessKeyId": key.id,
        "SecretAccessKey": key.secret,
        "SessionToken": key.session_token,
        "Expiration": datetime.fromtimestamp(key.expires_at or 0, UTC),
    }


def _refuse_what_is_not_honoured(request: Mapping[str, Any]) -> None:
    """A member that would make the key less than it would be here is refused, never ignored."""
    for name, reason in _NOT_HONOURED.items():
        if request.get(name):
            raise NotImplementedHere(f"Braketeer does not honour {name}: {reason}")
    if (request.get("MinimumSessionTokenSize") or 0) > TOKEN_LETTERS:
        raise NotImplementedHere(f"Braketeer's session tokens have {TOKEN_LETTERS} letters")


def _invalid(message: str) -> ServiceError:
    return ServiceError(message, code="ValidationError")


def _denied(message: str) -> ServiceError:
    return ServiceError(message, code="AccessDenied", status=403)
