"""The FastAPI application: collections in, service out."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI

from periti import __version__
from periti.api.collections import Collections, Opener
from periti.api.failures import add_failures
from periti.api.reviews import Reviews
from periti.api.routes import routes
from periti.api.screening import Screening, screening_routes
from periti.api.workers import WAITING, Workers
from periti.pipeline import Pipeline

_LOG = logging.getLogger(__name__)


def create_app(
    pipelines: Mapping[str, Pipeline | Opener],
    *,
    threads: int | None = None,
    waiting: int = WAITING,
    opened: Callable[[Exception | None], None] | None = None,
    screening: Screening | None = None,
) -> FastAPI:
    """A service that searches these collections.

    The application starts at once. Pipelines that are given as functions are opened in a thread while it already
    answers `/healthz`; until the last one is open everything else is refused with 503.

    Args:
        pipelines: an open pipeline, or a function that opens one, by collection name.
        threads: searches at once; by default the number of cores, at least 2.
        waiting: searches that may wait for a thread; more are refused with 503.
        opened: told when all collections are open (None), or which error came instead.
        screening: where reviewers' judgements are kept; without it screening is not offered.

    Raises:
        ConfigError: no collections, a name that may not be used, or a review of a collection that is not served.
        StorageError: judgements can not be kept there.
    """
    collections = Collections(pipelines)
    workers = Workers(threads, waiting)
    reviews = Reviews(screening.folder, collections, screening.reviews, screening.prior) if screening else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # A daemon: whoever stops the service while a large index is being verified does not wait for it.
        threading.Thread(target=_open_all, args=(collections, opened), name="opening", daemon=True).start()
        yield
        workers.close()
        if reviews is not None:
            reviews.close()

    app = FastAPI(
        title="periti",
        version=__version__,
        description="Search by a panel of experts. Failures are {'error': {'type', 'message'}}; every answer carries "
        "an X-Request-ID.",
        # FastAPI's own documentation pages load scripts from elsewhere; /docs here is a plain page (periti.api.pages).
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.include_router(routes(collections, workers))
    if reviews is not None:
        app.include_router(screening_routes(reviews, workers))
    add_failures(app)
    return app


def _open_all(collections: Collections, opened: Callable[[Exception | None], None] | None) -> None:
    """Open them, and tell the caller how it went."""
    try:
        collections.open_all()
    except Exception as error:  # noqa: BLE001  (the last frame of a thread: told to the caller, or to the log)
        if opened is None:
            _LOG.error("%s", collections.trouble, exc_info=error)
        else:
            opened(error)
    else:
        if opened is not None:
            opened(None)
