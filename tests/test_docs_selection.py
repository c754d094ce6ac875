"""docs/selection.md: its configurations open, its code runs, its commands parse."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from periti.cli.main import parser
from periti.config import parse
from periti.registry import FUSIONS, RANKERS, RETRIEVERS, Registry

PAGE = (Path(__file__).parents[1] / "docs" / "selection.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)
FAMILIES: dict[str, Registry] = {"fusion": FUSIONS, "ranker": RANKERS}


def tables() -> list[tuple[Registry, str, dict[str, Any]]]:
    found = []
    for kind, text in BLOCKS:
        if kind or not text.startswith("["):
            continue
        for key, table in tomllib.loads(text).items():
            if key == "experts":
                found += [(RETRIEVERS, own.pop("retriever"), own) for own in table.values()]
            else:
                found.append((FAMILIES[key], table.pop("name"), table))
    return found


@pytest.mark.parametrize(("family", "name", "options"), tables(), ids=lambda one: one if isinstance(one, str) else "")
def test_every_configuration_on_the_page_is_one(family: Registry, name: str, options: dict[str, Any]) -> None:
    options.pop("index", None)

    parse(family.load(name).Options, options, name)


@pytest.mark.parametrize("code", [text for kind, text in BLOCKS if kind == "python"])
def test_every_program_on_the_page_runs(code: str) -> None:
    exec(compile(code, "docs/selection.md", "exec"), {})


def test_every_command_on_the_page_is_one() -> None:
    for line in PAGE.replace("\\\n", " ").splitlines():
        if line.startswith("periti "):
            parser().parse_args(shlex.split(line)[1:])


def test_the_page_has_something_to_test() -> None:
    assert len(tables()) >= 2
    assert any(kind == "python" for kind, _ in BLOCKS)
