"""A runner's way to S3: through the service's endpoint, with the job's credentials, patient while the service restarts.

Bytes go through obstore. It cannot name keys with empty or dot segments (``a//b``), which S3 allows and clients make by
joining prefixes that end in a slash, nor keys with control characters; those few go through botocore, which is slow to
load and therefore loaded late.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import obstore
from obstore.exceptions import GenericError, InvalidPathError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from braketeer.domain.s3_places import Place

if TYPE_CHECKING:
    from obstore.store import S3Config

    from braketeer.work.job_folder import Credentials

T = TypeVar("T")

_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
_PART = 8 << 20
_KMS = "aws:kms"
_SILENCE = timedelta(seconds=60)
_LONGEST_TRANSFER = timedelta(hours=12)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_S3_ERROR = re.compile(r"<Code>([^<]+)</Code>.*?<Message>([^<]+)</Message>", re.DOTALL)


class StorageError(Exception):
    """S3 said no, or nothing for too long. The text is meant for the job's owner."""


class NotThere(StorageError):
    """There is no such object or bucket."""


class ObjectRefused(StorageError):
    """This one object could not be moved; another may."""


class Storage:
    """Get, put and list, each tried again until ``patience_seconds`` have passed or ``interrupted()`` raises.

    What is put is encrypted with ``kms_key``, if there is one. ``endpoint`` is asked again whenever the service does
    not answer: another one may have taken the job over.
    """

    def __init__(
        self,
        endpoint: Callable[[], str],
        credentials: Credentials,
        region: str,
        patience_seconds: float,
        interrupted: Callable[[], None],
        kms_key: str | None = None,
    ) -> None:
        self._find = endpoint
        self._endpoint = endpoint()
        self._credentials = credentials
        self._region = region
        self._patience_seconds = patience_seconds
        self._interrupted = interrupted
        self._kms_key = kms_key
        self._stores: dict[str, S3Store] = {}
        self._botocore: Any = None

    def download(self, place: Place, target: Path) -> None:
        """Write the object to ``target``, whose folder is made. StorageError, or OSError of the target."""
        target.parent.mkdir(parents=True, exist_ok=True)

        def copy() -> None:
            with target.open("wb") as file:
                for chunk in self._chunks(place):
                    self._interrupted()
                    file.write(chunk)

        self._patiently(place, copy)

    def upload(self, place: Place, source: Callable[[], IO[bytes]]) -> None:
        """Store what ``source()`` opens; it is opened anew for every try. StorageError, or OSError of ``source()``."""
        if not _has_a_key(place):
            raise ObjectRefused(f"{place}: the name is not UTF-8, which every key in S3 is")

        def copy() -> None:
            with source() as file, _told_clearly(place):
                if _is_plain(place.key):
                    obstore.put(self._store(place.bucket), place.key, file, chunk_size=_PART)
                else:
                    encryption = {"ServerSideEncryption": _KMS, "SSEKMSKeyId": self._kms_key} if self._kms_key else {}
                    self._client().put_object(Bucket=place.bucket, Key=place.key, Body=file, **encryption)

        self._patiently(place, copy)

    def keys(self, place: Place) -> list[str]:
        """Every key that begins with the place's key, in order. Keys that end in a slash are folder markers."""

        def tell() -> list[str]:
            with _told_clearly(place):
                return self._list(place)

        return self._patiently(place, tell)

    def _chunks(self, place: Place) -> Iterator[bytes]:
        with _told_clearly(place):
            if _is_plain(place.key):
                for chunk in obstore.get(self._store(place.bucket), place.key).stream(min_chunk_size=1 << 20):
                    yield bytes(chunk)
            else:
                yield from self._client().get_object(Bucket=place.bucket, Key=place.key)["Body"].iter_chunks(1 << 20)

    def _list(self, place: Place) -> list[str]:
        """obstore lists whole folders only: list the parent's level, then what begins with the prefix."""
        parent, slash, _ = place.key.rpartition("/")
        store = self._store(place.bucket)
        try:
            if slash and not _is_plain(parent):
                return self._list_exactly(place)
            level = obstore.list_with_delimiter(store, parent or None)
            found = [entry["path"] for entry in level["objects"] if entry["path"].startswith(place.key)]
            for folder in level["common_prefixes"]:
                if f"{folder}/".startswith(place.key):
                    for batch in obstore.list(store, folder):
                        # A marker "folder/" is told as "folder": it is no file where the folder is one.
                        found += [entry["path"] for entry in batch if entry["path"] != folder]
        except (InvalidPathError, ValueError):
            return self._list_exactly(place)
        return sorted(found)

    def _list_exactly(self, place: Place) -> list[str]:
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.key)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def _patiently(self, place: Place, action: Callable[[], T]) -> T:
        started = time.monotonic()
        tries = 0
        while True:
            self._interrupted()
            try:
                return action()
            except _Away as problem:
                if time.monotonic() - started >= self._patience_seconds:
                    raise StorageError(f"{place}: the service cannot be reached ({problem})") from problem
            if (endpoint := self._find()) != self._endpoint:
                self._endpoint, self._stores, self._botocore = endpoint, {}, None
            time.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1

    def _store(self, bucket: str) -> S3Store:
        store = self._stores.get(bucket)
        if store is None:
            encryption: S3Config = {}
            if self._kms_key is not None:
                encryption = {"server_side_encryption": _KMS, "sse_kms_key_id": self._kms_key}
            store = self._stores[bucket] = S3Store(
                bucket,
                endpoint=self._endpoint,
                region=self._region,
                access_key_id=self._credentials.access_key_id,
                secret_access_key=self._credentials.secret_access_key,
                session_token=self._credentials.session_token,
                virtual_hosted_style_request=False,
                config=encryption,
                client_options={"allow_http": True, "read_timeout": _SILENCE, "timeout": _LONGEST_TRANSFER},
                # Patience is ours: it must be interruptible.
                retry_config={"max_retries": 0, "retry_timeout": timedelta(0)},
            )
        return store

    def _client(self) -> Any:
        if self._botocore is None:
            import botocore.session  # noqa: PLC0415 - half a second that most jobs need not wait for
            from botocore.config import Config  # noqa: PLC0415

            self._botocore = botocore.session.Session().create_client(
                "s3",
                endpoint_url=self._endpoint,
                region_name=self._region,
                aws_access_key_id=self._credentials.access_key_id,
                aws_secret_access_key=self._credentials.secret_access_key,
                aws_session_token=self._credentials.session_token,
                config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
            )
        return self._botocore


