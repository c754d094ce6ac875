"""Near-duplicates against all pairs compared by hand, and at the edges."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.datasets.selection import near_duplicates as module
from periti.datasets.selection.minhash import Bands
from periti.datasets.selection.near_duplicates import NearDuplicates, NearDuplicateStage
from periti.datasets.selection.selector import Blocks
from periti.datasets.selection.shingles import Shingling
from periti.datasets.selection.stages import Stage
from periti.errors import ConfigError, InputError

SURE = Bands(64, 1)
"""A pair of Jaccard coefficient 0.5 is missed once in 2^64."""
WORDS = st.lists(st.sampled_from("abcdef"), max_size=6).map(" ".join)


def pool(texts: Sequence[str], size: int = 3) -> Blocks:
    def blocks() -> Iterator[Sequence[str]]:
        for at in range(0, len(texts), size):
            yield texts[at : at + size]

    return blocks


def by_all_pairs(texts: Sequence[str], threshold: float) -> list[int]:
    """The first row of the connected component of each text."""
    sets = [set(text.split()) for text in texts]
    first = list(range(len(texts)))
    for b in range(len(texts)):
        for a in range(b):
            if sets[a] and len(sets[a] & sets[b]) >= threshold * len(sets[a] | sets[b]):
                low, high = sorted((first[a], first[b]))
                first = [low if value == high else value for value in first]
    return first


@given(st.lists(WORDS, min_size=1, max_size=12), st.sampled_from([0.5, 0.75, 1.0]))
@settings(max_examples=25, deadline=None)
def test_clusters_are_those_of_all_pairs(texts: list[str], threshold: float) -> None:
    found = NearDuplicates(threshold, Shingling(size=1), SURE).find(pool(texts), seed=1)

    assert found.kept.tolist() == by_all_pairs(texts, threshold)


@given(st.lists(WORDS, min_size=1, max_size=12))
@settings(max_examples=15, deadline=None)
def test_what_is_found_does_not_hang_on_blocks_or_portions(texts: list[str]) -> None:
    options = NearDuplicates(0.5, Shingling(size=1), Bands(4, 2))
    whole = options.find(pool(texts, 100), seed=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHARACTERS", 5)
        patch.setattr(module, "_SHINGLES", 4)
        assert options.find(pool(texts, 1), seed=1).kept.tolist() == whole.kept.tolist()


def test_the_best_scored_text_of_a_cluster_stays_the_first_of_equals() -> None:
    texts = ["a b c", "x y z", "a b c", "a b c", "x y z"]
    found = NearDuplicates().find(pool(texts), seed=0, scores=np.array([1.0, 5.0, 2.0, 2.0, 5.0]))

    assert found.kept.tolist() == [2, 1, 2, 2, 1]
    assert found.stays.tolist() == [False, True, True, False, False]
    assert found.removed == 3


def test_a_long_text_with_one_changed_word_is_a_duplicate_and_half_of_it_is_not() -> None:
    rng = random.Random(7)
    words = [f"w{rng.randrange(5000)}" for _ in range(200)]
    changed = [*words[:100], "other", *words[101:]]
    texts = [" ".join(words), " ".join(changed), " ".join(words[:100]), " ".join(reversed(words))]

    # 3 of 198 shingles differ: 195 / 201 = .97; half of the text: 98 / 198 = .49.
    assert NearDuplicates(0.9).find(pool(texts), seed=3).kept.tolist() == [0, 0, 2, 3]


def test_texts_without_a_word_are_nobodys_duplicate() -> None:
    assert NearDuplicates().find(pool(["", "...", "", "\x00"]), seed=0).kept.tolist() == [0, 1, 2, 3]


def test_case_and_punctuation_do_not_tell_texts_apart() -> None:
    assert NearDuplicates().find(pool(["An Apple, a pear.", "an apple a pear"]), seed=0).kept.tolist() == [0, 0]


def test_unsegmented_scripts_are_compared_by_their_characters() -> None:
    texts = ["今日は天気がいいから散歩しましょう", "今日は天気がいいから散歩しました", "明日は雨が降るそうです"]

    assert NearDuplicates(0.7, Shingling(size=2), SURE).find(pool(texts), seed=0).kept.tolist() == [0, 0, 2]


def test_a_bucket_too_large_for_all_pairs_is_told() -> None:
    # All texts share two of four words: each pair has J = 1/3, so every bucket fills with texts that are not alike.
    texts = [f"same words x{number} y{number}" for number in range(60)]
    few = NearDuplicates(0.9, Shingling(size=1), SURE, width=4).find(pool(texts), seed=0)
    copies = NearDuplicates(0.9, Shingling(size=1), SURE, width=4).find(pool(["same words"] * 60), seed=0)

    assert few.removed == 0
    assert few.crowded > 0
    assert (copies.removed, copies.crowded) == (59, 0)


def test_as_a_stage_it_says_what_it_took_out_and_what_it_did_not_compare() -> None:
    stage = NearDuplicateStage()
    assert isinstance(stage, Stage)
    assert stage.stay(pool(["a b c", "x", "a b c"]), seed=0).tolist() == [True, True, False]
    assert stage.name == "near-duplicates (Jaccard 0.8 or more)"

    best = NearDuplicateStage(scores=lambda: np.array([1.0, 1.0, 2.0]))
    assert best.stay(pool(["a b c", "x", "a b c"]), seed=0).tolist() == [False, True, True]

    crowded = NearDuplicateStage(NearDuplicates(0.9, Shingling(size=1), SURE, width=4))
    crowded.stay(pool([f"same words x{number} y{number}" for number in range(60)]), seed=0)
    assert "not all pairs compared of " in crowded.name


def test_bands_find_what_their_formula_says() -> None:
    rng = np.random.default_rng(5)
    texts = []
    for _ in range(400):
        words = rng.choice(10**6, 15, replace=False)
        texts += [" ".join(map(str, words[:12])), " ".join(map(str, words[3:]))]  # 9 of 15: J = .6
    found = NearDuplicates(0.6, Shingling(size=1), Bands(4, 3)).find(pool(texts, 800), seed=11)

    expected = Bands(4, 3).recall(0.6)
    assert found.removed / 400 == pytest.approx(expected, abs=3.3 * np.sqrt(expected * (1 - expected) / 400))


def test_the_usual_bands_miss_hardly_a_pair_at_the_usual_threshold() -> None:
    assert Bands().recall(NearDuplicates().threshold) == pytest.approx(0.9998, abs=5e-5)  # as the page says


def test_scratch_files_are_gone_afterwards_even_when_the_pool_breaks(tmp_path: Path) -> None:
    def broken() -> Iterator[Sequence[str]]:
        yield ["a b c"]
        raise OSError("the disk is gone")

    NearDuplicates().find(pool(["a b", "a b"]), seed=0, scratch=tmp_path)
    with pytest.raises(OSError, match="gone"):
        NearDuplicates().find(broken, seed=0, scratch=tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_an_empty_pool_and_scores_for_others_are_refused() -> None:
    with pytest.raises(InputError, match="no text"):
        NearDuplicates().find(pool([]), seed=0)
    with pytest.raises(InputError, match="1 scores for 2 texts"):
        NearDuplicates().find(pool(["a", "b"]), seed=0, scores=np.zeros(1))


@pytest.mark.parametrize("threshold", [0, 1.1, float("nan")])
def test_an_impossible_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(ConfigError, match="threshold"):
        NearDuplicates(threshold)
