"""Raters: windows, length, explanations, files, and the selector over them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from periti.datasets.selection.quality.comparison import spearman
from periti.datasets.selection.quality.features import (
    ENCODER,
    HASHED,
    KEPT,
    LENGTH,
    NORMALISED,
    REMOVED,
    SURFACE,
    FeatureOptions,
    remembering,
)
from periti.datasets.selection.quality.judgments import Judgments, Verdict
from periti.datasets.selection.quality.rater import Rater, train_rater
from periti.datasets.selection.quality.rater_files import ARRAYS, CARD, read_rater, write_rater
from periti.datasets.selection.quality.selector import QualitySelector
from periti.datasets.selection.quality.surface import NAMES, Frequencies, surface
from periti.datasets.selection.quality.windows import windowed
from periti.errors import FormatError, InputError
from tests.datasets.selection.quality.synthetic import judged, planted

MADE = planted(1, 60, words=30)
JUDGED = judged(MADE, 150, 1)
ALL = FeatureOptions((HASHED, SURFACE, ENCODER), buckets=1 << 10, window=16)


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors by counts of letters."""
    rows = np.array([[text.count(letter) + 0.1 for letter in "abdgo"] for text in texts], np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


@pytest.fixture(scope="module")
def rater() -> Rater:
    return train_rater([JUDGED], ALL, embed=embed)


# windows


@given(
    texts=st.lists(st.text("ab .\n\u4e2d", max_size=40), min_size=1, max_size=6),
    size=st.integers(1, 7),
)
@settings(max_examples=100, deadline=None)
def test_windows_put_together_are_the_text_and_each_is_full_but_the_last(texts: list[str], size: int) -> None:
    windows = windowed(texts, size)

    for number, text in enumerate(texts):
        own = np.flatnonzero(windows.owner == number)
        assert "".join(windows.texts[place] for place in own) == text
        assert (windows.words[own[:-1]] == size).all()
        assert windows.words[own[-1]] <= size
    again = windowed(list(windows.texts), size)
    assert again.words.tolist() == windows.words.tolist(), "a window has the words that it says"


def test_a_document_s_score_is_the_mean_of_its_windows_by_their_words() -> None:
    rater = train_rater([JUDGED], FeatureOptions(buckets=1 << 10, window=10))
    first, rest = " ".join(["good1"] * 10), "bad2 bad3 plain1 good4 plain7"

    apart = rater.rate([first + " ", rest])[:, 0]

    assert len(set(apart.tolist())) == 2
    np.testing.assert_allclose(rater.rate([f"{first} {rest}"])[0, 0], (10 * apart[0] + 5 * apart[1]) / 15)


def test_windows_of_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="windows of 0 words"):
        windowed(["a"], 0)


# length


@pytest.mark.parametrize("length", [NORMALISED, REMOVED])
def test_a_text_said_three_times_is_as_good_as_said_once(length: str) -> None:
    rater = train_rater([JUDGED], FeatureOptions(n=1, buckets=1 << 10, length=length))
    once = list(MADE.texts[:10])

    np.testing.assert_allclose(rater.rate([f"{text} {text} {text}" for text in once]), rater.rate(once))


def test_a_text_said_three_times_counts_more_where_length_is_kept() -> None:
    rater = train_rater([JUDGED], FeatureOptions(n=1, buckets=1 << 10, length=KEPT))

    once, thrice = (rater.rate([" ".join(["good1 good2"] * times)])[0, 0] for times in (1, 3))

    assert thrice > once > 0


def test_what_length_alone_explains_is_not_learned_where_length_is_removed() -> None:
    rng = np.random.default_rng(3)
    sizes = rng.integers(5, 60, size=400)
    texts = [" ".join(f"w{word}" for word in rng.integers(40, size=size)) for size in sizes.tolist()]
    # The longer text is always preferred, and no word means anything.
    pairs = [(i, j) for i, j in rng.integers(300, size=(1500, 2)).tolist() if sizes[i] != sizes[j]]
    judgments = Judgments.of([Verdict(texts[i], texts[j], float(sizes[i] > sizes[j])) for i, j in pairs])

    found = {
        length: train_rater([judgments], FeatureOptions(n=1, buckets=1 << 10, length=length)).rate(texts[300:])[:, 0]
        for length in (KEPT, NORMALISED, REMOVED)
    }
    with_length = {length: spearman(ratings, sizes[300:].astype(float)) for length, ratings in found.items()}

    assert with_length[KEPT] > 0.9
    assert with_length[NORMALISED] > 0.5, "normalised n-grams still tell the length"
    assert abs(with_length[REMOVED]) < 0.2


def test_the_length_rater_knows_length_only() -> None:
    judgments = Judgments.of([Verdict("a b c d", "x", 1.0), Verdict("u v w", "y z", 1.0)])
    rater = train_rater([judgments], FeatureOptions((LENGTH,)))

    ratings = rater.rate(["q", "good good", "p q r s t"])[:, 0]

    assert ratings.tolist() == sorted(ratings.tolist())
    assert len(set(rater.rate(["q", "x"])[:, 0].tolist())) == 1


