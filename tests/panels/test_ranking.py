"""A ranker from a file and the demo collection, by the command a user types: what is learnt, kept, told, refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from periti.cli.main import main
from periti.datasets import load_dataset
from periti.encoders.adapters import Adapter, write_adapter
from periti.encoders.cross import load_cross_encoder
from periti.errors import ConfigError, EncoderError, InputError
from periti.files import sha256_file
from periti.panels.config import read_panel_config
from periti.panels.ranking.config import RankerConfig, read_ranker_config, with_training
from periti.panels.ranking.courses import ranker_folder, start_of
from periti.panels.ranking.dev import DevLists, dev_score
from periti.panels.ranking.source import RankingSource, open_ranking_source
from periti.panels.slices import DEV, FIT, UTILITY
from periti.pipeline import open_pipeline
from periti.progress import Silent
from periti.rankers.reranking import run_digest
from periti.training.ranking.settings import CURRICULA
from tests.tiny import ranker_file

FILE = """
name = "reader"
description = "reads passages of the demo"
base = "bert"
[training]
steps = 4
batch = 2
negatives = 3
depth = 10
dev_depth = 4
dev_queries = 3
evaluate_every = 2
max_length = 48
query_budget = 16
[collections.one]
dataset = "demo"
train = "train"
test = "test"
slices = [0.6, 0.4, 0.0]
[collections.other]
dataset = "demo"
test = "dev"
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ranker_file(tmp_path_factory.mktemp("ranker"), FILE)


@pytest.fixture(scope="module")
def config(file: Path) -> RankerConfig:
    return read_ranker_config(file)


@pytest.fixture(scope="module")
def source(config: RankerConfig) -> RankingSource:
    return open_ranking_source("one", config, Silent())


@pytest.fixture(scope="module")
def card(file: Path) -> Any:
    assert main(["train", "ranker", str(file), "--seed", "2", "--curriculum", "norm"]) == 0
    folder = file.parent / "rankers" / "reader" / "norm" / "seed-2"
    return json.loads((folder / "card.json").read_text(encoding="utf-8"))


def test_only_train_is_learnt_from_and_dev_is_a_part_of_it(config: RankerConfig, source: RankingSource) -> None:
    train = set(load_dataset("demo").queries("train").ids)
    fit, dev = (set(source.slices[part].queries.ids) for part in (FIT, DEV))

    assert fit | dev <= train
    assert not fit & dev
    assert len(dev) == 3
    assert set(source.runs[FIT].query_ids) <= fit
    found = source.training_set(config)
    tests = {text for split in ("test", "dev") for text in load_dataset("demo").queries(split).texts}
    assert not tests & {entry.text for entry in found.entries}
    assert source.runs[FIT].frame["rank"].max() == 10


def test_it_may_learn_from_what_the_adapter_has_not_seen(config: RankerConfig) -> None:
    halves = {"one": replace(config.collections["one"], slices=(0.4, 0.2, 0.4))}
    found = {
        part: open_ranking_source("one", replace(config, collections=halves, learns_from=part), Silent())
        for part in (FIT, UTILITY)
    }
    texts = {part: {e.text for e in one.training_set(config).entries} for part, one in found.items()}

    assert not texts[FIT] & texts[UTILITY]
    assert texts[UTILITY] <= set(found[FIT].slices[UTILITY].queries.texts)
    assert found[FIT].slices[DEV].queries.ids == found[UTILITY].slices[DEV].queries.ids
    with pytest.raises(InputError, match=r"no query falls into the slice to learn from \(utility\)"):
        open_ranking_source("one", replace(config, learns_from=UTILITY), Silent())


def test_an_unknown_slice_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('learns_from = "test"\n' + file.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ConfigError, match="no learns_from 'test'; known: fit, utility"):
        read_ranker_config(tmp_path / "bad.toml")


def test_the_lists_are_those_of_bm25(source: RankingSource, config: RankerConfig) -> None:
    pipeline = open_pipeline(config.home / "words" / "demo")

    expected = pipeline.search(source.slices[FIT].queries, 10)
    assert source.runs[FIT].frame.equals(expected.frame)


