"""An endpoint that is down, slow, or answers garbage; what is asked, how often, and what it costs."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from periti.errors import EndpointError
from periti.rankers.llm.endpoint import Endpoint, Session
from periti.rankers.llm.settings import EndpointSettings
from periti.rankers.llm.wire import Question
from tests.endpoint import Fault, ModelServer
from tests.rankers.llm.asking import KEY, VARIABLE, settings_of

QUESTION = Question("Judge.", "Query: a b Document: a c Relevant:", 1, 20)


def another(number: int) -> Question:
    return QUESTION._replace(prompt=f"Query: a{number} Document: a Relevant:")


def asked(server: ModelServer, question: Question = QUESTION, **options: Any) -> tuple[str, dict[str, int]]:
    """The text of the answer, and the session's notes."""
    session = Session(Endpoint(settings_of(server, **options)))
    return session.ask(question).text, dict(session.notes)


# what goes well


def test_a_question_is_one_call_with_its_tokens_and_its_cost(server: ModelServer) -> None:
    text, notes = asked(server, input_price=2.0, output_price=10.0)

    assert text == " no"
    assert notes == {"calls": 1, "prompt_tokens": 7, "answer_tokens": 1, "cost_millionths": 24}
    assert server.seen[0].path == "/v1/chat/completions"
    assert "Authorization" not in server.seen[0].headers


def test_the_other_api(server: ModelServer) -> None:
    text, notes = asked(server, QUESTION._replace(instruction=""), api="completions")

    assert (text, notes["calls"]) == (" no", 1)
    assert server.seen[0].path == "/v1/completions"
    assert server.seen[0].body["prompt"] == QUESTION.prompt


def test_a_url_with_a_slash_at_its_end_is_the_same(server: ModelServer) -> None:
    Session(Endpoint(EndpointSettings(server.url + "/", "words"))).ask(QUESTION)

    assert server.seen[0].path == "/v1/chat/completions"


def test_a_distinct_question_is_asked_once_even_at_the_same_time(server: ModelServer) -> None:
    session = Session(Endpoint(settings_of(server)))
    with ThreadPoolExecutor(16) as pool:
        texts = set(pool.map(lambda _: session.ask(QUESTION).text, range(64)))

    assert texts == {" no"}
    assert server.calls == session.notes["calls"] == 1
    assert session.notes["repeated_questions"] == 63


def test_no_more_calls_are_under_way_than_allowed(server: ModelServer) -> None:
    endpoint = Endpoint(settings_of(server, concurrency=3))
    with ThreadPoolExecutor(16) as pool:
        for session in (Session(endpoint), Session(endpoint)):
            list(pool.map(lambda number, session=session: session.ask(another(number)), range(40)))

    assert server.calls == 80
    assert 1 <= server.most_at_once <= 3


def test_an_answer_without_usage_is_counted(server: ModelServer) -> None:
    server.go_wrong(Fault(change=lambda answer: {**answer, "usage": None}))

    assert asked(server)[1] == {"calls": 1, "calls_without_usage": 1}


# the cache


def test_an_answer_in_the_cache_costs_no_call(server: ModelServer, tmp_path: Path) -> None:
    cache = tmp_path / "answers"
    first = Session(Endpoint(settings_of(server), cache))
    answer = first.ask(QUESTION)
    again = Session(Endpoint(settings_of(server, timeout_s=5.0, input_price=1.0), cache))

    assert again.ask(QUESTION) == answer
    assert again.notes == {"cached_answers": 1}
    assert server.calls == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda settings, question: (settings, question._replace(prompt=question.prompt.replace("a c", "a d"))),
        lambda settings, question: (settings, question._replace(instruction="Judge well.")),
        lambda settings, question: (settings, question._replace(tokens=2)),
        lambda settings, question: (settings | {"parameters": {"seed": 1}}, question),
        lambda settings, question: (settings | {"model": "other"}, question),
        lambda settings, question: (settings | {"api": "completions"}, question._replace(instruction="")),
    ],
)
def test_whatever_changes_the_request_is_asked_anew(
    server: ModelServer, tmp_path: Path, change: Callable[..., tuple[dict[str, Any], Question]]
) -> None:
    plain: dict[str, Any] = {"url": server.url, "model": "words"}
    Session(Endpoint(EndpointSettings(**plain), tmp_path / "answers")).ask(QUESTION)
    settings, question = change(plain, QUESTION)

    Session(Endpoint(EndpointSettings(**settings), tmp_path / "answers")).ask(question)

    assert server.calls == 2


