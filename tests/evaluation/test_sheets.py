"""Every measure has a fact sheet, every sheet's values are recomputed, and the docs page is printed from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from periti.evaluation import Policy, evaluate, parse, sheets
from periti.evaluation.measures import known_measures
from periti.evaluation.own import DEFINITIONS

from .test_exact import TOY_QRELS, TOY_RUN
from .trec_files import qrels_from, run_from

FIXTURES = [(sheet.toy, name, value) for sheet in sheets.sheets() for name, value in sheet.fixture]
PAGE = Path(__file__).parents[2] / "docs" / "measures.md"


@pytest.mark.parametrize(("toy", "name", "value"), FIXTURES, ids=[name for _, name, _ in FIXTURES])
def test_every_value_of_a_fact_sheet_is_recomputed(toy: str, name: str, value: float) -> None:
    run, qrels = sheets.toys()[toy].frames()
    evaluation = evaluate(run, qrels, parse([name]), policy=Policy(sampled=True))
    assert next(iter(evaluation.values.values())) == pytest.approx(value, abs=5.1e-7)


def test_every_measure_that_is_parsed_has_a_sheet_and_every_sheet_a_measure() -> None:
    named = [name for sheet in sheets.sheets() for name in (sheet.name, *sheet.aliases)]
    assert sorted(named) == sorted(known_measures())


def test_every_measure_has_a_fixture_and_is_computed_without_an_engine_that_is_not_installed() -> None:
    assert [sheet.name for sheet in sheets.sheets() if not sheet.fixture] == []
    by_engines = {sheet.name for sheet in sheets.sheets()} - {*DEFINITIONS}
    assert by_engines == {"Compat", "Accuracy"}


def test_a_sheet_names_every_parameter_with_its_default_and_meaning() -> None:
    sheet = next(sheet for sheet in sheets.sheets() if sheet.name == "WSS")
    assert [(p.name, p.default) for p in sheet.parameters] == [
        ("recall", None),
        ("rounding", "'half_even'"),
        ("rel", "1"),
    ]
    assert all(p.meaning for sheet in sheets.sheets() for p in sheet.parameters)


def test_the_graded_toy_is_the_references_toy() -> None:
    run, qrels = sheets.toys()["graded"].frames()
    assert run.doc_ids("q") == run_from(TOY_RUN).doc_ids("q")
    assert qrels.frame.equals(qrels_from(TOY_QRELS).frame)


def test_the_docs_page_is_what_the_sheets_print() -> None:
    assert PAGE.read_text(encoding="utf-8") == sheets.as_markdown(sheets.sheets())


def test_the_sheets_are_listed_as_text_and_as_json() -> None:
    lines = sheets.as_text(sheets.sheets()).splitlines()
    assert len(lines) == len(json.loads(sheets.as_json(sheets.sheets()))) == len(sheets.sheets())
    assert lines[0].startswith("P(rel=1,judged_only=False)@k ")
