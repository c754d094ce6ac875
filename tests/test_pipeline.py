"""Route, retrieve, fuse, rerank, cut: a search as a whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from periti.config import read_pipeline_config
from periti.errors import ConfigError, IndexMissing, InputError, UnknownName
from periti.pipeline import Pipeline, open_pipeline
from periti.protocols import Vectors
from periti.rankers.fusion import ReciprocalRankFusion
from periti.rankers.identity import IdentityRanker
from periti.retrievers.experts import Expert
from periti.retrievers.policies import AllExperts
from periti.retrievers.routers import ConstantRouter
from periti.types import PLAN, Plan, Queries, Run
from tests.tiny import DOCUMENTS, QUERIES, Tiny

REPOSITORY = Path(__file__).parents[1]


class Fixed:
    """A retriever whose answers are written down: letters per query, best first, scored 10, 9, 8, ..."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.answers = answers

    def retrieve(self, queries: Queries, depth: int) -> Run:
        rows = [
            (query_id, doc_id, 10.0 - i)
            for query_id in queries.ids
            for i, doc_id in enumerate(self.answers.get(query_id, "")[:depth])
        ]
        schema = {"query_id": pl.String, "doc_id": pl.String, "score": pl.Float32}
        return Run.of(pl.DataFrame(rows, schema=schema, orient="row"), "fixed")


def panel(tiny: Tiny, *experts: Expert, depth: int = 1000) -> Pipeline:
    return Pipeline(
        name="panel",
        experts={expert.name: expert for expert in experts},
        router=ConstantRouter(experts),
        policy=AllExperts(),
        fusion=ReciprocalRankFusion(),
        ranker=IdentityRanker(),
        corpus=tiny.docstore,
        depth=depth,
    )


TWO = Queries.from_pairs([("q2", "two"), ("q1", "one")])
X = Fixed({"q1": "abc", "q2": "xy"})
Y = Fixed({"q1": "ca"})


# on written-down answers


def test_the_answers_of_two_experts_are_fused_by_reciprocal_rank(tiny: Tiny) -> None:
    run = panel(tiny, Expert("x", X), Expert("y", Y)).search(TWO)

    # q1: a = 1/61 + 1/62, c = 1/63 + 1/61, b = 1/62; q2: only x answered.
    assert run.name == "panel"
    assert run.doc_ids("q1") == ["a", "c", "b"]
    assert run.frame["score"].to_list() == pytest.approx(
        [1 / 61 + 1 / 62, 1 / 63 + 1 / 61, 1 / 62, 1 / 61, 1 / 62], rel=1e-6
    )
    assert run.doc_ids("q2") == ["x", "y"]


def test_an_expert_s_weight_counts_in_the_fusion(tiny: Tiny) -> None:
    run = panel(tiny, Expert("x", X), Expert("y", Y, weight=4.0)).search(TWO)

    # a = 1/61 + 4/62 = 0.0809, c = 1/63 + 4/61 = 0.0814
    assert run.doc_ids("q1") == ["c", "a", "b"]


def test_each_expert_is_asked_for_its_own_depth_whatever_k_is(tiny: Tiny) -> None:
    run = panel(tiny, Expert("x", X, depth=1), Expert("y", Y)).search(TWO, k=10)

    assert run.doc_ids("q1") == ["a", "c"], "b is beyond the depth of x"


def test_the_ranker_sees_the_pipeline_s_depth(tiny: Tiny) -> None:
    assert panel(tiny, Expert("x", X), depth=2).search(TWO, k=10).doc_ids("q1") == ["a", "b"]


def test_an_expert_alone_keeps_its_scores(tiny: Tiny) -> None:
    assert panel(tiny, Expert("x", X)).search(TWO).frame["score"].to_list() == [10, 9, 8, 10, 9]


def test_the_trace_holds_every_step_with_its_output_and_time(tiny: Tiny) -> None:
    run, trace = panel(tiny, Expert("y", Y), Expert("x", X)).explain(TWO, k=1)

    assert [step.name for step in trace.steps] == ["route", "retrieve:x", "retrieve:y", "fuse", "rerank"]
    assert all(step.seconds >= 0 for step in trace.steps)
    route, words, fused = (trace.step(name).output for name in ("route", "retrieve:x", "fuse"))
    assert isinstance(route, Plan)
    assert route.experts == ["x", "y"]
    assert isinstance(words, Run)
    assert words.doc_ids("q1") == ["a", "b", "c"]
    assert isinstance(fused, Run)
    assert fused.doc_ids("q1") == ["a", "c", "b"]
    assert run.doc_ids("q1") == ["a"]


