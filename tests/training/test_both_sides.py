"""Experts that move documents too: what they learn, what is exported, and that a kill changes nothing."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from periti.encoders import SentenceEncoder, load_sentence_transformer
from periti.encoders.models import read_model
from periti.errors import ConfigError, EncoderError, InputError
from periti.files import sha256_file
from periti.training.both_sides import BothSides
from periti.training.pairs import TrainingSet, draw
from periti.training.settings import TrainingOptions
from periti.training.trainer import BothScore, Course, Encode, train, train_model
from periti.types import Queries
from tests.tiny import save_bert
from tests.training.test_trainer import hits, qrels

LORA = TrainingOptions(
    sides="both",
    steps=30,
    batch=6,
    evaluate_every=5,
    rank=2,
    alpha=8,
    learning_rate=1e-2,
    max_length=16,
    corpus_negatives=4,
)
FULL = replace(LORA, method="full", sides="", learning_rate=3e-3)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("spread"), spread=0.3)


@pytest.fixture
def base(model: Path) -> SentenceEncoder:
    return load_sentence_transformer(str(model))


def two_languages(base: SentenceEncoder) -> TrainingSet:
    """Words of one language ask for words of another: the base can not know which, whoever learns on both sides can."""
    words = [a + b + c for a in "bcdfg" for b in "aeiou" for c in "klm"]
    asking, answering = words[:16], words[32:48]
    queries = Queries.from_pairs((word, word) for word in asking)
    judged = qrels([(a, b, 1) for a, b in zip(asking, answering, strict=True)])
    source = TrainingSet.of("toy", queries, judged, answering, base.encode_documents(answering).vectors)
    return replace(source, read=lambda rows: [answering[row] for row in rows])


def found(source: TrainingSet) -> BothScore:
    """The share of queries whose nearest document is relevant, documents encoded anew."""

    def score(queries: Encode, documents: Encode) -> float:
        texts = source.read(np.arange(len(source.documents))) if source.read else []
        nearest = (queries(source.texts) @ documents(texts).T).argmax(axis=1)
        return float(np.mean([row in rows for row, rows in zip(nearest, source.positives, strict=True)]))

    return score


@pytest.mark.parametrize("options", [LORA, FULL], ids=["lora", "full"])
def test_the_exported_model_knows_what_was_learnt(
    base: SentenceEncoder, tmp_path: Path, options: TrainingOptions
) -> None:
    source = two_languages(base)
    options = replace(options, steps=100, batch=16, evaluate_every=25)

    made = train_model(base, Course("toy", [source], options, 1, {"licence": "MIT"}), found(source), tmp_path / "toy")

    assert made.card["dev"] > made.card["dev_of_base"] + 0.3
    encoder = load_sentence_transformer(str(tmp_path / "toy"))
    again = found(source)(lambda x: encoder.encode_queries(x).vectors, lambda x: encoder.encode_documents(x).vectors)
    assert again == made.card["dev"]
    assert made.digest == sha256_file(tmp_path / "toy" / "model.safetensors")
    assert encoder.identity.weights_sha256 != base.identity.weights_sha256
    page = (tmp_path / "toy" / "README.md").read_text()
    assert made.digest in page
    assert "library_name: sentence-transformers" in page


@pytest.mark.parametrize("options", [LORA, FULL], ids=["lora", "full"])
def test_the_loss_is_that_of_infonce_over_the_batch_s_documents_without_known_positives(
    base: SentenceEncoder, options: TrainingOptions
) -> None:
    source = two_languages(base)
    source = replace(
        source,
        positives=(np.array([0, 1]), *source.positives[1:]),
        gains=(np.ones(2), *source.gains[1:]),
    )
    options = replace(options, batch=16)
    student = BothSides(base, options, 1)
    batch = draw([source], [[]], options, 1, 1)
    scores = student.encode(batch.texts) @ student.encode_documents(batch.passages()).T / options.temperature

    losses = []
    for row, target, masked in zip(scores.astype(np.float64), batch.target, batch.masked, strict=True):
        kept = ~masked
        losses.append(-(target[kept] * (row[kept] - np.log(np.exp(row[kept]).sum()))).sum())

    assert batch.masked.any()
    assert student.step(batch, 1) == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize("options", [LORA, FULL], ids=["lora", "full"])
def test_both_sides_move_and_the_merged_model_gives_the_student_s_vectors(
    base: SentenceEncoder, options: TrainingOptions
) -> None:
    source, texts = two_languages(base), ["bak", "gum", "a longer text of many words"]
    options = replace(options, max_length=32)
    student = BothSides(base, options, 1)
    before = student.encode_documents(texts)
    np.testing.assert_allclose(before, base.encode_documents(texts).vectors, atol=1e-5)
    for step in range(1, 11):
        student.step(draw([source], [[]], options, 1, step), step)

    merged = SentenceEncoder(student.model(student.state()), base.identity)

    assert np.abs(student.encode_documents(texts) - before).max() > 0.01
    np.testing.assert_allclose(merged.encode_documents(texts).vectors, student.encode_documents(texts), atol=1e-5)
    np.testing.assert_allclose(merged.encode_queries(texts).vectors, student.encode(texts), atol=1e-5)


def test_the_card_says_how_many_relevant_documents_training_reads_the_beginning_of(
    base: SentenceEncoder, tmp_path: Path
) -> None:
    source = two_languages(base)
    first = source.read(np.array([0])) if source.read else []
    long = replace(source, read=lambda rows: [first[0] if row else "b" * 30 for row in rows])

    made = train_model(base, Course("x", [long], replace(LORA, steps=1), 1), found(long), tmp_path / "x")

    assert (made.card["relevant_documents"], made.card["truncated_relevant_documents"]) == (16, 1)


def test_the_base_is_never_changed(base: SentenceEncoder, tmp_path: Path) -> None:
    source, before = two_languages(base), base.encode_documents(["bak"]).vectors

    train_model(base, Course("toy", [source], replace(FULL, steps=5), 1), found(source), tmp_path / "toy")

    np.testing.assert_array_equal(base.encode_documents(["bak"]).vectors, before)


@pytest.mark.parametrize("name", ["lora", "full", "query side"])
def test_a_training_that_was_killed_goes_on_to_the_same_weights(
    base: SentenceEncoder, model: Path, tmp_path: Path, name: str
) -> None:
    """kill -9 in the middle, with dropout and hard negatives, which are mined by the base and not by who resumes."""
    run(base, tmp_path / "whole", name)
    script = textwrap.dedent(
        f"""
        import os, signal
        from pathlib import Path
        from periti.encoders import load_sentence_transformer
        from tests.training.test_both_sides import run

        run(load_sentence_transformer({str(model)!r}), Path({str(tmp_path)!r}) / "killed", {name!r},
            kill=lambda: os.kill(os.getpid(), signal.SIGKILL))
        """
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[2])
    assert ended.returncode == -9
    assert not (tmp_path / "killed").exists()
    assert list(tmp_path.glob(".killed.checkpoint*"))

    run(base, tmp_path / "killed", name)

    cards = [dict(card(tmp_path / folder)) for folder in ("whole", "killed")]
    assert cards[0]["dev_curve"] == cards[1]["dev_curve"]
    assert cards[0]["weights_sha256"] == cards[1]["weights_sha256"]
    assert not list(tmp_path.glob(".killed*"))


def run(base: SentenceEncoder, folder: Path, name: str, kill: Any = None) -> None:
    """Train in a folder; `kill` is called when dev is measured for the third time."""
    source, calls = two_languages(base), []

    def counted(value: float) -> float:
        calls.append(value)
        if kill and len(calls) == 3:
            kill()
        return value

    shared: dict[str, Any] = {"dropout": 0.1, "hard_negatives": 2, "margin": 0.0, "steps": 20}
    if name == "query side":
        options = replace(LORA, sides="query", **shared)
        train(base, Course("toy", [source], options, 3), lambda encode: counted(hits(source)(encode)), folder)
        return
    options = replace(LORA if name == "lora" else FULL, **shared)
    inner = found(source)
    train_model(base, Course("toy", [source], options, 3), lambda q, d: counted(inner(q, d)), folder)


def card(folder: Path) -> Mapping[str, Any]:
    import json

    read: Mapping[str, Any] = json.loads((folder / "card.json").read_text())
    return read


def test_the_seed_decides(base: SentenceEncoder, tmp_path: Path) -> None:
    source, options = two_languages(base), replace(LORA, steps=5)
    made = [
        train_model(base, Course("toy", [source], options, seed), found(source), tmp_path / name)
        for name, seed in (("one", 1), ("again", 1), ("two", 2))
    ]

    assert made[0].digest == made[1].digest != made[2].digest


def test_a_specialist_starts_from_another_model(base: SentenceEncoder, tmp_path: Path) -> None:
    source = two_languages(base)
    general = train_model(base, Course("general", [source], FULL, 1), found(source), tmp_path / "general")

    for name, options in (("full", FULL), ("lora", LORA)):
        course = Course("special", [source], replace(options, steps=5), 1, start=general)
        special = train_model(base, course, found(source), tmp_path / name)

        assert special.card["dev_of_base"] == general.card["dev"]
        assert (special.card["start"], special.card["start_digest"]) == ("general", general.digest)


def test_a_start_of_other_sides_is_refused(base: SentenceEncoder, tmp_path: Path) -> None:
    source = two_languages(base)
    plain = replace(LORA, sides="", steps=5)
    adapter = train(base, Course("plain", [source], plain, 1), hits(source), tmp_path / "plain")
    whole = train_model(base, Course("whole", [source], replace(FULL, steps=5), 1), found(source), tmp_path / "whole")

    with pytest.raises(EncoderError, match="'plain', which it starts from, learns on the query's side; start from"):
        train_model(base, Course("x", [source], FULL, 1, start=adapter), found(source), tmp_path / "x")
    with pytest.raises(EncoderError, match="'whole', which it starts from, learns on both sides; start from"):
        train(base, Course("x", [source], plain, 1, start=whole), hits(source), tmp_path / "x")


def test_a_model_of_another_course_or_a_damaged_one_is_not_taken(base: SentenceEncoder, tmp_path: Path) -> None:
    source, options = two_languages(base), replace(LORA, steps=5)
    first = train_model(base, Course("toy", [source], options, 1), found(source), tmp_path / "x")

    assert train_model(base, Course("toy", [source], options, 1), found(source), tmp_path / "x").digest == first.digest
    with pytest.raises(InputError, match="trained from other data, settings or seed"):
        train_model(base, Course("toy", [source], options, 2), found(source), tmp_path / "x")
    weights = tmp_path / "x" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(EncoderError, match="truncated or was altered"):
        read_model(tmp_path / "x")
    weights.unlink()
    with pytest.raises(EncoderError, match=r"model.safetensors is missing"):
        read_model(tmp_path / "x")


def test_a_source_without_texts_is_refused(base: SentenceEncoder, tmp_path: Path) -> None:
    source = replace(two_languages(base), read=None)

    with pytest.raises(InputError, match="the texts of its documents are not at hand"):
        train_model(base, Course("x", [source], LORA, 1), lambda q, d: 0.0, tmp_path / "x")  # noqa: ARG005


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"method": "linear", "sides": "both"}, "method 'linear' is of sides 'query' by nature"),
        ({"method": "full", "sides": "query"}, "method 'full' is of sides 'both' by nature"),
        ({"method": "full", "corpus_negatives": 0}, "asks for an exact softmax over the whole corpus"),
        ({"sides": "both", "corpus_negatives": 0}, "give a number, such as 64"),
        ({"sides": "documents"}, "no sides 'documents'; known: , query, both"),
        ({"dev_depth": 0}, "dev_depth is 0; it must be at least 1"),
        ({"corpus_negatives": -1}, "corpus_negatives is -1; it must be 0 or more"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        TrainingOptions(**options)


def test_methods_have_their_own_rate_and_negatives_and_cards_tell_them() -> None:
    full, plain = TrainingOptions(method="full"), TrainingOptions()

    assert (full.rate, full.negatives, full.both_sides) == (2e-5, 64, True)
    assert (plain.rate, plain.negatives, plain.both_sides) == (5e-4, 0, False)
    assert TrainingOptions(sides="both").negatives == 64
    assert full.told() == {**asdict(full), "learning_rate": 2e-5, "corpus_negatives": 64}


def test_fingerprints_of_experts_that_were_trained_before_there_were_sides_are_the_same() -> None:
    before = {
        "method": "linear", "rank": 8, "alpha": 32.0, "dropout": 0.0, "targets": ("query", "value"),
        "learning_rate": 5e-4, "warmup": 0.1, "batch": 48, "steps": 400, "temperature": 0.05, "max_length": 128,
        "corpus_negatives": 0, "hard_negatives": 0, "margin": 0.05, "positives": "sample", "gain_power": 1.0,
        "mix": 0.5, "evaluate_every": 50, "patience": 4,
    }  # fmt: skip

    assert TrainingOptions(method="linear").facts() == before
