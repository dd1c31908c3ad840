"""Amazon S3 as Braket's clients and tools use it: buckets and objects of the caller's account.

Members are named as in botocore's model; what S3 has and this has not is refused with NotImplemented and the reason.
"""

from braketeer.services.s3.listings import ListingOperations
from braketeer.services.s3.multipart import MultipartOperations
from braketeer.services.s3.objects import ObjectOperations
from braketeer.services.s3.refusals import RefusedOperations
from braketeer.services.s3.rules import RuleOperations
from braketeer.services.s3.settings import SettingOperations


class S3(
    SettingOperations,
    RuleOperations,
    RefusedOperations,
    ObjectOperations,
    ListingOperations,
    MultipartOperations,
):
    """Every operation, each a method named like it: ``S3(database, objects, clock)``."""