def test_dev_reranks_lists_as_they_are(source: RankingSource, config: RankerConfig) -> None:
    """A relevant document that the first stage missed stays missed; what is below the depth stays where it was."""
    encoder = start_of(config, 1)
    lists = DevLists.of(source, encoder, config.training)
    found = lists.reranked(encoder)

    assert (
        found.frame.select("query_id", "doc_id")
        .sort(pl.all())
        .equals(source.runs[DEV].frame.select("query_id", "doc_id").sort(pl.all()))
    )
    for query_id in found.query_ids:
        assert set(found.doc_ids(query_id)[:4]) == set(source.runs[DEV].doc_ids(query_id)[:4])
        assert found.doc_ids(query_id)[4:] == source.runs[DEV].doc_ids(query_id)[4:]
    assert dev_score([lists], "nDCG@10")(encoder) == lists.mean(found, "nDCG@10")
    assert dev_score([lists], "R@10")(encoder) == lists.mean(source.runs[DEV], "R@10")


def test_dev_sees_the_first_stage_s_scores_where_training_does(source: RankingSource, config: RankerConfig) -> None:
    encoder = start_of(config, 1)
    strong = DevLists.of(source, encoder, replace(config.training, first_stage=1e6))
    heights = strong.pairs.with_columns(height=strong.prior / 1e6)

    # Logits are nothing beside a million times the score: the first stage's order, ties aside.
    assert strong.reranked(encoder).frame["doc_id"].to_list() == source.runs[DEV].frame["doc_id"].to_list()
    for _, own in heights.group_by("query_id"):
        assert own["height"][0] == 1, "the first of its list"
        assert own["height"].to_list() == sorted(own["height"], reverse=True)
        assert min(own["height"].to_list()) > 0, "what is reranked is the top of a longer list"


def test_the_card_says_what_it_was_made_of(card: Any, source: RankingSource) -> None:
    assert card["command"] == "periti train ranker ranker.toml --curriculum norm --seed 2"
    assert card["licence"] == "MIT"
    assert card["seed"] == 2
    one = card["sources"][0]
    assert one["name"] == "one:fit"
    assert one["first_stage"] == "bm25"
    assert one["first_stage_sha256"] == run_digest(source.runs[FIT])
    assert [entry[0] for entry in card["dev_curve"]] == [0, 2, 4]
    assert card["options"]["curriculum"] == "norm"
    assert card["dev"] >= card["dev_of_start"]
    assert "3 queries, the first 4 documents of each reranked" in card["dev_lists"][0]


