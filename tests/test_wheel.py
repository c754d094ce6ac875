"""What is installed is what is here: the wheel holds every module and every data file, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(REPOSITORY)]
    subprocess.run(command, check=True, capture_output=True)
    return zipfile.ZipFile(next(out.glob("*.whl")))


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    here = {
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "periti").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert inside == here
    assert {"periti/py.typed", "periti/datasets/catalog.toml", "periti/datasets/demo/corpus.jsonl"} <= inside


def test_the_wheel_offers_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    information = {name.split(".dist-info/")[1] for name in wheel.namelist() if ".dist-info/" in name}
    points = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))

    assert "licenses/LICENSE" in information
    assert "periti = periti.cli:main" in wheel.read(points).decode()
