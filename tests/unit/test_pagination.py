"""Page tokens come back as they were made, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braketeer.domain import pagination
from braketeer.domain.errors import ValidationException

KEY = b"a key"


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans() | st.lists(st.integers())))
def test_a_token_holds_what_was_signed(payload: dict[str, object]) -> None:
    token = pagination.sign(KEY, payload)
    assert pagination.open(KEY, token) == payload
    assert token.isascii()


@given(st.text())
def test_anything_else_is_refused(token: str) -> None:
    with pytest.raises(ValidationException):
        pagination.open(KEY, token)


def test_a_token_cannot_be_altered_or_taken_to_another_service() -> None:
    token = pagination.sign(KEY, {"before": 12})
    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        with pytest.raises(ValidationException):
            pagination.open(KEY, token[:place] + other + token[place + 1 :])
    with pytest.raises(ValidationException):
        pagination.open(b"another key", token)
