"""docs/mesh.md says what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from periti.cli.main import parser
from periti.errors import FormatError
from periti.mesh import pubmed
from periti.mesh.suggest import DISTANCE, LIST, METHODS

PAGE = (Path(__file__).parents[1] / "docs" / "mesh.md").read_text(encoding="utf-8")


def test_every_method_is_told() -> None:
    for name in METHODS:
        assert f"| `{name}` |" in PAGE
    assert f"<= {DISTANCE:g}".replace("0.", ".") in PAGE
    assert f"its first {LIST} headings" in PAGE


def test_every_command_on_the_page_is_one() -> None:
    commands = [line for line in PAGE.splitlines() if line.startswith("periti mesh ")]

    assert len(commands) == 4
    for line in commands:
        parser().parse_args(shlex.split(line)[1:])


def test_the_message_on_the_page_is_printed() -> None:
    told = re.search(r"^periti: (Boolean query: .*)$", PAGE, re.MULTILINE)
    with pytest.raises(FormatError) as caught:
        pubmed.parse("(heart attack")

    assert told
    assert str(caught.value) == told[1]
