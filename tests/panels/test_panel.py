"""A whole panel on the demo collection: train, fit, judge, explain, by the commands a user types."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from periti.cli.main import main
from periti.panels.config import read_panel_config
from periti.panels.fallback import threshold_of
from periti.panels.material import DEV, FIT, TEST, UTILITY
from periti.panels.panel import Panel, open_panel
from periti.progress import Silent
from periti.retrievers.routing.pilots import Pilots
from periti.retrievers.routing.table import UtilityTable

PANEL = """
name = "demo panel"
seeds = [1]
[training]
method = "linear"
learning_rate = 1e-3
steps = 10
batch = 8
evaluate_every = 5
[collections.one]
dataset = "demo"
train = "train"
test = "test"
slices = [0.4, 0.2, 0.4]
[collections.two]
dataset = "demo"
train = "dev"
slices = [0.4, 0.2, 0.4]
[collections.strange]
dataset = "demo"
test = "test"
[experts.first]
description = "passages of the demo"
sources = ["one"]
[experts.second]
sources = ["two"]
[experts.all]
sources = ["one", "two"]
control = true
"""


@dataclass(frozen=True)
class Trained:
    file: Path
    panel: Panel


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("panel")
    file = folder / "panel.toml"
    file.write_text(PANEL, encoding="utf-8")
    assert main(["train", "expert", str(file)]) == 0
    return Trained(file, open_panel(read_panel_config(file), Silent()))


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert main(list(arguments)) == 0
    return json.loads(capsys.readouterr().out)


def test_slices_never_share_a_query(trained: Trained) -> None:
    for name, material in trained.panel.materials.items():
        ids = [set(part.queries.ids) for part in material.slices.values()]
        assert sum(map(len, ids)) == len(set().union(*ids)), name
        for part in material.slices.values():
            assert set(part.qrels.query_ids) == set(part.queries.ids)
    assert set(trained.panel.materials["one"].slices) == {FIT, DEV, UTILITY, TEST}
    assert set(trained.panel.materials["strange"].slices) == {TEST}


def test_training_again_leaves_experts_as_they_are(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    cards = asked(capsys, "train", "expert", str(trained.file), "--json")

    assert [card["name"] for card in cards] == ["first", "second", "all"]
    assert cards[0]["sources"][0]["name"] == "one:fit"
    assert cards[0]["licence"] == "MIT"
    assert cards[0]["dev"] >= cards[0]["dev_of_base"]
    assert (Path(cards[0]["folder"]) / "adapter_model.safetensors").is_file()


def test_fit_writes_a_table_of_held_out_train_queries_only(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    told = asked(capsys, "router", "fit", str(trained.file), "--json")
    table = UtilityTable.read(Path(told[0]["folder"]))

    assert table.experts == ("base", "first", "second")
    held = {
        f"{m.name}/{q}"
        for m in trained.panel.materials.values()
        if UTILITY in m.slices
        for q in m.slices[UTILITY].queries.ids
    }
    assert set(table.query_ids) == held
    assert table.homes == {"one": "first", "two": "second"}
    assert table.source["splits"] == ["one:utility", "two:utility"]


def test_evaluate_prints_every_system_with_corrected_significance(
    trained: Trained, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page, markdown = tmp_path / "panel.html", tmp_path / "panel.md"
    study = asked(
        capsys, "router", "evaluate", str(trained.file), "--json", "--html", str(page), "--markdown", str(markdown)
    )

    names = {system["name"] for system in study["systems"]}
    assert {"base", "first", "second", "all", "random expert", "best single expert", "dataset oracle"} <= names
    assert {"pilots", "pilots + fall-back", "pilots + top 2 fused", "centroids", "ridge", "neighbours"} <= names
    values = {system["name"]: system["values"] for system in study["systems"]}
    for name in ("one", "strange"):
        experts = [values[expert][name] for expert in ("base", "first", "second")]
        assert values["random expert"][name] == pytest.approx(np.mean(experts))
        assert values["dataset oracle"][name] == pytest.approx(max(experts))
        assert values["instance oracle"][name] >= max(experts)
        assert values["cross-fitted instance oracle"][name] <= values["instance oracle"][name] + 1e-12
    assert "null oracle" not in names, "one seed has no copies"
    _chosen_on_train(study)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "dataset oracle" in markdown.read_text(encoding="utf-8")


def _chosen_on_train(study: Any) -> None:
    """The choice is what held-out train promises most of, is judged like any system, and is all that test adds."""
    policies = {one["name"]: one for one in study["policies"]}
    systems = {one["name"]: one for one in study["systems"]}
    assert study["chosen"] == max(policies, key=lambda name: policies[name]["promise"])
    assert systems[study["chosen"]]["note"].startswith("chosen on held-out queries of train")
    assert policies["pilots"]["asked"] == 1
    assert policies["pilots + all alike"]["asked"] == 3
    for name in policies.keys() & systems.keys():
        assert policies[name]["seen"] == pytest.approx(systems[name]["macro"]["seen"])
        assert policies[name]["cost"] == pytest.approx(systems[name]["cost"])
    assert {one["about"] for one in study["expectations"]} >= {"top-p", "entropy gate", "Glider", "PreMoe"}
    luck = {(one["name"], one["among"]): one for one in study["luck"]}
    assert luck["instance oracle", "all 3"]["seen"] == pytest.approx(systems["instance oracle"]["macro"]["seen"])


@pytest.mark.slow
def test_two_seeds_show_how_much_is_luck(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "expert", str(trained.file), "--seeds", "1", "2"]) == 0
    study = asked(capsys, "router", "evaluate", str(trained.file), "--seeds", "1", "2", "--json")

    luck = {(one["name"], one["among"]): one for one in study["luck"]}
    null = luck["null oracle", "2 training seeds of one expert"]
    assert null["seen_gain"] >= 0
    assert luck["instance oracle", "any 2 trained experts"]["seen_gain"] >= 0
    values = {system["name"]: system["macro"] for system in study["systems"]}
    assert values["null oracle"]["seen"] == pytest.approx(null["seen"])
    # With the second seed one expert wins wherever a winner is unique: classifiers have nothing to learn.
    assert "so there is nothing to learn" in study["facts"]["left out, classifier"]
    assert "classifier" not in values


def test_explain_says_who_answers_and_what_it_rests_on(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    asked(capsys, "router", "fit", str(trained.file), "--json")
    answer = asked(capsys, "router", "explain", str(trained.file), "can my landlord keep the deposit?", "--json")

    assert set(answer["scores"]) == {"base", "first", "second"}
    assert answer["expert"] == max(answer["scores"], key=answer["scores"].get)
    assert answer["nearest"]


def test_health_examines_every_expert_and_tells_clones(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    asked(capsys, "router", "fit", str(trained.file), "--json")
    found = asked(capsys, "router", "health", str(trained.file), "--json")

    assert [row["expert"] for row in found["experts"]] == ["base", "first", "second"]
    assert sum(row["load_share"] for row in found["experts"]) == pytest.approx(1)
    # Ten steps hardly move an expert from the base: they are clones, and it says so.
    assert "clone" in {alarm["kind"] for alarm in found["alarms"]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "expert", "PANEL", "--expert", "third"), "has no expert 'third'; "),
        (("train", "expert", "PANEL", "--seeds", "1", "1"), "give different ones"),
        (("router", "evaluate", "PANEL", "--seed", "9"), "3 experts are not trained, the first is first"),
        (("router", "explain", "PANEL", " "), "the query is empty"),
        (("router", "explain", "PANEL", "x", "--router", "oracle"), "no router 'oracle' is fitted"),
        (("router", "fit", "PANEL", "--seed", "9"), "no adapter at"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(
    trained: Trained, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    capsys.readouterr()
    assert main([str(trained.file) if a == "PANEL" else a for a in arguments]) == 2

    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("periti: ")
    assert says in told


@pytest.mark.parametrize(
    ("change", "command", "says"),
    [
        (("[0.4, 0.2, 0.4]", "[0.0, 0.5, 0.5]"), ("train", "expert"), "no query falls into the slice to fit"),
        (("[0.4, 0.2, 0.4]", "[0.5, 0.5, 0.0]"), ("router", "fit"), "no training query is left for utilities"),
        (("[experts.second]", "[experts.first]"), ("router", "fit"), "twice"),
        (('train = "train"', 'train = "test"'), ("router", "fit"), "train and test are both 'test'"),
    ],
)
def test_a_panel_that_can_not_be_is_refused_in_one_sentence(
    trained: Trained,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    command: tuple[str, str],
    says: str,
) -> None:
    file = trained.file.with_name("other.toml")
    file.write_text(PANEL.replace(*change), encoding="utf-8")
    home = trained.file.with_name("empty") if command[0] == "train" else trained.file.with_name("panel")
    capsys.readouterr()

    assert main([*command, str(file), "--home", str(home)]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("periti: ")
    assert says in told


@pytest.mark.parametrize("spoil", ["truncated", "not a number"])
def test_an_expert_with_spoilt_weights_is_refused_in_one_sentence(
    trained: Trained, capsys: pytest.CaptureFixture[str], tmp_path: Path, spoil: str
) -> None:
    home = tmp_path / "panel"
    shutil.copytree(trained.file.with_name("panel"), home)
    file = next(home.glob("experts/first/*/adapter_model.safetensors"))
    whole = file.read_bytes()
    file.write_bytes(whole[:1000] if spoil == "truncated" else whole[:-4] + np.float32(np.nan).tobytes())
    capsys.readouterr()

    assert main(["router", "fit", str(trained.file), "--home", str(home)]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("periti: ")
    assert str(file.parent) in told


@pytest.mark.slow
def test_a_panel_of_one_expert_beside_the_base_is_judged(
    trained: Trained, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home, file = tmp_path / "panel", trained.file.with_name("one.toml")
    shutil.copytree(trained.file.with_name("panel"), home)
    second = PANEL.index("[experts.second]")
    file.write_text(PANEL[:second], encoding="utf-8")
    study = asked(capsys, "router", "evaluate", str(file), "--home", str(home), "--json")

    assert study["experts"] == ["base", "first"]
    assert study["chosen"] in {one["name"] for one in study["systems"]}


def test_a_threshold_learns_from_collections_that_play_strangers() -> None:
    """Two collections whose experts help at home and harm elsewhere: strangers must fall back to the base."""
    rng = np.random.default_rng(3)
    vectors = np.concatenate([rng.normal(center, 0.2, (60, 8)) for center in (np.eye(8)[0] * 2, np.eye(8)[1] * 2)])
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    utilities = np.zeros((120, 3))
    utilities[:, 0] = 0.5
    utilities[:60, 1] = utilities[60:, 2] = 0.9
    table = UtilityTable(
        query_ids=tuple(map(str, range(120))),
        texts=("x",) * 120,
        vectors=vectors,
        datasets=("a",) * 60 + ("b",) * 60,
        experts=("base", "one", "two"),
        utilities=utilities,
        homes={"a": "one", "b": "two"},
    )

    score = threshold_of(Pilots.fit, table)

    assert score is not None
    at_home = Pilots.fit(table).scores(vectors, ["x"] * 120).max(axis=1)
    stranger = Pilots.fit(table).scores(np.eye(8, dtype=np.float32)[5:6], ["x"]).max()
    assert (at_home >= score).mean() > 0.95
    assert stranger < score