def test_a_failure_is_not_kept(server: ModelServer, tmp_path: Path) -> None:
    endpoint = Endpoint(settings_of(server), tmp_path / "answers")
    server.always(Fault(status=400))
    with pytest.raises(EndpointError):
        Session(endpoint).ask(QUESTION)
    server.go_wrong()

    assert Session(endpoint).ask(QUESTION).text == " no"


# what may pass


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500, body=b"oops"),
        Fault(status=503, headers={"Retry-After": "0"}),
        Fault(status=429, headers={"Retry-After": "0"}, body=b'{"error": {"message": "slow down"}}'),
        Fault(close=True),
        Fault(cut=True),
        Fault(body=b""),
        Fault(body=b"<html>"),
        Fault(body=b'{"choices": [{"mess'),
        Fault(change=lambda answer: answer["choices"].clear()),
    ],
    ids=["500", "503", "429", "closed", "cut", "empty", "html", "truncated", "no-choices"],
)
def test_what_may_pass_is_tried_again(server: ModelServer, fault: Fault) -> None:
    server.go_wrong(fault, fault)

    text, notes = asked(server)

    assert text == " no"
    assert notes["calls"] == server.calls == 3
    assert notes["retried_calls"] == 2


def test_after_the_retries_it_is_an_error_that_says_what_happened(server: ModelServer) -> None:
    server.always(Fault(status=503, body=b'{"error": {"message": "no room"}}'))
    message = rf"^the endpoint {server.url} \(model 'words'\) answered 503 \(no room\) to 3 calls; try again later$"

    with pytest.raises(EndpointError, match=message):
        asked(server)
    assert server.calls == 3


def test_a_wait_that_is_too_long_is_not_waited(server: ModelServer) -> None:
    server.always(Fault(status=429, headers={"Retry-After": "3600"}))

    with pytest.raises(EndpointError, match="answered 429 and asks to wait 3600 s; try again later"):
        asked(server)
    assert server.calls == 1


@pytest.mark.parametrize("fault", [Fault(hang=True), Fault(drip=True)], ids=["hangs", "drips"])
def test_an_answer_that_takes_too_long_is_given_up(server: ModelServer, fault: Fault) -> None:
    server.always(fault)

    with pytest.raises(EndpointError, match=r"gave no whole answer within 0.2 s to 2 calls; raise timeout_s"):
        asked(server, timeout_s=0.2, retries=1)


def test_nobody_there(server: ModelServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        settings = settings_of(server)
        nowhere = EndpointSettings(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", "m", retries=1, backoff_s=0)

        with pytest.raises(EndpointError, match=r"can not be reached \(ConnectionRefusedError\) to 2 calls; start it"):
            Session(Endpoint(nowhere)).ask(QUESTION)
    assert settings.retries == 2


def test_what_speaks_no_http(server: ModelServer) -> None:
    server.always(Fault(close=True))

    with pytest.raises(EndpointError, match=r"can not be reached \(RemoteDisconnected\)"):
        asked(server, retries=0)


# what will not pass


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(status=400, body=b'{"error": {"message": "context too long"}}'), r"answered 400 \(context too long\);"),
        (Fault(status=401), "answered 401; name the key's variable by key_variable"),
        (Fault(status=404, body=b"no such model"), r"answered 404 \(no such model\); check url, api and model"),
        (Fault(status=302, headers={"Location": "http://127.0.0.1:1/"}), "answered 302; redirects are not followed"),
        (Fault(change=lambda answer: answer["choices"][0].pop("logprobs") and None), "gave no log-probabilities; ask"),
        (Fault(body=b" " * (9 << 20)), "answered with more than 8 MiB"),
    ],
    ids=["400", "401", "404", "redirect", "no-logprobs", "too-much"],
)
def test_what_will_not_pass_is_not_tried_again(server: ModelServer, fault: Fault, message: str) -> None:
    server.always(fault)

    with pytest.raises(EndpointError, match=message):
        asked(server)
    assert server.calls == 1


