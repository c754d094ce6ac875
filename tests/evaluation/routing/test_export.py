"""A routing study as JSON: unrounded, complete, and without numbers that JSON does not have."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from periti.evaluation.routing.export import to_json
from tests.evaluation.routing.small import BARE, HOSTILE, SHARES, STUDY, renamed


def test_a_system_has_all_it_was_given_and_its_macro_means() -> None:
    told = to_json(STUDY)
    argmax = told["systems"][4]
    macro = argmax.pop("macro")
    assert argmax == {
        "name": "argmax",
        "kind": "router",
        "values": {"law": 0.6, "medicine": 0.38, "news": 0.4},
        "gap": {"value": 0.9, "low": 0.7, "high": 1.1},
        "regret": 0.02,
        "cost": 1.02,
        "shares": SHARES,
        "note": "chosen on dev",
    }
    assert macro == pytest.approx({"seen": 0.49, "unseen": 0.4, "all": 0.46})
    assert told["systems"][6]["gap"] is None


def test_collections_points_and_the_rest() -> None:
    told = to_json(STUDY)
    assert told["collections"][2] == {"name": "news", "domain": "", "home": "", "seen": False, "queries": 30}
    assert told["points"]["expert"] == ["lex", "med", "base"]
    assert told["front"] == ["all domains", "argmax", "top-2"]
    assert told["seeds"] == [1, 2]
    assert told["seconds"] == {"encode": 0.01, "route": 0.0002}
    assert told["stability"]["argmax"] == {"typo": 0.95, "paraphrase": 0.9}


def test_comparisons_are_unrounded_and_carry_topics_on_demand() -> None:
    (table,) = to_json(STUDY)["comparisons"]["law: router"]["tables"]
    base = next(one for one in table["comparisons"] if one["a"] == "base")
    assert base["p"] == 2 / 256
    assert base["adjusted"] == 4 / 256
    assert "scores" not in table
    assert table["scores_sha256"] == STUDY.studies["law: router"].tables[0].scores.digest
    (table,) = to_json(STUDY, by_topic=True)["comparisons"]["law: router"]["tables"]
    assert table["scores"]["base"] == [0.5, 0.4] * 4


def test_it_comes_back_from_a_file_as_it_was() -> None:
    for study in (STUDY, BARE, renamed(*HOSTILE)):
        told = to_json(study)
        assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_numbers_of_numpy_and_those_that_are_none_become_plain() -> None:
    half: Any = np.float32(0.5)
    three: Any = np.int64(3)
    system = replace(
        STUDY.systems[0],
        values={"law": half, "medicine": math.nan, "news": np.float64("inf")},
        regret=math.nan,
        gap=(math.nan, -math.inf, math.inf),
    )
    collections = tuple(replace(one, queries=three) for one in STUDY.collections)
    points = pl.DataFrame({"x": [math.nan], "y": [None], "collection": ["law"], "expert": ["lex"]})
    told = to_json(replace(STUDY, systems=(system,), collections=collections, points=points, studies={}))
    json.dumps(told, allow_nan=False)
    assert told["systems"][0]["values"] == {"law": 0.5, "medicine": None, "news": None}
    assert told["systems"][0]["gap"] == {"value": None, "low": None, "high": None}
    assert told["systems"][0]["macro"]["seen"] is None
    assert told["collections"][0]["queries"] == 3
    assert told["points"]["x"] == told["points"]["y"] == [None]


def test_the_study_is_not_changed() -> None:
    before = repr(STUDY.systems)
    to_json(STUDY)["systems"][4]["shares"]["law"]["lex"] = 0.0
    assert repr(STUDY.systems) == before
