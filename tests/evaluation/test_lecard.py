"""LeCaRD's own table, recomputed from its lists: what its readme says of BM25, TF-IDF, LMIR and BERT.

Its measures look at the 30 labelled candidates of a query only: other documents are taken out of a list first, and the
ideal order is that of the labelled documents that the list holds. "Overall" is the first 100 of the 107 queries, "test"
every fifth of these. P@k is over the whole pool of 100. The lists of BM25 and TF-IDF begin with the worst.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from periti.datasets import load_dataset
from periti.evaluation import evaluate, parse
from periti.evaluation.published import benchmark_records
from periti.types import Qrels, Run

MEASURES = ("P@5", "P@10", "AP", "nDCG@10", "nDCG@20", "nDCG@30")
REVERSED = ("BM25", "TF-IDF")
FILES = {"BM25": "bm25_top100", "TF-IDF": "tfidf_top100", "LMIR": "lm_top100"}
Lists = Mapping[str, Sequence[int]]


def read(path: Path) -> list[Any]:
    """The JSON objects of a file, one or several."""
    text, found, place, decoder = gzip.decompress(path.read_bytes()).decode(), [], 0, json.JSONDecoder()
    while place < len(text.rstrip()):
        one, place = decoder.raw_decode(text, place)
        found.append(one)
        place += len(text[place:]) - len(text[place:].lstrip())
    return found


def run_of(lists: Lists, queries: Iterable[str], kept: Mapping[str, set[str]]) -> Run:
    rows = []
    for query in queries:
        documents = [str(document) for document in lists[query] if str(document) in kept[query]]
        rows += [(query, document, float(-place)) for place, document in enumerate(dict.fromkeys(documents))]
    return Run.of(pl.DataFrame(rows, schema=["query_id", "doc_id", "score"], orient="row"), "lecard")


def judged(run: Run, qrels: Qrels, measures: Sequence[str]) -> dict[str, float]:
    """Over the labelled documents that the run holds; a query of which it holds none counts as zero."""
    held = qrels.frame.join(run.frame, on=["query_id", "doc_id"], how="semi")
    missed = qrels.frame.join(held, on="query_id", how="anti")
    values = evaluate(run, Qrels.of(pl.concat([held, missed]), "held"), parse(list(measures), 3)).values
    return {name: value for name, value in zip(measures, values.values(), strict=True) if value is not None}


class Lecard:
    """Lists, labels, pools and queries."""

    def __init__(self, data: Path) -> None:
        folder = data / "lecard-facts"
        self.qrels: Qrels = load_dataset("lecard-facts", data=data).qrels("test")
        labelled = self.qrels.frame.group_by("query_id").agg("doc_id").rows()
        self.labelled = {query: set(documents) for query, documents in labelled}
        (pools,) = read(folder / "prediction" / "combined_top100.json.gz")
        self.pools = {query: {str(one) for one in pool[:100]} for query, pool in pools.items()}
        self.queries = [str(one["ridx"]) for one in read(folder / "query.json.gz")][:100]
        self.lists = {name: read(folder / "prediction" / f"{file}.json.gz")[0] for name, file in FILES.items()}
        self.bert = read(folder / "prediction" / "bert.json.gz")

    def values(self, lists: Lists, queries: Sequence[str]) -> dict[str, float]:
        qrels = Qrels.of(self.qrels.frame.filter(pl.col("query_id").is_in(queries)), "asked")
        pool, labelled = (run_of(lists, queries, kept) for kept in (self.pools, self.labelled))
        return judged(pool, qrels, MEASURES[:2]) | judged(labelled, qrels, MEASURES[2:])

    def of(self, system: str, split: str) -> dict[str, float]:
        lists: Lists = self.lists[system]
        if system in REVERSED:
            lists = {query: list(reversed(documents)) for query, documents in lists.items()}
        return self.values(lists, self.queries if split == "all" else self.queries[::5])


@pytest.fixture(scope="module")
def lecard(shared_data: Path) -> Lecard:
    return Lecard(shared_data)


def published(system: str, split: str) -> dict[str, float]:
    found = {}
    for one in benchmark_records("LeCaRD"):
        if one.system == system and one.terms.split == split and one.kind == "readme":
            found[str(one.terms.measure) + (f"@{one.terms.cutoff:g}" if one.terms.cutoff else "")] = one.value
    return found


def differing(ours: Mapping[str, float], theirs: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Measure -> ours, theirs, of those that are not the same at three decimals."""
    assert set(ours) == set(theirs) == set(MEASURES)
    return {
        name: (round(ours[name], 3), theirs[name]) for name in MEASURES if abs(ours[name] - theirs[name]) > 0.0005001
    }


@pytest.mark.parametrize(
    ("system", "split", "others"),
    [
        ("BM25", "all", {}),
        ("TF-IDF", "all", {"P@10": (0.259, 0.261)}),
        ("LMIR", "all", {}),
        ("BM25", "test (20)", {"P@5": (0.42, 0.38), "P@10": (0.38, 0.35)}),
        ("TF-IDF", "test (20)", {"P@5": (0.31, 0.27), "P@10": (0.235, 0.215)}),
        ("LMIR", "test (20)", {}),
    ],
)
def test_its_table_comes_out_but_for_five_precisions(
    lecard: Lecard, system: str, split: str, others: dict[str, tuple[float, float]]
) -> None:
    assert differing(lecard.of(system, split), published(system, split)) == others


def test_its_row_of_bert_is_the_best_of_four_lists_by_each_measure(lecard: Lecard) -> None:
    each = [lecard.values(lists, list(lists)) for lists in lecard.bert]
    assert set(lecard.bert[0]) == set(lecard.queries[::5])
    best = {name: max(one[name] for one in each) for name in MEASURES}
    assert differing(best, published("BERT", "test (20)")) == {"P@10": (0.425, 0.43)}
