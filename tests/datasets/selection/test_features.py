"""Hashed n-grams, against their definition written out."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.datasets.selection.features import Features, HashedNgrams, PackageNgrams, stretches
from periti.datasets.selection.memo import BucketMemo
from periti.errors import ConfigError

TEXTS = st.lists(st.text("aBc d,.é中\n", max_size=30), max_size=6)
BOTH = pytest.mark.parametrize("kind", [HashedNgrams, PackageNgrams])


def package_counts(text: str, n: int, buckets: int) -> np.ndarray:
    """What the package's documentation says, a word at a time."""
    words = re.findall(r"\w+|[^\w\s]+", text.lower())
    counts = np.zeros(buckets, int)
    for k in range(1, n + 1):
        for i in range(len(words) - k + 1):
            ngram = " ".join(words[i : i + k])
            counts[int(hashlib.sha256(ngram.encode("utf-8")).hexdigest(), 16) % buckets] += 1
    return counts


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(1, 3), st.sampled_from([2, 97, 10_000]))
def test_package_ngrams_are_those_of_the_package(texts: list[str], n: int, buckets: int) -> None:
    found = PackageNgrams(n, buckets, engine="re").of(texts)

    for i, text in enumerate(texts):
        own = found.bucket[found.indptr[i] : found.indptr[i + 1]]
        np.testing.assert_array_equal(np.bincount(own, minlength=buckets), package_counts(text, n, buckets))


@BOTH
@settings(max_examples=60, deadline=None)
@given(texts=TEXTS, cut=st.integers(0, 6))
def test_a_text_has_the_same_sums_in_whatever_block_it_stands(
    kind: type[HashedNgrams | PackageNgrams], texts: list[str], cut: int
) -> None:
    features, weights = kind(2, 50), np.random.default_rng(0).normal(size=50)
    whole = features.of(texts).sums(weights)
    parts = [features.of(part).sums(weights) for part in (texts[:cut], texts[cut:])]

    np.testing.assert_array_equal(whole, np.concatenate(parts))


@BOTH
@settings(max_examples=60, deadline=None)
@given(text=st.text("ab c,中", max_size=30), n=st.integers(1, 3))
def test_named_ngrams_are_those_counted(kind: type[HashedNgrams | PackageNgrams], text: str, n: int) -> None:
    features: Features = kind(n, 100)
    named = features.named(text)
    counts = np.zeros(100, int)
    for (_, bucket), times in named.items():
        counts[bucket] += times

    np.testing.assert_array_equal(counts, features.of([text]).counts(100))


def test_named_ngrams_by_hand() -> None:
    names = Counter({name: times for (name, _), times in HashedNgrams(2).named("To be, to BE 中文").items()})

    assert names == Counter({
        "to": 2, "be": 2, ",": 1, "中": 1, "文": 1, "to be": 2, "be ,": 1, ", to": 1, "be 中": 1, "中 文": 1,
    })  # fmt: skip


def test_the_order_of_words_matters() -> None:
    found = HashedNgrams(2, 1 << 30).of(["dog bites man", "man bites dog"])
    first, second = (set(found.bucket[a:b].tolist()) for a, b in ((0, 5), (5, 10)))

    assert found.indptr.tolist() == [0, 5, 10]
    assert found.words.tolist() == [3, 3]
    assert len(first & second) == 3, "the three words, no pair"


def test_sums_by_hand() -> None:
    features = HashedNgrams(1, 4)
    found = features.of(["a b a", "", "b"])
    weights = np.zeros(4)
    weights[features.of(["a"]).bucket[0]] += 2.0
    b = features.of(["b"]).bucket[0]
    weights[b] += 0.5

    of_b = weights[b]
    np.testing.assert_array_equal(found.sums(weights), [2 * weights[features.of(["a"]).bucket[0]] + of_b, 0.0, of_b])


def test_an_engine_that_is_not_known_is_refused() -> None:
    with pytest.raises(ConfigError, match="engine"):
        PackageNgrams(engine="re2")


@BOTH
def test_no_texts_and_texts_without_words(kind: type[HashedNgrams | PackageNgrams]) -> None:
    assert kind().of([]).indptr.tolist() == [0]
    assert kind().of(["", " "]).indptr.tolist() == [0, 0, 0]
    assert kind().of(["", " "]).sums(np.ones(10_000)).tolist() == [0.0, 0.0]


@BOTH
def test_features_travel_to_other_processes(kind: type[HashedNgrams | PackageNgrams]) -> None:
    features = kind(3, 77)
    features.of(["some words to know"])
    copy = pickle.loads(pickle.dumps(features))

    assert copy == features
    assert copy.of(["other words"]).bucket.tolist() == features.of(["other words"]).bucket.tolist()
    assert len(pickle.dumps(features)) < 2_000, "what it remembers stays at home"


@BOTH
@pytest.mark.parametrize(("n", "buckets"), [(0, 10), (9, 10), (2, 1), (2, 1 << 32)])
def test_sizes_that_mean_nothing_are_refused(kind: type[HashedNgrams | PackageNgrams], n: int, buckets: int) -> None:
    with pytest.raises(ConfigError):
        kind(n, buckets)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sets(st.integers(0, 2**64 - 1) | st.integers(0, 40).map(lambda i: i << 40), max_size=50), max_size=8)
)
def test_a_memo_is_a_dictionary(batches: list[set[int]]) -> None:
    memo, known = BucketMemo(), dict[int, int]()
    for batch in batches:
        new = [value for value in sorted(batch) if value not in known]
        memo.add(np.array(new, np.uint64), np.arange(len(known), len(known) + len(new)))
        known |= {value: len(known) + i for i, value in enumerate(new)}
        asked = [*known, 12345678901234567]
        assert memo.look_up(np.array(asked, np.uint64)).tolist() == [known.get(value, -1) for value in asked]
    assert len(memo) == len(known)


def test_a_full_memo_forgets_and_its_user_does_not_notice() -> None:
    features = PackageNgrams(1, 1_000)
    object.__setattr__(features, "_memo", BucketMemo(most=50))
    texts = [" ".join(f"w{i}" for i in range(start, start + 40)) for start in (0, 30, 60, 0)]
    fresh = [PackageNgrams(1, 1_000).of([text]).bucket.tolist() for text in texts]

    assert [features.of([text]).bucket.tolist() for text in texts] == fresh


@pytest.mark.parametrize("characters", [1, 5, 12, 1000])
def test_stretches_hold_every_text_once_and_in_order(characters: int) -> None:
    texts = ["aaa", "", "bbbb", "c" * 30, "dd"]
    found = list(stretches(texts, characters))

    assert [text for some in found for text in some] == texts
    assert all(some for some in found)
    assert all(len("".join(some[:-1])) < characters for some in found)
    assert list(stretches([])) == []