def test_after_too_many_failures_in_a_row_nothing_more_is_asked(server: ModelServer) -> None:
    server.always(Fault(status=500))
    session = Session(Endpoint(settings_of(server, retries=0, give_up_after=3)))
    for number in range(10):
        with pytest.raises(EndpointError, match="answered 500" if number < 3 else "is not asked any more"):
            session.ask(another(number))

    assert server.calls == 3
    assert session.notes == {"calls": 3, "failed_questions": 3, "unasked_questions": 7}


def test_an_answer_in_between_sets_the_count_back(server: ModelServer) -> None:
    bad = Fault(status=400)
    server.go_wrong(bad, bad, None, bad, bad, None)
    session = Session(Endpoint(settings_of(server, give_up_after=3)))
    for number in range(6):
        if number % 3 == 2:
            session.ask(another(number))
        else:
            with pytest.raises(EndpointError):
                session.ask(another(number))

    assert session.notes["failed_questions"] == 4


def test_a_refused_key_ends_it_at_once(server: ModelServer) -> None:
    server.always(Fault(status=401))
    session = Session(Endpoint(settings_of(server, give_up_after=3)))
    for number in range(5):
        with pytest.raises(EndpointError):
            session.ask(another(number))

    assert server.calls == 1


def test_a_stopped_session_asks_nothing_and_does_not_wait(server: ModelServer) -> None:
    session = Session(Endpoint(settings_of(server, backoff_s=60.0)))
    session.stop()

    with pytest.raises(EndpointError, match="since the reranking ended"):
        session.ask(QUESTION)
    assert server.calls == 0


# the key


def test_the_key_is_sent_and_nothing_else_knows_it(
    server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    endpoint = Endpoint(settings_of(server, key_variable=VARIABLE), tmp_path / "answers")
    server.always(Fault(text=f"your key is {KEY}"))
    answer = Session(endpoint).ask(QUESTION)
    endpoint.close()

    assert server.seen[0].headers["Authorization"] == f"Bearer {KEY}"
    assert answer.text == "your key is [key]"
    assert KEY not in json.dumps(endpoint.identity)
    for file in tmp_path.iterdir():
        assert KEY.encode() not in file.read_bytes()
        assert b"Relevant" not in file.read_bytes(), "a cache holds no prompts"


@pytest.mark.parametrize(
    "body",
    [
        KEY.encode(),
        json.dumps({"error": {"message": f"{'x' * 190}{KEY}"}}).encode(),
        ('{"error": {"message": "' + "".join(f"\\u{ord(sign):04x}" for sign in KEY) + '"}}').encode(),
    ],
    ids=["plain", "across-the-cut", "escaped"],
)
@pytest.mark.parametrize("status", [400, 401, 500])
def test_no_error_repeats_the_key(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    server.always(Fault(status=status, body=body))

    with pytest.raises(EndpointError) as caught:
        asked(server, key_variable=VARIABLE, retries=0)
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY[:12] not in str(error)
        error = error.__cause__ or error.__context__


def test_another_server_does_not_get_the_key_by_a_redirect(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    server.always(Fault(status=307, headers={"Location": f"{server.url}/elsewhere"}))

    with pytest.raises(EndpointError, match="redirects are not followed"):
        asked(server, key_variable=VARIABLE)
    assert [seen.path for seen in server.seen] == ["/v1/chat/completions"]


def test_a_short_dummy_key_is_not_taken_for_a_secret(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "none")
    server.always(Fault(text="none of them"))

    assert asked(server, key_variable=VARIABLE)[0] == "none of them"
