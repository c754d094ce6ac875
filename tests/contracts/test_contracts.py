"""What every registered component keeps: determinism, independence of the batch, its schema, its inputs untouched."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from periti.protocols import Encoder, Fusion, NotingRanker, Policy, Ranker, Retriever, Router
from periti.rankers.reranking import PairRanker
from periti.registry import (
    ENCODERS,
    FAMILIES,
    FUSIONS,
    POLICIES,
    RANKERS,
    RETRIEVERS,
    ROUTERS,
    SELECTORS,
    Registry,
)
from periti.types import PLAN, RUN, SCORED, Document, Plan, Queries, Run
from tests.contracts.builders import BUILDERS, build
from tests.tiny import QUERIES, Tiny

# Encoders are functions, selectors are their own options (test_selectors.py).
CONFIGURED = [(family, name) for family in FAMILIES if family not in (ENCODERS, SELECTORS) for name in family]
MIXED = Queries(QUERIES.frame.sample(fraction=1.0, shuffle=True, seed=5))


def alone() -> list[Queries]:
    return [Queries(QUERIES.frame.slice(i, 1)) for i in range(len(QUERIES))]


def keeps_the_promises_of_a_run(run: Run) -> None:
    """The schema, and the one order: what the constructor would make of the same scores."""
    assert run.frame.schema == RUN
    assert_frame_equal(Run.of(run.frame.drop("rank"), run.name).frame, run.frame)


def runs(tiny: Tiny, queries: Queries = QUERIES) -> dict[str, Run]:
    return {name: expert.retriever.retrieve(queries, 12) for name, expert in tiny.pipeline.experts.items()}


def plan(tiny: Tiny, queries: Queries = QUERIES) -> Plan:
    router = tiny.pipeline.router
    return tiny.pipeline.policy.select(queries, router.experts, router.scores(queries))


# the registry and the table of builders


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.family)
def test_every_registered_name_has_a_builder_and_every_builder_a_name(family: Registry) -> None:
    missing, stale = set(family) - set(BUILDERS[family.family]), set(BUILDERS[family.family]) - set(family)

    assert not missing, f"{family.family}: add rows for {sorted(missing)} to tests/contracts/builders.py"
    assert not stale, f"{family.family}: {sorted(stale)} are built in tests/contracts/builders.py but not registered"


@pytest.mark.parametrize(("family", "name"), CONFIGURED, ids=[f"{f.family}-{n}" for f, n in CONFIGURED])
def test_options_are_a_frozen_dataclass_with_a_default_for_everything(family: Registry, name: str) -> None:
    options: Any = family.load(name).Options

    assert options.__dataclass_params__.frozen
    assert options() == options()
    for field in dataclasses.fields(options):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(options(), field.name, None)


@pytest.mark.parametrize(("family", "name"), CONFIGURED, ids=[f"{f.family}-{n}" for f, n in CONFIGURED])
def test_a_component_says_what_it_is_and_how_it_opens(family: Registry, name: str) -> None:
    kind = family.load(name)

    assert kind.__doc__
    assert callable(kind.open)


# encoders


@pytest.fixture(params=sorted(ENCODERS))
def encoder(request: pytest.FixtureRequest, tiny: Tiny, bert: Path) -> Encoder:
    made = build(ENCODERS, request.param, tiny, bert)
    assert isinstance(made, Encoder)
    return made


def test_an_encoder_gives_finite_float32_of_its_dimension(encoder: Encoder) -> None:
    for encoded in (encoder.encode_queries(QUERIES.texts), encoder.encode_documents(QUERIES.texts)):
        assert encoded.vectors.dtype == np.float32
        assert encoded.vectors.shape == (len(QUERIES), encoder.identity.dimension)
        assert np.isfinite(encoded.vectors).all()
        assert encoded.coverage.texts == len(QUERIES)


def test_an_encoder_gives_a_query_the_same_vector_alone_and_in_any_batch(encoder: Encoder) -> None:
    whole = encoder.encode_queries(QUERIES.texts).vectors
    one_by_one = np.concatenate([encoder.encode_queries([text]).vectors for text in QUERIES.texts])
    backwards = encoder.encode_queries(QUERIES.texts[::-1]).vectors[::-1]

    np.testing.assert_array_equal(one_by_one, whole)
    np.testing.assert_array_equal(backwards, whole)


def test_an_encoder_keeps_documents_in_order_and_the_list_as_it_was(encoder: Encoder) -> None:
    texts = list(QUERIES.texts)
    whole = encoder.encode_documents(texts).vectors

    assert texts == QUERIES.texts
    for i, text in enumerate(texts):
        np.testing.assert_allclose(encoder.encode_documents([text]).vectors[0], whole[i], atol=1e-5)


def test_an_encoder_says_what_it_would_cut_of_queries_without_encoding_them(encoder: Encoder) -> None:
    texts = [*QUERIES.texts, "word " * 600]
    coverage = encoder.query_coverage(texts)

    assert coverage == encoder.encode_queries(texts).coverage
    assert coverage.truncated_texts >= 1
    assert coverage.truncated_tokens > 0


def test_an_encoder_names_its_weights(encoder: Encoder) -> None:
    identity = encoder.identity

    assert len(identity.weights_sha256) == 64
    assert identity.name
    assert identity.max_length > 0
    if identity.normalised:
        lengths = np.linalg.norm(encoder.encode_queries(QUERIES.texts).vectors, axis=1)
        np.testing.assert_allclose(lengths, 1, atol=1e-5)


# retrievers


@pytest.fixture(params=sorted(RETRIEVERS))
def retriever(request: pytest.FixtureRequest, tiny: Tiny, bert: Path) -> Retriever:
    made = build(RETRIEVERS, request.param, tiny, bert)
    assert isinstance(made, Retriever)
    return made


@pytest.mark.parametrize("depth", [1, 3, 100])
def test_a_retriever_returns_at_most_depth_known_documents_a_query(
    retriever: Retriever, tiny: Tiny, depth: int
) -> None:
    run = retriever.retrieve(QUERIES, depth)

    keeps_the_promises_of_a_run(run)
    assert (run.frame.group_by("query_id").len()["len"] <= depth).all()
    assert set(run.query_ids) <= set(QUERIES.ids)
    assert set(run.frame["doc_id"]) <= set(tiny.docstore.ids.ids)
    assert run.frame.height, "a retriever that finds nothing would keep every promise"


def test_a_retriever_s_list_is_the_beginning_of_its_longer_list(retriever: Retriever) -> None:
    whole = retriever.retrieve(QUERIES, 24)

    for depth in (1, 2, 5, 23):
        assert_frame_equal(retriever.retrieve(QUERIES, depth).frame, whole.top(depth).frame)


def test_a_retriever_gives_a_query_the_same_answer_alone_and_in_any_batch(retriever: Retriever) -> None:
    whole = retriever.retrieve(QUERIES, 10).frame
    one_by_one = pl.concat([retriever.retrieve(query, 10).frame for query in alone()]).sort("query_id", "rank")

    assert_frame_equal(one_by_one, whole)
    assert_frame_equal(retriever.retrieve(MIXED, 10).frame, whole)


def test_a_retriever_leaves_the_queries_as_they_were(retriever: Retriever) -> None:
    queries = Queries(MIXED.frame.clone())

    retriever.retrieve(queries, 3)

    assert_frame_equal(queries.frame, MIXED.frame)


# routers and policies


@pytest.fixture(params=sorted(ROUTERS))
def router(request: pytest.FixtureRequest, tiny: Tiny, bert: Path) -> Router:
    made = build(ROUTERS, request.param, tiny, bert)
    assert isinstance(made, Router)
    return made


def test_a_router_gives_every_query_a_finite_fitness_of_every_expert(router: Router, tiny: Tiny) -> None:
    scores = router.scores(QUERIES)

    assert scores.dtype == np.float32
    assert scores.shape == (len(QUERIES), len(router.experts))
    assert np.isfinite(scores).all()
    assert set(router.experts) <= set(tiny.pipeline.experts)
    assert len(set(router.experts)) == len(router.experts)


def test_a_router_judges_a_query_the_same_alone_and_in_any_batch(router: Router) -> None:
    whole = router.scores(QUERIES)
    back = Queries(QUERIES.frame.reverse())

    np.testing.assert_array_equal(np.concatenate([router.scores(query) for query in alone()]), whole)
    np.testing.assert_array_equal(router.scores(back)[::-1], whole)


@pytest.fixture(params=sorted(POLICIES))
def policy(request: pytest.FixtureRequest, tiny: Tiny, bert: Path) -> Policy:
    made = build(POLICIES, request.param, tiny, bert)
    assert isinstance(made, Policy)
    return made


EXPERTS = ("a", "b", "c")
FITNESS = np.random.default_rng(1).uniform(0.1, 1, (len(QUERIES), 3)).astype(np.float32)


def test_a_policy_finds_somebody_for_every_query(policy: Policy) -> None:
    made = policy.select(QUERIES, EXPERTS, FITNESS)

    assert made.frame.schema == PLAN
    assert set(made.frame["query_id"]) == set(QUERIES.ids)
    assert set(made.experts) <= set(EXPERTS)
    assert (made.frame["weight"] > 0).all()
    assert_frame_equal(Plan.of(made.frame, QUERIES).frame, made.frame)


def test_a_policy_decides_on_a_query_the_same_alone_and_in_a_batch(policy: Policy) -> None:
    before = FITNESS.copy()
    whole = policy.select(QUERIES, EXPERTS, FITNESS).frame
    parts = [policy.select(query, EXPERTS, FITNESS[i : i + 1]).frame for i, query in enumerate(alone())]

    assert_frame_equal(pl.concat(parts), whole, check_row_order=False)
    np.testing.assert_array_equal(before, FITNESS)


# fusions


@pytest.fixture(params=sorted(FUSIONS))
def fusion(request: pytest.FixtureRequest, tiny: Tiny, bert: Path) -> Fusion:
    made = build(FUSIONS, request.param, tiny, bert)
    assert isinstance(made, Fusion)
    return made


def test_a_fusion_returns_every_document_that_an_expert_returned_once(fusion: Fusion, tiny: Tiny) -> None:
    given = runs(tiny)
    fused = fusion.fuse(given, plan(tiny))

    keeps_the_promises_of_a_run(fused)
    pairs = pl.concat([run.frame.select("query_id", "doc_id") for run in given.values()]).unique()
    assert_frame_equal(fused.frame.select("query_id", "doc_id"), pairs, check_row_order=False)


def test_a_fusion_depends_on_neither_batch_nor_order_of_experts(fusion: Fusion, tiny: Tiny) -> None:
    given = runs(tiny)
    whole = fusion.fuse(given, plan(tiny)).frame
    backwards = fusion.fuse(dict(reversed(given.items())), plan(tiny)).frame
    one_by_one = [fusion.fuse(runs(tiny, query), plan(tiny, query)).frame for query in alone()]

    assert_frame_equal(backwards, whole)
    assert_frame_equal(pl.concat(one_by_one).sort("query_id", "rank"), whole)


def test_a_fusion_leaves_the_runs_as_they_were(fusion: Fusion, tiny: Tiny) -> None:
    given, before = runs(tiny), runs(tiny)

    fusion.fuse(given, plan(tiny))

    assert given.keys() == before.keys()
    for name, run in given.items():
        assert_frame_equal(run.frame, before[name].frame)


# rankers


@pytest.fixture(params=sorted(RANKERS))
def ranker(request: pytest.FixtureRequest, tiny: Tiny, bert: Path) -> Ranker:
    made = build(RANKERS, request.param, tiny, bert)
    assert isinstance(made, Ranker)
    return made


@pytest.fixture(scope="module")
def fused(tiny: Tiny) -> Run:
    return tiny.pipeline.search(QUERIES, 8)


def test_a_ranker_returns_a_run_of_pairs_that_it_was_given(ranker: Ranker, tiny: Tiny, fused: Run) -> None:
    reranked = ranker.rerank(QUERIES, fused, tiny.docstore)

    keeps_the_promises_of_a_run(reranked)
    extra = reranked.frame.join(fused.frame, on=["query_id", "doc_id"], how="anti")
    assert extra.height == 0, f"not in the run given: {extra.rows()[:3]}"


def test_a_ranker_orders_a_query_the_same_alone_and_in_any_batch(ranker: Ranker, tiny: Tiny, fused: Run) -> None:
    whole = ranker.rerank(QUERIES, fused, tiny.docstore)
    again = ranker.rerank(MIXED, fused, tiny.docstore)

    assert_frame_equal(again.frame, whole.frame)
    for query in alone():
        own = Run(fused.name, fused.frame.filter(pl.col("query_id") == query.ids[0]))
        assert ranker.rerank(query, own, tiny.docstore).doc_ids(query.ids[0]) == whole.doc_ids(query.ids[0])


def test_a_ranker_leaves_queries_and_run_as_they_were(ranker: Ranker, tiny: Tiny, fused: Run) -> None:
    queries, run = Queries(QUERIES.frame.clone()), Run(fused.name, fused.frame.clone())

    ranker.rerank(queries, run, tiny.docstore)

    assert_frame_equal(queries.frame, QUERIES.frame)
    assert_frame_equal(run.frame, fused.frame)


def test_a_ranker_of_an_empty_run_returns_an_empty_run(ranker: Ranker, tiny: Tiny) -> None:
    assert ranker.rerank(QUERIES, Run.empty("nothing"), tiny.docstore).frame.height == 0


HARD = (
    Document("plain", "Aspirin lowers the risk of a second heart attack."),
    Document("nothing", ""),
    Document("endless", "heart " * 10_000),
    Document("twin-2", "Four twins tell the same story of a heart."),
    Document("twin-1", "Four twins tell the same story of a heart."),
)
"""An empty document, one of 10,000 tokens, and two of one text, given in this order by the first stage."""
HARD_QUERIES = Queries.from_pairs([("q-short", "heart"), ("q-long", "a heart attack and aspirin " * 400)])


class Pile:
    """A corpus that nobody indexed."""

    def __len__(self) -> int:
        return len(HARD)

    def __iter__(self) -> Iterator[Document]:
        return iter(HARD)

    def get(self, doc_ids: Sequence[str]) -> list[Document]:
        found = {document.doc_id: document for document in HARD}
        return [found[doc_id] for doc_id in doc_ids]


def hard(*query_ids: str) -> Run:
    rows = [(query_id, document.doc_id, float(-place)) for query_id in query_ids for place, document in enumerate(HARD)]
    return Run.of(pl.DataFrame(rows, schema=SCORED, orient="row"), "hard")


def test_a_ranker_bears_empty_endless_and_equal_documents_and_a_query_beyond_its_budget(ranker: Ranker) -> None:
    whole = ranker.rerank(HARD_QUERIES, hard(*HARD_QUERIES.ids), Pile())

    keeps_the_promises_of_a_run(whole)
    for query_id in HARD_QUERIES.ids:
        found = whole.doc_ids(query_id)
        assert set(found) <= {document.doc_id for document in HARD}
        assert len(set(found)) == len(found) > 0
        assert ranker.rerank(HARD_QUERIES, hard(query_id), Pile()).doc_ids(query_id) == found
        if isinstance(ranker, PairRanker):
            assert len(found) == len(HARD), "what is not scored follows below"
            assert found.index("twin-2") + 1 == found.index("twin-1"), "equal texts keep their first-stage order"


def test_a_ranker_of_pairs_gives_the_order_of_any_order_of_candidates(ranker: Ranker, tiny: Tiny, fused: Run) -> None:
    """What a pair is worth does not depend on where the first stage had it; only ties do."""
    if not isinstance(ranker, PairRanker):
        pytest.skip("reads the first stage's order")
    turned = Run.of(fused.top(ranker.depth).frame.with_columns(score=-pl.col("score")), fused.name)
    plain, other = (ranker.rerank(QUERIES, run, tiny.docstore).frame for run in (fused.top(ranker.depth), turned))
    joined = plain.join(other, on=["query_id", "doc_id"], suffix="_turned")

    assert joined.height == plain.height
    assert (joined["score"] - joined["score_turned"]).abs().max() <= 1e-5  # type: ignore[operator]


def test_a_noting_ranker_says_what_its_order_depends_on(ranker: Ranker, tiny: Tiny, fused: Run) -> None:
    if not isinstance(ranker, NotingRanker):
        pytest.skip("has nothing to tell")
    assert json.loads(json.dumps(dict(ranker.identity))) == ranker.identity
    told = ranker.reranked(QUERIES, fused, tiny.docstore)
    assert_frame_equal(told.run.frame, ranker.rerank(QUERIES, fused, tiny.docstore).frame)
    assert all(isinstance(count, int) and count > 0 for count in told.notes.values())
