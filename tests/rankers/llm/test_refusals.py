"""Statuses and Retry-After."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.rankers.llm.endpoint import wait_before_retry
from periti.rankers.llm.refusals import explained, refusal, seconds
from periti.rankers.llm.settings import EndpointSettings
from periti.rankers.llm.transport import Scope

SETTINGS = EndpointSettings("http://host/v1", "m", backoff_s=1.0, longest_wait_s=60.0)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 12:00:30 -0000", 30.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, expected: float | None) -> None:
    assert seconds(header, NOON) == expected


def test_the_wait_doubles_is_bounded_and_gives_way_to_the_server() -> None:
    assert [wait_before_retry(SETTINGS, attempt, None) for attempt in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert wait_before_retry(SETTINGS, 5, 0.25) == 0.25
    assert wait_before_retry(SETTINGS, 0, 3600.0) == 60


@pytest.mark.parametrize(
    ("status", "scope", "remedy"),
    [
        (408, Scope.MOMENT, "try again later"),
        (429, Scope.MOMENT, "try again later"),
        (500, Scope.MOMENT, "try again later"),
        (503, Scope.MOMENT, "try again later"),
        (529, Scope.MOMENT, "try again later"),
        (400, Scope.QUESTION, "check the model, its context length"),
        (413, Scope.QUESTION, "check the model, its context length"),
        (204, Scope.QUESTION, "check the model, its context length"),
        (401, Scope.ENDPOINT, "name the key's variable by key_variable"),
        (404, Scope.ENDPOINT, "check url, api and model"),
        (307, Scope.ENDPOINT, "give the final URL"),
    ],
)
def test_a_status_says_whether_to_try_again(status: int, scope: Scope, remedy: str) -> None:
    found = refusal(status, "because", None, SETTINGS)

    assert found.scope is scope
    assert found.what == f"answered {status} (because)"
    assert remedy in found.remedy


def test_a_refused_key_names_its_variable() -> None:
    found = refusal(401, "", None, EndpointSettings("http://host/v1", "m", key_variable="MY_KEY"))

    assert (found.what, found.remedy) == ("answered 401", "check the key in MY_KEY")


def test_the_servers_own_words_are_taken_from_openais_shape_or_as_they_are() -> None:
    assert explained(b'{"error": {"message": "too\\nlong"}}') == "too long"
    assert explained(b'{"error": "no"}') == '{"error": "no"}'
    assert explained(b"<h1>Bad\r\n gateway</h1>\x1b[31m") == "<h1>Bad gateway</h1> [31m"
    assert len(refusal(500, "x" * 5000, None, SETTINGS).what) < 250


@given(st.binary(max_size=200))
def test_any_bytes_make_one_printable_line(body: bytes) -> None:
    assert explained(body).isprintable() or "\n" not in explained(body)
