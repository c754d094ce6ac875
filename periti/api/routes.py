"""The routes: reading a request, asking the pipeline in a thread, and the two pages for people."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from periti.api.collections import Collections
from periti.api.pages import Page, reference, search_page
from periti.api.schemas import (
    MAX_BODY_BYTES,
    CollectionList,
    ErrorAnswer,
    SearchAnswer,
    SearchRequest,
    Status,
    sentence,
)
from periti.api.search import answer
from periti.api.workers import Workers
from periti.errors import InputError

_EXAMPLE = {"query": "does vitamin D prevent falls in older adults?", "k": 5, "explain": True}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": SearchRequest.model_json_schema(), "example": _EXAMPLE}},
    }
}


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorAnswer} for status in statuses}


def routes(collections: Collections, workers: Workers) -> APIRouter:
    """Every route of a service with these collections."""
    router = APIRouter()

    @router.post("/v1/search", openapi_extra=_BODY, responses=_errors(400, 404, 413, 415, 422, 500, 503))
    async def search(request: Request) -> SearchAnswer:
        """Search a collection.

        Put one question (`query`) or up to 32 (`queries`) to a collection. A question's answer does not depend on
        what else is asked with it.
        """
        asked = await read_request(request)
        name, pipeline = collections.pipeline(asked.collection)

        def work() -> bytes:
            return answer(name, pipeline, asked).model_dump_json(exclude_unset=True).encode()

        # A ready Response: FastAPI would validate and serialise a large answer again, on the event loop.
        return Response(await workers.run(work), media_type="application/json")  # type: ignore[return-value]

    @router.get("/v1/collections", responses=_errors(503))
    async def list_collections() -> CollectionList:
        """List the collections: their sizes and experts."""
        return CollectionList(collections=collections.facts())

    _add_health(router, collections)
    _add_pages(router)
    return router


def _add_health(router: APIRouter, collections: Collections) -> None:
    @router.get("/healthz")
    async def healthz() -> Status:
        """Tell that the service runs, whether or not it can search yet."""
        return Status(status="ok")

    @router.get("/readyz", responses=_errors(503))
    async def readyz() -> Status:
        """Tell that every collection is open; 503 with the reason until then."""
        collections.require_ready()
        return Status(status="ready")


def _add_pages(router: APIRouter) -> None:
    page = search_page()

    @router.get("/", include_in_schema=False)
    async def home() -> HTMLResponse:
        return _html(page)

    @router.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        return _html(reference(request.app.openapi()))


def _html(page: Page) -> HTMLResponse:
    return HTMLResponse(page.html, headers={"Content-Security-Policy": page.policy, "Cache-Control": "no-cache"})


async def read_request(request: Request) -> SearchRequest:
    """The search request in a body.

    Raises:
        HTTPException: 415 it does not say that it is JSON, 413 too large, 400 not JSON.
        InputError: a field is missing, unknown or out of range.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        found = f"Content-Type is {kind!r}" if kind else "there is no Content-Type"
        raise HTTPException(415, f"{found}; send JSON with the header 'Content-Type: application/json'")
    try:
        return SearchRequest.model_validate_json(await _body(request))
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise HTTPException(400, sentence(error)) from error
        raise InputError(sentence(error)) from error


async def _body(request: Request) -> bytes:
    """The whole body; reading stops as soon as it is too large, whatever it claimed to be."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"the body has more than {MAX_BODY_BYTES:,} bytes; ask fewer questions at once")
    return bytes(body)
