"""Training an expert: what a batch holds, that it learns, and that a kill changes nothing."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from periti.encoders import SentenceEncoder, load_sentence_transformer
from periti.encoders.adapters import read_adapter
from periti.encoders.panel import PanelEncoder
from periti.errors import ConfigError, EncoderError, InputError
from periti.protocols import Vectors
from periti.training.pairs import TrainingSet, draw, mined
from periti.training.settings import TrainingOptions
from periti.training.trainer import Course, Encode, Score, train
from periti.types import QRELS, Qrels, Queries
from tests.tiny import save_bert

OPTIONS = TrainingOptions(steps=30, batch=6, evaluate_every=5, rank=2, alpha=8, learning_rate=1e-2, max_length=16)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights that tell words apart."""
    return save_bert(tmp_path_factory.mktemp("spread"), spread=0.3)


@pytest.fixture
def base(model: Path) -> SentenceEncoder:
    return load_sentence_transformer(str(model))


def qrels(rows: list[tuple[str, str, int]]) -> Qrels:
    import polars as pl

    return Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"))


def shuffled_language(base: SentenceEncoder) -> TrainingSet:
    """Every word means the next one: the base can not know it, an adapter can learn it."""
    words = [a + b + c for a in "bcdfg" for b in "aeiou" for c in "klm"][:24]
    documents = base.encode_documents(words).vectors
    queries = Queries.from_pairs((word, word) for word in words)
    judged = qrels([(word, words[(i + 1) % len(words)], 1) for i, word in enumerate(words)])
    return TrainingSet.of("toy", queries, judged, words, documents)


def hits(source: TrainingSet) -> Score:
    def score(encode: Encode) -> float:
        found = (encode(source.texts) @ source.documents.T).argmax(axis=1)
        return float(np.mean([row in rows for row, rows in zip(found, source.positives, strict=True)]))

    return score


def toy(positives: list[list[int]], gains: list[list[float]], documents: int = 6) -> TrainingSet:
    vectors = np.eye(documents, 4, dtype=np.float32)
    return TrainingSet(
        "toy",
        tuple(f"q{i}" for i in range(len(positives))),
        tuple(np.array(rows) for rows in positives),
        tuple(np.array(gain) for gain in gains),
        vectors,
    )


def test_a_training_set_keeps_positives_and_says_how_many_queries_have_none() -> None:
    queries = Queries.from_pairs([("a", "one"), ("b", "two"), ("c", "three")])
    judged = qrels([("a", "d1", 2), ("a", "d0", 1), ("b", "d1", 0), ("c", "absent", 1), ("other", "d0", 1)])

    source = TrainingSet.of("s", queries, judged, ["d0", "d1"], np.eye(2, dtype=np.float32))

    assert source.texts == ("one",)
    assert source.positives[0].tolist() == [0, 1]
    assert source.gains[0].tolist() == [1, 2]
    assert source.left_out == 2


def test_queries_of_another_collection_are_refused() -> None:
    with pytest.raises(InputError, match="none of its 1 training queries has a relevant document in the index"):
        TrainingSet.of(
            "s", Queries.from_pairs([("a", "x")]), qrels([("a", "d", 1)]), ["e"], np.eye(1, dtype=np.float32)
        )


def test_known_positives_that_are_not_drawn_are_neither_answer_nor_negative() -> None:
    source = toy([[0, 3], [2]], [[1, 1], [1]])

    batch = draw([source], [[]], TrainingOptions(batch=2), seed=1, step=1)

    assert batch.candidates.shape == (6, 4)
    for text, target, masked in zip(batch.texts, batch.target, batch.masked, strict=True):
        known = {"q0": {0, 3}, "q1": {2}}[text]
        drawn = set(np.flatnonzero(target).tolist())
        assert len(drawn) == 1
        assert drawn <= known
        assert set(np.flatnonzero(masked).tolist()) == known - drawn
        assert target.sum() == 1


def test_positives_are_drawn_by_gain() -> None:
    source = toy([[0, 3]], [[3, 1]])
    drawn = [int(draw([source], [[]], TrainingOptions(batch=1), 7, step).target.argmax()) for step in range(400)]

    # Binomial(400, .75): six standard deviations are .13.
    assert abs(np.mean(np.array(drawn) == 0) - 0.75) < 0.13


