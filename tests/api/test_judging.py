"""The judging service over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from periti.api.desk import Desk
from periti.api.judging import create_judging_app
from periti.errors import InputError, StorageError
from periti.evaluation.adjudication.log import Log
from tests.api.conftest import NASTY, running
from tests.api.judging import QUERIES, Texts, desk


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "judging.db"


@pytest.fixture
def http(log: Path) -> Iterator[httpx.Client]:
    with running(create_judging_app(desk(log))) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


def post(http: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = http.post(path, json={"assessor": "ada", **body})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


def test_the_next_document_comes_with_its_texts_and_the_progress(http: httpx.Client) -> None:
    told = post(http, "/v1/next")
    assert told["next"] == {
        "query_id": "q1", "doc_id": "d1", "number": 1, "pool": 3, "again": False, "query": QUERIES["q1"],
        "title": "Vitamin D and falls", "text": "Vitamins prevented a fall in older adults.", "absent": "",
    }  # fmt: skip
    assert told["status"]["pool"] == 6
    assert told["status"]["sentences"][0].startswith("0 of 6 pooled documents of 2 queries are judged")


def test_a_judgement_is_on_disk_before_the_answer_and_the_next_document_comes_with_it(
    http: httpx.Client, log: Path
) -> None:
    post(http, "/v1/next")
    told = post(http, "/v1/judgements", query_id="q1", doc_id="d1", grade=2)
    assert [(e.query_id, e.doc_id, e.grade, e.assessor) for e in Log(log).events()] == [("q1", "d1", 2, "ada")]
    assert told["next"]["query_id"] == "q1"
    assert told["next"]["number"] == 2
    assert told["status"]["judged"] == 1


def test_undo_takes_the_last_judgement_back_and_hands_the_document_out_again(http: httpx.Client) -> None:
    post(http, "/v1/next")
    post(http, "/v1/judgements", query_id="q1", doc_id="d1", grade=2)
    told = post(http, "/v1/undo")
    assert told["undone"] == {"query_id": "q1", "doc_id": "d1", "grade": 2}
    assert (told["next"]["doc_id"], told["next"]["again"]) == ("d1", True)
    assert post(http, "/v1/undo")["undone"] is None


def test_a_skipped_document_waits_until_other_queries_are_done(http: httpx.Client) -> None:
    first = post(http, "/v1/next")["next"]
    skipped = [[first["query_id"], first["doc_id"]]]
    seen = []
    task = post(http, "/v1/next", skipped=skipped)["next"]
    for _ in range(3):
        seen.append(task["query_id"])
        judged = {"query_id": task["query_id"], "doc_id": task["doc_id"], "grade": 0}
        task = post(http, "/v1/judgements", skipped=skipped, **judged)["next"]
    assert seen == ["q2", "q2", "q2"]
    assert [task["query_id"], task["doc_id"]] == skipped[0]


def test_two_assessors_get_different_documents_at_once(http: httpx.Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        tasks = list(pool.map(lambda name: post(http, "/v1/next", assessor=name)["next"], ["ada", "bob", "cy", "di"]))
    assert len({(task["query_id"], task["doc_id"]) for task in tasks}) == 4


def test_a_document_that_the_collection_lacks_is_said_to_be_absent(http: httpx.Client) -> None:
    found = {}
    task = post(http, "/v1/next")["next"]
    while task is not None:
        found[task["query_id"], task["doc_id"]] = task["absent"]
        judged = {"query_id": task["query_id"], "doc_id": task["doc_id"], "grade": 0}
        task = post(http, "/v1/judgements", **judged)["next"]
    assert len(found) == 6
    assert {pair for pair, absent in found.items() if absent} == {("q1", "d5")}
    assert found["q1", "d5"].startswith("The collection has no document 'd5'")


def test_the_outlook_says_in_words_what_is_separable_or_why_it_is_too_early(http: httpx.Client) -> None:
    told = http.get("/v1/outlook").json()
    assert len(told["sentences"]) >= 1
    assert told["pairs"] == []


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/next", {"assessor": "  "}, "the assessor's name is empty; give one"),
        ("/v1/next", {}, "assessor: field required"),
        ("/v1/next", {"assessor": "ada", "who": 1}, "who: extra inputs are not permitted"),
        ("/v1/next", {"assessor": "ada", "skipped": [["q1"]]}, "skipped holds pairs of query_id and doc_id"),
        ("/v1/judgements", {"assessor": "ada", "query_id": "q1", "doc_id": "d1", "grade": 4}, "grade is 4; it must be"),
        ("/v1/judgements", {"assessor": "ada", "query_id": "q1", "doc_id": "d1", "grade": -1}, "grade is -1"),
        ("/v1/judgements", {"assessor": "ada", "query_id": "q1", "doc_id": "d9", "grade": 1}, "document 'd9' is not"),
        ("/v1/judgements", {"assessor": "ada", "query_id": "q9", "doc_id": "d1", "grade": 1}, "no query 'q9'"),
    ],
)
def test_a_wrong_request_is_refused_with_one_sentence_and_keeps_nothing(
    http: httpx.Client, log: Path, path: str, body: dict[str, Any], said: str
) -> None:
    status, message = refusal(http.post(path, json=body))
    assert status == 422
    assert said in message
    assert Log(log).events() == []


def test_only_json_is_taken_so_that_no_other_sites_form_can_judge(http: httpx.Client, log: Path) -> None:
    body = '{"assessor": "ada", "query_id": "q1", "doc_id": "d1", "grade": 1}'
    status, _ = refusal(http.post("/v1/judgements", content=body, headers={"Content-Type": "text/plain"}))
    assert status == 415
    assert Log(log).events() == []


def test_trouble_with_the_log_is_told_in_its_own_sentence(tmp_path: Path) -> None:
    class Full(Desk):
        def record(self, assessor: str, query_id: str, doc_id: str, grade: int) -> None:  # noqa: ARG002
            raise StorageError("judging.db: the disk is full; make room, nothing was kept")

    opened = Full(desk(tmp_path / "judging.db").session, QUERIES, Texts())
    with running(create_judging_app(opened)) as address:
        body = {"assessor": "ada", "query_id": "q1", "doc_id": "d1", "grade": 1}
        answer = httpx.post(f"{address}/v1/judgements", json=body)
    assert refusal(answer) == (500, "judging.db: the disk is full; make room, nothing was kept")


def test_the_page_may_load_nothing_from_elsewhere(http: httpx.Client) -> None:
    answer = http.get("/")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "innerHTML" not in answer.text
    assert NASTY not in answer.text


def test_every_query_needs_a_text_and_grades_must_fit_the_keyboard(tmp_path: Path) -> None:
    session = desk(tmp_path / "log.db").session
    with pytest.raises(InputError, match="1 of 2 pooled queries have no text, the first is 'q2'"):
        Desk(session, {"q1": "x"}, Texts())
    with pytest.raises(InputError, match="1 grades are named; name 2 to 10"):
        Desk(session, QUERIES, Texts(), ["only"])
