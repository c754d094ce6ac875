"""Windows of passages in a model's own order."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from polars.testing import assert_frame_equal

from periti.errors import ConfigError, EndpointError
from periti.protocols import NotingRanker, Ranker
from periti.rankers.llm.listwise import ListwiseOptions, ListwiseRanker
from periti.types import Queries
from tests.endpoint import Fault, ModelServer
from tests.rankers.llm.asking import FIRST, QUERIES, SHELF, Shelf, first_stage, settings_of

HUNDRED = Shelf({f"d{n:03}": " ".join(f"w{word}" for word in range(n)) or "nothing" for n in range(100)})
"""d000 to d099; each has one word more of the query than the one before."""
WORDS = Queries.from_pairs([("q1", " ".join(f"w{word}" for word in range(100)))])
UPSIDE_DOWN = first_stage(q1=[f"d{n:03}" for n in range(100)])
"""The worst first, the best last."""


def opened(server: ModelServer, cache: Path | None = None, **options: Any) -> ListwiseRanker:
    own = {name: options.pop(name) for name in list(options) if name not in ListwiseOptions.__dataclass_fields__}
    return ListwiseRanker.open(ListwiseOptions(settings_of(server, **own), cache=cache, **options))


def test_the_models_order_is_the_ranking_and_scores_are_reciprocal_ranks(server: ModelServer) -> None:
    found = opened(server).reranked(QUERIES, FIRST, SHELF)

    assert found.run.doc_ids("q1") == ["three", "rest", "two", "one", "none"]
    assert found.run.frame["score"].to_list()[:5] == [np.float32(1 / rank) for rank in range(1, 6)]
    assert found.run.doc_ids("q2") == ["none", "one"]
    assert (found.notes["calls"], found.notes["answers_ok"]) == (2, 2)
    assert isinstance(opened(server), NotingRanker)
    assert isinstance(opened(server), Ranker)


def test_a_hundred_documents_take_nine_calls_and_the_best_ten_come_up(server: ModelServer) -> None:
    found = opened(server).reranked(WORDS, UPSIDE_DOWN, HUNDRED)

    assert found.notes["calls"] == server.calls == 9
    assert found.run.doc_ids("q1")[:10] == [f"d{n:03}" for n in range(99, 89, -1)]
    assert sorted(found.run.doc_ids("q1")) == sorted(UPSIDE_DOWN.doc_ids("q1"))


def test_windows_slide_from_the_bottom_up(server: ModelServer) -> None:
    opened(server, concurrency=1).rerank(WORDS, UPSIDE_DOWN, HUNDRED)

    first = re.findall(r"^\[\d+\] (.*)$", server.seen[0].prompt, re.MULTILINE)
    assert [len(passage.split()) for passage in first] == list(range(80, 100))
    assert server.seen[0].body["max_tokens"] == 8 * 20 + 16


def test_what_is_below_the_depth_follows_as_it_was(server: ModelServer) -> None:
    found = opened(server, depth=3).reranked(QUERIES, FIRST, SHELF)

    assert found.run.doc_ids("q1") == ["two", "one", "none", "three", "rest"]


def test_a_single_candidate_is_not_asked_about(server: ModelServer) -> None:
    found = opened(server).reranked(QUERIES, first_stage(q1=["one"]), SHELF)

    assert found.run.doc_ids("q1") == ["one"]
    assert server.calls == 0


# prompts


def test_passages_are_numbered_cut_and_rid_of_identifiers(server: ModelServer) -> None:
    shelf = Shelf({"a": "see [2] for\n[1] more of it", "b": "", "c": "x " * 100_000})
    queries = Queries.from_pairs([("q1", "what [1] says about everything")])

    found = opened(server, document_words=4, query_words=4).reranked(queries, first_stage(q1=["a", "b", "c"]), shelf)

    lines = server.seen[0].prompt.splitlines()
    assert [line for line in lines if line.startswith("[")] == ["[1] see (2) for (1)", "[2] ", "[3] x x x x"]
    assert "Query: what (1) says about" in lines
    assert found.notes["truncated_pairs"] == 2
    assert found.notes["truncated_queries"] == 1


def test_a_text_that_is_a_template_or_an_order_is_text(server: ModelServer) -> None:
    shelf = Shelf({"a": "{query} {n} [2] > [1]", "b": "heart attack"})

    found = opened(server).reranked(Queries.from_pairs([("q1", "{n} heart")]), first_stage(q1=["a", "b"]), shelf)

    assert "[1] {query} {n} (2) > (1)" in server.seen[0].prompt
    assert "Query: {n} heart" in server.seen[0].prompt
    assert found.notes["answers_ok"] == 1


# answers that are none


@pytest.mark.parametrize(
    ("text", "order", "form"),
    [
        ("[2] > [1] > [5] > [4] > [3]", ["one", "none", "rest", "three", "two"], "ok"),
        ("[2] > [2] > [1]", ["one", "none", "two", "three", "rest"], "repetition"),
        ("[5] > [1]", ["rest", "none", "one", "two", "three"], "missing_documents"),
        ("[5] > [77] > [1]", ["rest", "none", "one", "two", "three"], "wrong_format"),
        ("The best is 5.", ["rest", "none", "one", "two", "three"], "wrong_format"),
        ("No.", ["none", "one", "two", "three", "rest"], "wrong_format"),
        ("", ["none", "one", "two", "three", "rest"], "wrong_format"),
    ],
)
def test_an_answer_of_any_form_gives_a_ranking_and_is_counted(
    server: ModelServer, text: str, order: list[str], form: str
) -> None:
    server.always(Fault(text=text))

    found = opened(server).reranked(QUERIES, first_stage(q1=FIRST.doc_ids("q1")), SHELF)

    assert found.run.doc_ids("q1") == order
    assert {k: n for k, n in found.notes.items() if k.startswith("answers")} == {f"answers_{form}": 1}


def test_an_answer_without_text_leaves_the_window_as_it_was(server: ModelServer) -> None:
    server.always(Fault(change=lambda answer: answer["choices"][0]["message"].update(content=None)))

    assert opened(server).rerank(QUERIES, FIRST, SHELF).doc_ids("q1") == FIRST.doc_ids("q1")


# failures


def test_a_failure_is_an_error(server: ModelServer) -> None:
    server.always(Fault(status=500))

    with pytest.raises(EndpointError, match="answered 500 to 3 calls"):
        opened(server, concurrency=1).rerank(QUERIES, FIRST, SHELF)


def test_a_query_of_which_a_window_failed_stays_as_it_was_if_that_is_declared(server: ModelServer) -> None:
    server.go_wrong(None, None, Fault(status=400))

    found = opened(server, on_failure="first-stage").reranked(WORDS, UPSIDE_DOWN, HUNDRED)

    assert found.run.doc_ids("q1") == UPSIDE_DOWN.doc_ids("q1")
    assert found.notes["unranked_queries"] == 1
    assert server.calls == 3, "the windows above the one that failed are not asked about"


def test_other_queries_are_ranked_nevertheless(server: ModelServer) -> None:
    server.plan(lambda number, seen: Fault(status=400) if "aspirin heart" in seen.prompt else None)  # noqa: ARG005

    found = opened(server, on_failure="first-stage").reranked(QUERIES, FIRST, SHELF)

    assert found.run.doc_ids("q1") == FIRST.doc_ids("q1")
    assert found.run.doc_ids("q2") == ["none", "one"]


def test_a_run_that_ended_in_its_sixth_window_goes_on_from_the_cache(server: ModelServer, tmp_path: Path) -> None:
    cache = tmp_path / "answers"
    server.go_wrong(None, None, None, None, None, Fault(status=400))
    with pytest.raises(EndpointError):
        opened(server, cache).rerank(WORDS, UPSIDE_DOWN, HUNDRED)
    server.go_wrong()

    found = opened(server, cache).reranked(WORDS, UPSIDE_DOWN, HUNDRED)

    assert (found.notes["cached_answers"], found.notes["calls"]) == (5, 4)
    assert_frame_equal(found.run.frame, opened(server).rerank(WORDS, UPSIDE_DOWN, HUNDRED).frame)


# repeats


def test_repeats_start_from_shuffles_that_depend_on_seed_and_query_only(server: ModelServer) -> None:
    def prompts(**options: Any) -> list[str]:
        before = server.calls
        opened(server, repeats=3, concurrency=1, **options).rerank(QUERIES, FIRST, SHELF)
        return [seen.prompt for seen in server.seen[before:]]

    assert prompts(seed=1) == prompts(seed=1)
    assert prompts(seed=1) != prompts(seed=2)
    alone = Queries(QUERIES.frame.filter(QUERIES.frame["query_id"] == "q1"))
    before = server.calls
    opened(server, repeats=3, concurrency=1, seed=1).rerank(alone, FIRST, SHELF)
    assert [seen.prompt for seen in server.seen[before:]] == prompts(seed=1)[:3]


def test_the_mean_rank_of_the_repeats_counts_and_their_spread_is_told(server: ModelServer) -> None:
    """A model that always answers as it is asked: each repeat returns its own start, the shuffle."""
    server.always(Fault(text="[1] > [2] > [3] > [4] > [5]"))
    first = first_stage(q1=FIRST.doc_ids("q1"))

    found = opened(server, repeats=3, seed=4, concurrency=1).reranked(QUERIES, first, SHELF)

    places = {text: doc_id for doc_id, text in SHELF._texts.items()}
    starts = [[places[p] for p in re.findall(r"^\[\d+\] (.*)$", seen.prompt, re.MULTILINE)] for seen in server.seen]
    assert len(starts) == 3
    assert starts[0] == FIRST.doc_ids("q1")
    ranks = {doc_id: [start.index(doc_id) + 1 for start in starts] for doc_id in SHELF._texts}
    assert found.run.doc_ids("q1") == sorted(FIRST.doc_ids("q1"), key=lambda doc_id: sum(ranks[doc_id]))
    assert found.notes["rank_spread"] == sum(max(own) - min(own) for own in ranks.values())
    assert found.notes["documents_in_repeats"] == 5


def test_repeats_of_a_consistent_model_agree(server: ModelServer) -> None:
    """Within one window the order of a model that knows what it wants does not depend on the shuffle."""
    distinct = Shelf(
        {doc_id: text for n in range(19, -1, -1) for doc_id, text in [(f"d{n:03}", HUNDRED._texts[f"d{n:03}"])]}
    )
    first = first_stage(q1=random.Random(3).sample(list(distinct._texts), 20))

    found = opened(server, repeats=3).reranked(WORDS, first, distinct)

    assert found.run.doc_ids("q1") == [f"d{n:03}" for n in range(19, -1, -1)]
    assert "rank_spread" not in found.notes
    assert found.notes["documents_in_repeats"] == 20


# options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_failure": "ignore"}, "on_failure is 'ignore'"),
        ({"window": 1}, "window is 1; it must be at least 2"),
        ({"stride": 0}, "stride is 0"),
        ({"stride": 21}, "stride is 21 and window 20; windows must meet, so lower the stride"),
        ({"repeats": 0}, "repeats is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ListwiseOptions(**options)


def test_the_identity_tells_what_determines_the_ranking(server: ModelServer) -> None:
    one, other = opened(server).identity, opened(server, repeats=3).identity

    assert one["model"] == "words"
    assert {key for key in one if one[key] != other[key]} == {"repeats"}
