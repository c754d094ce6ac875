"""An expert that moves documents too, on the demo collection, by the commands a user types."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from periti.cli.main import main
from periti.encoders.models import read_model
from periti.errors import ConfigError
from periti.indexers.dense import DenseIndex
from periti.indexers.docstore import Docstore
from periti.panels import dev
from periti.panels.config import read_panel_config
from periti.panels.courses import train_expert
from periti.panels.dev import DevPool
from periti.panels.material import DEV
from periti.panels.panel import open_panel
from periti.panels.vectors import mean_of
from periti.progress import Silent
from periti.protocols import Vectors

PANEL = """
name = "demo panel"
seeds = [1]
[training]
steps = 2
batch = 4
evaluate_every = 2
max_length = 24
corpus_negatives = 4
[collections.one]
dataset = "demo"
train = "train"
slices = [0.4, 0.2, 0.4]
[experts.whole]
description = "passages of the demo"
sources = ["one"]
training = { method = "full", learning_rate = 1e-4 }
"""


def written(folder: Path, more: str = "") -> Path:
    file = folder / "panel.toml"
    file.write_text(PANEL + more, encoding="utf-8")
    return file


@pytest.mark.slow
def test_an_expert_that_moves_documents_is_trained_indexed_and_refused_by_routers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path)

    assert main(["train", "expert", str(file)]) == 0
    printed = capsys.readouterr().out.splitlines()
    model = read_model(tmp_path / "panel" / "experts" / "whole" / "seed-1")
    assert str(model.folder) in printed[0]
    assert model.card["options"]["method"] == "full"
    assert "one:" in model.card["dev_documents"][0]
    assert str(tmp_path) not in (model.folder / "README.md").read_text()
    assert not [path for path in model.folder.rglob("*.json") if str(tmp_path) in path.read_text(errors="ignore")]

    command = shlex.split(printed[-1])
    assert main(command[1:]) == 0
    own, base = Path(command[command.index("--out") + 1]), tmp_path / "indexes" / "demo"
    docstore = Docstore.open(own / "docstore")
    assert docstore.corpus_digest == Docstore.open(base / "docstore").corpus_digest
    index = DenseIndex(own / "dense", docstore.ids, docstore.corpus_digest)
    assert index.identity.weights_sha256 == model.encoder().identity.weights_sha256
    capsys.readouterr()
    assert main(["search", str(own), "how do plants make sugar?", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)

    assert main(["router", "fit", str(file)]) == 2
    assert "does not share the index that a router's experts search" in capsys.readouterr().err


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Any:
    adapter = '[experts.side]\nsources = ["one"]\nstart = "whole"\ntraining = { method = "linear" }\n'
    return open_panel(read_panel_config(written(tmp_path_factory.mktemp("panel"), adapter)), Silent())


def test_an_adapter_does_not_start_from_a_model(opened: Any) -> None:
    with pytest.raises(ConfigError, match="'side' and 'whole', which it starts from, do not learn on the same sides"):
        train_expert(opened, "side", 1, progress=Silent())


def test_over_the_pool_the_base_has_its_value_over_the_whole_index(opened: Any, monkeypatch: Any) -> None:
    """Hand-held vectors: the base's own, from its index, stand for encoding anew."""
    monkeypatch.setattr(dev, "WHOLE", 0)
    material = opened.materials["one"]
    part = material.slices[DEV]
    vectors = opened.vectors.of(part.queries.texts, None)
    by_text = dict(zip(material.texts(material.rows), material.vectors, strict=True))

    def documents(texts: Any) -> Vectors:
        return np.stack([by_text[text] for text in texts])

    pool = DevPool.of(opened, material, 10)
    small = replace(pool, ids=pool.ids[:3])

    assert set(part.qrels.frame["doc_id"]) <= set(pool.ids)
    assert 10 <= len(pool.ids) < len(material.rows) / 2
    found = pool.score(lambda texts: vectors, documents, "nDCG@10")  # noqa: ARG005
    assert found == pytest.approx(mean_of(material, part, vectors, "nDCG@10"), abs=1e-6)
    assert found != pytest.approx(small.score(lambda texts: vectors, documents, "nDCG@10"), abs=1e-3)  # noqa: ARG005
    assert "those judged for dev queries and the 10 nearest" in pool.sentence


def test_the_example_of_the_documentation_is_a_panel(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "panels.md").read_text(encoding="utf-8")
    example = page[page.index("## Experts that move documents too") :].split("```toml\n")[1].split("```")[0]
    head = 'name = "example"\n[collections.scifact]\ndataset = "scifact"\ntrain = "train"\n'
    (tmp_path / "panel.toml").write_text(head + example, encoding="utf-8")

    config = read_panel_config(tmp_path / "panel.toml")

    found = {name: config.options(name) for name in config.experts}
    assert [(one.method, one.both_sides, one.negatives) for one in found.values()] == [
        ("full", True, 64),
        ("lora", True, 32),
    ]


def test_small_collections_are_encoded_whole(opened: Any) -> None:
    material = opened.materials["one"]

    pool = DevPool.of(opened, material, 10)

    assert pool.ids == tuple(material.rows)
    assert "all" in pool.sentence
