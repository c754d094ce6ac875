"""docs/data-selection.md: its commands parse, its code runs, its methods and formats are those that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from periti.cli.main import parser
from periti.cli.selecting import METHODS
from periti.datasets.selection.blocks import LONGEST_LINE, MOST_BYTES, MOST_DOCUMENTS
from periti.datasets.selection.decontamination import N

PAGE = (Path(__file__).parents[1] / "docs" / "data-selection.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    line
    for kind, text in BLOCKS
    if not kind
    for line in text.replace("\\\n", " ").splitlines()
    if line.startswith("periti ")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_on_the_page_is_one(line: str) -> None:
    parser().parse_args(shlex.split(line)[1:])


@pytest.mark.parametrize("code", [text for kind, text in BLOCKS if kind == "python"])
def test_every_program_on_the_page_runs(code: str) -> None:
    exec(compile(code, "docs/data-selection.md", "exec"), {})


def test_every_option_that_the_page_names_is_one() -> None:
    commands = next(action for action in parser()._actions if action.choices and "select" in action.choices)
    select = commands.choices["select"]  # type: ignore[index]
    methods = next(action for action in select._actions if action.choices)
    known = {option for method in methods.choices.values() for option in method._option_string_actions}

    named = {option for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE) if option not in ELSEWHERE}

    assert named <= known, named - known


ELSEWHERE = {"--pairs", "--features", "--length"}
"""Options on the page of other commands than `periti select`."""


def test_every_method_is_told() -> None:
    for name in METHODS:
        assert f"`{name.replace('_', '-')}`" in PAGE, f"docs/data-selection.md does not tell of {name!r}"


def test_the_page_s_limits_are_those_of_the_code() -> None:
    assert f"{MOST_DOCUMENTS:,} records and {MOST_BYTES >> 20} MiB" in PAGE
    assert f"more than {LONGEST_LINE >> 20} MiB" in PAGE
    assert f"it shares {N}\nwords in a row" in PAGE


def test_the_page_has_something_to_test() -> None:
    assert len(COMMANDS) >= 5
    assert any(kind == "python" for kind, _ in BLOCKS)
