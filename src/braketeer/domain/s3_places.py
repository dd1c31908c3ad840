"""Addresses of objects in S3, in the forms that the model of Braket admits."""

from __future__ import annotations

import re
from dataclasses import dataclass

_URI = re.compile(r"(?P<scheme>s3|https)://(?P<host>[^/]+)/?(?P<key>.*)", re.DOTALL)
_BUCKETS_OWN_HOST = re.compile(r"(?P<bucket>.+)\.s3[.-].*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object or a prefix is."""

    bucket: str
    key: str

    def __str__(self) -> str:
        """For people: what cannot be printed is escaped, so that it does no harm in a log or a column."""
        text = f"s3://{self.bucket}/{self.key}"
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

    @classmethod
    def parse(cls, uri: str) -> Place:
        """From ``s3://bucket/key``, ``https://bucket.s3.region.amazonaws.com/key`` or ``https://host/bucket/key``.

        ValueError for anything else.
        """
        if (match := _URI.fullmatch(uri)) is None:
            raise ValueError(f"'{uri}' is no address of S3")
        host, key = match["host"], match["key"]
        if match["scheme"] == "s3":
            return cls(host, key)  # keys may hold "?" and "#", which mean nothing in an s3:// address
        key = re.split(r"[?#]", key, maxsplit=1)[0]
        if (own := _BUCKETS_OWN_HOST.fullmatch(host)) is not None:
            return cls(own["bucket"], key)
        bucket, _, key = key.partition("/")
        if not bucket:
            raise ValueError(f"'{uri}' is no address of S3")
        return cls(bucket, key)

    def __truediv__(self, name: str) -> Place:
        """Below this prefix, joined by one slash as clients join them."""
        return Place(self.bucket, f"{self.key}/{name}" if self.key else name)
