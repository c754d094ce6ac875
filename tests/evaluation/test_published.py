"""Numbers that others published, recomputed from their run files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from periti.evaluation import evaluate, parse

from .trec_files import qrels_of, run_of


@pytest.mark.parametrize(("year", "topics", "value"), [("dl19", 43, 0.5058), ("dl20", 54, 0.4796)])
def test_bm25_of_trec_deep_learning_has_its_published_ndcg(
    shared_data: Path, year: str, topics: int, value: float
) -> None:
    folder = shared_data / "msmarco-dl19-dl20-pool"
    qrels = qrels_of(folder / f"qrels.{year}-passage.txt.gz")
    evaluation = evaluate(run_of(folder / "runs" / f"{year}.BM25.txt.gz"), qrels, parse(["nDCG@10"]))
    assert round(evaluation.values["nDCG@10"] or 0, 4) == value
    assert evaluation.denominators["nDCG@10"] == topics


@pytest.mark.slow
def test_every_run_of_trec_covid_round_one_has_its_leaderboard_values(shared_data: Path) -> None:
    folder = shared_data / "trec-covid-round1-runs"
    qrels = qrels_of(folder / "qrels-rnd1.txt.gz")
    with (folder / "leaderboard.csv").open(newline="") as file:
        board = {row["run"]: row for row in csv.DictReader(file)}
    measures = parse(["nDCG@10", "P@5"])
    wrong = []
    for name, row in board.items():
        values = evaluate(run_of(folder / "top100" / f"{name}.txt.gz"), qrels, measures).values
        wrong += [
            name for key, column in (("nDCG@10", "ndcg@10"), ("P@5", "p@5")) if f"{values[key]:.4f}" != row[column]
        ]
    assert (len(board), wrong) == (143, [])


@pytest.mark.slow
def test_the_full_runs_of_trec_covid_have_their_map_and_bpref(shared_data: Path) -> None:
    folder = shared_data / "trec-covid-round1-runs"
    qrels = qrels_of(folder / "qrels-rnd1.txt.gz")
    with (folder / "leaderboard.csv").open(newline="") as file:
        board = {row["run"]: row for row in csv.DictReader(file)}
    measures = parse(["AP@1000", "Bpref"])
    paths = sorted((folder / "full").glob("*.txt.gz"))
    wrong = []
    for path in paths:
        values = evaluate(run_of(path).top(1000), qrels, measures).values
        row = board[path.name.removesuffix(".txt.gz")]
        wrong += [
            path.name for key, column in (("AP@1000", "MAP"), ("Bpref", "bpref")) if f"{values[key]:.4f}" != row[column]
        ]
    assert (len(paths), wrong) == (29, [])
