"""Capability documents as data (see README.md beside this file), and the one way to read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson


def load(name: str) -> dict[str, Any]:
    """The document of this file name, as a new dict that the caller may change."""
    content: dict[str, Any] = orjson.loads(Path(__file__).with_name(name).read_bytes())
    return content
