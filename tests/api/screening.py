"""A service over the dozen texts that offers screening, with two reviews to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from periti.api.app import create_app
from periti.api.reviews import Review
from periti.api.screening import Screening
from periti.pipeline import Pipeline
from tests.api.conftest import DOCUMENTS, NASTY, running

IDS = tuple(sorted(document.doc_id for document in DOCUMENTS))
FALLS = "Vitamin D against falls in adults"
GIVEN = (
    Review("Falls", FALLS, "dozen", IDS),
    Review("Markup", f"Markup {NASTY}", "dozen", ("sci-3", "med-3", "sci-1")),
)
MEDICAL = {"med-1", "med-2", "med-3", "med-4"}


@contextmanager
def screening(pipeline: Pipeline, folder: Path) -> Iterator[str]:
    """The address of a service that keeps judgements in the folder."""
    with running(create_app({"dozen": pipeline}, screening=Screening(folder, GIVEN))) as address:
        yield address
