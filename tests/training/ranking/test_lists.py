"""Training lists: who is a positive, a hard negative, suspected or outside; and draws that depend on the step only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from periti.errors import InputError
from periti.training.pairs import Hints
from periti.training.ranking.drawing import draw, one_list
from periti.training.ranking.lists import Corpus, Known, RankingSet
from periti.training.ranking.settings import RankingOptions
from periti.types import QRELS, SCORED, Qrels, Queries, Run

IDS = [f"d{number}" for number in range(10)]
CORPUS = Corpus({doc_id: row for row, doc_id in enumerate(IDS)}, lambda rows: [IDS[row] for row in rows], "c")
QUERIES = Queries.from_pairs([("q", "a question"), ("p", "another")])
OPTIONS = RankingOptions(margin=-1.0, curriculum="norm", negatives=3, random_negatives=1, batch=4)


def run(rows: list[tuple[str, str, float]]) -> Run:
    return Run.of(pl.DataFrame(rows, schema=SCORED, orient="row"), "first")


def qrels(rows: list[tuple[str, str, int]]) -> Qrels:
    return Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"))


FIRST = run([("q", "d0", 10), ("q", "d1", 8), ("q", "d2", 4), ("q", "d3", 2), ("p", "d4", 5), ("p", "d5", 1)])
JUDGED = qrels([("q", "d2", 1), ("q", "d9", 2), ("q", "d0", 0), ("p", "d5", 1), ("p", "absent", 1)])


def lists(options: RankingOptions = OPTIONS, known: Known | None = None, first: Run = FIRST) -> RankingSet:
    return RankingSet.of("s", known or Known(QUERIES, JUDGED), first, CORPUS, options)


def test_positives_are_the_judged_ones_whether_found_or_not_and_negatives_are_the_rest_of_the_list() -> None:
    first, second = lists().entries

    assert (first.positives.rows.tolist(), first.gains.tolist()) == ([2, 9], [1, 2])
    assert first.negatives.rows.tolist() == [0, 1, 3]
    assert first.barred.tolist() == [0, 1, 2, 3, 9]
    np.testing.assert_allclose(first.positives.ease, [0.25, 0], err_msg="what is not in the list has its least value")
    np.testing.assert_allclose(first.negatives.ease, [1, 0.75, 0])
    np.testing.assert_allclose(first.positives.prior, [0.25, 0], err_msg="nor has it a height")
    np.testing.assert_allclose(first.negatives.prior, [1, 0.75, 0])
    assert (second.positives.rows.tolist(), second.negatives.rows.tolist()) == ([5], [4])
    assert lists().notes == {"relevant documents outside the corpus": 1, "relevant documents outside the lists": 1}


def test_positives_may_be_confined_to_what_a_reranker_meets() -> None:
    found = lists(
        replace(OPTIONS, positives_from="listed"), first=run([("q", "d0", 10), ("q", "d2", 4), ("p", "d4", 5)])
    )

    assert [(entry.text, entry.positives.rows.tolist(), entry.gains.tolist()) for entry in found.entries] == [
        ("a question", [2], [1])
    ]
    assert found.entries[0].barred.tolist() == [0, 2, 9], "a relevant document that is not listed is no negative either"
    assert found.notes["queries without a relevant document in their list"] == 1


def test_only_the_first_documents_of_a_list_count() -> None:
    first = lists(replace(OPTIONS, depth=3, dev_depth=3)).entries[0]

    assert first.negatives.rows.tolist() == [0, 1]
    np.testing.assert_allclose(first.positives.ease, [0, 0], err_msg="normalised over the list that is left")


@pytest.mark.parametrize(("margin", "kept"), [(-1.0, [0, 1, 3]), (-0.4, [0, 3]), (0.0, [0, 3]), (0.3, [0])])
def test_unjudged_documents_far_above_the_best_positive_are_suspected(margin: float, kept: list[int]) -> None:
    """The positive is at 0.25; d0 at 1 was judged not relevant, d1 is at 0.75, d3 at 0."""
    found = lists(replace(OPTIONS, margin=margin), Known(Queries.from_pairs([("q", "x")]), JUDGED))

    assert found.entries[0].negatives.rows.tolist() == kept
    assert found.notes.get("suspected of being relevant", 0) == 3 - len(kept)
    assert set(found.entries[0].barred.tolist()) == {0, 1, 2, 3, 9}, "a suspect is no random negative either"


def test_a_list_without_any_positive_has_no_bound() -> None:
    found = lists(replace(OPTIONS, margin=0.3), Known(QUERIES, qrels([("q", "d9", 1)])))

    assert found.entries[0].negatives.rows.tolist() == [0, 1, 2, 3]
    assert found.notes["queries without a relevant document"] == 1


def test_what_a_source_ignores_is_neither_positive_nor_negative() -> None:
    first = lists(known=Known(QUERIES, JUDGED, Hints(ignored={"q": ["d1", "d7"]}))).entries[0]

    assert first.negatives.rows.tolist() == [0, 3]
    assert {1, 7} <= set(first.barred.tolist())


def test_a_list_has_its_positives_first_then_hard_then_random_negatives() -> None:
    entry = lists().entries[0]
    for seed in range(50):
        drawn = one_list(entry, 10, OPTIONS, np.random.default_rng(seed))
        assert drawn.rows[0] in (2, 9)
        assert set(drawn.rows[1:3].tolist()) <= {0, 1, 3}
        assert drawn.rows[3] in (4, 5, 6, 7, 8)
        assert drawn.gains.tolist() == [entry.gains[list(entry.positives.rows).index(drawn.rows[0])], 0, 0, 0]
        assert drawn.ease[3] == entry.floor == 0
        assert drawn.prior.tolist() == drawn.ease.tolist(), "the curriculum is the normalised score, too"
        assert len(set(drawn.rows.tolist())) == 4


def test_random_and_hard_negatives_stand_in_for_each_other() -> None:
    entry = lists().entries[0]
    many = replace(OPTIONS, negatives=6, random_negatives=0)

    assert sorted(one_list(entry, 10, many, np.random.default_rng(1)).rows[1:4].tolist()) == [0, 1, 3]
    assert len(one_list(entry, 10, many, np.random.default_rng(1)).rows) == 7
    lacking = replace(entry, barred=np.arange(10))
    assert sorted(one_list(lacking, 10, OPTIONS, np.random.default_rng(1)).rows[1:].tolist()) == [0, 1, 3]


def test_positives_are_drawn_by_gain() -> None:
    entry = lists().entries[0]
    drawn = [int(one_list(entry, 10, OPTIONS, np.random.default_rng(s)).rows[0]) for s in range(600)]

    # Grades 1 and 2; binomial(600, 2/3), six standard deviations are .12.
    assert abs(np.mean(np.array(drawn) == 9) - 2 / 3) < 0.12


def test_a_batch_depends_on_seed_and_step_only_and_holds_the_texts_of_its_rows() -> None:
    first, again, later = (draw([lists()], OPTIONS, 5, step) for step in (3, 3, 4))

    assert first.documents == again.documents
    assert first.queries == again.queries
    assert first.documents != later.documents
    assert draw([lists()], OPTIONS, 5, 3, stream=1).documents != first.documents
    assert first.owner.tolist() == sorted(first.owner.tolist())
    for owner, query, document, gain in zip(first.owner, first.queries, first.documents, first.gains, strict=True):
        relevant = {"a question": {"d2": 1, "d9": 2}, "another": {"d5": 1}}[query]
        assert gain == relevant.get(document, 0)
        assert {first.queries[place] for place in np.flatnonzero(first.owner == owner)} == {query}


def test_queries_are_drawn_by_weight() -> None:
    source = lists(known=Known(QUERIES, JUDGED, Hints(weights={"q": 3.0, "p": 1.0})))
    drawn = [draw([source], replace(OPTIONS, batch=1), 1, step).queries[0] for step in range(400)]

    assert abs(np.mean(np.array(drawn) == "a question") - 0.75) < 0.13


def test_a_teacher_s_scores_are_joined_and_what_it_did_not_score_is_left_out() -> None:
    options = replace(OPTIONS, loss="margin-mse", random_negatives=0)
    teacher = run([("q", "d2", 9), ("q", "d0", 1), ("q", "d3", -4), ("p", "d4", 1)])
    found = lists(options, Known(QUERIES, JUDGED, teacher=teacher))

    assert len(found) == 1
    entry = found.entries[0]
    assert (entry.positives.rows.tolist(), entry.positives.teacher.tolist()) == ([2], [9])
    assert (entry.negatives.rows.tolist(), entry.negatives.teacher.tolist()) == ([0, 3], [1, -4])
    assert found.notes["documents without a teacher's score"] == 3
    assert len(one_list(entry, 10, options, np.random.default_rng(1)).rows) == 3, "none from outside"
    with pytest.raises(InputError, match="loss 'margin-mse' needs a teacher's scores"):
        lists(options)


def test_a_first_stage_of_another_collection_is_refused() -> None:
    with pytest.raises(InputError, match="none of its 2 training queries has a relevant document and one that is not"):
        lists(known=Known(QUERIES, qrels([("q", "x", 1), ("p", "y", 1)])))


def test_the_digest_tells_lists_apart() -> None:
    digests = {
        lists().digest,
        lists(replace(OPTIONS, margin=0.3)).digest,
        lists(replace(OPTIONS, curriculum="recip")).digest,
        lists(known=Known(QUERIES, JUDGED, Hints(weights={"q": 2.0}))).digest,
        lists(first=run([("q", "d0", 10), ("p", "d4", 5)])).digest,
    }

    assert len(digests) == 5
    assert lists().digest == lists().digest
