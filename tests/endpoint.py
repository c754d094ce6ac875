"""A local OpenAI-compatible server, deterministic by shared words, that misbehaves where a test asks for it.

It knows the prompts of `periti.rankers.llm` by their wording only: yes/no to a document or a pair, and a numbered list.
"""

from __future__ import annotations

import json
import math
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT_SECONDS = 30.0
"""No request hangs longer, whatever a test does."""


@dataclass(frozen=True)
class Fault:
    """How one request goes wrong; what is not named goes well.

    Attributes:
        status: instead of 200.
        headers: added to the answer.
        body: sent instead of the answer; another status than 200 has none by itself.
        text: what the model says instead.
        change: applied to the answer's document before it is sent.
        hang: nothing is sent until the server closes.
        drip: the body comes a byte at a time, for ever.
        cut: only half of the body is sent, under the length of the whole.
        close: the connection is closed without an answer.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    text: str | None = None
    change: Callable[[dict[str, Any]], Any] | None = None
    hang: bool = False
    drip: bool = False
    cut: bool = False
    close: bool = False


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        """What was asked, without the instruction."""
        return str(self.body["prompt"] if "prompt" in self.body else self.body["messages"][-1]["content"])


class ModelServer:
    """A server in a thread. `plan` says how a request goes wrong; None means well."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.most_at_once = 0
        self._plan: Callable[[int, Seen], Fault | None] = lambda number, seen: None  # noqa: ARG005
        self._lock = threading.Lock()
        self._under_way = 0
        self._closing = threading.Event()
        server = self

        class Handler(_Handler):
            model = server

        self._http = _Quiet(("127.0.0.1", 0), Handler)
        self._scheme = "https" if tls else "http"
        if tls:  # shaken by the thread of a request, so that a bad client does not stop the server
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def calls(self) -> int:
        return len(self.seen)

    def go_wrong(self, *faults: Fault | None) -> None:
        """The next requests get these faults, one each; those after go well."""
        first = self.calls
        self.plan(lambda number, _: faults[number - first] if number - first < len(faults) else None)

    def always(self, fault: Fault) -> None:
        self.plan(lambda number, seen: fault)  # noqa: ARG005

    def plan(self, plan: Callable[[int, Seen], Fault | None]) -> None:
        """From the number of a request (from 0) and the request to its fault."""
        self._plan = plan

    def close(self) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def fault_of(self, seen: Seen) -> Fault:
        with self._lock:
            number = len(self.seen)
            self.seen.append(seen)
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        return self._plan(number, seen) or Fault()

    def ended(self) -> None:
        with self._lock:
            self._under_way -= 1

    def wait(self) -> None:
        self._closing.wait(WAIT_SECONDS)

    @property
    def closing(self) -> bool:
        return self._closing.is_set()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what several tests are about."""


class _Handler(BaseHTTPRequestHandler):
    model: ModelServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        seen = Seen(self.path, dict(self.headers), body)
        fault = self.model.fault_of(seen)
        try:
            self._answer(seen, fault)
        finally:
            self.model.ended()

    def _answer(self, seen: Seen, fault: Fault) -> None:
        if fault.hang:
            self.model.wait()
        if fault.hang or fault.close:
            self.close_connection = True
            return
        answer: Any = answered(seen, fault.text)
        if fault.change:
            answer = fault.change(answer) or answer
        data = fault.body or b""
        if fault.body is None and fault.status == 200:
            data = json.dumps(answer).encode()
        self.send_response(fault.status)
        for name, value in fault.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data) * (1000 if fault.drip else 1)))
        self.end_headers()
        if fault.drip:
            while not self.model.closing:
                self.wfile.write(b" ")
                time.sleep(0.02)
        self.wfile.write(data[: len(data) // 2] if fault.cut else data)


def answered(seen: Seen, text: str | None = None) -> dict[str, Any]:
    """A well-formed response of the API that was asked."""
    passages = re.findall(r"^\[(\d+)\] (.*)$", seen.prompt, re.MULTILINE)
    said, table = listed(seen.prompt, passages) if passages else yes_or_no(seen.prompt)
    said = said if text is None else text
    usage = {"prompt_tokens": len(seen.prompt.split()), "completion_tokens": len(said.split())}
    if seen.path.endswith("/chat/completions"):
        entries = [{"token": token, "logprob": value, "bytes": None} for token, value in table.items()]
        logprobs = {"content": [{**entries[0], "top_logprobs": entries}]} if seen.body.get("logprobs") else None
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop"}
    else:
        legacy = {"tokens": [*table][:1], "top_logprobs": [table]} if seen.body.get("logprobs") else None
        choice = {"index": 0, "text": said, "logprobs": legacy, "finish_reason": "stop"}
    return {"id": "x", "model": seen.body["model"], "choices": [choice], "usage": usage}


def yes_or_no(prompt: str) -> tuple[str, dict[str, float]]:
    """Yes is the likelier, the more words of the query the document has, or has more than the other one."""
    pair = re.fullmatch(r"(?s)Query: (.*) Document0: (.*) Document1: (.*) Relevant:", prompt)
    if pair:
        query, first, second = pair.groups()
        lead = overlap(query, first) - overlap(query, second)
        return "yes", {"yes": -math.log1p(math.exp(-lead)), "no": -math.log1p(math.exp(lead))}
    single = re.fullmatch(r"(?s)Query: (.*) Document: (.*) Relevant:", prompt)
    if single is None:  # no prompt of a ranker: its test says what is answered
        return "", {"": 0.0}
    query, document = single.groups()
    chance = (1 + overlap(query, document)) / (2 + len(words(query)))
    table = {" yes": math.log(chance), " no": math.log(1 - chance), " the": -30.0}
    return (" yes" if chance > 0.5 else " no"), dict(sorted(table.items(), key=lambda item: -item[1]))


def listed(prompt: str, passages: list[tuple[str, str]]) -> tuple[str, dict[str, float]]:
    """The identifiers by shared words, ties as they stand."""
    query = re.findall(r"^Query: (.*)$", prompt, re.MULTILINE)[-1]
    order = sorted(passages, key=lambda passage: -overlap(query, passage[1]))
    return " > ".join(f"[{number}]" for number, _ in order), {"[": 0.0}


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.casefold()))


def overlap(query: str, document: str) -> int:
    return len(words(query).keys() & words(document).keys())


@contextmanager
def serving() -> Iterator[ModelServer]:
    """A server for the length of a block."""
    server = ModelServer()
    try:
        yield server
    finally:
        server.close()


@cache
def shared_server() -> ModelServer:
    """A server that behaves, for the whole test process."""
    return ModelServer()
