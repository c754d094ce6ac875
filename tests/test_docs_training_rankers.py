"""docs/training-rankers.md says what there is."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

from periti.cli.main import parser
from periti.panels.ranking.config import read_ranker_config
from periti.training.ranking.settings import CURRICULA, LOSSES

PAGE = (Path(__file__).parents[1] / "docs" / "training-rankers.md").read_text(encoding="utf-8")


def test_every_loss_and_curriculum_is_told() -> None:
    for name in (*LOSSES, *CURRICULA):
        assert f"`{name}`" in PAGE, f"docs/training-rankers.md does not tell of {name!r}"


def test_every_command_on_the_page_is_one() -> None:
    commands = [line for line in PAGE.splitlines() if line.startswith("periti ")]

    assert len(commands) == 3
    for line in commands:
        parser().parse_args(shlex.split(line)[1:])


def test_the_file_on_the_page_is_one(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    for block in blocks:
        tomllib.loads(block)
    (tmp_path / "ranker.toml").write_text(blocks[1], encoding="utf-8")

    assert read_ranker_config(tmp_path / "ranker.toml").learnt == ("scifact",)
