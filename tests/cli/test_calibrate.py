"""A foreign expert joins the panel: its own encoder, its own index, its own scale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from periti.batches import search_all
from periti.datasets.trec import read_run
from periti.errors import IndexMismatch
from periti.indexers.build import BuildConfig, build_collection
from periti.indexers.dense import DenseConfig
from periti.indexers.encoding import EncoderSource
from periti.pipeline import open_pipeline
from periti.rankers.calibration import Calibration
from periti.rankers.calibration.fused import CalibratedFusion
from tests.cli.calling import periti
from tests.tiny import DOCUMENTS, QUERIES, TEXTS, Tiny

FUSION = """
[fusion]
name = "calibrated"
calibration = "calibration.json"
rule = "sum"
missing = "zero"
"""


def save_foreign(folder: Path, *, seed: int = 0) -> Path:
    """MiniLM's transformer under another head: largest value instead of mean, a random map to 256, no length of one."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling

    from periti.encoders.sentence import minilm_path

    transformer = SentenceTransformer(str(minilm_path()), device="cpu")[0]
    head = Dense(384, 256, bias=False, activation_function=torch.nn.Identity())
    with torch.no_grad():
        head.linear.weight.copy_(torch.randn(256, 384, generator=torch.Generator().manual_seed(seed)))
    SentenceTransformer(modules=[transformer, Pooling(384, "max"), head], device="cpu").save(str(folder))
    return folder


def save_index(model: Path, folder: Path) -> Path:
    """A dense index of the tiny collection by a model, compared by inner product."""
    source = EncoderSource("sentence-transformers", {"model": str(model)})
    config = BuildConfig(name="foreign", lexical=None, dense=DenseConfig(metric="ip"), encoder=source)
    build_collection(DOCUMENTS, folder, config)
    return folder / "dense"


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    return save_index(save_foreign(folder / "model"), folder / "index")


@pytest.fixture
def panel(tiny: Tiny, foreign: Path, tmp_path: Path) -> Path:
    """The tiny collection with MiniLM and the foreign expert."""
    folder = tmp_path / "panel"
    shutil.copytree(tiny.folder, folder)
    toml = folder / "periti.toml"
    text = toml.read_text()
    begin, end = text.index("[experts.bm25]"), text.index("[experts.dense]")
    table = f"""
# of another house
[experts.foreign]
retriever = "dense"
index = {json.dumps(str(foreign))}
depth = 20
"""
    toml.write_text(text[:begin] + text[end:].replace("depth = 1000\n", f"depth = 20\n{table}"))
    return folder


@pytest.fixture
def topics(tmp_path: Path) -> Path:
    path = tmp_path / "topics.tsv"
    path.write_text("".join(f"{query_id}\t{text}\n" for query_id, text in QUERIES.frame.iter_rows()))
    return path


@pytest.fixture
def held_out(tmp_path: Path) -> tuple[Path, Path]:
    """The texts as queries, each relevant with its topic's other documents: topics and judgements."""
    topics, qrels = tmp_path / "dev.tsv", tmp_path / "dev.qrels"
    rows = [(f"{topic}-{i}", topic, text) for topic, own in TEXTS.items() for i, text in enumerate(own)]
    topics.write_text("".join(f"t-{name}\t{text}\n" for name, _, text in rows))
    pairs = [(f"t-{name}", doc) for name, topic, _ in rows for doc, other, _ in rows if other == topic and doc != name]
    qrels.write_text("".join(f"{query_id} 0 {doc_id} 1\n" for query_id, doc_id in pairs))
    return topics, qrels


@pytest.mark.parametrize("method", ["quantile", "platt", "isotonic"])
def test_a_foreign_expert_joins_the_panel_by_calibrated_scores(
    method: str, panel: Path, topics: Path, held_out: tuple[Path, Path], tmp_path: Path
) -> None:
    queries, qrels = held_out
    own = open_pipeline(panel)
    raw = {name: search_all(own.only(name), QUERIES, 20).frame["score"] for name in own.experts}
    assert raw["foreign"].min() > 20 * raw["dense"].max(), "its scores are of another scale"  # type: ignore[operator]

    assert periti("calibrate", panel, "--queries", queries, "--qrels", qrels, "--method", method, "--use") == 0
    assert periti("run", panel, "--queries", topics, "--out", tmp_path / "x.run", "-k", 30) == 0

    pipeline = open_pipeline(panel)
    assert isinstance(pipeline.fusion, CalibratedFusion)
    expected, trace = pipeline.explain(QUERIES, 30)
    written = read_run(tmp_path / "x.run")
    assert {q: written.doc_ids(q) for q in QUERIES.ids} == {q: expected.doc_ids(q) for q in QUERIES.ids}
    calibration = Calibration.read(panel / "calibration.json")
    parts = []
    for name in ("dense", "foreign"):
        output = trace.step(f"retrieve:{name}").output
        assert output is not None
        values = calibration.values(name, output.frame["score"].to_numpy().astype(np.float64))
        parts.append(output.frame.select("query_id", "doc_id", value=pl.Series(values)))
    by_hand = pl.concat(parts).group_by("query_id", "doc_id").agg(pl.col("value").sum())
    both = by_hand.join(expected.frame, on=["query_id", "doc_id"])
    assert both.height == by_hand.height == expected.frame.height
    np.testing.assert_allclose(both["score"], both["value"], atol=1e-5)