def test_all_positives_share_the_target_by_gain() -> None:
    batch = draw([toy([[0, 3]], [[3, 1]])], [[]], TrainingOptions(batch=1, positives="all"), 1, 1)

    np.testing.assert_allclose(batch.target[0, [0, 3]], [0.75, 0.25])
    assert not batch.masked.any()


def test_a_drawn_corpus_holds_every_drawn_positive_and_the_hard_negatives() -> None:
    source = toy([[0], [5]], [[1], [1]], documents=50)
    hard = [np.array([41, 42]), np.array([43])]

    batch = draw([source], [hard], TrainingOptions(batch=2, corpus_negatives=3), seed=1, step=1)

    assert (batch.target.sum(axis=1) == 1).all()
    assert 5 <= len(batch.candidates) <= 3 + 2 + 3


def test_mining_takes_the_nearest_that_are_not_relevant_nor_suspiciously_good() -> None:
    source = replace(toy([[1]], [[1]]), documents=np.array([[0.99], [0.9], [0.88], [0.5], [0.4], [0.1]], np.float32))
    query: Vectors = np.ones((1, 1), np.float32)

    rows = mined(source, query, TrainingOptions(hard_negatives=2, margin=0.05))

    assert rows[0].tolist() == [3, 4]  # 0 beats the positive, 2 is within the margin: unjudged positives, perhaps


def test_an_expert_learns_what_the_base_can_not_know(base: SentenceEncoder, tmp_path: Path) -> None:
    source = shuffled_language(base)
    score = hits(source)

    for method, rate in (("lora", 1e-2), ("linear", 1e-1)):
        options = replace(OPTIONS, method=method, learning_rate=rate, steps=120, batch=24, evaluate_every=20)
        adapter = train(base, Course("toy", [source], options, 1), score, tmp_path / method)

        assert adapter.card["dev"] > adapter.card["dev_of_base"] + 0.3
        panel = PanelEncoder(base)
        expert = panel.expert(read_adapter(tmp_path / method))
        found = (expert.encode_queries(source.texts).vectors @ source.documents.T).argmax(axis=1)
        right = np.mean([row in rows for row, rows in zip(found, source.positives, strict=True)])
        assert right == pytest.approx(adapter.card["dev"], abs=0.05)


def test_the_seed_decides_and_nothing_else(base: SentenceEncoder, tmp_path: Path) -> None:
    source = shuffled_language(base)
    made = [
        train(
            base, Course("toy", [source], replace(OPTIONS, dropout=0.1, steps=10), seed), hits(source), tmp_path / name
        )
        for name, seed in (("one", 1), ("again", 1), ("two", 2))
    ]

    assert made[0].digest == made[1].digest
    assert made[0].digest != made[2].digest


def test_it_stops_when_dev_does_not_improve_and_keeps_the_best(base: SentenceEncoder, tmp_path: Path) -> None:
    source, values = shuffled_language(base), iter([0.5, 0.6, 0.4, 0.3, 0.2, 0.9])
    options = replace(OPTIONS, patience=2)

    adapter = train(base, Course("toy", [source], options, 1), lambda encode: next(values), tmp_path / "x")  # noqa: ARG005

    assert adapter.card["best_step"] == 5
    assert adapter.card["steps"] == 15
    assert [entry[1] for entry in adapter.card["dev_curve"]] == [0.5, 0.6, 0.4, 0.3]


def test_an_expert_of_another_course_is_not_taken_for_this_one(base: SentenceEncoder, tmp_path: Path) -> None:
    source = shuffled_language(base)
    options = replace(OPTIONS, steps=5)
    first = train(base, Course("toy", [source], options, 1), hits(source), tmp_path / "x")

    again = train(base, Course("toy", [source], options, 1), hits(source), tmp_path / "x")
    assert again.digest == first.digest
    with pytest.raises(InputError, match="trained from other data, settings or seed"):
        train(base, Course("toy", [source], options, 2), hits(source), tmp_path / "x")


