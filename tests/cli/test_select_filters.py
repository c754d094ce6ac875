"""`periti select quad|adversarial|dedup`, and the filters and stages of every method, as a user calls them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.cli.calling import periti

Row = Mapping[str, Any]
HARE = "the hare runs over the field and sleeps under the old oak tree by the mill"
NEAR = "the hare runs over the field and sleeps under the old oak tree by the river"
HERON = "a heron stands in the water and waits for a fish that is not careful enough"
GERMAN = "der Hase läuft über das Feld und schläft nicht unter der alten Eiche bei der Mühle"


def written(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def select(method: str, pool: Path, *options: str | int | Path) -> tuple[int, pl.DataFrame]:
    out = pool.parent / "chosen.parquet"
    status = periti("select", method, "--pool", pool, "--out", out, "--no-decontaminate", "--processes", 1, *options)
    return status, pl.read_parquet(out) if out.exists() else pl.DataFrame()


def ids(chosen: pl.DataFrame) -> list[str]:
    return [str(one) for one in chosen["id"]]


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    texts = [HARE, HERON, NEAR, HARE, GERMAN, "hare"]
    rows = [{"id": f"d{number}", "text": text, "worth": number} for number, text in enumerate(texts)]
    return written(tmp_path / "pool.jsonl", rows)


def test_dedup_keeps_the_first_of_copies_and_of_near_copies(animals: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, chosen = select("dedup", animals, "--json")

    assert status == 0
    # 12 of 14 shingles of three words are shared of 16: J = 12 / 14 = .857.
    assert ids(chosen) == ["d0", "d1", "d4", "d5"]
    removed = json.loads(capsys.readouterr().out)["removed"]
    assert removed["exact duplicates"] == 1
    assert removed["near-duplicates (Jaccard 0.8 or more)"] == 1


def test_dedup_keeps_the_best_by_a_column(animals: Path) -> None:
    assert ids(select("dedup", animals, "--keep-best", "worth")[1]) == ["d1", "d3", "d4", "d5"]


def test_a_higher_threshold_keeps_near_copies(animals: Path) -> None:
    assert ids(select("dedup", animals, "--near-duplicates", "0.95")[1]) == ["d0", "d1", "d2", "d4", "d5"]


def test_a_column_without_numbers_is_one_sentence(animals: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _ = select("dedup", animals, "--keep-best", "text")

    assert status != 0
    assert "record 1: 'text' is" in capsys.readouterr().err


def test_every_method_can_filter_by_length_and_language(animals: Path) -> None:
    chosen = select("random", animals, "--budget", "100%", "--min-tokens", 2, "--language", "en", "--known-language")[1]
    assert ids(chosen) == ["d0", "d1", "d2"]

    assert ids(select("random", animals, "--budget", "100%", "--language", "de")[1]) == ["d4", "d5"]
    assert ids(select("random", animals, "--budget", "100%", "--max-tokens", 1)[1]) == ["d5"]


def test_a_text_is_no_duplicate_of_one_that_was_filtered_out(tmp_path: Path) -> None:
    long = f"{HARE} and back"
    pool = written(tmp_path / "pool.jsonl", [{"id": "long", "text": long}, {"id": "short", "text": HARE}])

    # 14 of 16 shingles: near-duplicates. The first is too long, so the second must not go for its sake.
    assert ids(select("dedup", pool)[1]) == ["long"]
    assert ids(select("dedup", pool, "--max-tokens", 16)[1]) == ["short"]


def test_an_unknown_language_is_one_sentence(animals: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert select("random", animals, "--budget", "2", "--language", "xx")[0] != 0
    assert "language 'xx' can not be told" in capsys.readouterr().err


@pytest.mark.slow
def test_semantic_duplicates_go_by_an_encoder(tmp_path: Path) -> None:
    texts = [
        "How do I lower my blood pressure?",
        "The court dismissed the appeal.",
        "How can I reduce my blood pressure?",
    ]
    pool = written(tmp_path / "pool.jsonl", [{"id": f"d{number}", "text": text} for number, text in enumerate(texts)])

    options = ("--budget", "100%", "--semantic-duplicates", "0.8", "--semantic-keep", "first")
    assert ids(select("random", pool, *options)[1]) == ["d0", "d1"]


def test_what_an_encoder_reads_alike_is_a_semantic_duplicate(tmp_path: Path, bert: Path) -> None:
    # The tiny model reads the first 32 tokens: the third text says the same to it as the first.
    texts = [HARE * 20, HERON * 20, HARE * 20 + " and ends otherwise"]
    pool = written(tmp_path / "pool.jsonl", [{"id": f"d{number}", "text": text} for number, text in enumerate(texts)])

    options = ("--budget", "100%", "--semantic-duplicates", "1", "--semantic-keep", "first", "--encoder", bert)
    assert ids(select("random", pool, *options)[1]) == ["d0", "d1"]


def test_labels_that_the_document_gives_away_go(tmp_path: Path, bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    words = [f"word{number}" for number in range(60)]
    rows = []
    for number in range(160):
        label, styled = number % 2, number % 4 < 2
        style = ("Sadly no. " if label == 0 else "Yes indeed! ") if styled else ""
        text = style + " ".join(rng.choice(words, 4))
        source = "styled" if styled else "plain"
        rows.append({"id": f"d{number}", "query": "what", "document": text, "grade": label, "source": source})
    pool = written(tmp_path / "judged.jsonl", rows)
    options = ("--label", "grade", "--hide-from", "document", "--stratum", "source", "--keep-duplicates", "--json")
    status, chosen = select("adversarial", pool, *options, "--encoder", bert)

    assert status == 0
    reason, removed = json.loads(capsys.readouterr().out)["removed"].popitem()
    assert reason.startswith("guessed by an adversary (accuracy ")
    assert "styled: " in reason
    assert "no better than chance" in reason
    assert len(chosen) == 160 - removed
    styled_left = sum("indeed" in text or "Sadly" in text for text in chosen["document"])
    assert removed > 20
    assert styled_left / len(chosen) < 0.4  # of .5


def test_a_missing_label_is_one_sentence(animals: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert select("adversarial", animals, "--label", "grade")[0] != 0
    assert "record 1 has no 'grade'" in capsys.readouterr().err


def test_quad_chooses_for_a_target_and_says_why(tmp_path: Path, bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    topics = {"law": "court appeal judge tenant lease", "farm": "wheat barn plough harvest cow"}
    rng = np.random.default_rng(1)
    rows = []
    for number in range(60):
        name = ("law", "farm")[number % 2]
        words = " ".join(rng.choice(topics[name].split(), 6))
        rows.append({"id": f"{name}{number}", "query": f"what of {words[:20]}", "document": f"about {words}"})
    pool = written(tmp_path / "pool.jsonl", rows)
    target = written(tmp_path / "target.jsonl", rows[:12:2])
    options = ("--target", target, "--budget", "5", "--examined", "0.8", "--clusters", "4", "--batch", "2", "--json")
    status, chosen = select("quad", pool, *options, "--explain", "law0", "--no-kl", "--encoder", bert)

    assert status == 0
    assert len(chosen) == 5
    explained = json.loads(capsys.readouterr().out)["explained"]
    assert any("cluster" in reason["what"] for reason in explained["reasons"])
