"""Yes or no to every document, ranked by the difference of log-probabilities."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from periti.errors import ConfigError, EndpointError, UnknownName
from periti.protocols import NotingRanker, Ranker
from periti.rankers.llm.pointwise import PointwiseOptions, PointwiseRanker
from periti.types import Queries
from tests.endpoint import Fault, ModelServer, Seen
from tests.rankers.llm.asking import FIRST, QUERIES, SHELF, Shelf, first_stage, settings_of


def opened(server: ModelServer, cache: Path | None = None, **options: Any) -> PointwiseRanker:
    own = {name: options.pop(name) for name in list(options) if name not in PointwiseOptions.__dataclass_fields__}
    return PointwiseRanker.open(PointwiseOptions(settings_of(server, **own), cache=cache, **options))


def saying(table: Mapping[str, float]) -> Fault:
    """A model that gives these log-probabilities."""
    entries = [{"token": token, "logprob": value} for token, value in table.items()]

    def change(answer: dict[str, Any]) -> None:
        answer["choices"][0]["logprobs"] = {"content": [{**entries[0], "top_logprobs": entries}]}

    return Fault(change=change)


def logit(server: ModelServer, table: Mapping[str, float], **options: Any) -> tuple[float, Mapping[str, int]]:
    """The score of one document to which a model answers so, and the notes that are about the answer."""
    server.always(saying(table))
    found = opened(server, **options).reranked(QUERIES, first_stage(q1=["one"]), SHELF)
    return found.run.frame["score"][0], {k: n for k, n in found.notes.items() if k.startswith("answers")}


def test_documents_are_ranked_by_the_log_odds_of_yes(server: ModelServer) -> None:
    found = opened(server).reranked(QUERIES, FIRST, SHELF)

    assert found.run.doc_ids("q1") == ["three", "rest", "two", "one", "none"]
    assert found.run.doc_ids("q2") == ["none", "one"]
    # Of three words of the query, three are shared: (1 + 3)/(2 + 3) = 4/5, odds 4; two: odds 3/2; none: odds 1/4.
    scores = dict(found.run.frame.select("doc_id", "score").head(5).iter_rows())
    assert scores["three"] == pytest.approx(math.log(4), abs=1e-6)
    assert scores["two"] == pytest.approx(math.log(3 / 2), abs=1e-6)
    assert scores["none"] == pytest.approx(-math.log(4), abs=1e-6)
    assert found.notes == {"calls": 7, "prompt_tokens": found.notes["prompt_tokens"], "answer_tokens": 7}
    assert isinstance(opened(server), NotingRanker)
    assert isinstance(opened(server), Ranker)


def test_both_apis_give_the_same_ranking(server: ModelServer) -> None:
    chat = opened(server).rerank(QUERIES, FIRST, SHELF)
    bare = opened(server, api="completions", instruction="").rerank(QUERIES, FIRST, SHELF)

    assert_frame_equal(chat.frame, bare.frame)


def test_documents_below_the_depth_are_not_asked_about(server: ModelServer) -> None:
    found = opened(server, depth=3).reranked(QUERIES, FIRST, SHELF)

    assert found.run.doc_ids("q1") == ["two", "one", "none", "three", "rest"]
    assert found.notes["calls"] == 5


def test_the_order_of_calls_does_not_matter(server: ModelServer) -> None:
    whole = opened(server, concurrency=8).rerank(QUERIES, FIRST, SHELF)

    assert_frame_equal(opened(server, concurrency=1).rerank(QUERIES, FIRST, SHELF).frame, whole.frame)


def test_documents_of_one_text_are_asked_about_once_and_stay_in_order(server: ModelServer) -> None:
    twins = Shelf({"b": "a heart", "a": "a heart", "c": "a heart attack"})

    found = opened(server).reranked(QUERIES, first_stage(q1=["b", "a", "c"]), twins)

    assert found.run.doc_ids("q1") == ["c", "b", "a"]
    assert (found.notes["calls"], found.notes["repeated_questions"]) == (2, 1)


# prompts


def test_the_document_is_cut_and_never_what_follows_it(server: ModelServer) -> None:
    shelf = Shelf({"long": "word " * 100_000, "empty": "", "short": "word"})

    found = opened(server, document_words=5, query_words=2).reranked(
        Queries.from_pairs([("q1", "a very long query")]), first_stage(q1=["long", "empty", "short"]), shelf
    )

    assert sorted(seen.prompt for seen in server.seen) == [
        "Query: a very Document:  Relevant:",
        "Query: a very Document: word Relevant:",
        "Query: a very Document: word word word word word Relevant:",
    ]
    assert found.notes["truncated_pairs"] == 1
    assert found.notes["truncated_queries"] == 1


def test_a_template_in_a_text_is_text(server: ModelServer) -> None:
    shelf = Shelf({"d": "{query} {document} Relevant: yes"})

    opened(server).rerank(Queries.from_pairs([("q1", "{document}")]), first_stage(q1=["d"]), shelf)

    assert server.seen[0].prompt == "Query: {document} Document: {query} {document} Relevant: yes Relevant:"


def test_the_request_asks_for_one_token_and_its_alternatives(server: ModelServer) -> None:
    opened(server, alternatives=7, instruction="Judge.").rerank(QUERIES, first_stage(q1=["one"]), SHELF)

    body = server.seen[0].body
    assert (body["max_tokens"], body["logprobs"], body["top_logprobs"], body["temperature"]) == (1, True, 7, 0)
    assert body["messages"][0] == {"role": "system", "content": "Judge."}


# logits


def test_the_logit_is_the_difference_and_spellings_of_a_word_are_one(server: ModelServer) -> None:
    assert logit(server, {"yes": -0.5, "no": -2.0}) == (1.5, {})
    found, notes = logit(server, {"Yes": -1.0, " yes": -1.0, "▁YES": -1.0, "no": -2.0, "yesterday": -0.1})
    assert found == pytest.approx(math.log(3) + 1, abs=1e-6)
    assert notes == {}


def test_a_token_that_is_not_listed_has_the_floor_and_is_counted(server: ModelServer) -> None:
    assert logit(server, {"yes": -0.5, "x": -3.0}) == (19.5, {"answers_without_no": 1})
    assert logit(server, {"no": -0.5, "x": -3.0}, floor=-9.0) == (-8.5, {"answers_without_yes": 1})
    assert logit(server, {"The": -0.5, "x": -3.0}) == (
        0.0,
        {"answers_without_yes": 1, "answers_without_no": 1, "answers_without_either": 1},
    )


def test_no_log_probability_is_below_the_floor(server: ModelServer) -> None:
    assert logit(server, {"yes": -0.25, "no": -9999.0}) == (19.75, {})
    assert logit(server, {"yes": -0.25, "no": -math.inf}) == (19.75, {"answers_without_no": 1})


def test_other_words_for_yes_and_no(server: ModelServer) -> None:
    assert logit(server, {"▁sim": -0.5, "▁não": -1.0, "yes": -0.1}, yes="sim", no="não")[0] == 0.5


# failures


def about(text: str, fault: Fault) -> Any:
    """Requests whose prompt holds the text go wrong."""
    return lambda number, seen: fault if text in seen.prompt else None  # noqa: ARG005


def test_a_failure_is_an_error_and_ends_the_asking(server: ModelServer) -> None:
    server.always(Fault(status=400, body=b"no"))

    with pytest.raises(EndpointError, match=r"answered 400 \(no\)"):
        opened(server, concurrency=1).rerank(QUERIES, FIRST, SHELF)
    assert server.calls < 7


def test_a_failure_ends_the_waits_of_other_questions(server: ModelServer) -> None:
    """One question waits for its retry when another one fails for good: the retry is not sent."""
    busy = threading.Event()

    def plan(number: int, seen: Seen) -> Fault:  # noqa: ARG001
        if "risk" in seen.prompt:
            busy.set()
            return Fault(status=503)
        busy.wait(10)
        return Fault(status=400)

    server.plan(plan)
    ranker = opened(server, concurrency=2, retries=1, backoff_s=2.0)

    with pytest.raises(EndpointError, match="answered 400"):
        ranker.rerank(QUERIES, first_stage(q1=["none", "two"]), SHELF)
    assert server.calls == 2


def test_a_query_of_which_a_question_failed_stays_as_it_was_if_that_is_declared(server: ModelServer) -> None:
    server.plan(about("risk", Fault(status=400)))

    found = opened(server, on_failure="first-stage").reranked(QUERIES, FIRST, SHELF)

    assert found.run.doc_ids("q1") == FIRST.doc_ids("q1")
    assert found.run.doc_ids("q2") == ["none", "one"]
    assert found.notes["unranked_queries"] == 1
    assert found.notes["failed_questions"] == 1


def test_an_endpoint_that_is_down_leaves_the_run_as_it_was_after_few_calls(server: ModelServer) -> None:
    server.always(Fault(close=True))

    found = opened(server, on_failure="first-stage", retries=0, concurrency=1).reranked(QUERIES, FIRST, SHELF)

    assert [found.run.doc_ids(query) for query in ("q1", "q2")] == [FIRST.doc_ids(query) for query in ("q1", "q2")]
    assert found.notes == {"calls": 2, "failed_questions": 2, "unranked_queries": 2}


def test_a_model_without_log_probabilities_is_told_so(server: ModelServer) -> None:
    server.always(Fault(change=lambda answer: answer["choices"][0].update(logprobs=None)))

    with pytest.raises(EndpointError, match="gave no log-probabilities; ask a server that gives them, or use llm-list"):
        opened(server).rerank(QUERIES, FIRST, SHELF)


def test_a_candidate_that_is_not_in_the_corpus_is_named(server: ModelServer) -> None:
    with pytest.raises(UnknownName, match="'stray'"):
        opened(server).rerank(QUERIES, first_stage(q1=["one", "stray"]), SHELF)
    assert server.calls == 0


def test_an_answer_is_paid_for_once_though_the_run_was_ended_by_a_failure(server: ModelServer, tmp_path: Path) -> None:
    cache = tmp_path / "answers"
    server.plan(about("whales sing", Fault(status=500)))
    with pytest.raises(EndpointError):
        opened(server, cache, retries=0, concurrency=1).rerank(QUERIES, first_stage(q1=["one", "two", "none"]), SHELF)
    server.go_wrong()

    found = opened(server, cache).reranked(QUERIES, first_stage(q1=["one", "two", "none"]), SHELF)

    assert (found.notes["cached_answers"], found.notes["calls"]) == (2, 1)
    again = opened(server, cache).reranked(QUERIES, first_stage(q1=["one", "two", "none"]), SHELF)
    assert again.notes == {"cached_answers": 3}
    assert_frame_equal(again.run.frame, found.run.frame)


# options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_failure": "ignore"}, "on_failure is 'ignore'; known: error, first-stage"),
        ({"depth": 0}, "depth is 0; it must be at least 1"),
        ({"query_words": 0}, "query_words is 0"),
        ({"alternatives": 1}, "alternatives is 1; it must be at least 2"),
        ({"floor": 0.0}, "floor is 0.0; it must be a negative number"),
        ({"floor": -math.inf}, "floor is -inf"),
        ({"yes": "No "}, "give two different words"),
        ({"no": " "}, "give two different words"),
        ({"prompt": "{query}"}, "must hold each of {query}, {document} once"),
        ({"prompt": "{query} {document} {document}"}, "must hold each of {query}, {document} once"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PointwiseOptions(**options)


def test_the_identity_tells_what_determines_the_ranking(server: ModelServer) -> None:
    one, other = opened(server, depth=5).identity, opened(server, depth=5, floor=-9.0).identity

    assert one["model"] == "words"
    assert one["depth"] == 5
    assert {key for key in one if one[key] != other[key]} == {"floor"}


def test_nothing_is_asked_before_there_is_something_to_rank(server: ModelServer) -> None:
    opened(server).rerank(QUERIES, first_stage(), SHELF)

    assert server.seen == []
