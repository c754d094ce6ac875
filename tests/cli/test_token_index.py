"""`periti index tokens`: what it builds, says, refuses, and that inspect and verify know it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from periti.cli.main import main
from periti.indexers.docstore import write_docstore
from tests.tiny import DOCUMENTS, save_bert


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    folder = tmp_path / "collection"
    (folder / "docstore").mkdir(parents=True)
    write_docstore(iter(DOCUMENTS), folder / "docstore", {})
    return folder


def test_token_vectors_join_a_collection(collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bert = str(save_bert(tmp_path / "bert", spread=0.5))

    assert main(["index", "tokens", str(collection), "--model", bert, "--nbits", "1"]) == 0
    said = capsys.readouterr().out
    assert f"{len(DOCUMENTS)} documents" in said
    assert "without tokens: 1 documents" in said
    assert "reconstruction over" in said
    assert main(["index", "inspect", str(collection), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["tokens"]["config"]["nbits"] == 1
    assert main(["index", "verify", str(collection)]) == 0
    assert "tokens" in capsys.readouterr().out

    assert main(["index", "tokens", str(collection), "--model", bert]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["index", "tokens", str(collection), "--model", bert, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["config"]["nbits"] == 2


def test_a_choice_that_does_not_exist_is_told(collection: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "tokens", str(collection), "--nbits", "3"]) == 2
    assert "nbits is 3" in capsys.readouterr().err
