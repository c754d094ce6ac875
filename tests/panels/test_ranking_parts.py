"""A ranker of parts: what each has learnt is added to where all started, and dev says how much of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from periti.cli.main import main
from periti.encoders.cross import CrossEncoder, load_cross_encoder, weights_digest
from periti.errors import ConfigError, EncoderError, InputError
from periti.panels.ranking.config import RankerConfig, read_ranker_config, starting_from
from periti.panels.ranking.courses import ranker_folder, start_of, train_ranker_of
from periti.panels.ranking.parts import Parts, add_parts, added, parts_of
from periti.progress import Silent
from tests.tiny import ranker_file

FILE = """
name = "reader"
description = "reads passages of the demo"
base = "bert"
head = "late-join"
apart = 1
shares = [0.25, 1.0]
[parts]
first = ["one"]
second = ["two"]
[training]
learning_rate = 1e-3
steps = 4
batch = 2
negatives = 3
depth = 10
dev_depth = 4
evaluate_every = 2
max_length = 48
query_budget = 16
keep = "last"
[collections.one]
dataset = "demo"
train = "train"
test = "test"
slices = [0.6, 0.4, 0.0]
[collections.two]
dataset = "demo"
train = "dev"
test = "test"
slices = [0.5, 0.5, 0.0]
"""
Weights = Mapping[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ranker_file(tmp_path_factory.mktemp("parts"), FILE)


@pytest.fixture(scope="module")
def config(file: Path) -> RankerConfig:
    return read_ranker_config(file)


@pytest.fixture(scope="module")
def folder(file: Path, config: RankerConfig) -> Path:
    assert main(["train", "ranker", str(file), "--seed", "3"]) == 0
    return ranker_folder(config, 3)


def card_in(folder: Path) -> Any:
    return json.loads((folder / "card.json").read_text(encoding="utf-8"))


def opened(folder: Path) -> CrossEncoder:
    return load_cross_encoder(folder, max_length=48, query_budget=16)


def weights(model: CrossEncoder) -> Weights:
    return {name: one.detach().numpy().copy() for name, one in model.model.named_parameters()}


def test_what_parts_have_learnt_is_added_to_their_start(config: RankerConfig, folder: Path) -> None:
    start, found = weights(start_of(config, 3)), weights(opened(folder))
    parts = [weights(opened(ranker_folder(one, 3))) for one in parts_of(config)]
    share = card_in(folder)["share"]

    assert len(parts) == 2
    learnt = [name for name in start if any((one[name] != start[name]).any() for one in parts)]
    assert any(name.startswith("joined") for name in learnt)
    assert not any(name.startswith("encoder") for name in learnt)
    for name, first in start.items():
        expected = first + share * sum(one[name].astype(np.float64) - first for one in parts)
        np.testing.assert_allclose(found[name], expected, atol=1e-6)


def test_what_no_part_has_trained_keeps_its_digest(config: RankerConfig, folder: Path) -> None:
    """States of texts are kept by the digest of the layers that read them alone: zeros have signs."""
    start, part = start_of(config, 3), opened(ranker_folder(parts_of(config)[0], 3))
    for one in (start, part):
        next(one.model.encoder.parameters()).data[0, 0] = -0.0

    found = added(start, [part], 0.5)
    assert weights_digest(found.model.encoder) == weights_digest(start.model.encoder)
    assert weights_digest(opened(folder).model.encoder) == weights_digest(start_of(config, 3).model.encoder)


def test_dev_chooses_the_share(config: RankerConfig, folder: Path) -> None:
    card = card_in(folder)
    shares = dict(card["shares"])

    assert list(shares) == list(config.shares)
    with_none = {0.0: card["dev_of_start"], **shares}
    assert card["dev"] == with_none[card["share"]] == max(with_none.values())
    assert [one["name"] for one in card["parts"]] == ["reader-first", "reader-second"]
    assert [one["name"] for one in card["sources"]] == ["one:fit", "two:fit"]
    assert len(card["dev_lists"]) == 2


def test_where_no_share_helps_it_is_the_start(config: RankerConfig, folder: Path, tmp_path: Path) -> None:
    start = start_of(config, 3)
    before = weights(start)
    trained = {ranker_folder(one, 3): card_in(ranker_folder(one, 3)) for one in parts_of(config)}

    def score(encoder: CrossEncoder) -> float:
        return -float(sum(np.abs(one - before[name]).sum() for name, one in weights(encoder).items()))

    card = add_parts(start, Parts(config, 3, trained, {}, "dev"), score, tmp_path / "sum", progress=Silent())
    assert (card["share"], card["dev"]) == (0.0, 0.0)
    assert max(value for _, value in card["shares"]) < 0
    assert all((one == before[name]).all() for name, one in weights(opened(tmp_path / "sum")).items())
    assert folder.exists()


def test_the_whole_of_one_part_is_that_part(config: RankerConfig, folder: Path) -> None:
    start = start_of(config, 3)
    part = opened(ranker_folder(parts_of(config)[0], 3))
    before = weights(start)

    found = weights(added(start, [part], 1.0))
    for name, one in weights(part).items():
        np.testing.assert_allclose(found[name], one, atol=1e-6)
    halfway = weights(added(start, [part], 0.5))
    for name, one in weights(part).items():
        np.testing.assert_allclose(halfway[name], (before[name] + one) / 2, atol=1e-6)
    assert all((one == before[name]).all() for name, one in weights(start).items())
    assert folder.exists()


def test_a_part_is_the_ranker_that_its_collections_make(config: RankerConfig, folder: Path, tmp_path: Path) -> None:
    alone = replace(config, name="reader-first", sources=("one",), parts={}, home=tmp_path)
    train_ranker_of(alone, 3, progress=Silent())

    part = ranker_folder(parts_of(config)[0], 3)
    assert card_in(ranker_folder(alone, 3))["course"] == card_in(part)["course"]
    assert card_in(folder)["parts"][0]["weights_sha256"] == card_in(part)["weights_sha256"]


def test_it_is_not_made_twice_and_another_is_refused(config: RankerConfig, folder: Path) -> None:
    assert train_ranker_of(config, 3, progress=Silent()) == card_in(folder)
    with pytest.raises(InputError, match="was trained from other data, settings or seed"):
        train_ranker_of(replace(config, shares=(0.5,)), 3, progress=Silent())


def test_its_cards_name_parts_and_shares(file: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = card_in(folder)
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "trained apart from the same start" in text
    assert card["parts"][1]["weights_sha256"] in text
    assert "| step | dev |" not in text

    assert main(["train", "ranker", str(file), "--seed", "3"]) == 0
    printed = capsys.readouterr().out
    assert "part reader-second: its dev" in printed
    assert f"at {card['share']:g} of what its parts learnt" in printed


def test_a_damaged_part_is_refused(config: RankerConfig, folder: Path, tmp_path: Path) -> None:
    moved = replace(config, home=tmp_path)
    for one in parts_of(moved):
        train_ranker_of(one, 3, progress=Silent())
    weights_file = ranker_folder(parts_of(moved)[1], 3) / "model.safetensors"
    data = bytearray(weights_file.read_bytes())
    data[-1] ^= 1
    weights_file.write_bytes(bytes(data))

    with pytest.raises(EncoderError, match="truncated or was altered"):
        train_ranker_of(moved, 3, progress=Silent())
    assert not ranker_folder(moved, 3).exists()
    assert folder.exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('first = ["one"]', "first = []", "expected parts and their collections"),
        ('first = ["one"]', 'first = "one"', "expected parts and their collections"),
        ('first = ["one"]', '"a/b" = ["one"]', "part 'a/b' names a folder"),
        ('first = ["one"]', 'first = ["on"]', "parts names 'on'"),
        ("shares = [0.25, 1.0]", "shares = [0.0]", "each must be above 0 and at most 1"),
        ("shares = [0.25, 1.0]", "shares = []", "each must be above 0 and at most 1"),
        ("apart = 1", 'apart = 1\nsources = ["one"]', "sources and parts are both set"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in FILE
    (tmp_path / "bad.toml").write_text(FILE.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_ranker_config(tmp_path / "bad.toml")


def test_all_parts_start_where_the_whole_does(config: RankerConfig, tmp_path: Path) -> None:
    for part in parts_of(starting_from(config, tmp_path)):
        assert part.adapter == tmp_path
        assert not part.parts
        assert set(part.learnt) < set(config.learnt)