def test_nothing_to_learn_from_is_refused(base: SentenceEncoder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no training queries"):
        train(base, Course("toy", [], OPTIONS, 1), lambda encode: 0.0, tmp_path / "x")  # noqa: ARG005


def test_a_training_that_was_killed_goes_on_to_the_same_weights(
    base: SentenceEncoder, model: Path, tmp_path: Path
) -> None:
    """kill -9 in the middle, in a process of its own; the rest here."""
    source = shuffled_language(base)
    options = replace(OPTIONS, dropout=0.1)
    whole = train(base, Course("toy", [source], options, 3), hits(source), tmp_path / "whole")
    script = textwrap.dedent(
        f"""
        import os, signal
        from pathlib import Path
        from dataclasses import replace
        from periti.encoders import load_sentence_transformer
        from periti.training.trainer import Course, train
        from tests.training.test_trainer import OPTIONS, hits, shuffled_language

        base = load_sentence_transformer({str(model)!r})
        source = shuffled_language(base)
        inner, calls = hits(source), []

        def score(encode):
            calls.append(1)
            if len(calls) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return inner(encode)

        course = Course("toy", [source], replace(OPTIONS, dropout=0.1), 3)
        train(base, course, score, Path({str(tmp_path)!r}) / "killed")
        """
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[2])
    assert ended.returncode == -9
    assert not (tmp_path / "killed").exists()
    assert list(tmp_path.glob(".killed.checkpoint*"))

    resumed = train(base, Course("toy", [source], options, 3), hits(source), tmp_path / "killed")

    assert resumed.digest == whole.digest
    assert resumed.card["dev_curve"] == whole.card["dev_curve"]
    assert not list(tmp_path.glob(".killed*"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"method": "prefix"}, "no method 'prefix'; known: lora, linear, full"),
        ({"positives": "none"}, "no positives 'none'"),
        ({"batch": 0}, "batch is 0; it must be at least 1"),
        ({"learning_rate": float("nan")}, "learning_rate is nan; it must be positive"),
        ({"warmup": 1.0}, "warmup is 1.0; it must be at least 0 and below 1"),
        ({"hard_negatives": -1}, "hard_negatives is -1; it must be 0 or more"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, float], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        TrainingOptions(**options)  # type: ignore[arg-type]


def test_a_specialist_starts_from_another_expert(base: SentenceEncoder, tmp_path: Path) -> None:
    source = shuffled_language(base)
    options = replace(OPTIONS, method="linear")
    general = train(base, Course("general", [source], options, 1), hits(source), tmp_path / "general")

    special = train(base, Course("special", [source], options, 1, start=general), hits(source), tmp_path / "special")

    assert special.card["dev_of_base"] == general.card["dev"]  # the curve begins where the general one ended
    assert special.card["start"] == "general"
    assert special.card["dev"] >= general.card["dev"]
    with pytest.raises(InputError, match="other data, settings or seed"):
        train(base, Course("special", [source], options, 1), hits(source), tmp_path / "special")


def test_a_specialist_refuses_a_start_of_another_kind(base: SentenceEncoder, tmp_path: Path) -> None:
    source = shuffled_language(base)
    general = train(base, Course("general", [source], OPTIONS, 1), hits(source), tmp_path / "general")

    for options in (replace(OPTIONS, method="linear"), replace(OPTIONS, rank=3), replace(OPTIONS, alpha=2)):
        with pytest.raises(EncoderError, match="start from an expert that was trained with the same method"):
            train(base, Course("special", [source], options, 1, start=general), hits(source), tmp_path / "special")


def test_keeping_the_last_state_trains_all_the_steps(base: SentenceEncoder, tmp_path: Path) -> None:
    source = shuffled_language(base)
    options = replace(OPTIONS, method="linear", keep="last", patience=1)

    last = train(base, Course("last", [source], options, 1), lambda encode: 0.5, tmp_path / "last")  # noqa: ARG005
    best = train(base, Course("best", [source], replace(options, keep="best"), 1), lambda encode: 0.5, tmp_path / "b")  # noqa: ARG005

    assert (last.card["steps"], last.card["best_step"]) == (options.steps, options.steps)
    assert (best.card["steps"], best.card["best_step"]) == (options.evaluate_every, 0)
    assert last.digest != best.digest


def test_an_option_that_came_later_leaves_old_fingerprints(base: SentenceEncoder) -> None:
    source = shuffled_language(base)

    assert "keep" not in OPTIONS.facts()
    assert "keep" in replace(OPTIONS, keep="last").facts()
    assert Course("x", [source], OPTIONS, 1).fingerprint(base) != Course(
        "x", [source], replace(OPTIONS, keep="last"), 1
    ).fingerprint(base)