def test_use_changes_the_fusion_and_nothing_else(panel: Path, held_out: tuple[Path, Path]) -> None:
    before = (panel / "periti.toml").read_text()
    assert before.endswith('[fusion]\nname = "rrf"\nk = 60\n')

    assert periti("calibrate", panel, "--queries", held_out[0], "--use") == 0
    after = (panel / "periti.toml").read_text()
    assert after == before.replace('\n[fusion]\nname = "rrf"\nk = 60\n', FUSION)

    assert periti("calibrate", panel, "--queries", held_out[0], "--use") == 0
    assert (panel / "periti.toml").read_text() == after, "again changes nothing"
    (panel / "periti.toml").write_text(
        before.replace("[fusion]", "[fusion] # why\n# more") + '\n# whom to ask\n[policy]\nname = "all"\n'
    )
    assert periti("calibrate", panel, "--queries", held_out[0], "--use", "--missing", "list_min") == 0
    assert (
        (panel / "periti.toml").read_text().endswith('missing = "list_min"\n\n# whom to ask\n[policy]\nname = "all"\n')
    )


def test_without_use_the_table_is_printed(
    panel: Path, held_out: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (panel / "periti.toml").read_text()
    out = tmp_path / "elsewhere.json"
    assert periti("calibrate", panel, "--queries", held_out[0], "--out", out) == 0

    said = capsys.readouterr().out
    assert said.splitlines()[0] == f"{out}: quantile, 18 queries of dev.tsv"
    assert "  foreign: 360 documents of 18 queries, scores " in said
    assert f'calibration = "{out}"' in said
    assert (panel / "periti.toml").read_text() == before


def test_an_expert_that_changed_since_is_refused_in_one_sentence(
    panel: Path, held_out: tuple[Path, Path], topics: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert periti("calibrate", panel, "--queries", held_out[0], "--use") == 0
    toml = panel / "periti.toml"
    fitted = toml.read_text()
    toml.write_text(fitted.replace("depth = 20", "depth = 10", 1))
    capsys.readouterr()

    assert periti("run", panel, "--queries", topics, "--out", tmp_path / "x.run") == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert "when the expert 'dense' was another (depth 20 then, 10 now); fit it with `periti calibrate" in told[0]

    other = save_index(save_foreign(tmp_path / "model", seed=1), tmp_path / "index")
    toml.write_text(fitted.replace('index = "dense"', f"index = {json.dumps(str(other))}", 1))
    with pytest.raises(IndexMismatch, match=r"'dense' was another \(index \w{12} then, \w{12} now, model \w{12} then"):
        open_pipeline(panel)
    assert periti("calibrate", panel, "--queries", held_out[0]) == 0, "a stale calibration does not hinder a new one"
    open_pipeline(panel)


def test_a_table_for_machines(panel: Path, held_out: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    queries, qrels = held_out
    assert periti("calibrate", panel, "--queries", queries, "--qrels", qrels, "--method", "platt", "--json") == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["method"], told["source"]) == ("platt", "dev.tsv")
    assert told["experts"]["dense"]["relevant"] > 0
    assert told["experts"]["foreign"]["documents"] == 18 * 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--dataset", "scifact", "--split", "test"), "'test' is a test split, and nothing is fitted or tuned on test"),
        (("--dataset", "scifact:test"), "'test' is a test split"),
        (("--dataset", "scifact"), "no split is named, and the official one is mostly test"),
        ((), "needs held-out queries: give --dataset with --split, or --queries FILE"),
        (("--queries", "TOPICS", "--method", "platt"), "the method platt needs judgements"),
        (("--queries", "TOPICS", "--method", "plat"), "did you mean 'platt'"),
        (("--queries", "TOPICS", "--rule", "med"), "rule is 'med'"),
        (("--dataset", "demo:dev", "--qrels", "x"), "--qrels goes with --queries"),
    ],
)
def test_mistakes(
    arguments: tuple[str, ...], said: str, panel: Path, topics: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(topics) if argument == "TOPICS" else argument for argument in arguments]

    assert periti("calibrate", panel, *given) == 2
    told = capsys.readouterr().err
    assert said in told
    assert not (panel / "calibration.json").exists()


def test_a_fusion_that_is_no_table_is_left_alone(
    panel: Path, held_out: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    toml = panel / "periti.toml"
    text = 'fusion = "rrf"\n' + toml.read_text().partition("[fusion]")[0]
    toml.write_text(text)

    assert periti("calibrate", panel, "--queries", held_out[0], "--use") == 2
    assert "fusion is not written as a table [fusion]" in capsys.readouterr().err
    assert toml.read_text() == text
