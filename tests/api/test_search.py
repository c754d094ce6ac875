from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from periti.pipeline import Pipeline
from periti.types import Queries
from tests.api.conftest import DOCUMENTS, QUESTIONS


def ask(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/search", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(result: dict[str, Any]) -> list[str]:
    return [hit["doc_id"] for hit in result["hits"]]


def test_a_question_finds_its_document_with_title_text_and_metadata(client: httpx.Client) -> None:
    answer = ask(client, query="aspirin against headaches", k=3)
    assert answer["collection"] == "dozen"
    assert answer["k"] == 3
    first = answer["results"][0]["hits"][0]
    assert first["rank"] == 1
    assert first["doc_id"] == "med-3"
    assert first["title"] == "Aspirin"
    assert first["text"] == "Aspirin thins the blood and relieves headaches."
    assert first["metadata"] == {"year": 1899, "form": "tablet"}
    assert [hit["rank"] for hit in answer["results"][0]["hits"]] == [1, 2, 3]


def test_without_explain_nothing_is_explained(client: httpx.Client) -> None:
    answer = ask(client, query="aspirin", k=1)
    assert set(answer) == {"collection", "k", "ms", "results"}
    assert set(answer["results"][0]) == {"query", "hits"}
    assert set(answer["results"][0]["hits"][0]) == {"rank", "score", "doc_id", "title", "text", "metadata"}


def test_the_answer_is_the_pipelines_own(client: httpx.Client, pipeline: Pipeline) -> None:
    for question in QUESTIONS:
        run = pipeline.search(Queries.from_pairs([("q", question)]), 5)
        hits = ask(client, query=question, k=5)["results"][0]["hits"]
        assert [hit["doc_id"] for hit in hits] == run.doc_ids("q")
        assert [hit["score"] for hit in hits] == pytest.approx(run.frame["score"].to_list())


def test_explain_names_the_plan_the_steps_and_who_found_what(client: httpx.Client, pipeline: Pipeline) -> None:
    question = "vitamin falls"
    answer = ask(client, query=question, k=12, explain=True)
    assert [step["step"] for step in answer["steps"]] == ["route", "retrieve:bm25", "retrieve:dense", "fuse", "rerank"]
    assert all(step["ms"] >= 0 for step in answer["steps"])
    explanation = answer["results"][0]["explanation"]
    assert explanation["plan"] == [{"expert": "bm25", "weight": 1.0}, {"expert": "dense", "weight": 1.0}]
    # Only one document holds the words; every document has a vector.
    assert explanation["counts"] == {
        "retrieve:bm25": 1, "retrieve:dense": 12, "fuse": 12, "rerank": 12, "returned": 12,
    }  # fmt: skip
    for hit in answer["results"][0]["hits"]:
        assert set(hit["experts"]) == ({"bm25", "dense"} if hit["doc_id"] == "med-1" else {"dense"})
        score = sum(1 / (60 + found["rank"]) for found in hit["experts"].values())
        assert hit["score"] == pytest.approx(score, rel=1e-6)
    dense = pipeline.only("dense").search(Queries.from_pairs([("q", question)]), 12).frame
    told = {hit["doc_id"]: (hit["experts"]["dense"]["rank"], hit["experts"]["dense"]["score"])
            for hit in answer["results"][0]["hits"]}  # fmt: skip
    for doc_id, rank, score in dense.select("doc_id", "rank", "score").iter_rows():
        assert told[doc_id] == (rank, pytest.approx(score))


def test_explaining_does_not_change_the_answer(client: httpx.Client) -> None:
    plain = ask(client, queries=QUESTIONS, k=7)
    explained = ask(client, queries=QUESTIONS, k=7, explain=True)
    assert list(map(ids, plain["results"])) == list(map(ids, explained["results"]))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(st.sampled_from(QUESTIONS), min_size=1, max_size=12), k=st.integers(1, 12))
def test_a_question_has_the_same_answer_alone_and_in_any_batch(client: httpx.Client, batch: list[str], k: int) -> None:
    together = ask(client, queries=batch, k=k)["results"]
    assert [result["query"] for result in together] == batch
    for question, result in zip(batch, together, strict=True):
        assert ask(client, query=question, k=k)["results"][0] == result


def test_k_larger_than_the_collection_returns_every_document_once(client: httpx.Client) -> None:
    found = ids(ask(client, query="whales", k=1000)["results"][0])
    assert sorted(found) == sorted(document.doc_id for document in DOCUMENTS)


def test_a_question_without_known_words_still_gets_an_answer_in_order(base_of_two: str) -> None:
    with httpx.Client(base_url=base_of_two, timeout=60) as client:
        answer = ask(client, collection="half", queries=["xyzzy", "vitamin"], explain=True)
    assert ids(answer["results"][0]) == []
    assert answer["results"][0]["explanation"]["counts"]["returned"] == 0
    assert ids(answer["results"][1]) == ["med-1"]


@pytest.mark.parametrize("text", ["\u0000vitamin", "vitamin 😀", "维生素", "vitamin " * 1000, "' OR 1=1 --", '+("~*'])
def test_odd_texts_are_searched_like_any_other(client: httpx.Client, text: str) -> None:
    assert len(ask(client, query=text, k=3)["results"][0]["hits"]) == 3


def test_32_parallel_requests_get_what_they_get_one_after_another(base_of_two: str) -> None:
    bodies = [
        {"collection": ("dozen", "half")[place % 2], "query": QUESTIONS[place % 8], "k": 5, "explain": True}
        for place in range(96)
    ]
    with httpx.Client(base_url=base_of_two, timeout=60, limits=httpx.Limits(max_connections=32)) as client:
        serial = [ask(client, **body)["results"] for body in bodies]
        with ThreadPoolExecutor(32) as pool:
            parallel = list(pool.map(lambda body: ask(client, **body)["results"], bodies))
    assert parallel == serial


def test_the_event_loop_is_free_while_searches_run(base: str) -> None:
    with httpx.Client(base_url=base, timeout=60) as client, ThreadPoolExecutor(4) as pool:
        began = time.monotonic()
        batches = [pool.submit(ask, client, queries=["vitamin " * 900] * 4, k=12) for _ in range(4)]
        took = []
        while not all(batch.done() for batch in batches):
            took.append(client.get("/healthz").elapsed.total_seconds())
        seconds = time.monotonic() - began
        assert all(batch.result()["results"] for batch in batches)
    # Were a search run on the event loop, one of these answers would have waited for it: a quarter of the time.
    assert len(took) > 10
    assert max(took) < seconds / 6
