"""What can go wrong at the command line, in words for whoever typed it."""

from __future__ import annotations


class Problem(Exception):
    """Printed as one line; the command ends with ``exit_code``."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
