"""Operations of S3 that are not here, each with the reason: what they would change would only be remembered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NoReturn

from braketeer.domain.accounts import Caller
from braketeer.domain.errors import NotImplementedHere, ServiceError
from braketeer.services.s3.buckets import BucketOperations
from braketeer.services.s3.shared import Answer, Request

_Operation = Callable[["RefusedOperations", Caller, Request], Awaitable[Answer]]

_TABLES = "Metadata tables are not available"
_ANNOTATIONS = "Annotations of objects are not available"
_LOCK = "Object lock is not available"


def _refused(reason: str) -> _Operation:
    """An operation that raises NotImplemented (501), on a bucket of the caller's."""

    async def operation(self: RefusedOperations, caller: Caller, request: Request) -> NoReturn:
        if "Bucket" in request:
            await self._bucket(caller, request)
        raise NotImplementedHere(reason)

    return operation


def _none_of_that_id(self: RefusedOperations, caller: Caller, request: Request) -> Awaitable[Answer]:
    """No such configuration was ever made, so that none can be got or deleted."""
    return self._no_configuration(caller, request)


def _empty_list(self: RefusedOperations, caller: Caller, request: Request) -> Awaitable[Answer]:
    return self._no_configurations(caller, request)


class RefusedOperations(BucketOperations):
    put_bucket_cors = _refused("CORS rules are not available: requests of pages in browsers are not answered")
    put_bucket_website = _refused("Static websites are not available")
    put_bucket_replication = _refused("Replication is not available: there is one copy, on the service's disk")
    delete_public_access_block = _refused("Public access is always blocked")
    delete_bucket_ownership_controls = _refused("The bucket owner owns every object, always")

    put_object_lock_configuration = _refused(_LOCK)
    put_object_legal_hold = _refused(_LOCK)
    put_object_retention = _refused(_LOCK)

    get_object_torrent = _refused("Torrents of objects are not available")
    select_object_content = _refused("Queries over the content of an object are not available: get the object")
    write_get_object_response = _refused("Object Lambda is not available")
    create_session = _refused("Directory buckets are not available")
    list_directory_buckets = _refused("Directory buckets are not available")
    rename_object = _refused("Renaming is for directory buckets: copy the object and delete the old one")
    update_object_encryption = _refused("To change an object's encryption, copy it onto itself with the new one")

    put_object_annotation = _refused(_ANNOTATIONS)
    get_object_annotation = _refused(_ANNOTATIONS)
    delete_object_annotation = _refused(_ANNOTATIONS)
    list_object_annotations = _refused(_ANNOTATIONS)

    create_bucket_metadata_configuration = _refused(_TABLES)
    get_bucket_metadata_configuration = _refused(_TABLES)
    delete_bucket_metadata_configuration = _refused(_TABLES)
    create_bucket_metadata_table_configuration = _refused(_TABLES)
    get_bucket_metadata_table_configuration = _refused(_TABLES)
    delete_bucket_metadata_table_configuration = _refused(_TABLES)
    update_bucket_metadata_annotation_table_configuration = _refused(_TABLES)
    update_bucket_metadata_inventory_table_configuration = _refused(_TABLES)
    update_bucket_metadata_journal_table_configuration = _refused(_TABLES)

    put_bucket_analytics_configuration = _refused("Storage class analysis is not available")
    put_bucket_intelligent_tiering_configuration = _refused("There is one storage class, STANDARD")
    put_bucket_inventory_configuration = _refused("Inventories of buckets are not available")
    put_bucket_metrics_configuration = _refused("Metrics of buckets are not available")
    get_bucket_analytics_configuration = _none_of_that_id
    get_bucket_intelligent_tiering_configuration = _none_of_that_id
    get_bucket_inventory_configuration = _none_of_that_id
    get_bucket_metrics_configuration = _none_of_that_id
    delete_bucket_analytics_configuration = _none_of_that_id
    delete_bucket_intelligent_tiering_configuration = _none_of_that_id
    delete_bucket_inventory_configuration = _none_of_that_id
    delete_bucket_metrics_configuration = _none_of_that_id
    list_bucket_analytics_configurations = _empty_list
    list_bucket_intelligent_tiering_configurations = _empty_list
    list_bucket_inventory_configurations = _empty_list
    list_bucket_metrics_configurations = _empty_list

    async def _no_configuration(self, caller: Caller, request: Request) -> NoReturn:
        await self._bucket(caller, request)
        raise ServiceError("The specified configuration does not exist.", code="NoSuchConfiguration", status=404)

    async def _no_configurations(self, caller: Caller, request: Request) -> Answer:
        await self._bucket(caller, request)
        return {"IsTruncated": False}
