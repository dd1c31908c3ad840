"""The order of keys: where a prefix ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from braketeer.store.object_keys import behind, just_after

KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


@given(KEYS, KEYS, KEYS)
def test_behind_a_prefix_comes_everything_greater_that_lacks_it(prefix: str, end: str, other: str) -> None:
    border = behind(prefix)
    if border is None:
        assert set(prefix) <= {"\U0010ffff"}
        return
    assert (prefix + end).encode() < border.encode()
    if not other.startswith(prefix) and other.encode() > prefix.encode():
        assert other.encode() >= border.encode()


def test_behind_skips_the_surrogates() -> None:
    assert behind("a\ud7ff") == "a\ue000"


@given(KEYS, KEYS)
def test_just_after_a_key_comes_the_next_key(key: str, other: str) -> None:
    assert (other.encode() >= just_after(key).encode()) == (other.encode() > key.encode())
