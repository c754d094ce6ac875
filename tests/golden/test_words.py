"""BM25 on every collection against the plain BM25 of the data folder's README: ids joined wrongly land far below."""

from __future__ import annotations

from pathlib import Path

import pytest

from periti.batches import search_all_noted
from periti.datasets import CATALOG, load_dataset
from periti.evaluation import evaluate
from periti.evaluation.measures import parse
from periti.indexers.build import BuildConfig, build_collection
from periti.indexers.lexical import LexicalConfig
from periti.pipeline import open_pipeline

SCIFACT = 0.665
"""What BEIR's own BM25 reaches there; ours must not fall behind."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, facts in CATALOG.items() if facts.bm25 is not None])
def test_bm25_is_not_far_below_the_plain_one(shared_data: Path, tmp_path: Path, name: str) -> None:
    dataset = load_dataset(name, data=shared_data)
    facts = dataset.facts
    assert facts.bm25 is not None
    lexical = LexicalConfig(analyser=facts.language)
    build_collection(dataset.documents(), tmp_path / "c", BuildConfig(name=name, lexical=lexical, dense=None))

    run = search_all_noted(open_pipeline(tmp_path / "c"), dataset.queries(facts.bm25_split), 10).run
    value = evaluate(run, dataset.qrels(facts.bm25_split), parse(["nDCG@10"])).values["nDCG@10"]

    assert value is not None
    assert value >= (SCIFACT if name == "scifact" else facts.bm25 - 0.02)
