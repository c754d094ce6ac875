"""Fixtures that more than one part of the tests uses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.tiny import Tiny


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real collections; tests that need it are skipped where it is absent."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("PERITI_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real collections at {folder}; set PERITI_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The collection of `tests.tiny`, built with every part and MiniLM; read it, never write to it."""
    from periti.indexers.build import BuildConfig, build_collection
    from periti.indexers.docstore import Docstore
    from periti.pipeline import open_pipeline
    from tests.tiny import DOCUMENTS, Tiny

    folder = tmp_path_factory.mktemp("tiny") / "collection"
    build_collection(DOCUMENTS, folder, BuildConfig(name="tiny", source={"made": "by tests.tiny"}))
    return Tiny(folder, Docstore.open(folder / "docstore"), open_pipeline(folder))


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a sentence-transformers model with random weights that loads at once."""
    from tests.tiny import save_bert

    return save_bert(tmp_path_factory.mktemp("bert"))
