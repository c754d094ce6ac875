"""The routes of screening: the page, and what it asks for. Only a service that keeps judgements has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ValidationError

from periti.api.bodies import read_body
from periti.api.failures import problem
from periti.api.pages import page_of
from periti.api.review_desk import ReviewDesk
from periti.api.reviews import Prior, Review, Reviews, file_name, fusion
from periti.api.schemas import ErrorAnswer
from periti.api.screening_schemas import MAX_BODY_BYTES, Asked, Decided, NewReview, ReviewFacts, ReviewList, Sheet
from periti.api.workers import Workers
from periti.errors import FormatError, InputError, StorageError

_WHO = {"review": "ADHD", "reviewer": "Ada"}
_TYPES = {"csv": "text/csv; charset=utf-8", "qrels": "text/plain; charset=utf-8"}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer} for status in (400, 404, 413, 415, 422, 500, 503)
}


@dataclass(frozen=True)
class Screening:
    """What a service needs to offer screening.

    Attributes:
        folder: where judgements are kept.
        reviews: reviews to begin with; reviewers may add others.
        prior: the order before anything is judged.
    """

    folder: Path
    reviews: Sequence[Review] = ()
    prior: Prior = fusion


def screening_routes(reviews: Reviews, workers: Workers) -> APIRouter:
    """Every route of screening."""
    router, desk = APIRouter(), ReviewDesk(reviews)
    _add_page(router)
    _add_reviews(router, reviews, workers)
    _add_judging(router, desk, workers)
    _add_export(router, desk, workers)
    return router


def _add_page(router: APIRouter) -> None:
    page = page_of("screening.html")

    @router.get("/screening", include_in_schema=False)
    async def home() -> HTMLResponse:
        return HTMLResponse(page.html, headers={"Content-Security-Policy": page.policy, "Cache-Control": "no-cache"})


def _add_reviews(router: APIRouter, reviews: Reviews, workers: Workers) -> None:
    @router.get("/v1/screening/reviews", responses={503: {"model": ErrorAnswer}})
    async def list_reviews() -> ReviewList:
        """List the reviews that can be screened."""
        return ReviewList(reviews=reviews.facts())

    example = {"question": "methylphenidate for adults with ADHD", "candidates": 500}

    @router.post("/v1/screening/reviews", openapi_extra=_body(NewReview, example), responses=_REFUSALS)
    async def add_review(request: Request) -> ReviewFacts:
        """Add a review.

        Its citations are `doc_ids`, or what the panel finds for the question; they are kept and do not change later.
        """
        asked = await read_body(request, NewReview, MAX_BODY_BYTES)
        return await _answer(workers, lambda: reviews.add(asked).facts())  # type: ignore[return-value]


def _add_judging(router: APIRouter, desk: ReviewDesk, workers: Workers) -> None:
    @router.post("/v1/screening/next", openapi_extra=_body(Asked, _WHO), responses=_REFUSALS)
    async def hand_out(request: Request) -> Sheet:
        """Hand out the next citations of a review in the current order of this reviewer."""
        asked = await read_body(request, Asked, MAX_BODY_BYTES)
        return await _answer(workers, lambda: desk.sheet(asked.review, asked.reviewer))  # type: ignore[return-value]

    example = {**_WHO, "doc_id": "10390001", "include": True}

    @router.post("/v1/screening/judgements", openapi_extra=_body(Decided, example), responses=_REFUSALS)
    async def judge(request: Request) -> Sheet:
        """Keep a judgement and hand out what comes next.

        The judgement is on disk before the answer. Sending it again changes nothing; sending another one corrects it.
        """
        one = await read_body(request, Decided, MAX_BODY_BYTES)
        work = lambda: desk.judge(one.review, one.reviewer, one.doc_id, include=one.include)  # noqa: E731
        return await _answer(workers, work)  # type: ignore[return-value]

    @router.post("/v1/screening/undo", openapi_extra=_body(Asked, _WHO), responses=_REFUSALS)
    async def undo(request: Request) -> Sheet:
        """Take back what this reviewer did last, and hand out what comes next."""
        asked = await read_body(request, Asked, MAX_BODY_BYTES)
        return await _answer(workers, lambda: desk.undo(asked.review, asked.reviewer))  # type: ignore[return-value]

    @router.post("/v1/screening/draw", openapi_extra=_body(Asked, _WHO), responses=_REFUSALS)
    async def draw(request: Request) -> Sheet:
        """Have the rest drawn at random from now on, so that recall can be proven."""
        asked = await read_body(request, Asked, MAX_BODY_BYTES)
        return await _answer(workers, lambda: desk.draw(asked.review, asked.reviewer))  # type: ignore[return-value]


def _add_export(router: APIRouter, desk: ReviewDesk, workers: Workers) -> None:
    parameters = [
        {"name": name, "in": "query", "required": name != "form", "description": about, "schema": {"type": "string"}}
        for name, about in (
            ("review", "Id of a review."), ("reviewer", "Whose judgements."), ("form", "`csv` (default) or `qrels`."),
        )
    ]  # fmt: skip

    @router.get("/v1/screening/export", openapi_extra={"parameters": parameters}, responses=_REFUSALS)
    async def export(request: Request) -> Response:
        """Give a reviewer's judgements as a CSV table or as TREC qrels, in the order of judging.

        In the table a cell that a spreadsheet would take for a formula begins with an apostrophe.
        """
        given = dict(request.query_params)
        form = given.pop("form", "csv")
        try:
            asked = Asked.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise InputError(f"{first['loc'][0]}: {first['msg'].lower()}; give review, reviewer and form") from error

        def work() -> Response:
            text = desk.export(asked.review, asked.reviewer, form)
            name = f"{file_name(asked.review)}-{file_name(asked.reviewer)}.{form}"
            return Response(text.encode(), media_type=_TYPES[form],
                            headers={"Content-Disposition": f'attachment; filename="{name}"',
                                     "Cache-Control": "no-store"})  # fmt: skip

        return await workers.run(lambda: _told(work))


async def _answer(workers: Workers, work: Callable[[], BaseModel]) -> Response:
    """The work's answer as JSON, done off the event loop."""

    def whole() -> Response:
        return Response(work().model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"})

    return await workers.run(lambda: _told(whole))


def _told(work: Callable[[], Response]) -> Response:
    """The work's answer. A damaged journal or a full disk is told to the reviewer: the sentence is about their work."""
    try:
        return work()
    except (FormatError, StorageError) as error:
        return problem(500, str(error))


def _body(kind: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """The description of a body that the route reads itself."""
    content = {"application/json": {"schema": kind.model_json_schema(), "example": example}}
    return {"requestBody": {"required": True, "content": content}}
