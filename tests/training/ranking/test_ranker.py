"""Training a ranker: that it learns, that the folder opens as a ranker, and that a kill changes nothing."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from periti.config import parse
from periti.encoders.cross import CrossEncoder, Joint, load_cross_encoder, untrained_cross_encoder, weights_digest
from periti.errors import ConfigError, EncoderError, InputError
from periti.files import sha256_file
from periti.rankers.cross_encoder import CrossEncoderRanker
from periti.training.ranking.card import read_card
from periti.training.ranking.drawing import Pairs
from periti.training.ranking.lists import Corpus, Known, RankingSet
from periti.training.ranking.settings import RankingOptions
from periti.training.ranking.student import RankerStudent
from periti.training.ranking.trainer import RankerCourse, Score, train_ranker
from periti.types import Queries
from tests.tiny import save_bert
from tests.training.ranking.test_lists import qrels, run

WORDS = [a + b + c for a in "bcdfg" for b in "aeiou" for c in "kl"][:24]
OPTIONS = RankingOptions(
    learning_rate=1e-2, batch=4, negatives=3, random_negatives=1, steps=60, evaluate_every=15, patience=9, margin=-1.0,
    max_length=32, query_budget=12, depth=8, dev_depth=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("spread"), spread=0.3).parent / "bert"


@pytest.fixture
def start(bert: Path) -> CrossEncoder:
    return untrained_cross_encoder(bert, 1, max_length=32, query_budget=12)


def source(options: RankingOptions = OPTIONS) -> RankingSet:
    """Words that end in k are relevant, each to one query; the first stage ranks them in the middle of others."""
    queries = Queries.from_pairs((f"q{i}", WORDS[2 * i][:2]) for i in range(12))
    judged = qrels([(f"q{i}", WORDS[2 * i], 1) for i in range(12)])
    lists = {
        f"q{i}": [*(WORDS[(2 * i + j) % 24] for j in (1, 3, 5)), WORDS[2 * i], WORDS[(2 * i + 7) % 24]]
        for i in range(12)
    }
    first = run([(query, word, 9.0 - rank) for query, words in lists.items() for rank, word in enumerate(words)])
    corpus = Corpus({word: row for row, word in enumerate(WORDS)}, lambda rows: [WORDS[row] for row in rows], "toy")
    return RankingSet.of("toy:fit", Known(queries, judged), first, corpus, options)


def accuracy(found: RankingSet) -> Score:
    """Share of queries whose relevant document scores above all of their negatives."""

    def score(encoder: CrossEncoder) -> float:
        won = []
        for entry in found.entries:
            documents = found.read(np.concatenate([entry.positives.rows, entry.negatives.rows]))
            logits = encoder.logits(encoder.tokenise([entry.text] * len(documents), documents))
            won.append(logits[0] > logits[1:].max())
        return float(np.mean(won))

    return score


@pytest.mark.parametrize("loss", ["bce", "lambda"])
def test_it_learns_and_the_folder_opens_as_a_ranker(start: CrossEncoder, tmp_path: Path, loss: str) -> None:
    options = replace(OPTIONS, loss=loss, random_negatives=0)
    found = source(options)
    before = weights_digest(start.model)

    card = train_ranker(
        start, RankerCourse("toy", [found], options, 1, {"licence": "MIT"}), accuracy(found), tmp_path / "toy"
    )

    assert card["dev"] > card["dev_of_start"] + 0.2
    assert weights_digest(start.model) == before, "the start was changed"
    opened = load_cross_encoder(tmp_path / "toy", query_budget=12)
    assert opened.max_length == 32, "a ranker reads what training read"
    assert accuracy(found)(opened) == card["dev"]
    ranker = CrossEncoderRanker.open(
        parse(CrossEncoderRanker.Options, {"model": str(tmp_path / "toy"), "query_budget": 12}, "ranker")
    )
    assert ranker.identity["weights_sha256"] == weights_digest(opened.model)
    assert card["weights_sha256"] == sha256_file(tmp_path / "toy" / "model.safetensors")
    page = (tmp_path / "toy" / "README.md").read_text(encoding="utf-8")
    assert card["weights_sha256"] in page
    assert "pipeline_tag: text-ranking" in page
    assert 'license_name: "MIT"' in page


def trained(bert: Path, folder: Path, kill: Any = None) -> dict[str, Any]:
    """Train in a folder, by random weights; `kill` is called when dev is measured for the third time."""
    options = replace(OPTIONS, curriculum="random", curriculum_end=3, steps=20, evaluate_every=5, loss="ranknet")
    found, calls = source(options), []
    inner = accuracy(found)

    def counted(encoder: CrossEncoder) -> float:
        calls.append(1)
        if kill and len(calls) == 3:
            kill()
        return inner(encoder)

    begin = untrained_cross_encoder(bert, 1, max_length=32, query_budget=12)
    return train_ranker(begin, RankerCourse("toy", [found], options, 3), counted, folder)


def test_a_training_that_was_killed_goes_on_to_the_same_weights(bert: Path, tmp_path: Path) -> None:
    """kill -9 in the middle, with dropout, moments and a curriculum under way."""
    whole = trained(bert, tmp_path / "whole")
    script = textwrap.dedent(
        f"""
        import os, signal
        from pathlib import Path
        from tests.training.ranking.test_ranker import trained

        trained(Path({str(bert)!r}), Path({str(tmp_path)!r}) / "killed", lambda: os.kill(os.getpid(), signal.SIGKILL))
        """
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[3])
    assert ended.returncode == -9
    assert not (tmp_path / "killed").exists()
    assert list(tmp_path.glob(".killed.checkpoint*"))

    killed = trained(bert, tmp_path / "killed")

    assert killed["dev_curve"] == whole["dev_curve"]
    assert killed["weights_sha256"] == whole["weights_sha256"]
    assert not list(tmp_path.glob(".killed*"))


def test_seed_and_curriculum_decide_and_a_ranker_of_another_course_is_not_taken(
    start: CrossEncoder, tmp_path: Path
) -> None:
    def made(name: str, seed: int, curriculum: str) -> str:
        options = replace(OPTIONS, steps=3, curriculum=curriculum)
        found = source(options)
        return str(
            train_ranker(start, RankerCourse("toy", [found], options, seed), lambda _: 0.0, tmp_path / name)["course"]
        )

    digests = {made("a", 1, "none"), made("b", 2, "none"), made("c", 1, "kde"), made("d", 1, "anti")}
    assert len(digests) == 4
    assert made("a", 1, "none") in digests, "a ranker that is there is read"
    with pytest.raises(InputError, match="trained from other data, settings or seed"):
        made("a", 2, "none")
    (tmp_path / "a" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(EncoderError, match="truncated or was altered"):
        made("a", 1, "none")
    (tmp_path / "b" / "card.json").write_text("[]")
    with pytest.raises(EncoderError, match="not the card of a ranker"):
        read_card(tmp_path / "b")
    with pytest.raises(EncoderError, match=r"no ranker at .*; train it with `periti train ranker`"):
        read_card(tmp_path / "nothing")


def test_the_kept_state_is_the_best_on_dev(start: CrossEncoder, tmp_path: Path) -> None:
    """Dev is best at the first evaluation: its weights are kept, and patience ends the training."""
    values = iter([0.1, 0.9, 0.5, 0.4, 0.3, 0.2])
    states: list[str] = []

    def score(encoder: CrossEncoder) -> float:
        states.append(weights_digest(encoder.model))
        return next(values)

    options = replace(OPTIONS, steps=50, evaluate_every=2, patience=2)
    card = train_ranker(start, RankerCourse("toy", [source()], options, 1), score, tmp_path / "toy")

    assert (card["best_step"], card["steps"], card["dev"]) == (2, 6, 0.9)
    assert weights_digest(load_cross_encoder(tmp_path / "toy", query_budget=12).model) == states[1]


def test_a_loss_that_is_no_number_is_told(start: CrossEncoder, tmp_path: Path) -> None:
    options = replace(OPTIONS, learning_rate=1e30)

    with pytest.raises(EncoderError, match=r"the loss of step \d+ is nan; lower the learning rate"):
        train_ranker(start, RankerCourse("toy", [source()], options, 1), lambda _: 0.0, tmp_path / "toy")
    assert not (tmp_path / "toy").exists()


def test_nothing_to_learn_from_is_refused(start: CrossEncoder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ranker 'toy' has no training queries"):
        train_ranker(start, RankerCourse("toy", [], OPTIONS, 1), lambda _: 0.0, tmp_path / "toy")


def test_the_first_stage_s_height_is_added_to_logits(start: CrossEncoder) -> None:
    found = source()
    batch = RankerCourse("toy", [found], OPTIONS, 1).batch(1)
    alone, beside = (
        RankerStudent(start, replace(OPTIONS, first_stage=weight), 1)._scores(batch).detach().numpy()
        for weight in (0.0, 3.0)
    )

    assert batch.prior is not None
    assert set(batch.prior.tolist()) > {0.0}
    np.testing.assert_allclose(beside - alone, 3 * batch.prior, atol=1e-5)


def test_what_is_frozen_stays_and_the_rest_learns(bert: Path) -> None:
    begin = untrained_cross_encoder(bert, 1, max_length=32, query_budget=12, head="late-join", joint=Joint(apart=1))
    before = {name: one.detach().clone() for name, one in begin.model.named_parameters()}
    options = replace(OPTIONS, frozen=("joined", "matrix", "weight"))
    student = RankerStudent(begin, options, 1)
    course = RankerCourse("toy", [source(options)], options, 1)
    for number in range(1, 4):
        lists = course.batch(number)
        student.step(lists, lists, number)
    after = dict(student.answering().model.named_parameters())
    changed = {name for name, one in before.items() if not after[name].equal(one)}

    assert {"tokens", "scales"} <= changed <= {"tokens", "scales", "bias"}


@pytest.mark.parametrize(
    ("frozen", "said"),
    [(("head",), "begins with 'head', which shall be frozen; known: bert, classifier"), (("",), "leave something")],
)
def test_freezing_what_is_not_there_or_everything_is_refused(
    start: CrossEncoder, frozen: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        RankerStudent(start, replace(OPTIONS, frozen=frozen), 1)


def test_a_late_join_is_trained_above_what_is_read_apart(bert: Path, tmp_path: Path) -> None:
    begin = untrained_cross_encoder(bert, 1, max_length=32, query_budget=12, head="late-join", joint=Joint(apart=1))
    options = replace(OPTIONS, random_negatives=0, loss="ranknet")
    found = source(options)

    card = train_ranker(begin, RankerCourse("toy", [found], options, 1), accuracy(found), tmp_path / "toy")

    assert card["dev"] > card["dev_of_start"] + 0.2
    opened = load_cross_encoder(tmp_path / "toy", query_budget=12)
    assert accuracy(found)(opened) == card["dev"]
    old, new = begin.model.state_dict(), opened.model.state_dict()
    changed = {name for name in old if not bool((old[name] == new[name]).all())}
    assert {"matrix", "scales"} <= changed
    assert not {name for name in changed if name.startswith("encoder.")}


def test_bfloat16_trains_float32_weights_by_nearly_the_same_loss(start: CrossEncoder) -> None:
    found = source()
    losses, students = [], []
    for precision in ("float32", "bfloat16"):
        options = replace(OPTIONS, precision=precision, dropout=False)
        student = RankerStudent(start, options, 1)
        batch = RankerCourse("toy", [found], options, 1).batch(1)
        losses.append(student.step(batch, batch, 1))
        students.append(student)

    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert {str(one.dtype) for one in students[1].weights().values()} == {"float32"}


def test_a_step_has_the_loss_of_the_encoder_s_own_logits(start: CrossEncoder) -> None:
    options = replace(OPTIONS, loss="ranknet", dropout=False)
    batch = RankerCourse("toy", [source(options)], options, 1).batch(1)
    logits = start.logits(start.tokenise(batch.queries, batch.documents))
    pairs = Pairs.of(batch)

    expected = np.log1p(np.exp(-(logits[pairs.better] - logits[pairs.worse]))).mean()
    assert RankerStudent(start, options, 1).step(batch, batch, 1) == pytest.approx(expected, rel=1e-5)
