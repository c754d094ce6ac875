"""All ordered pairs of the top, summed up both ways round."""

from __future__ import annotations

import math
from typing import Any

import pytest

from periti.errors import ConfigError, EndpointError
from periti.rankers.llm.pairwise import PairwiseOptions, PairwiseRanker
from tests.endpoint import Fault, ModelServer
from tests.rankers.llm.asking import FIRST, QUERIES, SHELF, Shelf, first_stage, settings_of


def opened(server: ModelServer, **options: Any) -> PairwiseRanker:
    own = {name: options.pop(name) for name in list(options) if name not in PairwiseOptions.__dataclass_fields__}
    return PairwiseRanker.open(PairwiseOptions(settings_of(server, **own), **options))


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_scores_are_the_symmetric_sum_over_the_pairs(server: ModelServer) -> None:
    """Documents with 0, 1 and 2 words of the query: p = logistic(difference), so s = 2 Σ p."""
    found = opened(server).reranked(QUERIES, first_stage(q1=["none", "one", "two"]), SHELF)

    assert found.run.doc_ids("q1") == ["two", "one", "none"]
    expected = [
        2 * (logistic(1) + logistic(2)),
        2 * (logistic(1) + logistic(-1)),
        2 * (logistic(-1) + logistic(-2)),
    ]
    assert found.run.frame["score"].to_list() == pytest.approx(expected, abs=1e-6)
    assert found.notes["calls"] == 6


def test_a_model_that_always_prefers_the_first_prefers_nobody(server: ModelServer) -> None:
    """The bias cancels, and ties are broken by first-stage rank."""
    entries = [{"token": "yes", "logprob": -0.1}, {"token": "no", "logprob": -5.0}]
    biased = {"content": [{**entries[0], "top_logprobs": entries}]}
    server.always(Fault(change=lambda answer: answer["choices"][0].update(logprobs=biased)))

    found = opened(server).rerank(QUERIES, FIRST, SHELF)

    assert found.doc_ids("q1") == FIRST.doc_ids("q1")


def test_documents_of_one_text_stay_in_order(server: ModelServer) -> None:
    twins = {f"t{n}": "a heart attack and aspirin" for n in (3, 1, 4, 0, 5, 9, 2, 6)}

    found = opened(server).rerank(QUERIES, first_stage(q1=["one", *twins, "none"]), Shelf({**SHELF._texts, **twins}))

    assert found.doc_ids("q1") == [*twins, "one", "none"]


def test_only_the_top_is_compared(server: ModelServer) -> None:
    found = opened(server, depth=3).reranked(QUERIES, FIRST, SHELF)

    assert found.run.doc_ids("q1") == ["two", "one", "none", "three", "rest"]
    assert found.notes["calls"] == 3 * 2 + 2 * 1


def test_a_single_candidate_is_not_asked_about(server: ModelServer) -> None:
    assert opened(server).rerank(QUERIES, first_stage(q1=["one"]), SHELF).doc_ids("q1") == ["one"]
    assert server.calls == 0


def test_a_failure_is_an_error_or_the_declared_fallback(server: ModelServer) -> None:
    server.plan(lambda number, seen: Fault(status=400) if "risk" in seen.prompt else None)  # noqa: ARG005

    with pytest.raises(EndpointError, match="answered 400"):
        opened(server).rerank(QUERIES, FIRST, SHELF)
    found = opened(server, on_failure="first-stage").reranked(QUERIES, FIRST, SHELF)
    assert found.run.doc_ids("q1") == FIRST.doc_ids("q1")
    assert found.run.doc_ids("q2") == ["none", "one"]
    assert found.notes["unranked_queries"] == 1


def test_the_prompt_needs_its_three_places() -> None:
    with pytest.raises(ConfigError, match=r"each of {query}, {first}, {second} once; mend it"):
        PairwiseOptions(prompt="{query} {first}")
