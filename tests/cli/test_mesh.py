"""`periti mesh` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from periti.mesh import pubmed
from periti.mesh.syntax import terms
from tests.cli.calling import periti
from tests.mesh.test_evaluation import archives, questions

RECORDS = """*NEWRECORD
MH = Myocardial Infarction
ENTRY = Heart Attack|T047
UI = D009203
*NEWRECORD
MH = Aspirin
UI = D001241
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mesh")
    (folder / "d.bin").write_text(RECORDS)
    assert periti("mesh", "index", folder / "d.bin", "--out", folder / "index", "--dense", "none") == 0
    return folder / "index"


def test_suggest_prints_headings(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clause = 'heart attack*[tiab] OR "Stroke"[Mesh]'
    assert periti("mesh", "suggest", clause, "--index", index, "--method", "fragment:words", "--json") == 0
    told = json.loads(capsys.readouterr().out)

    assert told["keywords"] == ["heart attack*"]
    assert told["headings"] == [{"rank": 1, "heading": "Myocardial Infarction", "score": 1.0}]
    assert periti("mesh", "suggest", "zzzz", "--index", index, "--method", "atm") == 0
    assert "nothing found" in capsys.readouterr().out


def test_rebuild_prints_a_query_that_can_be_read(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = tmp_path / "query.txt"
    query.write_text(
        "exp Stroke/\n(heart adj2 attack*).ti,ab.\nor/1-2\naspirin.tw.\n3 and 4\nexp animals/\n5 not 6\n"
        "limit 7 to english\n"
    )
    assert periti("mesh", "rebuild", query, "--index", index, "--method", "atm") == 0
    told = capsys.readouterr()

    assert told.out.strip() == (
        '(("Myocardial Infarction"[Mesh] OR (heart[tiab] AND attack*[tiab])) AND ("Aspirin"[Mesh] OR aspirin[tiab])) '
        'NOT "animals"[Mesh]'
    )
    assert "1 proximity operators became AND" in told.err
    assert "1 lines with a limit were left out" in told.err
    assert len(list(terms(pubmed.parse(told.out)))) == 5


def test_evaluate_prints_a_table(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = archives(
        tmp_path, "exp Aspirin/\naspirin*.tw.\nor/1-2", "Myocardial Infarction/\nheart attack?.ti.\nor/1-2"
    )
    methods = ["--methods", "atm", "atomic:words"]
    assert periti("mesh", "evaluate", "--index", index, "--clef-tar", folder, *methods) == 0
    assert "2 clauses of 2 topics, 2 headings to find" in capsys.readouterr().out
    assert periti("mesh", "evaluate", "--index", index, "--clef-tar", folder, *methods, "--json") == 0
    assert json.loads(capsys.readouterr().out)["means"]["R@1"]["atm"]["mean"] == 1.0

    concept = "http://www.nlm.nih.gov/cgi/mesh/2014/MB_cgi?term=D001241"
    asked = questions(tmp_path / "q.json", {"body": "What is aspirin?", "concepts": [concept]})
    assert periti("mesh", "evaluate", "--index", index, "--bioasq", asked, "--methods", "atm") == 0
    assert "1 clauses of 1 topics" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["suggest", "(heart"], "( at character 1 is never closed"),
        (["suggest", '"Stroke"[Mesh]'], "no words to search with"),
        (["suggest", "heart", "--method", "atomc"], "no method 'atomc'"),
        (["suggest", "heart"], "without vectors"),
        (["suggest", "heart", "--method", "atm", "--k", "0"], "k is 0"),
        (["rebuild", "absent.txt"], "there is no such file"),
    ],
)
def test_a_mistake_is_one_sentence(
    index: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert periti("mesh", *arguments, "--index", index) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
