"""From a file of pairs to an expert: the example of docs/panels.md, and a selected pool with weights and an order."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from periti.cli.main import main
from periti.datasets import load_dataset
from periti.panels.config import read_panel_config
from periti.panels.material import FIT, TEST
from periti.panels.panel import open_panel
from periti.progress import Silent
from periti.types import Document

PAGE = Path(__file__).parents[2] / "docs" / "panels.md"


def example(kind: str) -> str:
    """The first block of that kind on the page."""
    found = re.search(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def trained(file: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    assert main(["train", "expert", str(file), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def panel(tmp_path: Path) -> Path:
    """The page's example, written down."""
    (tmp_path / "pairs.jsonl").write_text(example("json"), encoding="utf-8")
    (tmp_path / "panel.toml").write_text(example("toml"), encoding="utf-8")
    return tmp_path / "panel.toml"


def test_the_example_of_the_page_trains_an_expert(panel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "expert", str(panel)]) == 0

    printed = capsys.readouterr().out
    counts = "16 pairs, 0 repeated pairs, 0 repeated documents, 16 queries, 14 groups, 0 asked in tests"
    assert f"questions: {counts}" in printed
    (card,) = trained(panel, capsys)  # the same call again finds it
    assert card["licence"] == "CC0-1.0"
    assert card["domains"] == ["law"]
    assert card["pairs"]["questions"]["pairs"] == 16
    assert card["sources"][0]["name"] == "questions:fit"
    assert card["dev"] >= card["dev_of_base"] > 0
    assert (Path(card["folder"]) / "adapter_model.safetensors").is_file()


def test_a_changed_answer_is_not_taken_for_the_old_one(panel: Path) -> None:
    material = open_panel(read_panel_config(panel), Silent()).materials["questions"]
    file = panel.with_name("pairs.jsonl")
    file.write_text(file.read_text(encoding="utf-8").replace("two years of service", "a year of service"))

    changed = open_panel(read_panel_config(panel), Silent()).materials["questions"]

    assert changed.docstore.corpus_digest != material.docstore.corpus_digest
    assert any("a year of service" in one.text for one in changed.docstore)


def test_a_selected_pool_brings_weights_and_order_into_training(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in example("json").splitlines()]
    pool = [{**row, "weight": 1.0 + i, "order": float(-i)} for i, row in enumerate(rows)]
    pl.DataFrame(pool).write_parquet(tmp_path / "chosen.parquet")
    text = example("toml").replace("pairs.jsonl", "chosen.parquet").replace("[0.6, 0.4, 0.0]", "[1.0, 0.0, 0.0]")
    (tmp_path / "panel.toml").write_text(text, encoding="utf-8")

    source = open_panel(read_panel_config(tmp_path / "panel.toml"), Silent()).materials["questions"].training_set()

    assert source.weights is not None
    assert source.order is not None
    told = {row["query"]: (row["weight"], row["order"]) for row in pool}
    assert dict(zip(source.texts, zip(source.weights, source.order, strict=True), strict=True)) == told


def test_a_question_of_a_test_of_the_panel_is_counted_and_not_learnt(
    panel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    smuggled = {"query": f" {load_dataset('demo').queries('test').texts[0].upper()} ", "document": "An answer."}
    with panel.with_name("pairs.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(smuggled) + "\n")
    with panel.open("a", encoding="utf-8") as file:
        file.write('[collections.demo]\ndataset = "demo"\ntest = "test"\n')

    (card,) = trained(panel, capsys)

    assert card["pairs"]["questions"]["asked in tests"] == 1
    slices = open_panel(read_panel_config(panel), Silent(), ["questions"]).materials["questions"].slices
    texts = [text for part in slices.values() for text in part.queries.texts]
    assert len(texts) == 16
    assert smuggled["query"] not in texts


def test_heads_without_a_test_and_pairs_with_one_stand_in_one_panel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bags over a file; a guarded bag is masked in the training set, and the expert is trained on both sources."""
    ads = [{"title": f"job {i}", "skills": [f"skill {i % 9}", f"tool {i}"]} for i in range(30)]
    ads.append({"title": "chief", "skills": ["job 3", "lead"]})
    (tmp_path / "ads.jsonl").write_text("".join(json.dumps(ad) + "\n" for ad in ads), encoding="utf-8")
    (tmp_path / "pairs.jsonl").write_text(example("json"), encoding="utf-8")
    more = '[collections.ads]\nqueries = "cooccurrence"\nfile = "ads.jsonl"\nhead = "title"\nattributes = "skills"\n'
    more += "slices = [1.0, 0.0, 0.0]\n"
    text = (
        example("toml").replace('["questions"]', '["questions", "ads"]').replace("slices =", "hold_out = 0.4\nslices =")
    )
    (tmp_path / "panel.toml").write_text(text + more, encoding="utf-8")

    (card,) = trained(tmp_path / "panel.toml", capsys)

    assert [one["name"] for one in card["sources"]] == ["questions:fit", "ads:fit"]
    panel = open_panel(read_panel_config(tmp_path / "panel.toml"), Silent())
    assert TEST in panel.materials["questions"].slices
    ads_set = panel.materials["ads"].training_set()
    place = ads_set.texts.index("job 3")
    (row,) = ads_set.ignored[place].tolist()
    (document,) = panel.materials["ads"].docstore.get([panel.materials["ads"].rows[row]])
    assert isinstance(document, Document)
    assert set(document.text.split(", ")) == {"job 3", "lead"}
    assert row not in ads_set.positives[place]
    assert len(panel.materials["ads"].slices[FIT].queries) == 31


def test_a_broken_line_stops_training_with_one_sentence(panel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with panel.with_name("pairs.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"query": "no answer", "document": ""}\n')

    assert main(["train", "expert", str(panel)]) == 2

    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("periti: ")
    assert "pairs.jsonl:17: document is missing or blank" in told