def test_the_trace_counts_queries_that_an_expert_could_not_answer(tiny: Tiny) -> None:
    trace = panel(tiny, Expert("x", X), Expert("y", Y)).explain(TWO)[1]

    assert trace.step("retrieve:x").notes == {}
    assert trace.step("retrieve:y").notes == {"unanswered_queries": 1}


def test_the_trace_counts_queries_that_an_encoder_does_not_read_to_their_end(tiny: Tiny) -> None:
    # MiniLM reads 256 tokens, two of them its own: of 300 words "cat" it leaves out 300 + 2 - 256.
    queries = Queries.from_pairs([("short", "cat"), ("long", "cat " * 300)])
    trace = tiny.pipeline.explain(queries)[1]

    assert trace.step("retrieve:dense").notes == {"truncated_queries": 1, "truncated_tokens": 46}
    assert trace.step("retrieve:bm25").notes == {}


def test_some_of_the_experts_can_be_asked_alone(tiny: Tiny) -> None:
    whole = panel(tiny, Expert("x", X), Expert("y", Y))

    assert whole.only("y").search(TWO).frame.rows() == [("q1", "c", 10.0, 1), ("q1", "a", 9.0, 2)]
    assert whole.only("y").name == "y"
    assert whole.only("y", "x").name == "y+x"
    assert_frame_equal(whole.only("y", "x").search(TWO).frame, whole.search(TWO).frame)


def test_an_expert_that_is_not_on_the_panel_can_not_be_asked(tiny: Tiny) -> None:
    with pytest.raises(UnknownName, match=r"pipeline 'panel' has no expert 'words'; .*known: word, x"):
        panel(tiny, Expert("x", X), Expert("word", Y)).only("words")


def test_a_router_that_names_an_absent_expert_is_refused(tiny: Tiny) -> None:
    whole = panel(tiny, Expert("lexical", X))

    with pytest.raises(
        ConfigError, match="the router knows the expert 'lexicl', which is not on the panel; did you mean"
    ):
        replace(whole, router=ConstantRouter([Expert("lexicl", X)]))


@pytest.mark.parametrize("k", [0, -5, 10_001])
def test_k_out_of_range_is_refused(tiny: Tiny, k: int) -> None:
    with pytest.raises(InputError, match=f"k is {k}; it must be between 1 and 10,000"):
        tiny.pipeline.search(TWO, k)


def test_no_queries_are_refused(tiny: Tiny) -> None:
    with pytest.raises(InputError, match="no queries were given; give at least one"):
        tiny.pipeline.search(Queries.from_pairs([]))


class FirstLetter:
    """A policy that sends each query to one expert, named by the first letter of its text."""

    def select(self, queries: Queries, experts: Sequence[str], scores: Vectors) -> Plan:  # noqa: ARG002
        rows = [(query_id, text[0], 1.0) for query_id, text in zip(queries.ids, queries.texts, strict=True)]
        return Plan.of(pl.DataFrame(rows, schema=PLAN, orient="row"), queries)


def test_a_query_has_the_same_scores_whoever_else_is_asked_in_its_batch(tiny: Tiny) -> None:
    pipeline = replace(panel(tiny, Expert("x", X), Expert("y", Fixed({"q2": "zw"}))), policy=FirstLetter())
    both = Queries.from_pairs([("q1", "x please"), ("q2", "y please")])

    together = pipeline.search(both).frame
    alone = [pipeline.search(Queries(both.frame.slice(i, 1))).frame for i in (0, 1)]

    assert together["doc_id"].to_list() == ["a", "b", "c", "z", "w"]
    assert_frame_equal(pl.concat(alone), together)


# on the tiny collection


@pytest.mark.parametrize("experts", [(), ("bm25",), ("dense",)])
def test_a_query_has_the_same_answer_alone_in_a_batch_and_in_any_order(tiny: Tiny, experts: tuple[str, ...]) -> None:
    pipeline = tiny.pipeline.only(*experts) if experts else tiny.pipeline
    pairs = [*zip(QUERIES.ids, QUERIES.texts, strict=True), *((f"d{i}", DOCUMENTS[i].text) for i in range(6))]
    whole = pipeline.search(Queries.from_pairs(pairs), 15).frame

    shuffled = pipeline.search(
        Queries.from_pairs([pairs[i] for i in np.random.default_rng(3).permutation(len(pairs))]), 15
    )
    alone = pl.concat([pipeline.search(Queries.from_pairs([pair]), 15).frame for pair in pairs]).sort(
        "query_id", "rank"
    )

    assert_frame_equal(shuffled.frame, whole)
    assert_frame_equal(alone, whole)


