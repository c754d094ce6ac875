"""docs/long-documents.md says what there is."""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import fields
from pathlib import Path

from periti.cli.main import parser
from periti.passages.aggregation import RULES
from periti.passages.splitting import PassageConfig
from periti.rankers.passages import PassageRanker
from periti.registry import RANKERS
from periti.retrievers.passages import PassageOptions

PAGE = (Path(__file__).parents[1] / "docs" / "long-documents.md").read_text(encoding="utf-8")


def test_every_rule_and_option_of_passages_is_told() -> None:
    for name in (*RULES, *(field.name for field in fields(PassageConfig))):
        assert f"`{name}`" in PAGE, f"docs/long-documents.md does not tell of {name!r}"


def test_every_command_on_the_page_is_one() -> None:
    commands = [line for line in PAGE.splitlines() if line.startswith("periti ")]

    assert len(commands) == 3
    for line in commands:
        parser().parse_args(shlex.split(line)[1:])


def test_every_setting_on_the_page_is_one() -> None:
    expert, ranker, learned = (tomllib.loads(block) for block in re.findall(r"```\n(\[.*?)```", PAGE, flags=re.DOTALL))
    options = {key: value for key, value in expert["experts"]["passages"].items() if key not in ("retriever", "index")}
    assert PassageOptions(**options).rule().rule == "top-mean"
    settings = {key: value for key, value in ranker["ranker"].items() if key != "name"}
    assert PassageRanker.Options(**settings).rule().rule == "max"
    settings = {key: value for key, value in learned["ranker"].items() if key != "name"}
    assert RANKERS.load(learned["ranker"]["name"]).Options(**settings).depth == 50
