"""The int8 form of a cross-encoder: near the whole one, and the same whatever stands beside a pair."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from periti.cli import main
from periti.encoders.cross import CrossEncoder, load_cross_encoder
from periti.encoders.quantised import FILE, QuantisedCrossEncoder, quantise
from periti.errors import ConfigError, EncoderError
from periti.rankers.cross_encoder import CrossEncoderRanker
from periti.types import Queries
from tests.rankers.test_reranking import Shelf, run
from tests.tiny import save_bert, save_cross

WORDS = ["heart", "cat", "law", "aspirin and dogs", "a" * 90, "breach of a contract by the seller of it", "", "heart"]
DOCUMENTS = [f"{first} {second}" for first in WORDS for second in ("law", "dogs and cats", "heart failure")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxscript", reason="int8 graphs are written by the extra 'onnx'")
    found = save_cross(save_bert(tmp_path_factory.mktemp("cross"), spread=0.5))
    quantise(load_cross_encoder(found, query_budget=16), found / FILE)
    return found


@pytest.fixture(scope="module")
def whole(folder: Path) -> CrossEncoder:
    return load_cross_encoder(folder, query_budget=16)


@pytest.fixture(scope="module")
def small(whole: CrossEncoder, folder: Path) -> QuantisedCrossEncoder:
    return QuantisedCrossEncoder(whole, folder / FILE)


def logits(model: CrossEncoder, documents: list[str]) -> NDArray[np.float64]:
    return model.logits(model.tokenise(["cat law"] * len(documents), documents))


def test_its_scores_are_near_those_of_the_whole_model(whole: CrossEncoder, small: CrossEncoder) -> None:
    exact, close = logits(whole, DOCUMENTS), logits(small, DOCUMENTS)

    assert np.std(exact) > 1e-3
    assert np.corrcoef(exact, close)[0, 1] > 0.98
    assert 0 < np.abs(exact - close).max() < np.std(exact)


def test_a_score_depends_on_its_pair_alone_to_the_last_bit(small: CrossEncoder) -> None:
    together = logits(small, DOCUMENTS)

    assert [float(logits(small, [text])[0]) for text in DOCUMENTS] == together.tolist()
    assert logits(small, DOCUMENTS[::-1])[::-1].tolist() == together.tolist()


def test_the_ranker_uses_it_and_says_so(folder: Path, small: CrossEncoder) -> None:
    ranker = CrossEncoderRanker.open(CrossEncoderRanker.Options(str(folder), query_budget=16, precision="int8"))
    names = ["heart", "cat", "law", "dogs"]
    first = run(*(("q", name, 10.0 - place) for place, name in enumerate(names)))
    found = ranker.rerank(Queries.from_pairs([("q", "cat law")]), first, Shelf(*names))

    order = np.argsort(-logits(small, names), kind="stable")
    assert found.frame["doc_id"].to_list() == [names[place] for place in order]
    identity = ranker.identity
    assert (identity["products"], len(identity["graph_sha256"])) == ("int8", 64)


def test_without_a_graph_it_says_how_to_make_one(tmp_path: Path) -> None:
    bare = save_cross(save_bert(tmp_path))
    with pytest.raises(EncoderError, match=f"periti train quantise {bare}"):
        CrossEncoderRanker.open(CrossEncoderRanker.Options(str(bare), precision="int8"))
    with pytest.raises(ConfigError, match="no precision 'int4'; known: float32, bfloat16, int8"):
        CrossEncoderRanker.Options(str(bare), precision="int4")


def test_a_damaged_graph_is_named(whole: CrossEncoder, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no graph")
    with pytest.raises(EncoderError, match=FILE):
        QuantisedCrossEncoder(whole, tmp_path / FILE)


def test_the_command_writes_the_graph_and_compares(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / FILE).unlink()
    assert (
        main(
            ["train", "quantise", str(folder), "--queries", "2", "--documents", "12", "--query-budget", "16", "--json"]
        )
        == 0
    )

    found = json.loads(capsys.readouterr().out)
    assert (folder / FILE).is_file()
    assert found["pairs"] == 24
    assert 0.8 < found["rank_correlation"] <= 1
    assert found["pairs_per_cpu_second"]["int8"] > 0
