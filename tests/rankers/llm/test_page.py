"""docs/language-models.md says what is so: its examples open and rank, its table names every count."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import periti
from periti.pipeline import open_pipeline
from periti.rankers.llm.listwise import ListwiseRanker
from periti.rankers.llm.permutations import Form
from periti.types import Queries
from tests.endpoint import ModelServer
from tests.rankers.llm.asking import KEY
from tests.tiny import Tiny

PAGE = (Path(periti.__file__).parents[1] / "docs" / "language-models.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["listwise", "monot5"])
def test_an_example_ranks(
    server: ModelServer, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: str
) -> None:
    monkeypatch.setenv("MY_MODEL_KEY", KEY)
    head = (
        f'name = "page"\ndocstore = "{tiny.folder}/docstore"\n'
        f'[experts.bm25]\nretriever = "lexical"\nindex = "{tiny.folder}/lexical"\n'
    )
    (tmp_path / "periti.toml").write_text(head + example.replace("http://localhost:8000/v1", server.url))

    run, trace = open_pipeline(tmp_path).explain(Queries.from_pairs([("q1", "aspirin after a heart attack")]), 3)

    assert len(run.doc_ids("q1")) == 3
    assert trace.steps[-1].notes["calls"] == server.calls > 0


def test_the_table_names_every_count_and_no_other() -> None:
    table = PAGE.partition("| count | of |")[2].partition("##")[0]
    told = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    counted = {f"answers_{form}" for form in Form} | {"cost_millionths", *NAMED}

    assert told == counted


def names() -> set[str]:
    """Constants given to `count(...)` or to `counts[...]` in the rankers' modules."""
    found = set()
    for module in Path(periti.__file__).parent.glob("rankers/llm/*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "count":
                values = node.args[:1]
            elif (
                isinstance(node, ast.Subscript)
                and isinstance(node.value, ast.Attribute)
                and node.value.attr == "counts"
            ):
                values = [node.slice]
            else:
                continue
            found |= {value.value for value in values if isinstance(value, ast.Constant)}
    return {name for name in found if isinstance(name, str)}


NAMED = names()


def test_the_defaults_that_the_page_tells() -> None:
    options = ListwiseRanker.Options()

    assert (options.window, options.stride, options.depth) == (20, 10, 100)
    assert "so 9 for 100" in PAGE
