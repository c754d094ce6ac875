"""Who should be on the panel, and in memory: by the commands a user types, with answers stated beforehand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from periti.encoders import minilm
from periti.encoders.adapters import LINEAR, Adapter, read_adapter, write_adapter
from periti.encoders.panel import PanelEncoder
from periti.panels.merging import merged_group
from periti.retrievers.diagnosis.archive import Archive
from periti.retrievers.diagnosis.workload import read_profiles
from periti.retrievers.routing.table import UtilityTable
from tests.cli.calling import periti

PANEL = """
name = "made up"
seeds = [1]
[collections.cooking]
dataset = "demo"
train = "train"
[collections.law]
dataset = "demo"
train = "dev"
[collections.medicine]
dataset = "demo"
train = "train"
[experts.law]
sources = ["law"]
[experts.medicine]
sources = ["medicine"]
[experts.weak]
sources = ["cooking"]
"""
WORDS = {
    "law": "contract breach damages court tenant landlord lease clause liability appeal statute judge warranty",
    "medicine": "aspirin heart attack diabetes insulin dose kidney cancer therapy symptom patient blood fever",
    "cooking": "bread oven flour butter soup onion garlic roast recipe dough sauce simmer salt",
    "astronomy": "galaxy telescope orbit comet redshift supernova quasar nebula planet eclipse asteroid",
}
EXPERTS = ("base", "law", "medicine", "weak")
WORTH = {"law": (0.5, 0.7, 0.3, 0.4), "medicine": (0.5, 0.3, 0.8, 0.4), "cooking": (0.5, 0.3, 0.3, 0.4)}


def queries(domain: str, count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["what about " + " ".join(rng.choice(WORDS[domain].split(), 4, replace=False)) + "?" for _ in range(count)]


def linear(seed: int, name: str) -> Adapter:
    matrix = (np.random.default_rng(seed).normal(size=(384, 384)) / 30).astype(np.float32)
    base = minilm().identity.weights_sha256
    return Adapter.of_tensors({LINEAR: matrix}, kind="linear", base=base, scale=1.0, name=name)


def placed(adapter: Adapter, home: Path, name: str) -> None:
    folder = home / "experts" / name / "seed-1"
    folder.mkdir(parents=True)
    write_adapter(adapter, folder)


def table(rows: int) -> UtilityTable:
    """As many made-up queries of each of three collections, every one worth the same to an expert."""
    names = [domain for domain in sorted(WORTH) for _ in range(rows)]
    texts = [text for i, domain in enumerate(sorted(WORTH)) for text in queries(domain, rows, i)]
    vectors = minilm().encode_queries(texts).vectors
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return UtilityTable(
        query_ids=tuple(f"{name}/{i}" for i, name in enumerate(names)),
        texts=tuple(texts),
        vectors=vectors,
        datasets=tuple(names),
        experts=EXPERTS,
        utilities=np.array([WORTH[name] for name in names]),
        homes={"law": "law", "medicine": "medicine"},
    )


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A panel with a made-up table and adapters."""
    folder = tmp_path_factory.mktemp("made-up")
    (folder / "panel.toml").write_text(PANEL, encoding="utf-8")
    table(80).write(folder / "panel" / "router" / "seed-1")
    for seed, name in enumerate(EXPERTS[1:]):
        placed(linear(seed, name), folder / "panel", name)
    return folder / "panel.toml"


def asked(capsys: pytest.CaptureFixture[str], *arguments: str | Path | int) -> Any:
    capsys.readouterr()
    assert periti("router", *arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str | Path | int) -> str:
    capsys.readouterr()
    assert periti("router", *arguments) == 0
    return capsys.readouterr().out


def stream(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(f"q{i}\t{text}\n" for i, text in enumerate(texts, 1)), encoding="utf-8")
    return path


# drift


def known(count: int, seed: int) -> list[str]:
    """Queries of the three known collections, mixed."""
    texts = [text for i, domain in enumerate(sorted(WORTH)) for text in queries(domain, count, seed + i)]
    return [texts[i] for i in np.random.default_rng(seed).permutation(len(texts))]


