"""Requests and responses of both APIs; a response that is anything but one is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.errors import FormatError
from periti.rankers.llm.settings import EndpointSettings
from periti.rankers.llm.wire import Answer, Question, body, read_answer

CHAT = EndpointSettings("http://host/v1", "m")
BARE = EndpointSettings("http://host/v1", "m", api="completions")


def test_a_question_to_a_chat() -> None:
    assert body(CHAT, Question("Be brief.", "Why?", 3, 20)) == {
        "model": "m",
        "temperature": 0,
        "max_tokens": 3,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}],
        "logprobs": True,
        "top_logprobs": 20,
    }


def test_a_question_without_instruction_and_alternatives() -> None:
    assert body(CHAT, Question("", "Why?", 3)) == {
        "model": "m",
        "temperature": 0,
        "max_tokens": 3,
        "messages": [{"role": "user", "content": "Why?"}],
    }


def test_a_question_to_a_completion_ends_with_its_prompt() -> None:
    asked = {"model": "m", "temperature": 0, "max_tokens": 1, "logprobs": 5}

    assert body(BARE, Question("", "Relevant:", 1, 5)) == {**asked, "prompt": "Relevant:"}
    assert body(BARE, Question("Judge.", "Relevant:", 1, 5)) == {**asked, "prompt": "Judge.\n\nRelevant:"}


def test_parameters_are_added_and_replace_ours() -> None:
    settings = EndpointSettings(
        "", "m", token_limit_name="max_completion_tokens", parameters={"temperature": 1, "x": [2]}
    )

    assert body(settings, Question("", "Why?", 3)) == {
        "model": "m",
        "temperature": 1,
        "max_completion_tokens": 3,
        "messages": [{"role": "user", "content": "Why?"}],
        "x": [2],
    }


def test_a_chat_answer_with_alternatives() -> None:
    listed = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -2.5}, {"token": "x", "logprob": -9999.0}]
    document = {
        "choices": [
            {
                "message": {"content": "Yes"},
                "logprobs": {"content": [{"token": "Yes", "logprob": -0.1, "top_logprobs": listed}]},
            }
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 1},
    }

    found = read_answer("chat", json.dumps(document).encode())

    assert found == Answer("Yes", (("Yes", -0.1), ("No", -2.5), ("x", -9999.0)), 12, 1)


def test_a_completion_answer_with_alternatives() -> None:
    document = {"choices": [{"text": " yes", "logprobs": {"top_logprobs": [{" yes": -0.5, " no": -math.inf}]}}]}

    found = read_answer("completions", json.dumps(document).encode())

    assert found == Answer(" yes", ((" yes", -0.5), (" no", -math.inf)), None, None)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -1}, {"prompt_tokens": "7"}, {"prompt_tokens": 1e9}, 3])
def test_a_usage_that_is_none_is_no_count(usage: Any) -> None:
    document = {"choices": [{"message": {"content": None}}], "usage": usage}

    assert read_answer("chat", json.dumps(document).encode()) == Answer("")


def chat(**choice: Any) -> bytes:
    return json.dumps({"choices": [{"message": {"content": "x"}, **choice}]}).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"<html>busy</html>", "not JSON"),
        (b'{"choices": [{"mess', "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"9" * 10_000, "not JSON"),
        (b"null", "without 'choices'"),
        (b"[1]", "without 'choices'"),
        (b"{}", "without 'choices'"),
        (b'{"choices": {}}', "'choices' is dict, not list"),
        (b'{"choices": []}', "without a choice"),
        (b'{"choices": [{}]}', "without a choice"),
        (b'{"choices": ["x"]}', "is str, not dict"),
        (b'{"choices": [{"x": 1}]}', "without 'message'"),
        (b'{"choices": [{"message": {"content": 3}}]}', "whose text is int"),
        (chat(logprobs={"content": 3}), "'content' is int"),
        (chat(logprobs={"content": ["x"]}), "is str, not dict"),
        (chat(logprobs={"content": [{"top_logprobs": {"a": 1}}]}), "no list of tokens"),
        (chat(logprobs={"content": [{"top_logprobs": ["a"]}]}), "no list of tokens"),
        (chat(logprobs={"content": [{"token": "a", "logprob": None}]}), "are no numbers"),
        (chat(logprobs={"content": [{"token": ["a"], "logprob": -1}]}), "are no numbers"),
        (chat(logprobs={"content": [{"token": "a", "logprob": True}]}), "are no numbers"),
        (chat(logprobs={"content": [{"token": "a", "logprob": math.nan}]}), "log-probability that is none"),
        (chat(logprobs={"content": [{"token": "a", "logprob": 10**400}]}), "log-probability that is none"),
    ],
)
def test_what_is_no_answer_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_answer("chat", data)


def test_an_integer_below_every_float_is_no_probability_at_all() -> None:
    data = chat(logprobs={"content": [{"token": "a", "logprob": -(10**400)}]})

    assert read_answer("chat", data).first == (("a", -math.inf),)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "logprobs", "top_logprobs", "token", "text", "usage"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(
    json_values | st.builds(lambda inner: {"choices": [inner]}, json_values), st.sampled_from(["chat", "completions"])
)
def test_any_document_is_an_answer_or_refused(document: Any, api: str) -> None:
    try:
        found = read_answer(api, json.dumps(document).encode())
    except FormatError:
        return
    assert isinstance(found.text, str)
    assert all(isinstance(token, str) and value <= 1 for token, value in found.first)
