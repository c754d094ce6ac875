"""The gate: by hand where it is constant, in worlds where the query says whom to believe, and without a source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from periti.errors import ConfigError, IndexDamaged, IndexMismatch, IndexMissing, InputError
from periti.protocols import QueryFusion
from periti.rankers.calibration.calibration import fit
from periti.rankers.calibration.fused import CalibratedFusion, CalibratedOptions
from periti.rankers.fusion.offline import everybody
from periti.rankers.fusion.settings import weighted
from periti.rankers.gate.files import TrainedGate, read_gate, write_gate
from periti.rankers.gate.fusion import GatedFusion, GatedOptions
from periti.rankers.gate.learning import GateOptions, forward, one_lost
from periti.rankers.gate.model import Gate
from periti.rankers.gate.slates import Slates, features_of, text_features
from periti.rankers.gate.training import HeldOut, padded, train_gate
from periti.types import Queries
from tests.rankers.gate.synthetic import World, world

QUICK = GateOptions(epochs=40)


@pytest.fixture(scope="module")
def two() -> tuple[World, TrainedGate]:
    made = world("two", 120, seed=1)
    return made, train_gate(made.runs, made.held_out, QUICK)


def constant(of: World, *weights: float) -> TrainedGate:
    source = of.held_out.source
    calibration = fit("quantile", of.runs, {name: {} for name in of.runs}, source)
    return TrainedGate(Gate.constant(np.array(weights)), calibration, {})


def test_a_constant_gate_is_a_plain_weighted_sum_of_calibrated_scores() -> None:
    made = world("leader", 8, seed=2)
    trained, weights = constant(made, 0.5, 0.3, 0.2), {"a": 0.5, "b": 0.3, "c": 0.2}
    plan = weighted(everybody(made.runs), weights)

    gated = GatedFusion(trained).fuse_queries(made.queries, made.runs, everybody(made.runs)).frame
    plain = CalibratedFusion(trained.calibration, CalibratedOptions()).fuse(made.runs, plan).frame
    both = gated.join(plain, on=["query_id", "doc_id"], how="full", suffix="_plain")

    assert both.height == gated.height == plain.height
    np.testing.assert_allclose(both["score"], both["score_plain"], atol=1e-6)


def test_weights_of_the_plan_multiply_the_gate_s_and_a_silent_source_has_none() -> None:
    made = world("two", 3, seed=3)
    trained = constant(made, 0.5, 0.5)
    plan = weighted(everybody(made.runs), {"a": 3.0, "b": 1.0})
    slates = Slates.of(made.runs, plan, trained.calibration)
    scores = trained.gate.scores(slates, features_of(slates.query_ids, None))
    np.testing.assert_allclose(scores, slates.values @ [0.75, 0.25], atol=1e-7)

    alone = {"a": made.runs["a"]}
    slates = Slates.of(alone, everybody(alone), trained.calibration)
    np.testing.assert_array_equal(trained.gate.weights(slates, features_of(slates.query_ids, None)), [[1.0, 0.0]] * 3)


def test_the_gate_beats_every_fixed_blend(two: tuple[World, TrainedGate]) -> None:
    test = world("two", 100, seed=101)
    blends = [test.quality(constant(test, w, 1 - w)) for w in np.linspace(0.05, 0.95, 10)]

    assert test.quality(two[1]) > max(blends) + 0.1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_source_that_is_missing_hurts_less_after_masking(seed: int) -> None:
    train, test = world("leader", 150, seed), world("leader", 100, seed + 100)
    drops = []
    for mask in (1.0, 0.0):
        trained = train_gate(train.runs, train.held_out, replace(QUICK, seed=seed, mask=mask))
        lost = np.mean([test.quality(trained, name) for name in "abc"])
        drops.append(test.quality(trained) - lost)

    assert drops[0] < drops[1]


def test_a_seed_gives_the_same_gate(two: tuple[World, TrainedGate]) -> None:
    again = train_gate(two[0].runs, two[0].held_out, QUICK)

    for name, array in two[1].gate.arrays().items():
        np.testing.assert_array_equal(again.gate.arrays()[name], array)


def test_training_and_inference_compute_the_same_gate(two: tuple[World, TrainedGate]) -> None:
    import torch

    made, trained = two
    slates = Slates.of(made.runs, everybody(made.runs), trained.calibration)
    features = features_of(slates.query_ids, made.queries)
    lists, _, _ = padded(slates, features, made.held_out.judged)
    lists = replace(lists, features=trained.gate.standardised(features))
    tensors = {name: torch.from_numpy(array) for name, array in trained.gate.arrays().items()}

    weights, _, scores = forward(tensors, lists)

    np.testing.assert_allclose(trained.gate.weights(slates, features), weights.numpy(), atol=2e-9)
    own = trained.gate.scores(slates, features)
    np.testing.assert_allclose(own, scores.numpy()[np.isfinite(scores.numpy())], atol=1e-8)


def test_a_query_s_answer_does_not_depend_on_its_batch(two: tuple[World, TrainedGate]) -> None:
    made, trained = two
    fusion, plan = GatedFusion(trained), everybody(made.runs)
    whole = fusion.fuse_queries(made.queries, made.runs, plan)
    for query in made.queries.ids[:5]:
        own = {n: replace(run, frame=run.frame.filter(pl.col("query_id") == query)) for n, run in made.runs.items()}
        alone = fusion.fuse_queries(
            Queries(made.queries.frame.filter(pl.col("query_id") == query)), own, everybody(own)
        )
        assert alone.doc_ids(query) == whole.doc_ids(query)


def test_one_source_is_masked_and_never_the_only_one(two: tuple[World, TrainedGate]) -> None:
    made, trained = two
    slates = Slates.of(made.runs, everybody(made.runs), trained.calibration)
    lists, _, _ = padded(slates, features_of(slates.query_ids, made.queries), made.held_out.judged)
    rng = np.random.default_rng(0)

    lost = one_lost(lists, 1.0, rng)
    assert (lost.sum(axis=1) == 1).all()
    assert lost.any(axis=0).all()
    assert not one_lost(lists.without(lost), 1.0, rng).any()
    assert not one_lost(lists, 0.0, rng).any()


def test_features_of_a_text_by_hand() -> None:
    row = text_features(["Does B12 help?"])[0]

    np.testing.assert_allclose(row, [np.log(4), 11 / 3, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(text_features([""])[0], [0, 0, 0, 0, 0])


# files and refusals


def test_a_gate_is_kept_whole(two: tuple[World, TrainedGate], tmp_path: Path) -> None:
    made, trained = two
    write_gate(trained, tmp_path / "gate")
    fusion = GatedFusion.open(GatedOptions(tmp_path / "gate"))

    assert isinstance(fusion, QueryFusion)
    assert fusion.trained.card["options"]["seed"] == 1
    plan = everybody(made.runs)
    before = GatedFusion(trained).fuse_queries(made.queries, made.runs, plan).frame
    assert fusion.fuse_queries(made.queries, made.runs, plan).frame.equals(before)
    with pytest.raises(InputError, match="exists already"):
        write_gate(trained, tmp_path / "gate")


@pytest.mark.parametrize("name", ["gate.safetensors", "calibration.json", "card.json"])
def test_a_damaged_or_missing_file_is_named(two: tuple[World, TrainedGate], tmp_path: Path, name: str) -> None:
    write_gate(two[1], tmp_path / "gate")
    path = tmp_path / "gate" / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(IndexDamaged, match=name):
        read_gate(tmp_path / "gate")
    path.unlink()
    with pytest.raises(IndexMissing, match=f"{name} is missing"):
        read_gate(tmp_path / "gate")


def test_other_sources_than_trained_for_are_refused(two: tuple[World, TrainedGate]) -> None:
    made, trained = two
    others = {"a": made.runs["a"], "stranger": made.runs["b"]}

    with pytest.raises(IndexMismatch, match="not trained for the source 'stranger'"):
        GatedFusion(trained).fuse(others, everybody(others))
    with pytest.raises(IndexMismatch, match="not trained for the source 'stranger'"):
        GatedFusion(trained).require({"a": {}, "stranger": {}})
    GatedFusion(trained).require({"a": {"depth": "10"}})
    with pytest.raises(InputError, match="no runs"):
        GatedFusion(trained).fuse({}, everybody(made.runs))


def test_an_expert_that_has_changed_is_refused(two: tuple[World, TrainedGate]) -> None:
    made, trained = two
    prints = {name: {"depth": "10"} for name in made.runs}
    fitted = replace(trained, calibration=replace(trained.calibration, fingerprints=prints))

    GatedFusion(fitted).require(prints)
    with pytest.raises(IndexMismatch, match="'a' was another"):
        GatedFusion(fitted).require({"a": {"depth": "20"}})


def test_what_teaches_nothing_is_refused() -> None:
    made = world("two", 9, seed=1)

    with pytest.raises(InputError, match="only 9 queries have a relevant document"):
        train_gate(made.runs, made.held_out)
    with pytest.raises(InputError, match="1 was given; give at least two"):
        train_gate({"a": made.runs["a"]}, made.held_out)
    held_out = made.held_out
    with pytest.raises(InputError, match="test split"):
        HeldOut(held_out.queries, held_out.judged, replace(held_out.source, split="test"))
    with pytest.raises(InputError, match="give positive numbers"):
        Gate.constant(np.array([0.0, 1.0]))
    with pytest.raises(InputError, match="not finite numbers of shape"):
        replace(Gate.constant(np.ones(2)), attention=np.array([np.nan]))


@pytest.mark.parametrize("wrong", [{"mask": 1.5}, {"hide": -1.0}, {"batch": 1}, {"held_out": 0.0}, {"rate": 0.0}])
def test_settings_that_can_not_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="gate:"):
        GateOptions(**wrong)  # type: ignore[arg-type]
