"""NLM's files to headings, and headings by name."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from periti.errors import FormatError
from periti.mesh.vocabulary import Heading, Vocabulary, natural_order, normal_form, read_vocabulary

TREES = "Abdomen;A01.047\n    Genitalia;A05.360\nAbdomen, Acute;C23.888\nAbdomen, Acute;C23.999.001\nAnatomy;A\n"
RECORDS = """*NEWRECORD
RECTYPE = D
MH = Abdomen, Acute
ENTRY = Acute Abdomens|T184|NON
PRINT ENTRY = Surgical Belly|T184|NON|EQV
ENTRY = Surgical Belly
MN = C23.888
UI = D000006

*NEWRECORD
MH = Ovary
UI = D010053
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mesh.bin.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def test_lines_of_the_tree_are_gathered_by_heading(tmp_path: Path) -> None:
    found = read_vocabulary(written(tmp_path, TREES))

    assert [heading.name for heading in found.headings] == ["Abdomen", "Genitalia", "Abdomen, Acute", "Anatomy"]
    assert found.headings[2] == Heading("Abdomen, Acute", trees=("C23.888", "C23.999.001"))
    assert found.headings[2].names == ("Abdomen, Acute", "Acute Abdomen")
    assert found.entry_terms == 0


def test_records_bring_entry_terms_and_identifiers(tmp_path: Path) -> None:
    found = read_vocabulary(written(tmp_path, RECORDS))

    assert found.headings[0] == Heading("Abdomen, Acute", "D000006", ("Surgical Belly", "Acute Abdomens"), ("C23.888",))
    assert found.by_uid == {"D000006": "Abdomen, Acute", "D010053": "Ovary"}
    assert found.entry_terms == 2
    assert found.find("surgical bellies") is None
    assert found.find("SURGICAL-BELLY") == "Abdomen, Acute"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Abdomen A01\n", ":1: expected `heading;tree number`"),
        ("Abdomen;A01\nOvary;x\n", ":2: expected `heading;tree number`"),
        ("", "no heading in it"),
        ("*NEWRECORD\nMH Ovary\n", ":2: expected `KEY = value`"),
        ("*NEWRECORD\nUI = D1\n", ":1: a record has 0 MH"),
    ],
)
def test_another_file_is_refused_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_vocabulary(written(tmp_path, text))
    assert told in str(caught.value)


def test_forms_that_are_equal() -> None:
    assert natural_order("Lymphoma, B-Cell, Marginal Zone") == "Marginal Zone B-Cell Lymphoma"
    assert natural_order("a,b") == "a,b"
    assert normal_form("Crohn's Diseases") == normal_form("crohn disease")
    assert normal_form("Analysis of abscess, virus gas") == "analysis of abscess virus gas"


def test_a_preferred_name_wins_over_an_entry_term() -> None:
    found = Vocabulary([Heading("A", entries=("B",)), Heading("B")])

    assert found.find("b") == "B"
    assert found.of_query("B/du") == "B"


def test_a_stem_is_completed_by_the_word_that_most_names_hold() -> None:
    found = Vocabulary([Heading("Ovarian Cysts"), Heading("Ovarian Diseases"), Heading("Ovary"), Heading("Ovoid Body")])

    assert found.completed("ovar") == "ovarian"
    assert found.completed("OVO") == "ovoid"
    assert found.completed("ov") == "ov"
    assert found.completed("zzz") == "zzz"
