"""C/W/L measures: values by hand and of cwl_eval 1.0.12, its only import kept out of the project."""

from __future__ import annotations

import numpy as np
import pytest

from periti.errors import InputError
from periti.evaluation import browsing, evaluate, parse
from periti.evaluation.ranking import judge

from .test_exact import TOY_QRELS, TOY_RUN
from .trec_files import qrels_from, run_from

# Printed by ir-measures 0.4.3 with cwl_eval 1.0.12 on the toy: d2 0, d1 3, dX not judged, d3 1, d5 0, d4 2.
OF_CWL_EVAL = [
    ("SDCG(max_rel=3)@5", 0.262675714682),
    ("SDCG(max_rel=3)@10", 0.222724077983),
    ("SDCG(max_rel=3,min_rel=1)@5", 0.213986264735),
    ("BPM(max_rel=3)@5", 0.5),
    ("BPM(T=2.0,max_rel=3)@10", 0.333333333333),
    ("BPM(T=0.5,max_rel=3)@10", 0.5),
    ("INSQ(max_rel=3)", 0.214384628203),
    ("INSQ(T=2.0,max_rel=3)", 0.194582844024),
    ("INST(max_rel=3)", 0.246638716211),
    ("INST(T=3.0,max_rel=3)", 0.19137233741),
    ("NERR8(max_rel=4)@5", 0.302325581395),
    ("NERR9(max_rel=4)@5", 0.232054455446),
    ("NERR10(max_rel=4)", 0.257207532581),
    ("NERR10(p=0.5,max_rel=4)", 0.238959467635),
    ("NERR11(max_rel=4)", 0.214981433971),
    ("NERR8(max_rel=3)@5", 0.5),
    ("NERR9(max_rel=3)@10", 0.333333333333),
    ("NERR10(max_rel=3)", 0.473684210526),
    ("NERR11(T=2.0,max_rel=3)", 0.390243902439),
    ("NERR11(max_rel=3)", 0.307692307692),
]


def value(name: str, *, rows: list[tuple[str, str, float]] | None = None) -> float:
    found = evaluate(run_from(rows or TOY_RUN), qrels_from(TOY_QRELS), parse([name])).values
    return float(next(iter(found.values())) or 0.0)


@pytest.mark.parametrize(("name", "expected"), OF_CWL_EVAL)
def test_values_are_those_of_cwl_eval(name: str, expected: float) -> None:
    assert value(name) == pytest.approx(expected, abs=1e-11)


def test_nerr9_by_hand() -> None:
    # Gains 0, 3/4, 0, 1/4, 0. C: 1/2, 2/3 * 1/4, 3/4, 4/5 * 3/4. Reach: 1, 1/2, 1/12, 1/16, 3/80.
    reach = np.array([1, 1 / 2, 1 / 12, 1 / 16, 3 / 80])
    assert value("NERR9(max_rel=4)@5") == pytest.approx((3 / 8 + 1 / 64) / reach.sum())


def test_sdcg_by_hand() -> None:
    discount = 1.0 / np.log2(np.arange(2, 7))
    assert value("SDCG(max_rel=3)@5") == pytest.approx((discount[1] + discount[3] / 3) / discount.sum())


def test_many_queries_are_computed_as_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    rows = [(f"q{q}", f"d{d}", float(rng.random())) for q in range(7) for d in range(q)]
    judged = [(f"q{q}", f"d{d}", int(rng.integers(0, 4))) for q in range(7) for d in range(0, 9, 2)]
    whole = browsing.inst(judge(run_from(rows), qrels_from(judged)), max_rel=3)
    monkeypatch.setattr(browsing, "BLOCK", 2)
    assert browsing.inst(judge(run_from(rows), qrels_from(judged)), max_rel=3).tolist() == whole.tolist()
    assert whole[0] == 0.0, "a query without results"
    assert (whole > 0).any()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("SDCG(max_rel=2)@5", "have grade 3, above max_rel=2"),
        ("INST(max_rel=3,min_rel=3)", "the scale of grades runs upwards"),
        ("INSQ(T=0.0,max_rel=3)", "above 0"),
        ("SDCG(dcg='exp-log2',max_rel=3)@5", "invalid param dcg"),
        ("SDCG@5", "it needs max_rel"),
        ("NERR10(p=1.0,max_rel=3)", "between 0 and 1"),
    ],
)
def test_what_can_not_be_computed_is_one_sentence(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        value(name)
    assert "\n" not in str(caught.value)


def test_the_library_refuses_another_gain_of_sdcg_too() -> None:
    with pytest.raises(InputError, match="leave dcg out"):
        browsing.scaled_dcg(judge(run_from(TOY_RUN), qrels_from(TOY_QRELS)), cutoff=5, max_rel=3, dcg="exp-log2")
