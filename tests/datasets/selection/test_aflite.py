"""The adversarial filter on items of which half carry an artefact (reference 3.6), and at the edges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from periti.datasets.selection.adversary import Adversary, standardised
from periti.datasets.selection.aflite import AT_CHANCE, NOTHING_LEFT, SMALLEST, AdversarialFilter
from periti.errors import ConfigError, InputError

SEEDS = range(3)
QUICK = AdversarialFilter(partitions=32)


class World(NamedTuple):
    features: NDArray[np.float64]
    labels: list[str]
    artefact: NDArray[np.bool_]


def world(seed: int, share: float = 0.5, strength: float = 2.5) -> World:
    """3,000 items of 20 features without meaning; in some the first follows the label."""
    rng = np.random.default_rng(seed)
    labels, artefact = rng.integers(0, 2, 3000), rng.random(3000) < share
    features = rng.normal(size=(3000, 20))
    features[:, 0] += np.where(artefact, strength * (2 * labels - 1), 0)
    return World(features, [("no", "yes")[label] for label in labels], artefact)


def fresh_accuracy(one: World, keep: NDArray[np.bool_], seed: int) -> float:
    """Of an adversary with the filter's options on partitions of its own."""
    classes = np.unique(np.array(one.labels)[keep], return_inverse=True)[1]
    features = standardised(one.features[keep])
    rng = np.random.default_rng(1000 + seed)
    return Adversary(32, 0.5, 0.1).guess(features, classes, rng).accuracy


def test_most_artefacts_go_and_labels_can_be_guessed_by_chance_only_and_not_less() -> None:
    before, after, accuracies = [], [], []
    for seed in SEEDS:
        one = world(seed)
        found = QUICK.run(one.features, one.labels, seed=seed)
        before.append(one.artefact.mean())
        after.append(one.artefact[found.keep].mean())
        accuracies.append(fresh_accuracy(one, found.keep, seed))
        assert found.rounds[0].accuracy == pytest.approx(0.74, abs=0.03)
        assert found.stopped == AT_CHANCE

    assert np.mean(before) == pytest.approx(0.5, abs=0.02)
    assert max(after) <= 0.25
    assert min(accuracies) >= 0.48
    assert max(accuracies) <= 0.54
    assert np.mean(accuracies) == pytest.approx(0.51, abs=0.02)


def test_the_published_filter_turns_the_artefact_around() -> None:
    one = world(0)
    found = AdversarialFilter(partitions=32, to_chance=False).run(one.features, one.labels, seed=0)

    assert fresh_accuracy(one, found.keep, 0) < 0.47


def test_items_without_artefact_are_left_alone() -> None:
    one = world(3, share=0)
    found = QUICK.run(one.features, one.labels, seed=3)

    assert found.keep.all()
    assert (len(found.rounds), found.rounds[0].removed, found.stopped) == (1, 0, AT_CHANCE)


def test_strata_say_where_items_went() -> None:
    one = world(1)
    names = ["artefact" if carries else "clean" for carries in one.artefact]
    found = QUICK.run(one.features, one.labels, seed=1, strata=names)
    artefact, clean = found.strata

    assert (artefact.name, artefact.before) == ("artefact", int(one.artefact.sum()))
    assert (
        artefact.removed + clean.removed == int((~found.keep).sum()) == sum(round_.removed for round_ in found.rounds)
    )
    assert artefact.removed / artefact.before > 3 * clean.removed / clean.before
    by_label = QUICK.run(one.features, one.labels, seed=1).strata
    assert [stratum.name for stratum in by_label] == ["no", "yes"]


def test_the_smallest_size_is_kept_and_a_thin_slice_ends_it() -> None:
    one = world(2)
    small = AdversarialFilter(partitions=32, smallest=2700).run(one.features, one.labels, seed=2)
    unsure = AdversarialFilter(threshold=0.999, partitions=300, slice=0.9).run(one.features, one.labels, seed=2)

    assert (int(small.keep.sum()), small.stopped) == (2700, SMALLEST)
    assert (bool(unsure.keep.all()), unsure.stopped) == (True, NOTHING_LEFT)


def test_chance_is_the_largest_class_not_one_half() -> None:
    rng = np.random.default_rng(5)
    labels = ["rare" if rare else "common" for rare in rng.random(2000) < 0.2]
    found = AdversarialFilter().run(rng.normal(size=(2000, 5)), labels, seed=0)

    assert found.keep.all()
    assert found.rounds[0].chance == pytest.approx(0.8, abs=0.02)


def test_three_classes_are_filtered_too() -> None:
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 3, 1500)
    features = rng.normal(size=(1500, 6)) + 2.0 * np.eye(6)[labels] * (rng.random(1500) < 0.5)[:, None]
    found = AdversarialFilter().run(features, [str(label) for label in labels], seed=0)

    assert found.rounds[0].accuracy > 0.45
    assert found.rounds[-1].accuracy == pytest.approx(found.rounds[-1].chance, abs=0.03)


def test_guesses_are_what_a_ridge_regression_of_one_feature_says() -> None:
    features = np.array([[-1.0], [-1.0], [1.0], [1.0]] * 25)
    classes = np.array([0, 0, 1, 1] * 25)
    right = Adversary(5, 0.5, 0.1).guess(features, classes, np.random.default_rng(0))

    assert right.accuracy == 1
    assert right.times.sum() == 5 * 50
    # Class indicators of deviation 1/2, slope 1/2 / (1 + .1): values .5 +- .4545, so the margin is .909.
    assert right.margins[right.times > 0].mean() == pytest.approx(0.909, abs=0.02)


def test_constant_features_guess_like_a_coin() -> None:
    labels = ["a", "b"] * 100
    found = AdversarialFilter().run(np.ones((200, 3)), labels, seed=0)

    assert found.keep.all()


@pytest.mark.parametrize(
    ("features", "labels", "said"),
    [
        (np.zeros((12, 2)), ["a"] * 12, "one label"),
        (np.zeros((3, 2)), ["a", "b", "a"], "has 3 items"),
        (np.zeros((12, 2)), ["a", "b"], "2 labels"),
        (np.full((12, 2), np.inf), ["a", "b"] * 6, "finite"),
    ],
)
def test_items_that_can_not_be_filtered_are_refused(
    features: NDArray[np.float64], labels: list[str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        AdversarialFilter().run(features, labels, seed=0)


@pytest.mark.parametrize("options", [{"threshold": 1.0}, {"slice": 0.0}, {"partitions": 0}, {"ridge": -1.0}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="adversarial filter"):
        AdversarialFilter(**options)  # type: ignore[arg-type]
