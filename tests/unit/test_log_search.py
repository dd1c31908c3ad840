"""What log searches ask for, and what they may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braketeer.domain.log_search import MESSAGE, STREAM, Match, QuerySyntaxError, parse_pattern, parse_query


def test_the_query_that_the_sdk_sends() -> None:
    text = (
        "fields @timestamp, @message "
        "| filter @logStream like /^my-job\\/6f3c9a52\\// "
        "| filter @message like /Metrics - /"
    )
    query = parse_query(text)
    assert query.fields == ("@timestamp", "@message")
    assert query.condition == (
        (Match(STREAM, "my-job/6f3c9a52/", starts=True),),
        (Match(MESSAGE, "Metrics - "),),
    )
    assert (query.descending, query.limit) == (False, None)


def test_variants_of_filters() -> None:
    query = parse_query(
        "FILTER @message like \"a | b\" and @message not like /x\\.y$/ and @logStream != 's' # why\n| limit 5"
    )
    assert query.condition == (
        (Match(MESSAGE, "a | b"),),
        (Match(MESSAGE, "x.y", ends=True, negated=True),),
        (Match(STREAM, "s", starts=True, ends=True, negated=True),),
    )
    either = parse_query("filter @message =~ /a/ or @message = 'b'")
    assert either.condition == ((Match(MESSAGE, "a"), Match(MESSAGE, "b", starts=True, ends=True)),)
    assert either.fields == ("@timestamp", "@message")


def test_sort_and_limit() -> None:
    query = parse_query("display @message | sort @timestamp desc | limit 20")
    assert (query.fields, query.descending, query.limit) == (("@message",), True, 20)
    assert not parse_query("fields @message | sort @timestamp").descending


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|",
        "fields",
        "fields @message |",
        "fields @message,",
        "fields @message @timestamp",
        "fields @secret",
        "stats count(*) by bin(5m)",
        "parse @message '* *' as a, b",
        "sort @message",
        "limit 0",
        "limit 100001",
        "limit many",
        "filter @timestamp like /1/",
        "filter @message",
        "filter @message ~ /a/",
        "filter @message like a",
        "filter @message not = 'a'",
        "filter @message like /a/ and @message like /b/ or @message like /c/",
        "filter @message like /unfinished",
        "filter @message = 'unfinished",
        "filter @message like /(a+)+$/",
        "filter @message like /a.b/",
        "filter @message like /a|b/",
        "filter @message like /\\d/",
        "filter @message like /^^a/",
        "filter @message like /[a-z]/",
        "filter @message like /(?i)a/",
        "filter @message like /a\\\\/ {",
    ],
)
def test_what_is_not_supported_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse_query(text)
    assert 0 <= caught.value.start <= caught.value.end <= len(text)


def test_a_refusal_names_the_command() -> None:
    with pytest.raises(QuerySyntaxError, match="The command stats is not supported"):
        parse_query("filter @message like 'a' | stats count(*) by bin(5m)")


@given(st.text(alphabet="fields@message|like/\\^$'\" .=!()#limt,\n0", max_size=80))
def test_no_text_breaks_the_parser(text: str) -> None:
    for parse in (parse_query, parse_pattern):
        try:
            parse(text)
        except QuerySyntaxError as problem:
            assert 0 <= problem.start <= problem.end <= len(text)


def test_patterns_of_plain_terms() -> None:
    assert parse_pattern("  ") == ()
    assert parse_pattern('ERROR "code 5" -retry') == (
        (Match(MESSAGE, "ERROR"),),
        (Match(MESSAGE, "code 5"),),
        (Match(MESSAGE, "retry", negated=True),),
    )
    assert parse_pattern("?a ?b") == ((Match(MESSAGE, "a"), Match(MESSAGE, "b")),)


@pytest.mark.parametrize("text", ["{ $.level = 5 }", "[a, b]", "%regex%"])
def test_other_patterns_are_refused(text: str) -> None:
    with pytest.raises(QuerySyntaxError):
        parse_pattern(text)
