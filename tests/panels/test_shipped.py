"""The experts that come with periti: whole, licensed, and put in front of a collection by one option."""

from __future__ import annotations

from pathlib import Path

import pytest

from periti.encoders import minilm
from periti.encoders.adapters import read_adapter, shipped_expert
from periti.errors import ConfigError, UnknownName
from periti.indexers.build import BuildConfig, build_collection
from periti.panels.shipped import EXPERTS, shipped_panel, shipped_table
from periti.pipeline import open_pipeline
from periti.retrievers.routing.table import UtilityTable
from periti.types import Queries
from tests.tiny import DOCUMENTS


@pytest.mark.parametrize("name", [*EXPERTS, "multitask"])
def test_a_shipped_expert_is_whole_and_says_what_it_learnt_from(name: str) -> None:
    adapter = read_adapter(shipped_expert(name))

    adapter.require_base(minilm().identity)
    assert adapter.card["name"] == name
    assert "adapter MIT" in adapter.card["licence"]
    assert adapter.card["command"] == f"periti train expert shipped.toml --seed 1 --expert {name}"
    assert adapter.card["dev"] > adapter.card["dev_of_base"]


def test_the_shipped_table_is_of_these_experts_and_gives_nobodys_texts_away() -> None:
    table = UtilityTable.read(shipped_table())

    assert table.experts == ("base", *EXPERTS)
    assert set(table.texts) == {""}
    assert all(split.endswith(":utility") for split in table.source["splits"])
    for name in EXPERTS:
        assert table.source["adapters"][name] == read_adapter(shipped_expert(name)).digest


def test_an_expert_that_does_not_ship_is_refused() -> None:
    with pytest.raises(UnknownName, match="no expert 'leagl' ships with periti; did you mean 'legal'"):
        shipped_expert("leagl")


def test_a_collection_built_with_the_panel_routes_and_asks_words_always(tmp_path: Path) -> None:
    build_collection(DOCUMENTS, tmp_path / "x", BuildConfig(name="x", panel=shipped_panel()))
    pipeline = open_pipeline(tmp_path / "x")

    queries = Queries.from_pairs([("q", "what are the symptoms of a heart attack and how is it treated?")])
    run, trace = pipeline.explain(queries, 3)

    assert set(pipeline.experts) == {"bm25", "base", *EXPERTS}
    asked = trace.step("route").output
    assert asked is not None
    assert set(asked.frame["expert"]) == {"bm25", "medical"}
    assert run.frame["doc_id"][0].startswith("med-")
    assert pipeline.why(queries)[0]["nearest"]


def test_a_panel_needs_vectors() -> None:
    with pytest.raises(ConfigError, match="a panel of experts needs the dense index"):
        BuildConfig(name="x", dense=None, panel=shipped_panel())
