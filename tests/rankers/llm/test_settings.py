"""Which endpoint: what is refused, in one sentence, and never with a secret in it."""

from __future__ import annotations

from typing import Any

import pytest

from periti.errors import ConfigError
from periti.rankers.llm.endpoint import Endpoint
from periti.rankers.llm.settings import EndpointSettings, read_key
from tests.rankers.llm.asking import KEY, VARIABLE


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"api": "chats"}, "api is 'chats'; did you mean 'chat'"),
        ({"timeout_s": 0}, "timeout_s is 0; it must be at least"),
        ({"timeout_s": float("inf")}, "timeout_s is inf"),
        ({"backoff_s": float("nan")}, "backoff_s is nan"),
        ({"retries": -1}, "retries is -1; it must be at least 0"),
        ({"concurrency": 0}, "concurrency is 0; it must be at least 1"),
        ({"input_price": -0.1}, "input_price is -0.1"),
        ({"parameters": {"model": "other"}}, "may not hold 'model'"),
        ({"parameters": {"stream": True}}, "may not hold 'stream'"),
        ({"url": "localhost:8000"}, "is not the address of a server"),
        ({"url": "ftp://host/v1"}, "is not the address of a server"),
        ({"url": "http://"}, "is not the address of a server"),
        ({"url": "http://host:99999/v1"}, "is not the address of a server"),
        ({"url": "http://host/vé"}, "is not the address of a server"),
        ({"url": "http://host/v 1"}, "is not the address of a server"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EndpointSettings(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"key_variable": KEY},
        {"url": f"https://user:{KEY}@host/v1"},
        {"url": f"https://host/v1?key={KEY}"},
        {"url": f"https://host/v1#{KEY}"},
        {"url": f"https://host:{KEY}/v1"},
    ],
)
def test_a_key_in_the_wrong_place_is_refused_and_not_shown(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        EndpointSettings(**options)

    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or KEY not in str(caught.value.__context__)


@pytest.mark.parametrize("missing", ["url", "model"])
def test_url_and_model_must_be_given(missing: str) -> None:
    complete = {"url": "http://host/v1", "model": "m"}

    with pytest.raises(ConfigError, match=f"{missing} is not given; add {missing} = "):
        Endpoint(EndpointSettings(**(complete | {missing: ""})))  # type: ignore[arg-type]


def test_a_key_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"{KEY}\n")
    settings = EndpointSettings("http://host/v1", "m", key_variable=VARIABLE)

    assert read_key(settings) == KEY
    assert KEY not in repr(settings)
    assert read_key(EndpointSettings("http://host/v1", "m")) == ""


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)

    with pytest.raises(ConfigError, match=f"{VARIABLE} is not set; put the key of http://host/v1 there"):
        read_key(EndpointSettings("http://host/v1", "m", key_variable=VARIABLE))


@pytest.mark.parametrize("value", [f"{KEY}\nX-Other: 1", f"{KEY}é"])
def test_a_key_that_can_not_stand_in_a_header_is_refused_and_not_shown(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, value)

    with pytest.raises(ConfigError, match="holds what can not be a key") as caught:
        read_key(EndpointSettings("http://host/v1", "m", key_variable=VARIABLE))
    assert KEY not in str(caught.value)
