"""A real collection of a dozen documents, and real servers over it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from periti.api.app import create_app
from periti.api.server import bind, url, uvicorn_server
from periti.indexers.build import BuildConfig, build_collection
from periti.pipeline import Pipeline, open_pipeline
from periti.types import Document

NASTY = "<img src=x onerror=\"document.title='owned'\"> & <script>document.title='owned'</script>"
DOCUMENTS = [
    Document("med-1", "Vitamin D lowers the risk of falls in older adults who lack it.", "Vitamin D and falls"),
    Document("med-2", "Statins can cause muscle pain; the pain fades when the dose is lowered.", "Statins"),
    Document("med-3", "Aspirin thins the blood and relieves headaches.", "Aspirin", {"year": 1899, "form": "tablet"}),
    Document("med-4", "Regular walking strengthens the heart.", "Exercise"),
    Document("law-1", "A contract needs an offer, an acceptance and consideration.", "Contract formation"),
    Document("law-2", "Breach of warranty lets the buyer claim damages.", "Warranty"),
    Document("law-3", "A tenant may withhold rent when the landlord fails to repair the heating.", "Tenancy"),
    Document("law-4", "The court dismissed the appeal since it was filed too late.", "Late appeal"),
    Document("sci-1", "Transistors switch currents; integrated circuits hold billions of them.", "Transistors"),
    Document("sci-2", "Glaciers shrink as the mean temperature rises.", "Glaciers"),
    Document("sci-3", f"A page must show markup as text: {NASTY}", f"Markup {NASTY}"),
    Document("sci-4", "Whales sing. " * 60 + "The last words are about plankton."),
]
QUESTIONS = [
    "does vitamin D prevent falls?",
    "muscle pain from statins",
    "what makes a contract binding",
    "landlord does not repair the heating",
    "integrated circuits",
    "melting ice",
    "aspirin for a headache",
    "appeal after the deadline",
]


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """The address of a real server of the app, in a thread."""
    listener = bind("127.0.0.1", 0)
    server = uvicorn_server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield url(listener)
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()


def wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for a condition of another thread or process."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "the condition did not come true in time"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api") / "dozen"
    build_collection(DOCUMENTS, folder, BuildConfig("dozen", "Twelve short texts"))
    return folder


@pytest.fixture(scope="session")
def lexical_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api") / "half"
    build_collection(DOCUMENTS[::2], folder, BuildConfig("half", dense=None))
    return folder


@pytest.fixture(scope="session")
def pipeline(collection: Path) -> Pipeline:
    return open_pipeline(collection)


@pytest.fixture(scope="session")
def base(pipeline: Pipeline) -> Iterator[str]:
    """The address of a service with one collection."""
    with running(create_app({"dozen": pipeline})) as address:
        yield address


@pytest.fixture(scope="session")
def base_of_two(pipeline: Pipeline, lexical_only: Path) -> Iterator[str]:
    """The address of a service with two collections."""
    with running(create_app({"dozen": pipeline, "half": open_pipeline(lexical_only)})) as address:
        yield address


@pytest.fixture
def client(base: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base, timeout=60) as opened:
        yield opened
