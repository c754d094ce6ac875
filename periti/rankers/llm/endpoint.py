"""An endpoint and its sessions: questions to answers, with retries, a bound on concurrency, and everything counted."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import BoundedSemaphore, Event, Lock
from typing import Any

from periti.errors import EndpointError, FormatError
from periti.rankers.llm.answers import AnswerStore
from periti.rankers.llm.refusals import explained, refusal
from periti.rankers.llm.settings import EndpointSettings, read_key
from periti.rankers.llm.transport import Scope, Trouble, post
from periti.rankers.llm.wire import PATHS, Answer, Question, body, read_answer

_LEAST_SECRET = 8
"""Characters; a shorter key ("none", "EMPTY") is a dummy that may stand in any text."""


class Endpoint:
    """A model behind HTTP.

    Args:
        settings: complete (`EndpointSettings.require_complete`).
        cache: file of answers; None keeps none.

    Raises:
        ConfigError: URL or model is missing, or the key's variable is not set.
        FormatError: the cache is something else.
        StorageError: the cache can not be opened.
    """

    def __init__(self, settings: EndpointSettings, cache: Path | None = None) -> None:
        settings.require_complete()
        self.settings = settings
        self._key = read_key(settings)
        self._url = settings.url.rstrip("/") + PATHS[settings.api]
        self.store = AnswerStore(cache) if cache else None
        self.slots = BoundedSemaphore(settings.concurrency)

    @property
    def identity(self) -> Mapping[str, Any]:
        """What determines its answers, as far as a client can know; the key is no part of it."""
        settings = self.settings
        parameters = {"temperature": 0, **settings.parameters}
        return {"url": settings.url, "api": settings.api, "model": settings.model, "parameters": parameters}

    def close(self) -> None:
        """Close the cache."""
        if self.store:
            self.store.close()

    def digest(self, question: Question) -> str:
        """SHA-256 over URL and request, which is model, prompt and parameters."""
        text = json.dumps([self._url, body(self.settings, question)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def call(self, question: Question) -> Answer | Trouble:
        """Ask once, now."""
        content = json.dumps(body(self.settings, question)).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "periti"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        reply = post(self._url, content, headers, self.settings.timeout_s)
        if isinstance(reply, Trouble):
            return reply
        if reply.status != 200:
            explanation = self._redacted(explained(reply.body))
            return refusal(reply.status, explanation, reply.headers.get("Retry-After"), self.settings)
        try:
            answer = read_answer(self.settings.api, reply.body)
        except FormatError as error:
            return Trouble(
                f"gave an answer {error}", "check that url is that of an OpenAI-compatible API", Scope.MOMENT
            )
        if question.alternatives and not answer.first:
            return Trouble(
                "gave no log-probabilities", "ask a server that gives them, or use llm-listwise", Scope.QUESTION
            )
        return replace(answer, text=self._redacted(answer.text))

    def _redacted(self, text: str) -> str:
        """The text without the key, should a server repeat it."""
        return text.replace(self._key, "[key]") if len(self._key) >= _LEAST_SECRET else text


class Session:
    """The questions of one reranking: each distinct one is asked once, and counted.

    Calls come from several threads. Attributes: `counts`, what happened so far, by name.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.counts: Counter[str] = Counter()
        self._lock = Lock()
        self._asked: dict[str, Future[Answer]] = {}
        self._failed_in_a_row = 0
        self._stopped = Event()

    def ask(self, question: Question) -> Answer:
        """The answer, from this session, the cache, or the endpoint.

        Raises:
            EndpointError: there is none, after the retries that the settings allow; or the endpoint is not asked any
                more, because too many questions in a row had no answer.
            StorageError: the cache can not be read or written.
        """
        digest = self._endpoint.digest(question)
        with self._lock:
            earlier = self._asked.get(digest)
            if earlier is None:
                self._asked[digest] = own = Future[Answer]()
        if earlier is not None:
            self.count("repeated_questions")
            return earlier.result()
        try:
            answer = self._kept(digest) or self._fetched(digest, question)
        except BaseException as error:  # whoever waits for this question must hear of it
            own.set_exception(error)
            raise
        own.set_result(answer)
        return answer

    def stop(self) -> None:
        """Ask nothing more; waits before retries end at once."""
        self._stopped.set()

    def count(self, name: str, number: int = 1) -> None:
        """Add to a count."""
        with self._lock:
            self.counts[name] += number

    @property
    def notes(self) -> Mapping[str, int]:
        """The counts that are not 0, and the cost in millionths of the currency of the prices."""
        settings = self._endpoint.settings
        with self._lock:
            counts = dict(self.counts)
        cost = (
            counts.get("prompt_tokens", 0) * settings.input_price
            + counts.get("answer_tokens", 0) * settings.output_price
        )
        return {name: count for name, count in {**counts, "cost_millionths": round(cost)}.items() if count}

    def _kept(self, digest: str) -> Answer | None:
        store = self._endpoint.store
        answer = store.get(digest) if store else None
        if answer:
            self.count("cached_answers")
        return answer

    def _fetched(self, digest: str, question: Question) -> Answer:
        with self._endpoint.slots:
            self._require_open()
            outcome = self._tried(question)
        if isinstance(outcome, Trouble):
            with self._lock:
                self.counts["failed_questions"] += 1
                hopeless = outcome.scope is Scope.ENDPOINT
                self._failed_in_a_row += self._endpoint.settings.give_up_after if hopeless else 1
            raise EndpointError(f"{self._name} {outcome.what}; {outcome.remedy}")
        with self._lock:
            self._failed_in_a_row = 0
            self.counts["prompt_tokens"] += outcome.prompt_tokens or 0
            self.counts["answer_tokens"] += outcome.answer_tokens or 0
            self.counts["calls_without_usage"] += outcome.prompt_tokens is None or outcome.answer_tokens is None
        if self._endpoint.store:
            self._endpoint.store.put(digest, outcome)
        return outcome

    def _tried(self, question: Question) -> Answer | Trouble:
        """Ask, and again while that may help."""
        settings = self._endpoint.settings
        attempt = 0
        while True:
            self.count("calls")
            outcome = self._endpoint.call(question)
            if isinstance(outcome, Answer) or outcome.scope is not Scope.MOMENT:
                return outcome
            wait = wait_before_retry(settings, attempt, outcome.wait_s)
            if outcome.wait_s is not None and wait < outcome.wait_s:
                return replace(outcome, what=f"{outcome.what} and asks to wait {outcome.wait_s:.0f} s")
            if attempt == settings.retries or self._stopped.wait(wait):
                calls = f" to {attempt + 1} calls" if attempt else ""
                return replace(outcome, what=outcome.what + calls)
            attempt += 1
            self.count("retried_calls")

    def _require_open(self) -> None:
        with self._lock:
            closed = self._failed_in_a_row >= self._endpoint.settings.give_up_after
            self.counts["unasked_questions"] += closed
        if closed:
            raise EndpointError(f"{self._name} is not asked any more, after too many questions without an answer")
        if self._stopped.is_set():
            raise EndpointError(f"{self._name} is not asked any more, since the reranking ended")

    @property
    def _name(self) -> str:
        settings = self._endpoint.settings
        return f"the endpoint {settings.url} (model {settings.model!r})"


def wait_before_retry(settings: EndpointSettings, attempt: int, asked: float | None) -> float:
    """Seconds to wait after the attempt (from 0) failed: the server's wish, or the doubled backoff, both bounded."""
    wait = settings.backoff_s * 2**attempt if asked is None else asked
    return min(wait, settings.longest_wait_s)
