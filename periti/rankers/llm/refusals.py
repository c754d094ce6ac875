"""What a status other than 200 means: for how long, for which questions, and what to do."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from periti.rankers.llm.settings import EndpointSettings
from periti.rankers.llm.transport import Scope, Trouble

_MOMENT = frozenset({408, 409, 425, 429})
_SHOWN = 200
"""Characters of a server's own explanation that an error repeats."""


def refusal(status: int, explanation: str, retry_after: str | None, settings: EndpointSettings) -> Trouble:
    """The trouble that an answer of this status means.

    Args:
        status: any but 200.
        explanation: the server's own (`explained`), from which the key has been taken out; its beginning is shown.
        retry_after: the header, if there is one.
        settings: the endpoint's.
    """
    shown = explanation if len(explanation) <= _SHOWN else f"{explanation[:_SHOWN]}…"
    what = f"answered {status}" + (f" ({shown})" if shown else "")
    if status in _MOMENT or status >= 500:
        return Trouble(what, "try again later", Scope.MOMENT, seconds(retry_after))
    if status in (401, 403):
        variable = settings.key_variable
        remedy = f"check the key in {variable}" if variable else "name the key's variable by key_variable"
        return Trouble(what, remedy, Scope.ENDPOINT)
    if status in (404, 405):
        return Trouble(what, "check url, api and model", Scope.ENDPOINT)
    if 300 <= status < 400:
        return Trouble(what, "redirects are not followed, so give the final URL", Scope.ENDPOINT)
    return Trouble(what, "check the model, its context length and the parameters", Scope.QUESTION)


def explained(body: bytes) -> str:
    """The message of an error in OpenAI's shape, or else the body, on one line."""
    text = body.decode("utf-8", "replace")
    with suppress(ValueError, KeyError, TypeError, RecursionError):  # it may be a proxy's page, or plain text
        text = str(json.loads(text)["error"]["message"])
    return " ".join(re.sub(r"[^ -~\u00a1-\uffff]", " ", text).split())


def seconds(retry_after: str | None, now: datetime | None = None) -> float | None:
    """The header Retry-After, in seconds or as a date, as seconds from now; None if absent or unreadable."""
    if not retry_after:
        return None
    try:
        wait = float(retry_after)
    except ValueError:
        try:
            until = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        if until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
        wait = (until - (now or datetime.now(UTC))).total_seconds()
    return max(wait, 0.0) if math.isfinite(wait) else None