class _Away(Exception):
    """Nothing is wrong with the request; the service does not answer it now."""


@contextmanager
def _told_clearly(place: Place) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as problem:
        what = "bucket" if "NoSuchBucket" in str(problem) else "object"
        raise NotThere(f"{place}: there is no such {what}") from problem
    except (PermissionDeniedError, UnauthenticatedError) as problem:
        raise StorageError(f"{place}: access denied") from problem
    except GenericError as problem:
        text = str(problem).partition("\n")[0]
        if "status code: 4" in text and "status code: 429" not in text:
            told = _S3_ERROR.search(str(problem))
            raise ObjectRefused(f"{place}: {f'{told[2]} ({told[1]})' if told else text}") from problem
        raise _Away(text) from problem
    except Exception as problem:
        raise _of_botocore(place, problem) from problem


def _of_botocore(place: Place, problem: Exception) -> Exception:
    """What an error of botocore means. Any other is about this object: a name that a client cannot write, say."""
    answer = getattr(problem, "response", None)
    if isinstance(answer, dict):
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        error = answer.get("Error", {})
        if status == 404:
            return NotThere(
                f"{place}: there is no such {'bucket' if error.get('Code') == 'NoSuchBucket' else 'object'}"
            )
        if status == 403:
            return StorageError(f"{place}: access denied")
        return ObjectRefused(f"{place}: {problem}") if status < 500 and status != 429 else _Away(str(problem))
    if type(problem).__module__.startswith(("botocore", "urllib3")):
        from botocore.exceptions import HTTPClientError, IncompleteReadError  # noqa: PLC0415 - loaded by now

        if isinstance(problem, (HTTPClientError, IncompleteReadError)) or "urllib3" in type(problem).__module__:
            return _Away(str(problem))
    return ObjectRefused(f"{place}: {type(problem).__name__}: {problem}")


def _is_plain(key: str) -> bool:
    """Whether obstore can name the key: no empty and no dot segments, no control characters."""
    return bool(key) and not {"", ".", ".."} & set(key.split("/")) and not _CONTROL.search(key)


def _has_a_key(place: Place) -> bool:
    """Whether the name can be written in UTF-8: a file's may be any bytes, which Python shows as surrogates."""
    try:
        place.key.encode()
    except UnicodeEncodeError:
        return False
    return True
