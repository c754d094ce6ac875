"""docs/fusion.md says what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from periti.cli.main import parser
from periti.rankers.calibration.calibration import METHODS
from periti.rankers.fusion.learned import METHODS as LEARNED
from periti.rankers.fusion.scaling import SCALINGS
from periti.registry import FUSIONS

PAGE = (Path(__file__).parents[1] / "docs" / "fusion.md").read_text(encoding="utf-8")


def test_every_rule_scaling_and_method_is_told() -> None:
    for name in (*FUSIONS, *LEARNED, *SCALINGS, *METHODS):
        assert re.search(rf"[`\"]{re.escape(name)}[`\"]", PAGE), f"docs/fusion.md does not tell of {name!r}"


def test_every_command_on_the_page_is_one() -> None:
    lines = PAGE.replace("\\\n", " ").splitlines()
    commands = [line for line in lines if line.startswith("periti ")]

    assert len(commands) == 8
    for line in commands:
        parser().parse_args(shlex.split(line)[1:])
