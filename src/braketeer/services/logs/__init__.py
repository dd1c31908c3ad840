"""CloudWatch Logs, as far as clients of Braket read and write logs, a file a noun.

Members are named as in botocore's model; what CloudWatch has and this has not is refused, never ignored.
"""

from braketeer.services.logs.events import EventOperations
from braketeer.services.logs.filters import FilterOperations
from braketeer.services.logs.groups import GroupOperations
from braketeer.services.logs.queries import QueryOperations
from braketeer.services.logs.streams import StreamOperations
from braketeer.services.logs.tags import TagOperations


class Logs(GroupOperations, StreamOperations, EventOperations, FilterOperations, QueryOperations, TagOperations):
    """Every operation, each a method named like it: ``Logs(database, clock, page_key)``."""
