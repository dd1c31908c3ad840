"""Source text to tokens, one at a time, so that a reader may switch to another notation at any place."""

from __future__ import annotations

import re
from typing import NoReturn

from braketeer.quantum.circuit import ProgramError

#: Nesting of brackets, blocks, operators and calls: as deep as Python goes, by seven frames a level.
MOST_NESTING = 120

TOO_DEEP = "The program is nested too deeply"

_SKIP = r"(?:[ \t\r\n\f\v]++|//[^\n]*+|/\*(?s:.*?)\*/)*+"
_TOKEN = re.compile(
    _SKIP
    + r"""(?:
    (?P<pragma> \#?pragma\b[ \t]*+ )
  | (?P<timing> [0-9][0-9_.]*+(?:[eE][-+]?[0-9]++)?[ \t]*+(?:ns|us|µs|μs|ms|s|dt)\b )
  | (?P<float>  (?:[0-9][0-9_]*+)?\.[0-9][0-9_]*+(?:[eE][-+]?[0-9]++)? | [0-9][0-9_]*+\.(?:[eE][-+]?[0-9]++)?
              | [0-9][0-9_]*+[eE][-+]?[0-9]++ )
  | (?P<whole>  0[xX][0-9a-fA-F_]++ | 0[oO][0-7_]++ | 0[bB][01_]++ | [0-9][0-9_]*+ )
  | (?P<name>   [^\W\d]\w*+ )
  | (?P<physical> \$[0-9]++ )
  | (?P<text>   "[^"\n]*+" | '[^'\n]*+' )
  | (?P<sign>   \*\*= | <<= | >>= | -> | == | != | <= | >= | && | \|\| | \+\+ | \*\* | << | >>
              | [-+*/%&|^~]= | [-+*/%&|^~!<>=;:,.(){}\[\]@\#] )
  | (?P<end>    \Z )
  | (?P<other>  (?s:.) )
)""",
    re.VERBOSE,
)
_GLUED = re.compile(r"[0-9]\w")
LITERAL_DIGITS = 1_000


class Tokens:
    """A place in ``source`` and the token there: ``kind`` (a group of the pattern), ``text``, and ``at``, its offset.

    Tokens end at ``end``; ``next`` is the offset behind the current one. Broken characters raise ProgramError when they
    are reached.
    """

    __slots__ = ("at", "end", "kind", "next", "source", "text")

    def __init__(self, source: str, start: int = 0, end: int | None = None) -> None:
        self.source = source
        self.end = len(source) if end is None else end
        self.next = start
        self.at = start
        self.kind = ""
        self.text = ""
        self.advance()

    def advance(self) -> None:
        match = _TOKEN.match(self.source, self.next, self.end)
        if match is None or match.lastgroup is None:
            raise AssertionError("the last two branches of the pattern take anything")
        kind = match.lastgroup
        self.kind = kind
        self.at = match.start(kind)
        self.next = match.end()
        self.text = match[kind]
        if kind in ("float", "whole"):
            self._check_number()
        elif kind == "other":
            self.fail(f"Unexpected character {self.text!r}")

    def jump(self, offset: int) -> None:
        """Read the token at ``offset`` next."""
        self.next = offset
        self.advance()

    def take(self, text: str) -> bool:
        """Whether the token is this sign or word; if so it is passed."""
        if self.text == text and self.kind in ("sign", "name"):
            self.advance()
            return True
        return False

    def need(self, text: str) -> None:
        if not self.take(text):
            self.unexpected(repr(text))

    def need_name(self, what: str) -> str:
        name = self.text
        if self.kind != "name":
            self.unexpected(what)
        self.advance()
        return name

    def unexpected(self, wanted: str) -> NoReturn:
        found = "the end of the line or program" if self.kind == "end" else repr(self.text[:40])
        self.fail(f"Expected {wanted}, found {found}")

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        raise fault(self.source, message, self.at if at is None else at)

    def _check_number(self) -> None:
        if len(self.text) > LITERAL_DIGITS:
            self.fail(f"A number of more than {LITERAL_DIGITS} characters")
        glued = _GLUED.match(self.source, self.next - 1, self.end) and not self.source.startswith("im", self.next)
        if glued or self.text.endswith("_") or "__" in self.text:
            self.fail(f"Malformed number {self.source[self.at : self.next + 1]!r}")


def fault(source: str, message: str, at: int) -> ProgramError:
    """The error at an offset, with line and column counted from 1."""
    return ProgramError(message, source.count("\n", 0, at) + 1, at - source.rfind("\n", 0, at))
