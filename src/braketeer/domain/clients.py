"""What a client tells of itself in its User-Agent."""

from __future__ import annotations

import re

# botocore's: "... lang/python#3.11.7 ..."; older ones: "... Python/3.11.7 ...".
_PYTHON = re.compile(r"(?:^|\s)(?:lang/python#|Python/)3\.(\d{1,3})(?=[.\s]|$)", re.ASCII)


def python_minor(user_agent: str) -> int | None:
    """The 11 of Python 3.11 that a client runs on; None where it does not say so."""
    found = _PYTHON.search(user_agent)
    return int(found[1]) if found else None