# surface


def test_surface_numbers_are_those_of_a_text_worked_out_by_hand() -> None:
    texts = ["The cat sat. The remarkable 42 cats!"]
    found = dict(zip(NAMES, surface(texts, Frequencies.of(["the cat", "the dog"]))[0].tolist(), strict=True))

    # the cat sat the remarkable 42 cats: 7 words of 3+3+3+3+10+2+4 letters, 2 sentences, 2 marks.
    np.testing.assert_allclose(found["mean word length"], 28 / 7)
    np.testing.assert_allclose(found["share of long words"], 1 / 7)
    np.testing.assert_allclose(found["log words a sentence"], np.log(7 / 2))
    np.testing.assert_allclose(found["punctuation marks a word"], 2 / 7)
    np.testing.assert_allclose(found["share of numbers"], 1 / 7)
    np.testing.assert_allclose(
        found["mean log frequency of words"], (2 * np.log(3 / 3) + np.log(2 / 3) + 4 * np.log(1 / 3)) / 7
    )
    np.testing.assert_allclose(found["share of rare words"], 5 / 7)
    np.testing.assert_allclose(found["different words of fifty"], 6 / 7)


def test_variety_is_counted_in_whole_stretches_of_fifty() -> None:
    text = " ".join([*(f"w{number}" for number in range(50)), *["same"] * 50, *(f"v{number}" for number in range(20))])

    found = surface([text, "", "one"], Frequencies.of(["a"]))[:, NAMES.index("different words of fifty")]

    np.testing.assert_allclose(found, [51 / 100, 0.0, 1.0])


# ratings


def test_ratings_do_not_depend_on_the_block(rater: Rater) -> None:
    texts = [*MADE.texts, "", " . ", "good1 " * 100]
    whole = rater.rate(texts, embed)

    np.testing.assert_array_equal(np.concatenate([rater.rate([text], embed) for text in texts]), whole)
    np.testing.assert_array_equal(rater.rate(texts[::-1], embed)[::-1], whole)


def test_a_text_without_words_can_not_be_chosen(rater: Rater) -> None:
    assert rater.rate(["", "  "], embed).tolist() == [[-np.inf], [-np.inf]]
    assert rater.rate([]).shape == (0, 1)


def test_an_explanation_adds_up_to_the_rating(rater: Rater) -> None:
    for text in (MADE.texts[0], " ".join(MADE.texts[:3])):
        reasons = rater.explain(text, embed)["quality"]

        np.testing.assert_allclose(sum(reason.value for reason in reasons), rater.rate([text], embed)[0, 0], atol=1e-9)
        assert any(reason.what.startswith("n-gram 'good") for reason in reasons)
        assert {reason.what for reason in reasons} >= {ENCODER, NAMES[0]}
    assert rater.explain("", embed) == {"quality": ()}


def test_encoder_features_want_their_encoder(rater: Rater) -> None:
    assert rater.needs_model
    with pytest.raises(InputError, match="hand it the encoder"):
        rater.rate(["a"])
    with pytest.raises(InputError, match="gives 2 numbers a text, the rater was trained on 5"):
        rater.rate(["a"], lambda texts: np.ones((len(texts), 2), np.float32))
    with pytest.raises(InputError, match="encoder"):
        train_rater([JUDGED], ALL)


def test_an_encoder_that_remembers_is_asked_once_a_text() -> None:
    asked: list[str] = []

    def counting(texts: Sequence[str]) -> NDArray[np.float32]:
        asked.extend(texts)
        return embed(texts)

    remembered = remembering(counting)
    np.testing.assert_array_equal(remembered(["a", "b", "a"]), embed(["a", "b", "a"]))
    np.testing.assert_array_equal(remembered(["b", "go"]), embed(["b", "go"]))
    assert asked == ["a", "b", "go"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kinds": ()}, "no kind"),
        ({"kinds": ("hashes",)}, "did you mean 'hashed'"),
        ({"kinds": (HASHED, HASHED)}, "each kind once"),
        ({"length": "free"}, "length is 'free'"),
        ({"kinds": (LENGTH,), "length": REMOVED}, "can not be a feature and be removed"),
    ],
)
def test_features_that_mean_nothing_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        FeatureOptions(**options)  # type: ignore[arg-type]


# files


def test_a_rater_comes_back_from_its_folder_as_it_was(rater: Rater, tmp_path: Path) -> None:
    write_rater(rater, tmp_path / "one")
    write_rater(rater, tmp_path / "two")
    again = read_rater(tmp_path / "one")

    np.testing.assert_array_equal(again.rate(MADE.texts, embed), rater.rate(MADE.texts, embed))
    assert again.criteria == rater.criteria
    assert (tmp_path / "one" / ARRAYS).read_bytes() == (tmp_path / "two" / ARRAYS).read_bytes()
    with pytest.raises(InputError, match="exists already"):
        write_rater(rater, tmp_path / "one")