def test_the_list_for_k_is_the_beginning_of_the_list_for_more(tiny: Tiny) -> None:
    whole = tiny.pipeline.search(QUERIES, 30)

    for k in (1, 2, 3, 4, 5, 9, 17, 29):
        assert_frame_equal(tiny.pipeline.search(QUERIES, k).frame, whole.top(k).frame)


def test_the_hybrid_is_the_fusion_of_its_parts(tiny: Tiny) -> None:
    run, trace = tiny.pipeline.explain(QUERIES, 30)
    parts = {name: tiny.pipeline.only(name).search(QUERIES, 1000) for name in ("bm25", "dense")}
    plan = trace.step("route").output
    assert isinstance(plan, Plan)

    expected = ReciprocalRankFusion().fuse(parts, plan).top(30)

    assert_frame_equal(run.frame, expected.frame)


def test_the_hybrid_finds_what_a_reader_would_expect(tiny: Tiny) -> None:
    run = tiny.pipeline.search(QUERIES, 3)

    assert set(run.doc_ids("q-heart")[:2]) == {"med-0", "med-3"}
    assert run.doc_ids("q-breach")[0] == "law-3"
    assert run.doc_ids("q-cat")[0] == "zoo-2"
    assert run.doc_ids("q-twins") == ["twin-d", "twin-c", "twin-b"]
    assert len(run.doc_ids("q-none")) == 3, "dense search answers what words can not"


def test_searching_leaves_the_queries_as_they_were(tiny: Tiny) -> None:
    queries = Queries(QUERIES.frame.clone())

    tiny.pipeline.search(queries, 5)

    assert_frame_equal(queries.frame, QUERIES.frame)


def test_a_pipeline_opens_from_a_folder_a_file_and_a_configuration_alike(tiny: Tiny) -> None:
    file = tiny.folder / "periti.toml"
    expected = tiny.pipeline.search(QUERIES, 5).frame

    for source in (file, str(tiny.folder), read_pipeline_config(file)):
        assert_frame_equal(open_pipeline(source).search(QUERIES, 5).frame, expected)


def test_a_pipeline_over_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration at .*nothing"):
        open_pipeline(tmp_path / "nothing")


def test_a_pipeline_whose_index_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "periti.toml").write_text(
        'name = "x"\ndocstore = "docs"\n[experts.words]\nretriever = "lexical"\nindex = "words"\n'
    )

    with pytest.raises(IndexMissing, match=r"no finished docstore index at .*docs"):
        open_pipeline(tmp_path)


# JVM, torch and FAISS in one process

MIXED = """
import random, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from periti.pipeline import open_pipeline
from periti.types import Queries
from tests.tiny import DOCUMENTS, QUERIES

whole = open_pipeline(Path(sys.argv[1]))
pipelines = [whole, whole.only("bm25"), whole.only("dense")]
texts = QUERIES.texts + [document.text for document in DOCUMENTS[:int(sys.argv[3])]]
batches = [Queries.from_pairs([(f"q{i}", texts[i])]) for i in range(len(texts))]
def ask(job):
    which, batch = job
    return pipelines[which].search(batches[batch], 10).frame.rows()
jobs = [(which, batch) for which in range(3) for batch in range(len(batches))]
expected = {job: ask(job) for job in jobs}
searches = [random.Random(i).choice(jobs) for i in range(int(sys.argv[2]))]
with ThreadPoolExecutor(8) as pool:
    for job, found in zip(searches, pool.map(ask, searches)):
        if found != expected[job]:
            sys.exit(f"search {job} differed: {found[:3]} instead of {expected[job][:3]}")
print("identical", len(searches))
"""


def mixed(tiny: Tiny, searches: int, texts: int) -> str:
    """What eight threads of mixed searches say; in a process of its own, so that a crash is a failing test."""
    command = [sys.executable, "-X", "faulthandler", "-c", MIXED, str(tiny.folder), str(searches), str(texts)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=550)
    assert done.returncode == 0, f"exit status {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout


def test_eight_threads_of_mixed_searches_give_identical_answers(tiny: Tiny) -> None:
    assert mixed(tiny, searches=120, texts=3) == "identical 120\n"


@pytest.mark.slow
def test_two_thousand_mixed_searches_on_eight_threads_give_identical_answers(tiny: Tiny) -> None:
    assert mixed(tiny, searches=2000, texts=18) == "identical 2000\n"
