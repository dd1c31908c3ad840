from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.toys import Toys, serving


@pytest.fixture(scope="module")
def toys() -> Iterator[Toys]:
    """Toy services behind a real gateway over plain HTTP."""
    with serving() as running:
        yield running