def test_the_ranker_is_there_and_is_left_as_it_is(card: Any, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["train", "ranker", str(file), "--seed", "2", "--curriculum", "norm", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)

    assert told["weights_sha256"] == card["weights_sha256"]
    assert told["seconds"] == card["seconds"]
    assert load_cross_encoder(told["folder"], query_budget=16).max_length == 48
    assert main(["train", "ranker", str(file), "--seed", "2", "--curriculum", "norm", "--steps", "6"]) == 2
    assert "trained from other data, settings or seed" in capsys.readouterr().err


def test_a_pipeline_makes_the_lists_and_a_cross_encoder_is_gone_on_from(
    card: Any, config: RankerConfig, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ranker_folder(config, 2).parent.parent / "norm" / "seed-2"
    other = file.with_name("other.toml")
    text = FILE.replace('base = "bert"', f'model = "{folder}"').replace('name = "reader"', 'name = "again"')
    text = text.replace("[training]", 'first_stages = { one = "rankers/words/demo" }\n[training]')
    other.write_text(text, encoding="utf-8")
    capsys.readouterr()

    assert main(["train", "ranker", str(other), "--json", "--steps", "2"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["start_name"] == "seed-2"
    assert again["sources"][0]["first_stage"] == "demo" or again["sources"][0]["first_stage"] == "one"
    assert again["sources"][0]["first_stage_sha256"] == card["sources"][0]["first_stage_sha256"]
    assert again["dev_of_start"] == card["dev"]


def test_a_teacher_is_learnt_from(
    config: RankerConfig, source: RankingSource, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"{q} Q0 {d} {r} {20 - r} t" for q, d, _, r in source.runs[FIT].frame.iter_rows()]
    file.with_name("teacher.run").write_text("\n".join(lines) + "\n", encoding="utf-8")
    other = file.with_name("taught.toml")
    text = FILE.replace("[training]", 'teachers = { one = "teacher.run" }\n[training]\nloss = "margin-mse"\n')
    text = text.replace("negatives = 3", "negatives = 3\nrandom_negatives = 0").replace('"reader"', '"taught"')
    other.write_text(text, encoding="utf-8")
    capsys.readouterr()

    assert main(["train", "ranker", str(other), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["options"]["loss"] == "margin-mse"
    with pytest.raises(ConfigError, match="needs a teacher's run of collection 'one'"):
        with_training(config, loss="margin-mse", random_negatives=0)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('base = "bert"', 'bas = "bert"', "unknown key 'bas'"),
        ('base = "bert"', 'base = "bert"\nmodel = "x"', "base and model are both set"),
        ('base = "bert"', 'sources = ["two"]', "sources names 'two'"),
        ('base = "bert"', 'sources = ["other"]', "collection 'other' has no train split to learn from"),
        ('base = "bert"', 'first_stages = { x = "y" }', "first_stages names 'x'"),
        ('base = "bert"', "first_stages = { one = 1 }", "expected a table of collections and paths"),
        ('train = "train"', 'train = "test"\nhold_out = 0.5', "nothing is learnt from a test split"),
        ('train = "train"', "", "no collection has queries to learn from"),
        ("steps = 4", "step = 4", "unknown key 'step'"),
        ("[collections.one]", "[collection.one]", "unknown key 'collection'"),
    ],
)
def test_files_that_can_not_be_meant_are_refused(file: Path, old: str, new: str, says: str) -> None:
    wrong = file.with_name("wrong.toml")
    wrong.write_text(FILE.replace(old, new), encoding="utf-8")

    with pytest.raises(ConfigError, match=says):
        read_ranker_config(wrong)


def test_dev_is_needed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = file.with_name("undev.toml")
    other.write_text(FILE.replace("[0.6, 0.4, 0.0]", "[1.0, 0.0, 0.0]"), encoding="utf-8")

    assert main(["train", "ranker", str(other), "--seed", "9"]) == 2
    assert "none of the sources 'one' has dev queries to stop by" in capsys.readouterr().err
    assert main(["train", "ranker", str(file), "--seed", "-1"]) == 2
    assert "--seed is -1; it must be 0 or larger" in capsys.readouterr().err


def test_the_command_line_knows_the_curricula() -> None:
    from periti.cli.train_ranker import CURRICULA as OFFERED

    assert OFFERED == CURRICULA


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("", ("medquad-whole", "obliqa", "scifact", "nfcorpus")),
        ("_health", ("medquad-whole",)),
        ("_law", ("obliqa",)),
    ],
    ids=["reader", "health", "law"],
)
def test_the_benchmark_s_files_can_be_read(name: str, sources: tuple[str, ...]) -> None:
    folder = Path(__file__).parents[2] / "benchmarks"
    found = read_ranker_config(folder / f"ranker{name}.toml")

    assert found.learnt == sources
    assert found.training.max_length == 256
    assert (found.head, found.apart) == ("late-join", 5)
    assert found.learns_from == (FIT if name == "_law" else UTILITY)
    start = read_panel_config(folder / f"ranker{name}_start.toml")
    (expert,) = start.experts.values()
    assert set(expert.sources) == set(sources)
    for one in sources:
        assert start.collections[one] == found.collections[one], "it starts from what was fitted on the same queries"
    assert found.collections["obliqa"].hold_out == 0.4


def test_an_adapter_of_another_base_is_refused(config: RankerConfig, tmp_path: Path) -> None:
    late = replace(config, head="late-join", apart=1)
    size = start_of(late, 1).model.config.hidden_size
    assert late.base is not None
    own = sha256_file(late.base / "model.safetensors")
    for name, base in (("own", own), ("foreign", "0" * 64)):
        (tmp_path / name).mkdir()
        write_adapter(Adapter("linear", base, matrix=np.full((size, size), 0.5, np.float32)), tmp_path / name)

    taken = start_of(replace(late, adapter=tmp_path / "own"), 1)
    assert float(taken.model.matrix.detach()[0, 0]) == 0.5
    with pytest.raises(EncoderError, match=r"trained on a base with weights 000000000000\.\.\., but"):
        start_of(replace(late, adapter=tmp_path / "foreign"), 1)