def test_a_stream_that_turns_to_a_new_subject_calls_for_its_expert(
    panel: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = stream(tmp_path / "stream.tsv", known(40, 11) + queries("astronomy", 80, 12))
    told = asked(capsys, "drift", panel, "--queries", file, "--window", 40)

    assert told["reference"] == 240
    assert [one["step"] for one in told["windows"]] == [40, 80, 120, 160, 200]
    assert [one["drifted"] for one in told["windows"]] == [False, False, False, True, True]
    assert 120 < told["alarm"]["step"] <= 130
    assert told["alarm"]["since"] == pytest.approx(121, abs=5)
    # Four words of eleven may fall into more than one cluster; every one of them is of the new subject.
    assert sum(one["size"] for one in told["experts"]) == pytest.approx(80, abs=8)
    for one in told["experts"]:
        assert all(int(medoid["query_id"][1:]) > 120 for medoid in one["medoids"])
        assert set(one["terms"]) <= set(WORDS["astronomy"].split())
        assert one["nearest_expert"] in EXPERTS
    expert = told["experts"][0]
    text = printed(capsys, "drift", panel, "--queries", file, "--window", 40)
    assert "  alarm\n" in text
    assert f"expert 1 that is missing: {expert['size']} queries, nearest expert {expert['nearest_expert']}" in text


@pytest.mark.parametrize("only", [None, "law", "cooking"])
def test_known_queries_in_any_mixture_are_no_drift(
    panel: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, only: str | None
) -> None:
    texts = queries(only, 150, 21) if only else known(50, 21)
    told = asked(capsys, "drift", panel, "--queries", stream(tmp_path / "stream.tsv", texts))

    assert told["alarm"] is None
    assert told["experts"] == []
    assert [one["step"] for one in told["windows"]] == [50, 100, 150]


# portfolio


def test_labelled_queries_choose_the_experts_that_help_somewhere(
    panel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = asked(capsys, "portfolio", panel, "--labels", 20)

    assert told["labels"] == {"cooking": 20, "law": 20, "medicine": 20}
    picks = told["portfolio"]["picks"]
    assert [pick["expert"] for pick in picks] == ["medicine", "law"]
    assert [pick["gain"] for pick in picks] == pytest.approx([0.3 / 3, 0.2 / 3])
    (dropped,) = told["portfolio"]["rejections"]
    assert (dropped["expert"], dropped["confidence"]) == ("weak", 0)
    assert told["portfolio"]["utility"] == pytest.approx(2 / 3)
    assert told["rest"] == 180
    assert [told[f"rest_{who}"] for who in ("chosen", "all")] == pytest.approx([2 / 3, 2 / 3])
    assert told["rest_base"] == pytest.approx(0.5)
    one = asked(capsys, "portfolio", panel, "--labels", 20, "--keep", 1)
    assert [pick["expert"] for pick in one["portfolio"]["picks"]] == ["medicine"]
    assert one["rest_chosen"] == pytest.approx((0.8 + 0.5 + 0.5) / 3)
    assert "keep law" in printed(capsys, "portfolio", panel, "--labels", 20)


def test_labels_of_everything_leave_nobody_to_judge(panel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = asked(capsys, "portfolio", panel, "--labels", 500)

    assert told["labels"] == {"cooking": 80, "law": 80, "medicine": 80}
    assert (told["rest"], told["rest_chosen"]) == (0, None)


# assignment


def test_every_collection_gets_its_best_expert(panel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = asked(capsys, "assign", panel)

    served = {one["collection"]: one["expert"] for one in told["served"]}
    assert served == {"cooking": "base", "law": "law", "medicine": "medicine"}
    assert [told[key] for key in ("value", "across")] == pytest.approx([2 / 3, 2 / 3])
    assert told["base_across"] == pytest.approx(0.5)
    text = printed(capsys, "assign", panel)
    assert "law                  law              0.7000  0.5000  0.7000  0.7000" in text


def test_fewer_experts_are_chosen_together_and_fill_their_places(
    panel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = asked(capsys, "assign", panel, "--into", 1)
    assert one["value"] == pytest.approx((0.8 + 0.5 + 0.5) / 3)
    assert one["experts"] == ["base", "medicine"]

    # One place each: base .5, law .7, medicine .8 is possible, so nobody takes second best.
    full = asked(capsys, "assign", panel, "--into", 2, "--most", 1)
    assert full["experts"] == ["base", "law", "medicine"]
    # An affinity above what any expert gains puts all collections to one.
    alike = asked(capsys, "assign", panel, "--affinity", 50)
    assert len(alike["experts"]) == 1


# archive


def test_an_archive_keeps_the_best_expert_of_each_cell_and_grows(
    panel: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "elites.json"
    told = asked(capsys, "archive", panel, "--archive", file)

    cells = {(one["domain"], one["cell"]): (one["expert"], round(one["utility"], 9)) for one in told["elites"]}
    assert cells == {
        ("cooking", 0): ("base", 0.5),
        ("cooking", 2): ("weak/seed-1", 0.4),
        ("law", 0): ("base", 0.5),
        ("law", 2): ("law/seed-1", 0.7),
        ("medicine", 0): ("base", 0.5),
        ("medicine", 2): ("medicine/seed-1", 0.8),
    }
    assert told["fronts"]["cooking"] == ["base"]
    assert told["fronts"]["law"] == ["base", "law/seed-1"]
    assert {one["cost"] for one in told["elites"]} == {0.0, 384 * 384 * 4 / 1e6}
    again = asked(capsys, "archive", panel, "--archive", file)
    assert (again["entered"], again["cells_before"]) == (0, 6)
    assert len(Archive.read(file)) == 6
    assert asked(capsys, "archive", panel, "--cost", "encodings")["unit"] == "encodings"
    assert "law/seed-1 *" in printed(capsys, "archive", panel)


# workload


def test_a_workload_s_profile_is_stored_beside_others(
    panel: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "workload.json"
    courts = stream(tmp_path / "courts.tsv", queries("law", 30, 31))
    told = asked(capsys, "workload", panel, "--queries", courts, "--out", file)

    assert told["name"] == "courts"
    assert told["experts"] == list(EXPERTS)
    assert told["usage"] == [0, 1, 0, 0]
    assert told["covering"] == ["law"]
    mixed = stream(tmp_path / "mixed.tsv", queries("law", 30, 31) + queries("medicine", 10, 32))
    asked(capsys, "workload", panel, "--queries", mixed, "--out", file, "--name", "wards")
    asked(capsys, "workload", panel, "--queries", mixed, "--out", file, "--name", "courts")
    stored = read_profiles(file)
    assert [one.name for one in stored] == ["wards", "courts"]
    assert stored[0].usage == stored[1].usage == (0, 0.75, 0.25, 0)
    text = printed(capsys, "workload", panel, "--queries", courts, "--out", file)
    assert "100.0%  law" in text


# merging


@pytest.fixture(scope="module")
def clones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A panel over the demo collection whose first two experts are one."""
    folder = tmp_path_factory.mktemp("clones")
    experts = "".join(f'[experts.{name}]\ndescription = "{name}"\nsources = ["one"]\n' for name in ("a", "b", "c"))
    file = folder / "panel.toml"
    file.write_text(
        f'name = "clones"\nseeds = [1]\n[collections.one]\ndataset = "demo"\ntrain = "train"\n'
        f"slices = [0.3, 0.2, 0.5]\n{experts}",
        encoding="utf-8",
    )
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        placed(linear(seed, name), folder / "panel", name)
    assert periti("router", "fit", file) == 0
    return file


@pytest.mark.slow
def test_clones_are_merged_into_what_they_were(
    clones: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    told = asked(capsys, "merge", clones, "--into", 2, "--out", tmp_path / "merged")

    (pair,) = (one for one in told["groups"] if len(one["weights"]) == 2)
    assert set(pair["weights"]) == {"a", "b"}
    assert sum(pair["weights"].values()) == pytest.approx(1)
    assert pair["likeness"] == pytest.approx(1)
    merged = read_adapter(tmp_path / "merged" / pair["name"])
    assert merged.digest == linear(1, "a").digest
    assert {one["name"]: one["weight"] for one in merged.card["merged_from"]} == pair["weights"]
    assert read_adapter(tmp_path / "merged" / "c").digest == linear(2, "c").digest
    whole = UtilityTable.read(clones.parent / "panel" / "router" / "seed-1")
    left = UtilityTable.read(tmp_path / "merged" / "router")
    assert set(left.experts) == {"base", pair["name"], "c"}
    for name, old in ((pair["name"], "a"), ("c", "c"), ("base", "base")):
        np.testing.assert_allclose(
            left.utilities[:, left.experts.index(name)], whole.utilities[:, whole.experts.index(old)], atol=1e-9
        )
    assert told["bytes"] == [3 * 384 * 384 * 4, 2 * 384 * 384 * 4]


@pytest.mark.slow
def test_one_expert_of_all_is_the_mean_by_usage_and_is_measured(
    clones: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert periti("router", "merge", clones, "--into", 4, "--out", tmp_path / "none") == 2
    assert "into is 4, the panel has 3 trained experts" in capsys.readouterr().err
    told = asked(capsys, "merge", clones, "--into", 1, "--out", tmp_path / "merged")

    (one,) = told["groups"]
    merged = read_adapter(tmp_path / "merged" / one["name"])
    expected = sum(one["weights"][name] * linear(seed, name).matrix for seed, name in ((1, "a"), (1, "b"), (2, "c")))
    assert merged.matrix is not None
    np.testing.assert_allclose(merged.matrix, expected, atol=1e-6)
    left = UtilityTable.read(tmp_path / "merged" / "router")
    (row,) = told["collections"]
    assert row["base"] == pytest.approx(left.utilities[:, 0].mean())
    assert left.utilities.min(axis=1).mean() <= row["after"] <= left.utilities.max(axis=1).mean()
    assert f"written to {tmp_path / 'more'}" in printed(
        capsys, "merge", clones, "--into", 3, "--out", tmp_path / "more"
    )


def test_merged_lora_adapters_have_the_mean_delta() -> None:
    def lora(seed: int) -> Adapter:
        rng = np.random.default_rng(seed)
        layer = "base_model.model.encoder.layer.0.attention.self.query"
        tensors = {
            f"{layer}.lora_A.weight": rng.normal(size=(2, 384)).astype(np.float32),
            f"{layer}.lora_B.weight": rng.normal(size=(384, 2)).astype(np.float32),
        }
        made = Adapter.of_tensors(
            tensors, kind="lora", base=minilm().identity.weights_sha256, scale=2.0, name=str(seed)
        )
        return replace(
            made, card={"name": str(seed), "description": f"about {seed}", "domains": ["x"], "licence": "MIT"}
        )

    def delta(adapter: Adapter) -> Any:
        ((a, b),) = adapter.layers.values()
        return adapter.scale * b @ a

    pair = [lora(1), lora(2)]
    found = merged_group(["one", "two"], pair, np.array([3.0, 1.0]), np.eye(2), 4)

    np.testing.assert_allclose(delta(found.adapter), 0.75 * delta(pair[0]) + 0.25 * delta(pair[1]), atol=1e-3)
    assert found.kept == pytest.approx(1)
    assert found.adapter.card["description"] == "about 1; about 2"
    assert merged_group(["one", "two"], pair, np.zeros(2), np.eye(2), None).weights == {"one": 0.5, "two": 0.5}
    PanelEncoder(minilm()).add(found.adapter)


# bad input


MISTAKES = [
    (("drift", "PANEL", "--queries", "nowhere.tsv"), "nowhere.tsv"),
    (("drift", "SMALL", "--queries", "STREAM"), "9 values; give at least 200"),
    (("drift", "PANEL", "--queries", "STREAM", "--window", "0"), "window is 0; give a number from 1"),
    (("drift", "PANEL", "--queries", "STREAM", "--seed", "7"), "no utility table at"),
    (("portfolio", "PANEL", "--labels", "0"), "labels is 0; label at least 1 query"),
    (("portfolio", "PANEL", "--labels", "9", "--keep", "0"), "n is 0; ask for at least 1 expert"),
    (("merge", "PANEL", "--into", "2", "--out", "FOLDER"), "exists already; name another folder"),
    (("assign", "PANEL", "--into", "4"), "into is 4, the panel has 3 trained experts"),
    (("assign", "PANEL", "--into", "1", "--most", "1"), "2 experts with room for 1 can not serve 3 domains"),
    (("archive", "PANEL", "--edges", "2", "1"), "cost edges are [2.0, 1.0]; give ascending"),
    (("archive", "PANEL", "--archive", "STREAM"), "can not be read as JSON"),
    (("archive", "SMALL"), "no adapter at"),
    (("workload", "PANEL", "--queries", "STREAM", "--out", "STREAM"), "can not be read as JSON"),
]


@pytest.mark.parametrize(("arguments", "says"), MISTAKES)
def test_a_mistake_is_one_sentence_and_status_2(
    panel: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "panel.toml").write_text(PANEL, encoding="utf-8")
    table(3).write(tmp_path / "panel" / "router" / "seed-1")
    file = stream(tmp_path / "stream.tsv", queries("law", 3, 0))
    named = {"PANEL": panel, "SMALL": tmp_path / "panel.toml", "STREAM": file, "FOLDER": tmp_path}
    capsys.readouterr()

    assert periti("router", *(named.get(a, a) for a in arguments)) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("periti: ")
    assert says in told


def test_cells_of_another_archive_are_not_mixed(
    panel: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "elites.json"
    assert periti("router", "archive", panel, "--archive", file) == 0
    capsys.readouterr()

    assert periti("router", "archive", panel, "--archive", file, "--cost", "encodings") == 2
    assert "has cells of MB at [0.1, 0.5, 2.0], asked are encodings" in capsys.readouterr().err
