"""Questions as request bodies, and response bodies as answers: the two APIs that count as OpenAI-compatible."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from periti.errors import FormatError
from periti.rankers.llm.settings import EndpointSettings

PATHS = {"chat": "/chat/completions", "completions": "/completions"}
_MOST_TOKENS = 2**53  # a count beyond is no count
_LEAST_LOGPROB = -1e300  # JSON's integers may be too large for a float


class Question(NamedTuple):
    """What a model is asked.

    Attributes:
        instruction: the system message of a chat, or put before the prompt; may be empty.
        prompt: the text to answer.
        tokens: the answer's limit.
        alternatives: how many tokens of the answer's first position to tell with their log-probabilities; 0 for none.
    """

    instruction: str
    prompt: str
    tokens: int
    alternatives: int = 0


@dataclass(frozen=True)
class Answer:
    """What a model answered.

    Attributes:
        text: possibly empty.
        first: alternatives of the first token with their natural log-probabilities, -inf allowed; empty if none given.
        prompt_tokens, answer_tokens: as the endpoint counts them; None where it does not.
    """

    text: str
    first: tuple[tuple[str, float], ...] = ()
    prompt_tokens: int | None = None
    answer_tokens: int | None = None


def body(settings: EndpointSettings, question: Question) -> dict[str, Any]:
    """The request of a question; deterministic decoding unless the settings' parameters say otherwise."""
    common = {"model": settings.model, "temperature": 0, settings.token_limit_name: question.tokens}
    if settings.api == "completions":
        prompt = f"{question.instruction}\n\n{question.prompt}" if question.instruction else question.prompt
        wanted = {"logprobs": question.alternatives} if question.alternatives else {}
        return {**common, "prompt": prompt, **wanted, **settings.parameters}
    messages = [{"role": "system", "content": question.instruction}] if question.instruction else []
    messages.append({"role": "user", "content": question.prompt})
    wanted = {"logprobs": True, "top_logprobs": question.alternatives} if question.alternatives else {}
    return {**common, "messages": messages, **wanted, **settings.parameters}


def read_answer(api: str, data: bytes) -> Answer:
    """The answer in a response body.

    Raises:
        FormatError: it is not JSON, has no choices, or its values have other types; says which, as the end of a
            sentence that names the endpoint.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError("which is not JSON") from error
    choice = _member(_member(document, "choices", list) or [{}], 0, dict)
    if not choice:
        raise FormatError("without a choice in it")
    usage = document.get("usage") if isinstance(document.get("usage"), dict) else {}
    if api == "chat":
        message = _member(choice, "message", dict)
        text, first = message.get("content"), _chat_alternatives(choice.get("logprobs"))
    else:
        text, first = choice.get("text"), _completion_alternatives(choice.get("logprobs"))
    if text is not None and not isinstance(text, str):
        raise FormatError(f"whose text is {type(text).__name__}, not a string")
    return Answer(text or "", first, _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))


def _member(holder: Any, key: str | int, kind: type) -> Any:
    """A member of a decoded mapping or list; raises FormatError if it is not there or of another type."""
    try:
        found = holder[key]
    except (KeyError, IndexError, TypeError) as error:
        raise FormatError(f"without {key!r} where it should be") from error
    if not isinstance(found, kind):
        raise FormatError(f"whose {key!r} is {type(found).__name__}, not {kind.__name__}")
    return found


def _chat_alternatives(logprobs: Any) -> tuple[tuple[str, float], ...]:
    if not isinstance(logprobs, dict) or not logprobs.get("content"):
        return ()
    position = _member(_member(logprobs, "content", list), 0, dict)
    listed = position.get("top_logprobs") or []
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise FormatError("whose 'top_logprobs' is no list of tokens")
    return _alternatives([(entry.get("token"), entry.get("logprob")) for entry in (position, *listed)])


def _completion_alternatives(logprobs: Any) -> tuple[tuple[str, float], ...]:
    if not isinstance(logprobs, dict) or not logprobs.get("top_logprobs"):
        return ()
    return _alternatives(list(_member(_member(logprobs, "top_logprobs", list), 0, dict).items()))


def _alternatives(pairs: Sequence[tuple[Any, Any]]) -> tuple[tuple[str, float], ...]:
    """Each token once: the one that was chosen stands beside the list and in it."""
    found = {}
    for token, value in pairs:
        if not isinstance(token, str) or isinstance(value, bool) or not isinstance(value, int | float):
            raise FormatError("whose log-probabilities are no numbers")
        if not value <= 1:  # NaN; a little above 0 is rounding
            raise FormatError("with a log-probability that is none")
        found[token] = float(value) if value > _LEAST_LOGPROB else -math.inf
    return tuple(found.items())


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < _MOST_TOKENS else None
