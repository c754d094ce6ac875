"""Query vectors of a study: remembered by digest, and for linear adapters made without a second forward pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from periti.encoders import load_sentence_transformer
from periti.encoders.adapters import LINEAR, Adapter
from periti.encoders.panel import PanelEncoder
from periti.panels.vectors import QueryVectors

TEXTS = ["a heart attack", "breach of contract", "cats"]


@pytest.fixture
def vectors(bert: Path, tmp_path: Path) -> QueryVectors:
    return QueryVectors(PanelEncoder(load_sentence_transformer(str(bert))), tmp_path / "vectors")


def test_a_linear_adapter_gives_what_the_panel_gives(vectors: QueryVectors) -> None:
    matrix = np.random.default_rng(1).normal(size=(16, 16)).astype(np.float32)
    base = vectors.panel.base.identity.weights_sha256
    adapter = Adapter.of_tensors({LINEAR: matrix}, kind="linear", base=base, scale=1.0)

    ours = vectors.of(TEXTS, adapter)

    np.testing.assert_allclose(ours, vectors.panel.expert(adapter).encode_queries(TEXTS).vectors, atol=1e-6)


def test_vectors_are_remembered_and_a_damaged_file_is_made_again(vectors: QueryVectors) -> None:
    first = vectors.of(TEXTS, None)
    (file,) = vectors.folder.iterdir()
    before = file.stat().st_mtime_ns

    np.testing.assert_array_equal(vectors.of(TEXTS, None), first)
    assert file.stat().st_mtime_ns == before
    file.write_bytes(file.read_bytes()[:-5])
    np.testing.assert_array_equal(vectors.of(TEXTS, None), first)
    assert vectors.of(TEXTS[:2], None).shape == (2, 16)
    assert len(list(vectors.folder.iterdir())) == 2
