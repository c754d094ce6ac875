"""NIST's own outputs of trec_eval, per query and over all, to the four decimals it prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from periti.evaluation import Evaluation, Policy, evaluate, parse, per_query
from periti.types import Qrels, Run

from .trec_files import lines_of, qrels_of, run_of

PLAIN = {
    "num_q": "NumQ",
    "num_ret": "NumRet",
    "num_rel": "NumRel",
    "num_rel_ret": "NumRet(rel={level})",
    "map": "AP",
    "Rprec": "Rprec",
    "bpref": "Bpref",
    "recip_rank": "RR",
    "infAP": "infAP",
    "ndcg": "nDCG",
    "set_P": "SetP",
    "set_relative_P": "SetRelP",
    "set_recall": "SetR",
    "set_map": "SetAP",
    "set_F": "SetF",
    "gm_map": "GMAP",
    "gm_bpref": "GMBpref",
    "11pt_avg": "IPrec11",
    "utility": "Utility",
    "num_nonrel_judged_ret": "NumNonrelRet",
    "rbp": "RBP(p=0.9,rel=1)",
    "rbp_resid": "RBP_residual(p=0.9)",
    "utility_2,-1,0,0": "Utility(found=2.0)",
}
CUT = {
    "P": "P@{}",
    "recall": "R@{}",
    "ndcg_cut": "nDCG@{}",
    "map_cut": "AP@{}",
    "success": "Success@{}",
    "iprec_at_recall": "IPrec@{}",
    "relative_P": "RelP@{}",
    "Rprec_mult": "RprecMult@{}",
}


class Golden(NamedTuple):
    """One output of trec_eval: its file, inputs, -M, -l, how many lines we have a measure for, one left out."""

    output: str
    qrels: str
    run: str
    depth: int | None
    level: int
    mapped: int
    left: str = ""

    def inputs(self, folder: Path) -> tuple[Run, Qrels]:
        run = run_of(folder / f"{self.run}.gz")
        return run if self.depth is None else run.top(self.depth), qrels_of(folder / f"{self.qrels}.gz")


CASES = [
    Golden("out.test", "qrels.test", "results.test", None, 1, 29),
    Golden("out.test.a", "qrels.test", "results.test", None, 1, 91),
    Golden("out.test.aq", "qrels.test", "results.test", None, 1, 355),
    # The residual of a missing query is 0 to trec_eval; everything is unknown about it, which makes it 1 here.
    Golden("out.test.aqc", "qrels.test", "results.trunc", None, 1, 351, "rbp_resid"),
    Golden("out.test.aqcM", "qrels.test", "results.trunc", 100, 1, 351, "rbp_resid"),
    # trec_eval 10 scales the gains of graded judgements by numbers that it never set.
    Golden("out.test.aql", "qrels.rel_level", "results.test", None, 2, 351, "rbp"),
    Golden("out.test.meas_params", "qrels.test", "results.test", None, 1, 80),
]


def spelled(trec_name: str, level: int) -> str | None:
    if trec_name in PLAIN:
        return PLAIN[trec_name].format(level=level)
    match = re.fullmatch(r"(.+?)_([\d.]+)", trec_name)
    if match is None or match[1] not in CUT:
        return None
    return CUT[match[1]].format(match[2] if "." in match[2] else int(match[2]))


def golden_lines(path: Path, level: int, left: str) -> list[tuple[str, str, str]]:
    """Measure as we spell it, query or "all", printed value; lines of measures that we do not have are left out."""
    lines = [line for line in lines_of(path) if line[0] != left]
    return [(name, query, value) for trec, query, value in lines if (name := spelled(trec, level))]


def has_engine(name: str) -> bool:
    """Whether an engine that is installed computes it; rank-biased precision needs one that is not."""
    return not name.startswith("RBP") and parse([name])[0].engine is not None


def values(evaluation: Evaluation, per_query: pl.DataFrame, spellings: list[str]) -> dict[tuple[str, str], float]:
    """Each value under (measure as spelled, query or "all")."""
    names = dict(zip((measure.name for measure in evaluation.measures), spellings, strict=True))
    found = {(names[measure], query): value for query, measure, value in per_query.iter_rows()}
    overall = {(names[name], "all"): value for name, value in evaluation.values.items() if value is not None}
    return found | overall


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.output)
def test_every_mapped_line_of_trec_eval_is_reproduced(shared_data: Path, case: Golden) -> None:
    folder = shared_data / "trec-eval-reference"
    run, qrels = case.inputs(folder)
    expected = golden_lines(folder / case.output, case.level, case.left)
    spellings = list(dict.fromkeys(name for name, _, _ in expected))
    # The judgements are complete, which makes infAP equal AP; trec_eval computes it all the same.
    evaluation = evaluate(run, qrels, parse(spellings, case.level), policy=Policy(sampled=True))
    found = values(evaluation, evaluation.per_query, spellings)
    wrong = [(line, found[line[:2]]) for line in expected if f"{found[line[:2]]:.4f}" != f"{float(line[2]):.4f}"]
    assert (len(expected), wrong) == (case.mapped, [])


def test_the_share_of_unjudged_documents_complements_judged(shared_data: Path) -> None:
    folder = shared_data / "trec-eval-reference"
    qrels, run = qrels_of(folder / "qrels.test.gz"), run_of(folder / "results.test.gz")
    printed = {
        (parts[0].removeprefix("unj_"), parts[1]): float(parts[2])
        for parts in lines_of(folder / "out.test.aq")
        if parts[0].startswith("unj_")
    }
    evaluation = evaluate(run, qrels, parse(["judged@5", "judged@10", "judged@20"]))
    found = values(evaluation, evaluation.per_query, ["5", "10", "20"])
    assert {key: round(1 - value, 4) for key, value in found.items()} == printed


@pytest.mark.parametrize("case", CASES[2:6], ids=lambda case: case.output)
def test_the_engines_reproduce_the_same_queries(shared_data: Path, case: Golden) -> None:
    folder = shared_data / "trec-eval-reference"
    run, qrels = case.inputs(folder)
    # pytrec_eval holds trec_eval 9, whose interpolated precision rounds otherwise: 11 recall points per query.
    expected = [
        line
        for line in golden_lines(folder / case.output, case.level, case.left)
        if line[1] != "all" and not line[0].startswith("IPrec") and has_engine(line[0])
    ]
    spellings = list(dict.fromkeys(name for name, _, _ in expected))
    measures = parse(spellings, case.level)
    frame = per_query(run, qrels, measures, Policy(sampled=True), engines=True)
    names = dict(zip((measure.name for measure in measures), spellings, strict=True))
    found = {(names[measure], query): value for query, measure, value in frame.iter_rows()}
    wrong = [line for line in expected if f"{found[line[:2]]:.4f}" != f"{float(line[2]):.4f}"]
    assert (len(expected), wrong) == (159, [])
