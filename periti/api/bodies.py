"""Reading a JSON body into a model, with one clear sentence for whatever is wrong with it."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException

from periti.errors import InputError

B = TypeVar("B", bound=BaseModel)


class Strict(BaseModel):
    """A model that converts nothing and knows all of its fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


async def read_body(request: Request, kind: type[B], most: int) -> B:
    """The body as a model.

    Args:
        request: whose body it is.
        kind: the model.
        most: bytes that are read at most, whatever the body claims to be.

    Raises:
        HTTPException: 415 it does not say that it is JSON (so that no other site's form can write), 413 too large.
        InputError: it is not what the route takes.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "the body does not say that it is JSON; send 'Content-Type: application/json'")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, f"the body has more than {most:,} bytes; send less")
    try:
        return kind.model_validate_json(bytes(body))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            raise HTTPException(400, f"the body is not JSON: {first['ctx']['error']}; send a JSON object") from error
        where = ".".join(map(str, first["loc"])) or "the body"
        raise InputError(f"{where}: {first['msg'].lower()}; send {', '.join(kind.model_fields)}") from error
