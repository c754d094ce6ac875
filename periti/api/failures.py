"""Whatever goes wrong, as a status code and one JSON shape; and a request id on every answer."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from periti.api.schemas import ErrorAnswer, Problem
from periti.errors import EndpointError, InputError, PeritiError, UnknownName

TYPES: Mapping[int, str] = {
    400: "malformed_json",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "not_json",
    422: "invalid_input",
    500: "internal",
    503: "unavailable",
}
"""Status code to the type that programs may switch on."""
STATUS: Mapping[type[PeritiError], int] = {InputError: 422, UnknownName: 404}
"""Errors that are about the request; every other class of the tree is the service's own trouble and answered by 500."""
_LOG = logging.getLogger(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def problem(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An answer in the one shape of failures."""
    body = ErrorAnswer(error=Problem(type=TYPES.get(status, "error"), message=message))
    return JSONResponse(body.model_dump(), status, dict(headers or {}))


def add_failures(app: FastAPI) -> None:
    """Let every failure of the app's routes leave in that shape."""
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(PeritiError, _of_periti)
    app.add_middleware(Envelope)


def _of_http(request: Request, error: Exception) -> JSONResponse:
    """A refusal of the protocol; the ones that the router makes get a sentence of ours."""
    if not isinstance(error, HTTPException):
        raise error
    message = error.detail
    if error.status_code == 404:
        message = f"there is nothing at {request.url.path}; /docs lists what there is"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        message = f"{request.method} is not possible at {request.url.path}; use {allowed}"
    return problem(error.status_code, message, error.headers)


def _of_periti(_: Request, error: Exception) -> JSONResponse:
    """A sentence of the library, where it is about the request; otherwise it may name files and stays inside."""
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            return problem(status, str(error))
    if isinstance(error, EndpointError):
        _LOG.warning("a model's endpoint failed: %s", error)  # its address is the operator's to know
        return problem(503, "the language model that ranks this collection does not answer; try again later")
    raise error


class Envelope:
    """Puts the request's id and two safety headers on every answer, and answers 500 where nobody else did.

    A caller may choose the id with `X-Request-ID` (letters, digits, `._-`, at most 64); otherwise one is made. What
    failed is logged under the id, with its traceback; the answer tells only the id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        started = False

        async def stamped(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
            await send(message)

        try:
            await self.app(scope, receive, stamped)
        except ClientDisconnect:
            return
        except Exception:
            _LOG.exception("request %s: %s %s failed", request_id, scope["method"], scope["path"])
            if started:
                raise  # half an answer must not look like a whole one: the connection breaks
            text = f"something failed inside the service; its log tells what, under the request id {request_id}"
            await problem(500, text)(scope, receive, stamped)
