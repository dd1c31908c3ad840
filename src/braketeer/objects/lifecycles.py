"""Carrying out the lifecycle rules of buckets: housekeeping calls this from time to time."""

from __future__ import annotations

import asyncio

from braketeer.domain.clock import Clock
from braketeer.domain.object_lifecycles import Rule, enabled
from braketeer.domain.s3_errors import NoSuchBucket, NoSuchUpload
from braketeer.objects.embedded import EmbeddedObjects
from braketeer.store import buckets
from braketeer.store import object_lifecycles as rows
from braketeer.store.buckets import Bucket
from braketeer.store.database import Database

_AT_A_TIME = 200


class Lifecycles:
    """Takes away what the rules of its bucket say is over its time, by service time."""

    def __init__(self, database: Database, objects: EmbeddedObjects, clock: Clock) -> None:
        self._database = database
        self._objects = objects
        self._clock = clock

    async def carry_out(self) -> int:
        """One round over all buckets; how many objects and uploads were taken away."""
        count = 0
        for bucket in await self._database.read(buckets.with_lifecycle):
            for rule in enabled(bucket.lifecycle or {"rules": []}):
                try:
                    count += await self._expire(bucket, rule) + await self._abort(bucket, rule)
                except NoSuchBucket:
                    break  # deleted meanwhile
        return count

    async def _expire(self, bucket: Bucket, rule: Rule) -> int:
        before = rule.objects_before(self._clock.now_ms())
        if before is None:
            return 0
        count, after = 0, ""
        while True:
            found = await self._database.read(
                lambda c, after=after: rows.old_objects(  # type: ignore[misc]
                    c, bucket.name, rule.prefix, before, after_key=after, limit=_AT_A_TIME
                )
            )
            keys = [row.key for row in found if rule.matches(row.size, row.tags)]
            count += sum(await asyncio.gather(*(self._objects.remove_old(bucket, rule, key, before) for key in keys)))
            if len(found) < _AT_A_TIME:
                return count
            after = found[-1].key

    async def _abort(self, bucket: Bucket, rule: Rule) -> int:
        before = rule.uploads_before(self._clock.now_ms())
        if before is None:
            return 0
        count = 0
        while True:
            found = await self._database.read(
                lambda c: rows.old_uploads(c, bucket.name, rule.prefix, before, limit=_AT_A_TIME)
            )
            for row in found:
                try:
                    if not await self._objects.uploads.abort_old(bucket, rule, row.key, row.id):
                        return count  # the rule is gone
                    count += 1
                except NoSuchUpload:
                    continue  # completed meanwhile
            if len(found) < _AT_A_TIME:
                return count
