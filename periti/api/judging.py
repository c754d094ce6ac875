"""The judging service: a page to judge in with the keyboard, and the few routes that it needs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import Field

from periti import __version__
from periti.api.bodies import Strict, read_body
from periti.api.desk import Desk
from periti.api.failures import add_failures, problem
from periti.api.pages import page_of
from periti.api.workers import Workers
from periti.errors import FormatError, InputError, StorageError

MAX_BODY_BYTES = 256 * 1024
NAME = 100
"""Characters of an assessor's name."""
Name = Annotated[str, Field(min_length=1, max_length=NAME)]


class Asked(Strict):
    """Who asks for work, and what that person has put off."""

    assessor: Name
    skipped: list[list[str]] = Field(default_factory=list, max_length=1_000)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Query and document ids."""
        if any(len(pair) != 2 for pair in self.skipped):
            raise InputError("skipped holds pairs of query_id and doc_id; send lists of two")
        return [(query, doc) for query, doc in self.skipped]


class Judged(Asked):
    """A judgement."""

    query_id: str
    doc_id: str
    grade: int


def create_judging_app(desk: Desk) -> FastAPI:
    """A service in which people judge what the desk hands out."""
    workers = Workers()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        workers.close()

    app = FastAPI(
        title="periti judging", version=__version__, docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan
    )
    app.include_router(_routes(desk, workers))
    add_failures(app)
    # An assessor must learn that the log is damaged or the disk full: the sentence names the log, which is no secret.
    for kind in (FormatError, StorageError):
        app.add_exception_handler(kind, _of_log)
    return app


def _routes(desk: Desk, workers: Workers) -> APIRouter:
    router = APIRouter()
    _add_page(router, desk)

    @router.post("/v1/next")
    async def hand_out(request: Request) -> Response:
        asked = await read_body(request, Asked, MAX_BODY_BYTES)
        return await _answer(workers, lambda: {"next": _next(desk, asked), "status": desk.status()})

    @router.post("/v1/judgements")
    async def judge(request: Request) -> Response:
        judged = await read_body(request, Judged, MAX_BODY_BYTES)

        def work() -> dict[str, Any]:
            desk.record(judged.assessor, judged.query_id, judged.doc_id, judged.grade)
            return {"next": _next(desk, judged), "status": desk.status()}

        return await _answer(workers, work)

    @router.post("/v1/undo")
    async def undo(request: Request) -> Response:
        asked = await read_body(request, Asked, MAX_BODY_BYTES)

        def work() -> dict[str, Any]:
            undone = desk.undo(asked.assessor)
            sheet = _next(desk, asked, None if undone is None else undone["query_id"])
            return {"undone": undone, "next": sheet, "status": desk.status()}

        return await _answer(workers, work)

    @router.get("/v1/outlook")
    async def outlook() -> Response:
        return await _answer(workers, desk.outlook)

    return router


def _add_page(router: APIRouter, desk: Desk) -> None:
    page = page_of("judging.html")
    terms = {"grades": desk.grades, "batch": desk.session.terms.batch}

    @router.get("/")
    async def home() -> HTMLResponse:
        return HTMLResponse(page.html, headers={"Content-Security-Policy": page.policy, "Cache-Control": "no-cache"})

    @router.get("/v1/terms")
    async def told() -> JSONResponse:
        return JSONResponse(terms)

    @router.get("/healthz")
    async def healthz() -> JSONResponse:
        return JSONResponse({"status": "ok"})


def _next(desk: Desk, asked: Asked, first: str | None = None) -> dict[str, Any] | None:
    sheet = desk.next(asked.assessor, asked.pairs, first)
    return None if sheet is None else sheet.as_data()


async def _answer(workers: Workers, work: Callable[[], dict[str, Any]]) -> Response:
    """The work's answer as JSON, done off the event loop."""
    return Response(
        await workers.run(lambda: json.dumps(work(), ensure_ascii=False, allow_nan=False).encode()),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def _of_log(_: Request, error: Exception) -> Response:
    return problem(500, str(error))
