"""How to build every registered component on the tiny collection: one row a name.

Whoever registers a component adds its row here and has it tested by the whole suite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from periti.registry import ENCODERS, FUSIONS, POLICIES, RANKERS, RETRIEVERS, ROUTERS, Registry
from tests.tiny import Tiny

Build = Callable[[Tiny, Path], Any]
"""From the tiny collection and the folder of the tiny model to a component."""


def retriever(name: str, part: str, **options: Any) -> Build:
    def build(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
        kind = RETRIEVERS.load(name)
        return kind.open(tiny.folder / part, tiny.docstore, kind.Options(**options))

    return build


def router(name: str, **options: Any) -> Build:
    def build(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
        kind = ROUTERS.load(name)
        return kind.open(list(tiny.pipeline.experts.values()), kind.Options(**options))

    return build


def plain(registry: Registry, name: str, **options: Any) -> Build:
    def build(tiny: Tiny, bert: Path) -> Any:  # noqa: ARG001
        kind = registry.load(name)
        return kind.open(kind.Options(**options))

    return build


BUILDERS: Mapping[str, Mapping[str, Build]] = {
    "encoders": {
        "minilm": lambda tiny, bert: ENCODERS.load("minilm")(),  # noqa: ARG005
        "sentence-transformers": lambda tiny, bert: ENCODERS.load("sentence-transformers")(model=str(bert)),  # noqa: ARG005
    },
    "retrievers": {
        "lexical": retriever("lexical", "lexical"),
        "dense": retriever("dense", "dense"),
    },
    "routers": {"constant": router("constant")},
    "policies": {"all": plain(POLICIES, "all")},
    "fusions": {"rrf": plain(FUSIONS, "rrf")},
    "rankers": {"identity": plain(RANKERS, "identity")},
}


def build(registry: Registry, name: str, tiny: Tiny, bert: Path) -> Any:
    """The component, or a failing test that says which row is missing."""
    rows = BUILDERS[registry.family]
    if name not in rows:
        pytest.fail(f"{registry.family}: {name!r} has no row in tests/contracts/builders.py; say how to build it")
    return rows[name](tiny, bert)
