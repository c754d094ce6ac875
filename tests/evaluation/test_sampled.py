"""AP estimated from sampled judgements: by hand, against infAP, and refused where nobody declared a sample."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings

from periti.errors import InputError
from periti.evaluation import Policy, evaluate, parse, per_query
from periti.evaluation.sampled import Strata
from periti.types import Qrels, Run

from .test_exact import judged_runs
from .trec_files import qrels_from, run_from

# Stratum A: a relevant, b not, both judged. Stratum B: c judged relevant, d not judged.
QRELS = qrels_from([("q", "a", 1), ("q", "b", 0), ("q", "c", 1), ("q", "d", -1)])
RUN = run_from([("q", "a", 4.0), ("q", "d", 3.0), ("q", "c", 2.0), ("q", "b", 1.0)])
SAMPLED = Policy(sampled=True)


def strata(rows: list[tuple[str, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["query_id", "doc_id", "stratum"], orient="row")


PLAN = [("q", "a", "A"), ("q", "b", "A"), ("q", "c", "B"), ("q", "d", "B")]


def test_a_document_counts_as_many_as_its_stratum_has_for_each_judged() -> None:
    # a: 1 * 1; c: 2 * (1/3 + 1/3 * 1 + 1/3 * 1/2) = 2 * 5/6; estimated relevant 1 + 2
    evaluation = evaluate(RUN, QRELS, parse(["xinfAP"]), policy=SAMPLED, strata=Strata.of(strata(PLAN), QRELS))
    assert evaluation.values["xinfAP"] == pytest.approx((1 + 2 * 5 / 6) / 3, abs=1e-4)


@settings(deadline=None, max_examples=30)
@given(judged_runs(lowest=-1))
def test_one_stratum_gives_inferred_ap(case: tuple[Run, Qrels]) -> None:
    frame = per_query(*case, parse(["infAP", "xinfAP"]), SAMPLED)
    both = [part["value"].to_list() for part in frame.partition_by("measure")]
    assert both[1] == pytest.approx(both[0], abs=1e-9)


@pytest.mark.parametrize("name", ["infAP", "xinfAP", "infAP(rel=2)"])
def test_an_estimate_from_judgements_that_are_no_declared_sample_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="not declared to be one"):
        evaluate(RUN, QRELS, parse([name]))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [(PLAN[:3], "1 of 4 pooled documents have none"), ([*PLAN, ("q", "a", "B")], "is in two")],
)
def test_strata_that_do_not_cover_the_pool_once_are_refused(rows: list[tuple[str, str, str]], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Strata.of(strata(rows), QRELS)
