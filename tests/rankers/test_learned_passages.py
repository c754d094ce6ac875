"""The learned aggregation as a ranker: from held-out queries to a folder, from the folder to a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from periti.cli.main import main
from periti.encoders import minilm
from periti.errors import ConfigError, IndexDamaged, IndexMismatch, IndexMissing
from periti.passages.splitting import PassageConfig
from periti.rankers.learned_passages import CARD, WEIGHTS, LearnedPassageRanker, Likenesses
from periti.types import Document
from tests.tiny import QUERIES, TEXTS, Tiny, save_bert

QUICK = ["--hidden", "8", "--epochs", "3", "--length", "12", "--most", "4", "--depth", "6"]


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The texts as queries, each relevant with its topic's other documents."""
    folder = tmp_path_factory.mktemp("held")
    topics, qrels = folder / "dev.tsv", folder / "dev.qrels"
    rows = [(f"{topic}-{i}", topic, text) for topic, own in TEXTS.items() for i, text in enumerate(own)]
    topics.write_text("".join(f"t-{name}\t{text}\n" for name, _, text in rows))
    pairs = [(f"t-{name}", doc) for name, topic, _ in rows for doc, other, _ in rows if other == topic and doc != name]
    qrels.write_text("".join(f"{query_id} 0 {doc_id} 1\n" for query_id, doc_id in pairs))
    return ["--queries", str(topics), "--qrels", str(qrels)]


@pytest.fixture(scope="module")
def fitted(tiny: Tiny, held_out: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aggregation") / "one"
    assert main(["train", "aggregation", str(tiny.folder), *held_out, *QUICK, "--seed", "3", "--out", str(folder)]) == 0
    return folder


def test_likenesses_are_the_cosines_of_all_passages_with_all() -> None:
    encoder = minilm()
    query, document = "falls of older adults " * 4, Document("d", "vitamin D and bones " * 5)
    likenesses = Likenesses(encoder, PassageConfig(length=8))
    (found,), _ = likenesses.of([query], [document])

    parts = [likenesses._splitter.split([one]).texts for one in (Document("q", query), document)]
    left, right = encoder.encode_queries(parts[0]).vectors, encoder.encode_documents(parts[1]).vectors
    assert found.shape == (len(parts[0]), len(parts[1]), 1)
    np.testing.assert_allclose(found[..., 0], left @ right.T, atol=1e-5)


def test_the_same_command_gives_the_same_card(
    fitted: Path, tiny: Tiny, held_out: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = tmp_path / "again"
    command = ["train", "aggregation", str(tiny.folder), *held_out, *QUICK, "--seed", "3", "--out", str(again)]

    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (fitted / CARD).read_text() == (again / CARD).read_text()
    assert told["queries"] == sum(len(own) for own in TEXTS.values())
    assert 0 < told["relevant"] < told["pairs"]
    assert told["settings"]["positive_weight"] == pytest.approx((told["pairs"] - told["relevant"]) / told["relevant"])
    assert main(command) == 2
    assert "exists already" in capsys.readouterr().err


def test_what_is_within_the_depth_is_reordered(fitted: Path, tiny: Tiny) -> None:
    first = tiny.pipeline.search(QUERIES, 8)
    ranker = LearnedPassageRanker.open(LearnedPassageRanker.Options(folder=fitted, depth=4))
    found = ranker.rerank(QUERIES, first, tiny.docstore)

    assert ranker.identity["passages"]["length"] == 12
    for query_id in QUERIES.ids:
        assert set(found.doc_ids(query_id)[:4]) == set(first.doc_ids(query_id)[:4])
        assert found.doc_ids(query_id)[4:] == first.doc_ids(query_id)[4:]


def test_what_does_not_fit_is_refused(fitted: Path, tmp_path: Path) -> None:
    options = LearnedPassageRanker.Options
    with pytest.raises(ConfigError, match="needs a folder"):
        LearnedPassageRanker.open(options())
    with pytest.raises(IndexMissing, match="no learned aggregation"):
        LearnedPassageRanker.open(options(folder=tmp_path))
    with pytest.raises(IndexMismatch, match="was fitted with an encoder whose dimension is 384"):
        LearnedPassageRanker.open(options(folder=fitted, model=str(save_bert(tmp_path / "x"))))
    broken = tmp_path / "broken"
    broken.mkdir()
    for name in (WEIGHTS, CARD):
        (broken / name).write_bytes((fitted / name).read_bytes())
    (broken / WEIGHTS).write_bytes((fitted / WEIGHTS).read_bytes()[:-40])
    with pytest.raises(IndexDamaged, match="truncated or was altered"):
        LearnedPassageRanker.open(options(folder=broken))


def test_a_test_split_and_one_kind_of_pairs_are_refused(
    tiny: Tiny, held_out: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = ["train", "aggregation", str(tiny.folder), "--out", str(tmp_path / "x")]
    assert main([*begin, "--queries", "scifact", "--qrels", "scifact", "--split", "test"]) == 2
    assert "is a test split" in capsys.readouterr().err
    (tmp_path / "none.qrels").write_text("t-none 0 nothing 1\n")
    assert main([*begin, *held_out[:2], "--qrels", str(tmp_path / "none.qrels"), *QUICK]) == 2
    assert "0 of the" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
