"""What log searches ask of a text: pieces of literal text, never a pattern that could run away.

Two languages come in: the query language of Logs Insights as far as ``StartQuery`` takes it (``parse_query``), and the
plain-text filter patterns of ``FilterLogEvents`` (``parse_pattern``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MESSAGE, STREAM = "@message", "@logStream"
FIELDS = ("@timestamp", MESSAGE, STREAM, "@log", "@ingestionTime", "@ptr")


@dataclass(frozen=True, slots=True)
class Match:
    """``field`` (MESSAGE or STREAM) contains ``text``; with ``starts`` or ``ends`` it begins or ends with it."""

    field: str
    text: str
    starts: bool = False
    ends: bool = False
    negated: bool = False


# A condition holds when each of its groups has one match that holds.
Condition = tuple[tuple[Match, ...], ...]


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A parsed Insights query. ``limit`` is None where the text has no limit command."""

    fields: tuple[str, ...]
    condition: Condition
    descending: bool
    limit: int | None


class QuerySyntaxError(Exception):
    """The query cannot be run, and why; ``start`` and ``end`` are offsets in its text."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.start = start
        self.end = end


def parse_query(text: str) -> LogQuery:
    """Parse the commands ``fields``, ``display``, ``filter``, ``sort`` and ``limit``, else QuerySyntaxError.

    The SDK sends (CwlInsightsMetricsFetcher.get_metrics_for_job)
    ``fields @timestamp, @message | filter @logStream like /^PREFIX\\// | filter @message like /Metrics - /``.
    Filters compare @message and @logStream: ``[not] like /literal/`` or ``"text"``, ``=``, ``!=``, joined by ``and`` or
    by ``or``. A regular expression must be literal text, with escaped punctuation, ``^`` first and ``$`` last allowed.
    Without ``sort`` the oldest event comes first.
    """
    return _Parser(text).query()


def parse_pattern(text: str) -> Condition:
    """Parse a filter pattern of plain terms: all must be there, ``-a`` must not, of ``?a ?b`` any; ``"a b"`` is one.

    Raises QuerySyntaxError for JSON, array and regular expression patterns.
    """
    if text.lstrip()[:1] in ("{", "[", "%"):
        raise QuerySyntaxError("Only filter patterns of plain terms are supported", 0, len(text))
    wanted: list[tuple[Match, ...]] = []
    any_of: list[Match] = []
    for found in re.finditer(r'([?-]?)(?:"((?:\\.|[^"\\])*)"|(\S+))', text):
        sign, quoted, bare = found.groups()
        term = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
        if sign == "?":
            any_of.append(Match(MESSAGE, term))
        else:
            wanted.append((Match(MESSAGE, term, negated=sign == "-"),))
    # Beside required terms, optional ones have no say (CloudWatch's filter syntax).
    return tuple(wanted) if wanted else ((tuple(any_of),) if any_of else ())


def of_stream(condition: Condition, stream: str) -> Condition | None:
    """What a condition asks of the messages of one stream; None where no event of that stream can meet it."""
    left: list[tuple[Match, ...]] = []
    for group in condition:
        if any(match.field == STREAM and _holds(match, stream) for match in group):
            continue
        of_messages = tuple(match for match in group if match.field == MESSAGE)
        if not of_messages:
            return None
        left.append(of_messages)
    return tuple(left)


def stream_prefix(condition: Condition) -> str:
    """How the name of every stream begins whose events can meet the condition; empty where it may be anything."""
    prefixes = (
        group[0].text
        for group in condition
        if len(group) == 1 and group[0].field == STREAM and group[0].starts and not group[0].negated
    )
    return max(prefixes, key=len, default="")


def _holds(match: Match, text: str) -> bool:
    if match.starts and match.ends:
        holds = text == match.text
    elif match.starts:
        holds = text.startswith(match.text)
    elif match.ends:
        holds = text.endswith(match.text)
    else:
        holds = match.text in text
    return holds != match.negated


# Alternatives begin differently, so no text makes this backtrack.
_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)|(?P<regex>/(?:\\.|[^/\\\n])*/)|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"""|(?P<word>[@\w.]+)|(?P<mark>!=|=~|[|,=()])|(?P<other>.)""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class _Parser:
    """Recursive descent over the tokens of one query."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0

    def query(self) -> LogQuery:
        fields: tuple[str, ...] = ()
        condition: list[tuple[Match, ...]] = []
        descending, limit = False, None
        while True:
            command = self._take("word", "a command")
            match command.text.lower():
                case "fields" | "display":
                    fields = self._fields()
                case "filter":
                    condition += self._condition()
                case "sort":
                    descending = self._sort()
                case "limit":
                    limit = self._limit()
                case _:
                    raise QuerySyntaxError(
                        f"The command {command.text} is not supported; use fields, display, filter, sort or limit",
                        command.start,
                        command.end,
                    )
            if self._peek().kind == "end":
                return LogQuery(fields or ("@timestamp", MESSAGE), tuple(condition), descending, limit)
            self._take_mark("|")

    def _fields(self) -> tuple[str, ...]:
        fields = [self._field(FIELDS)]
        while self._accept(","):
            fields.append(self._field(FIELDS))
        return tuple(fields)

    def _condition(self) -> list[tuple[Match, ...]]:
        matches = [self._match()]
        joined_by: str | None = None
        while (joint := self._peek()).text.lower() in ("and", "or"):
            self._next += 1
            if joined_by not in (None, joint.text.lower()):
                raise QuerySyntaxError("and and or cannot be mixed in one filter", joint.start, joint.end)
            joined_by = joint.text.lower()
            matches.append(self._match())
        return [tuple(matches)] if joined_by == "or" else [(match,) for match in matches]

    def _match(self) -> Match:
        field = self._field((MESSAGE, STREAM))
        operator = self._peek()
        self._next += 1
        word = operator.text.lower()
        if negated := word == "not":
            operator = self._take("word", "like")
            word = operator.text.lower()
        match word:
            case "like" | "=~":
                return self._like(field, negated)
            case "=" | "!=" if not negated:
                text = _unescaped(self._take("string", "a string"))
                return Match(field, text, starts=True, ends=True, negated=word == "!=")
        raise QuerySyntaxError("like, not like, = or != is expected here", operator.start, operator.end)

    def _like(self, field: str, negated: bool) -> Match:
        token = self._peek()
        if token.kind == "string":
            self._next += 1
            return Match(field, _unescaped(token), negated=negated)
        text, starts, ends = _literal(self._take("regex", "/text/ or a string"))
        return Match(field, text, starts, ends, negated)

    def _sort(self) -> bool:
        self._field(("@timestamp",))
        direction = self._peek().text.lower()
        self._next += direction in ("asc", "desc")
        return direction == "desc"

    def _limit(self) -> int:
        token = self._take("word", "a number")
        if not re.fullmatch(r"[1-9][0-9]{0,5}", token.text) or int(token.text) > 100_000:
            raise QuerySyntaxError("limit takes a number from 1 to 100000", token.start, token.end)
        return int(token.text)

    def _field(self, known: tuple[str, ...]) -> str:
        token = self._take("word", "a field")
        if token.text not in known:
            raise QuerySyntaxError(
                f"The field {token.text} is not supported here; use {', '.join(known)}", token.start, token.end
            )
        return token.text

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _accept(self, mark: str) -> bool:
        found = self._peek().kind == "mark" and self._peek().text == mark
        self._next += found
        return found

    def _take(self, kind: str, wanted: str) -> _Token:
        token = self._peek()
        if token.kind != kind:
            raise QuerySyntaxError(f"{wanted} is expected here", token.start, token.end)
        self._next += 1
        return token

    def _take_mark(self, mark: str) -> None:
        if not self._accept(mark):
            token = self._peek()
            raise QuerySyntaxError(f"{mark} is expected here", token.start, token.end)


def _tokens(text: str) -> list[_Token]:
    found = (_Token(str(match.lastgroup), match[0], match.start()) for match in _TOKEN.finditer(text))
    return [*(token for token in found if token.kind != "space"), _Token("end", "", len(text))]


def _unescaped(token: _Token) -> str:
    return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)


def _literal(token: _Token) -> tuple[str, bool, bool]:
    """The text, whether it is anchored at the start, and at the end, of a regular expression that is literal text."""
    body = token.text[1:-1]
    starts = body.startswith("^")
    letters: list[str] = []
    place = 1 if starts else 0
    while place < len(body):
        letter = body[place]
        if letter == "$" and place == len(body) - 1:
            return "".join(letters), starts, True
        if letter == "\\" and place + 1 < len(body) and not body[place + 1].isalnum():
            place += 1
            letter = body[place]
        elif letter in "\\.*+?()[]{}|^$":
            raise QuerySyntaxError(
                "Only literal text is supported between slashes, its punctuation escaped", token.start, token.end
            )
        letters.append(letter)
        place += 1
    return "".join(letters), starts, False
