"""Pages of a search: from the newest downwards, each token a signed place in the order of creation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from braketeer.domain import pagination
from braketeer.domain.accounts import Caller
from braketeer.domain.errors import ValidationException
from braketeer.services.braket import requests

DEFAULT_SIZE = 100


@dataclass(frozen=True, slots=True)
class Page:
    """A page of ``size`` rows older than the row with sequence ``before`` (None: the newest)."""

    size: int
    before: int | None
    _key: bytes
    _search: str

    @classmethod
    def of(cls, key: bytes, operation: str, caller: Caller, request: dict[str, Any]) -> Self:
        """The page that a request asks for; ValidationException for a token that is not ours, or of another search."""
        filters = requests.hash_of({"filters": request["filters"]})
        search = f"{operation}/{caller.account}/{caller.region}/{filters}"
        before = None
        if (token := request.get("nextToken")) is not None:
            place = pagination.open(key, token)
            if place.get("search") != search:
                raise ValidationException("The nextToken belongs to another search")
            before = int(place["before"])
        return cls(request.get("maxResults") or DEFAULT_SIZE, before, key, search)

    def next_token(self, sequences: Sequence[int]) -> dict[str, str]:
        """``nextToken`` when there are more rows than the page holds; ``sequences`` are of size + 1 rows at most."""
        if len(sequences) <= self.size:
            return {}
        place = {"search": self._search, "before": sequences[self.size - 1]}
        return {"nextToken": pagination.sign(self._key, place)}
