"""docs/late-interaction.md: its configurations open, its code runs, its commands parse."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from periti.cli.main import parser
from periti.config import parse
from periti.registry import RANKERS

PAGE = (Path(__file__).parents[1] / "docs" / "late-interaction.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)
TABLES = [tomllib.loads(text)["ranker"] for kind, text in BLOCKS if not kind and text.startswith("[")]


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_every_configuration_on_the_page_is_one(table: dict[str, object]) -> None:
    options = {key: value for key, value in table.items() if key != "name"}

    made = parse(RANKERS.load(str(table["name"])).Options, options, "page")

    assert all(str(getattr(made, key)) == str(value) for key, value in options.items())


@pytest.mark.parametrize("code", [text for kind, text in BLOCKS if kind == "python"])
def test_every_program_on_the_page_runs(code: str) -> None:
    exec(compile(code, "docs/late-interaction.md", "exec"), {})


def test_every_command_on_the_page_is_one() -> None:
    commands = [line for line in PAGE.splitlines() if line.startswith("periti ")]

    for line in commands:
        parser().parse_args(shlex.split(line)[1:])
    assert commands
    assert len(TABLES) == 2
