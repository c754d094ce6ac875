"""A service over a panel whose fusion was calibrated: what a client gets, and what changes when experts do."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import numpy as np
import pytest

from periti.api.app import create_app
from periti.errors import IndexMismatch
from periti.pipeline import open_pipeline
from periti.rankers.calibration import Calibration
from periti.types import Queries
from tests.api.conftest import QUESTIONS, running
from tests.cli.calling import periti


@pytest.fixture
def panel(collection: Path, tmp_path: Path) -> Path:
    """The dozen with fusion by shares of scores below, fitted on all questions but the first."""
    folder = tmp_path / "dozen"
    shutil.copytree(collection, folder)
    topics = tmp_path / "dev.tsv"
    topics.write_text("".join(f"t{n}\t{text}\n" for n, text in enumerate(QUESTIONS[1:])))
    assert periti("calibrate", folder, "--queries", topics, "--method", "quantile", "--use") == 0
    return folder


def test_a_hit_s_score_is_the_sum_of_its_experts_calibrated_scores(panel: Path) -> None:
    calibration = Calibration.read(panel / "calibration.json")
    pipeline = open_pipeline(panel)
    with running(create_app({"dozen": pipeline})) as address:
        answer = httpx.post(f"{address}/v1/search", json={"query": QUESTIONS[0], "k": 12, "explain": True}, timeout=60)

    hits = answer.json()["results"][0]["hits"]
    assert hits[0]["doc_id"] == "med-1"
    assert {name for hit in hits for name in hit["experts"]} == {"bm25", "dense"}
    for hit in hits:
        scores = {name: found["score"] for name, found in hit["experts"].items()}
        expected = sum(float(calibration.values(name, np.array([score]))[0]) for name, score in scores.items())
        assert hit["score"] == pytest.approx(expected, abs=1e-5)
    run = pipeline.search(Queries.from_pairs([("q", QUESTIONS[0])]), 12)
    assert [hit["doc_id"] for hit in hits] == run.doc_ids("q")


def test_a_service_does_not_start_on_a_calibration_of_other_experts(panel: Path) -> None:
    toml = panel / "periti.toml"
    toml.write_text(toml.read_text().replace("[experts.bm25]", "[experts.words]"))

    with pytest.raises(IndexMismatch, match="words"):
        open_pipeline(panel)