def test_a_damaged_folder_is_refused(rater: Rater, tmp_path: Path) -> None:
    write_rater(rater, tmp_path / "one")
    path = tmp_path / "one" / ARRAYS
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match="not the file that"):
        read_rater(tmp_path / "one")
    (tmp_path / "one" / CARD).write_text("{}")
    with pytest.raises(FormatError, match="not that of a rater"):
        read_rater(tmp_path / "one")
    with pytest.raises(FormatError, match="no rater is there"):
        read_rater(tmp_path / "two")


def test_a_card_that_does_not_fit_its_arrays_is_refused(rater: Rater, tmp_path: Path) -> None:
    write_rater(rater, tmp_path / "one")
    card = json.loads((tmp_path / "one" / CARD).read_text())
    card["features"]["buckets"] = 99
    (tmp_path / "one" / CARD).write_text(json.dumps(card))
    with pytest.raises(FormatError, match=r"the weights are \(1, 1037\), expected \(1, 112\)"):
        read_rater(tmp_path / "one")


def test_what_a_rater_is_called_tells_apart_any_two(rater: Rater) -> None:
    weights = rater.weights.copy()
    weights[0, 500] += 1e-12

    assert repr(rater) != repr(Rater(rater.features, rater.criteria, weights))
    assert repr(rater) == repr(Rater(rater.features, rater.criteria, rater.weights.copy()))
    assert len(repr(rater)) < 400


# the selector


def pool() -> Iterator[Sequence[str]]:
    yield MADE.texts[:25]
    yield MADE.texts[25:]


def two_raters() -> tuple[Rater, Rater]:
    options = FeatureOptions(buckets=1 << 10)
    worse = Judgments(JUDGED.texts, JUDGED.first, JUDGED.second, 1 - JUDGED.p, JUDGED.votes, JUDGED.groups, "badness")
    return train_rater([JUDGED], options), train_rater([worse], options)


def test_without_weights_each_criterion_is_a_column() -> None:
    scorer = QualitySelector(two_raters()).fit(pool, (), seed=1)

    assert scorer.names == ("quality", "badness")
    scores = scorer.score(MADE.texts)
    assert spearman(scores[:, 0], MADE.quality) > 0.7
    np.testing.assert_allclose(scores[:, 0], -scores[:, 1], atol=1e-4)


def test_weighted_criteria_are_standardised_over_the_pool_and_summed() -> None:
    raters = two_raters()
    same, against = (
        QualitySelector(raters, weights=(("quality", 2.0), ("badness", weight))).fit(pool, (), seed=1)
        for weight in (-1.0, 2.0)
    )

    assert same.names == ("quality",)
    summed = same.score(MADE.texts)[:, 0]
    np.testing.assert_allclose([summed.mean(), summed.std()], [0, 3], atol=1e-3)
    np.testing.assert_allclose(against.score(MADE.texts), 0, atol=1e-3)
    assert same.score([""]).tolist() == [[-np.inf]]


def test_an_explanation_begins_with_the_criteria() -> None:
    scorer = QualitySelector(two_raters()).fit(pool, (), seed=1)
    reasons = scorer.explain(MADE.texts[0])

    assert [reason.what for reason in reasons[:2]] == ["criterion quality", "criterion badness"]
    np.testing.assert_allclose(reasons[0].value, scorer.score([MADE.texts[0]])[0, 0])
    assert len(reasons) == 10


@pytest.mark.parametrize(
    ("selector", "says"),
    [
        (QualitySelector(), "needs a rater"),
        (QualitySelector((two_raters()[0],) * 2), "criterion of one name"),
        (QualitySelector(two_raters(), weights=(("quality", 1.0),)), "give one for each criterion"),
        (QualitySelector((train_rater([JUDGED], ALL, embed=embed),)), "hand in the encoder"),
    ],
)
def test_raters_that_can_not_be_used_are_refused(selector: QualitySelector, says: str) -> None:
    with pytest.raises(InputError, match=says):
        selector.fit(pool, (), seed=1)


def test_weights_over_an_empty_pool_are_refused() -> None:
    weighted = QualitySelector(two_raters(), weights=(("quality", 1.0), ("badness", 1.0)))
    with pytest.raises(InputError, match="pool is empty"):
        weighted.fit(lambda: iter(()), (), seed=1)


def test_the_sample_of_a_pool_is_the_same_in_any_order() -> None:
    def backwards() -> Iterator[Sequence[str]]:
        yield MADE.texts[::-1]

    weighted = QualitySelector(two_raters(), weights=(("quality", 1.0), ("badness", 0.5)), sample=20)
    one, other = weighted.fit(pool, (), seed=1), weighted.fit(backwards, (), seed=1)

    assert one.mean == other.mean
    assert one.mean != weighted.fit(pool, (), seed=2).mean
