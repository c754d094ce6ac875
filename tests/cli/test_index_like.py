"""`periti index build --like`: the documents of a collection that is built, indexed otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from periti.cli.main import main
from periti.indexers.manifest import any_manifest


def test_the_same_documents_are_indexed_with_the_same_analyser(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(
        "".join(json.dumps({"_id": f"d{i}", "text": f"合同 {i}"}) + "\n" for i in range(3)), encoding="utf-8"
    )
    one, other = tmp_path / "one", tmp_path / "other"
    assert main(["index", "build", "--corpus", str(corpus), "--out", str(one), "--language", "zh", "--no-dense"]) == 0
    corpus.unlink()

    assert main(["index", "build", "--like", str(one), "--out", str(other), "--no-dense"]) == 0

    for part in ("docstore", "lexical"):
        assert any_manifest(one / part).corpus_digest == any_manifest(other / part).corpus_digest
        assert any_manifest(one / part).config == any_manifest(other / part).config
    assert any_manifest(other / "lexical").config["analyser"] == "zh"

    capsys.readouterr()
    assert main(["index", "build", "--like", str(tmp_path / "none"), "--out", str(tmp_path / "x"), "--no-dense"]) == 2
    assert "no finished index at" in capsys.readouterr().err
