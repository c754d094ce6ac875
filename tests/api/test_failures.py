from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from periti.api.app import create_app
from periti.api.schemas import SearchRequest, sentence
from periti.errors import ConfigError, EndpointError, IndexDamaged
from periti.pipeline import Pipeline
from periti.types import Queries, Run
from tests.api.conftest import running, wait_until

JSON = {"Content-Type": "application/json"}


def refusal(answer: httpx.Response, status: int, kind: str) -> str:
    """The sentence of a refusal, whose shape is checked."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.headers["x-request-id"]) >= 1
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"type", "message"}
    assert body["error"]["type"] == kind
    message: str = body["error"]["message"]
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"query": ""}, "query is empty; ask something"),
        ({"query": " \t\n"}, "query is empty; ask something"),
        ({"queries": ["a", " "]}, "queries[1] is empty; ask something"),
        ({"queries": []}, "queries holds 0 questions; send 1 to 32"),
        ({"queries": ["a"] * 33}, "queries holds 33 questions; send 1 to 32"),
        ({}, "neither of 'query' and 'queries' given; send exactly one of them"),
        ({"query": "a", "queries": ["b"]}, "both of 'query' and 'queries' given; send exactly one of them"),
        ({"query": "a", "k": 0}, "k is 0; it must be between 1 and 1,000"),
        ({"query": "a", "k": -3}, "k is -3; it must be between 1 and 1,000"),
        ({"query": "a", "k": 1001}, "k is 1001; it must be between 1 and 1,000"),
        ({"query": "a", "k": 2.5}, "k is 2.5; it must be an integer"),
        ({"query": "a", "k": "3"}, 'k is "3"; it must be an integer'),
        ({"query": "a", "k": True}, "k is true; it must be an integer"),
        ({"query": "a", "explain": "yes"}, 'explain is "yes"; it must be true or false'),
        ({"query": 7}, "query is 7; it must be a string"),
        ({"query": "a", "collection": ["dozen"]}, 'collection is ["dozen"]; it must be a string'),
        ([], "the body is []; it must be an object with 'query' or 'queries'"),
        ({"query": "é" * 4097}, "query has 8,194 bytes; at most 8,192 are taken, so shorten it"),
        (
            {"query": "a", "colection": "b"},
            "unknown field 'colection'; did you mean 'collection'? known: collection, explain, k, queries, query",
        ),
    ],
)
def test_a_bad_field_is_422_with_one_sentence(client: httpx.Client, body: Any, message: str) -> None:
    assert refusal(client.post("/v1/search", json=body), 422, "invalid_input") == message


def test_the_largest_allowed_values_are_taken(client: httpx.Client) -> None:
    answer = client.post("/v1/search", json={"query": "é" * 4096, "k": 1000})
    assert answer.status_code == 200
    assert client.post("/v1/search", json={"queries": ["a walk"] * 32, "k": 1}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"query": "a"', b"query=a", b'{"query": "\xff\xfe"}', b'{"query": "\\ud800"}', b"[" * 100_000],
)
def test_a_body_that_is_not_json_is_400(client: httpx.Client, body: bytes) -> None:
    message = refusal(client.post("/v1/search", content=body, headers=JSON), 400, "malformed_json")
    assert message.startswith("the body is not JSON: ")


def test_nan_and_infinity_are_refused(client: httpx.Client) -> None:
    for value in (b"NaN", b"Infinity", b"1e999"):
        body = b'{"query": "a", "k": ' + value + b"}"
        refusal(client.post("/v1/search", content=body, headers=JSON), 422, "invalid_input")


def test_another_content_type_is_415(client: httpx.Client) -> None:
    message = refusal(client.post("/v1/search", data={"query": "a"}), 415, "not_json")
    assert "'application/x-www-form-urlencoded'; send JSON" in message
    assert refusal(client.post("/v1/search"), 415, "not_json").startswith("there is no Content-Type")


def test_a_body_over_2_mb_is_413_whether_or_not_it_says_its_length(client: httpx.Client) -> None:
    body = b'{"query": "' + b"a" * (2 * 1024 * 1024) + b'"}'
    said = client.post("/v1/search", content=body, headers=JSON)
    assert refusal(said, 413, "body_too_large").startswith("the body has more than 2,097,152 bytes")
    unsaid = client.post("/v1/search", content=iter([body[:1_500_000], body[1_500_000:]]), headers=JSON)
    refusal(unsaid, 413, "body_too_large")


@pytest.mark.parametrize("name", ["dozzen", "../dozen", "/etc/passwd", "", "dozen\n", "x" * 5000])
def test_an_unknown_collection_is_404_and_lists_the_known_ones(client: httpx.Client, name: str) -> None:
    answer = client.post("/v1/search", json={"query": "a", "collection": name})
    message = refusal(answer, 404, "not_found")
    assert message.startswith('no collection is named "')
    assert message.endswith("known: dozen")
    assert len(message) < 120


def test_with_several_collections_one_has_to_be_named(base_of_two: str) -> None:
    message = refusal(httpx.post(f"{base_of_two}/v1/search", json={"query": "a"}, timeout=60), 422, "invalid_input")
    assert message == "this service has 2 collections; say which one: dozen, half"


def test_a_wrong_method_is_405_and_says_the_right_one(client: httpx.Client) -> None:
    answer = client.get("/v1/search")
    assert refusal(answer, 405, "method_not_allowed") == "GET is not possible at /v1/search; use POST"
    assert answer.headers["allow"] == "POST"
    refusal(client.delete("/v1/collections"), 405, "method_not_allowed")


def test_an_unknown_path_is_404(client: httpx.Client) -> None:
    message = refusal(client.get("/v2/search"), 404, "not_found")
    assert message == "there is nothing at /v2/search; /docs lists what there is"


def test_the_callers_request_id_comes_back_unless_it_is_unfit(client: httpx.Client) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": "trace-7.b_1"}).headers["x-request-id"] == "trace-7.b_1"
    for unfit in ("a b", "x" * 65, "<script>"):
        made = client.get("/healthz", headers={"X-Request-ID": unfit}).headers["x-request-id"]
        assert made != unfit
        assert len(made) == 16
    first, second = (client.get("/healthz").headers["x-request-id"] for _ in range(2))
    assert first != second


class Broken:
    """A router that fails inside, with a message that nobody outside should read."""

    experts = ("bm25", "dense")

    def __init__(self, error: Exception) -> None:
        self.error = error

    def scores(self, queries: Queries) -> Any:  # noqa: ARG002  (the seam's signature)
        raise self.error


@pytest.mark.parametrize("error", [ZeroDivisionError("secret /srv/x"), IndexDamaged("secret /srv/x was altered")])
def test_an_internal_failure_is_500_without_its_reason_which_is_logged(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    app = create_app({"dozen": replace(pipeline, router=Broken(error))})
    with running(app) as address, caplog.at_level(logging.ERROR):
        answer = httpx.post(f"{address}/v1/search", json={"query": "a"}, headers={"X-Request-ID": "r1"}, timeout=60)
        message = refusal(answer, 500, "internal")
        assert httpx.get(f"{address}/healthz").status_code == 200
    assert "secret" not in answer.text
    assert message.endswith("under the request id r1")
    assert "request r1: POST /v1/search failed" in caplog.text
    assert "secret /srv/x" in caplog.text


def test_a_service_answers_while_its_collections_are_still_opening(pipeline: Pipeline) -> None:
    may_open = threading.Event()

    def opener() -> Pipeline:
        assert may_open.wait(30)
        return pipeline

    told: list[Exception | None] = []
    with running(create_app({"dozen": opener, "twin": pipeline}, opened=told.append)) as address:
        assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
        sentence = "the service is still opening its collections (1 of 2 are open); ask again soon"
        for answer in (
            httpx.get(f"{address}/readyz"),
            httpx.get(f"{address}/v1/collections"),
            httpx.post(f"{address}/v1/search", json={"query": "a"}),
        ):
            assert refusal(answer, 503, "unavailable") == sentence
            assert answer.headers["retry-after"] == "2"
        may_open.set()
        wait_until(lambda: httpx.get(f"{address}/readyz").status_code == 200)
        assert told == [None]
        answer = httpx.post(f"{address}/v1/search", json={"query": "aspirin", "collection": "dozen"}, timeout=60)
        assert answer.json()["results"][0]["hits"][0]["doc_id"] == "med-3"


def test_a_model_that_does_not_answer_is_503_without_its_address(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app({"dozen": replace(pipeline, router=Broken(EndpointError("http://secret:1 is down")))})
    with running(app) as address, caplog.at_level(logging.WARNING):
        answer = httpx.post(f"{address}/v1/search", json={"query": "a"}, timeout=60)
        refusal(answer, 503, "unavailable")
    assert "secret" not in answer.text
    assert "http://secret:1 is down" in caplog.text


def test_a_collection_that_can_not_be_opened_keeps_the_service_unready(caplog: pytest.LogCaptureFixture) -> None:
    def opener() -> Pipeline:
        raise IndexDamaged("secret /srv/x was altered")

    with running(create_app({"dozen": opener})) as address, caplog.at_level(logging.ERROR):
        wait_until(lambda: "could not be opened" in httpx.get(f"{address}/readyz").text)
        message = refusal(httpx.get(f"{address}/readyz"), 503, "unavailable")
    assert message == "the collection 'dozen' could not be opened; the service's log tells why"
    assert "secret /srv/x" in caplog.text


class Held:
    """A ranker that holds every search until it is let go."""

    def __init__(self) -> None:
        self.go, self.entered = threading.Event(), threading.Event()

    def rerank(self, queries: Queries, run: Run, corpus: Any) -> Run:  # noqa: ARG002  (the seam's signature)
        self.entered.set()
        assert self.go.wait(30)
        return run


def test_more_searches_than_may_wait_are_refused_at_once(pipeline: Pipeline) -> None:
    held = Held()
    app = create_app({"dozen": replace(pipeline, ranker=held)}, threads=1, waiting=1)
    answers: list[int] = []
    with running(app) as address:

        def one() -> None:
            answers.append(httpx.post(f"{address}/v1/search", json={"query": "a"}, timeout=60).status_code)

        first, second = threading.Thread(target=one), threading.Thread(target=one)
        first.start()
        assert held.entered.wait(30)
        second.start()
        refused: list[httpx.Response] = []

        def is_refused() -> bool:
            # Until the second request has arrived, this one may take its place; then it times out and leaves.
            try:
                refused.append(httpx.post(f"{address}/v1/search", json={"query": "a"}, timeout=0.5))
            except httpx.TimeoutException:
                return False
            return True

        wait_until(is_refused)
        message = refusal(refused[0], 503, "unavailable")
        assert message == "2 searches are waiting already; try again in a second"
        assert refused[0].headers["retry-after"] == "1"
        held.go.set()
        first.join(30)
        second.join(30)
    assert 200 in answers


@pytest.mark.parametrize("name", ["", "Upper", "a b", "../x", ".hidden", "x" * 64, "line\n", "ünï"])
def test_a_name_that_may_not_be_served_is_refused(pipeline: Pipeline, name: str) -> None:
    with pytest.raises(ConfigError, match=r"can not be served; use 1 to 63 of a-z"):
        create_app({name: pipeline})


def test_a_service_without_collections_is_refused() -> None:
    with pytest.raises(ConfigError, match="no collection to serve"):
        create_app({})


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
FIELDS = st.sampled_from(["query", "queries", "k", "explain", "collection", "other"])


@given(st.dictionaries(FIELDS, JSON_VALUES) | JSON_VALUES)
def test_any_body_is_either_taken_or_refused_with_one_sentence(body: Any) -> None:
    try:
        taken = SearchRequest.model_validate(body)
    except ValidationError as error:
        message = sentence(error)
        assert message
        assert "\n" not in message
    else:
        assert 1 <= len(taken.texts) <= 32
        assert all(text.strip() for text in taken.texts)
        assert 1 <= taken.k <= 1000
