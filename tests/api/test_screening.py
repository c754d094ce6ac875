"""Screening over real HTTP, on a real collection."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from periti.api.app import create_app
from periti.api.reviews import Review, file_name, slug
from periti.api.screening import Screening
from periti.errors import ConfigError, FormatError, StorageError
from periti.pipeline import Pipeline, open_pipeline
from tests.api.conftest import NASTY, running
from tests.api.screening import FALLS, IDS, MEDICAL, screening

ADA = {"review": "Falls", "reviewer": "Ada"}


@pytest.fixture
def http(pipeline: Pipeline, tmp_path: Path) -> Iterator[httpx.Client]:
    with screening(pipeline, tmp_path / "kept") as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def post(http: httpx.Client, step: str, **body: Any) -> dict[str, Any]:
    answer = http.post(f"/v1/screening/{step}", json={**ADA, **body})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def judge(http: httpx.Client, doc_id: str, *, include: bool, **who: str) -> dict[str, Any]:
    return post(http, "judgements", doc_id=doc_id, include=include, **who)


def judge_all(http: httpx.Client, least: int = 0, **who: str) -> list[str]:
    """Judge what comes next, medical texts included, until so many are left: ids in the order of judging."""
    order = []
    sheet = post(http, "next", **who)
    while sheet["standing"]["candidates"] - sheet["standing"]["judged"] > least:
        order.append(sheet["next"][0]["doc_id"])
        sheet = judge(http, order[-1], include=order[-1] in MEDICAL, **who)
    return order


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jsonl"))


def test_reviews_are_listed_with_their_questions_and_sizes(http: httpx.Client) -> None:
    listed = http.get("/v1/screening/reviews").json()["reviews"]
    assert listed[0] == {"review": "Falls", "question": FALLS, "collection": "dozen", "candidates": 12}
    assert [one["review"] for one in listed] == ["Falls", "Markup"]


def test_the_first_citation_is_what_words_and_vectors_put_first_and_comes_with_what_follows(http: httpx.Client) -> None:
    told = post(http, "next")
    assert told["question"] == FALLS
    assert told["next"][0] == {
        "doc_id": "med-1",
        "title": "Vitamin D and falls",
        "text": "Vitamin D lowers the risk of falls in older adults who lack it.",
    }
    assert len({one["doc_id"] for one in told["next"]}) == 6
    standing = told["standing"]
    assert (standing["candidates"], standing["judged"], standing["included"], standing["learns_after"]) == (
        12,
        0,
        0,
        10,
    )
    assert standing["estimate"] is None
    assert standing["sentences"] == [
        "0 of 12 citations are judged, 0 included.", "What is left is estimated after 10 more.",
    ]  # fmt: skip
    assert told["undone"] is None


def test_a_judgement_is_on_disk_before_the_answer_and_the_next_citation_comes_with_it(
    http: httpx.Client, tmp_path: Path
) -> None:
    following = post(http, "next")["next"][1]
    told = judge(http, "med-1", include=True)
    (path,) = files(tmp_path / "kept")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert (lines[0]["review"], lines[0]["reviewer"]) == ("Falls", "Ada")
    assert (lines[1]["event"], lines[1]["doc_id"], lines[1]["include"]) == ("judge", "med-1", True)
    assert told["next"][0] == following
    assert (told["standing"]["judged"], told["standing"]["included"]) == (1, 1)


def test_an_answer_that_got_lost_may_be_asked_again_and_another_judgement_corrects(
    http: httpx.Client, tmp_path: Path
) -> None:
    first = judge(http, "med-1", include=True)
    assert judge(http, "med-1", include=True) == first
    (path,) = files(tmp_path / "kept")
    assert len(path.read_text().splitlines()) == 2
    corrected = judge(http, "med-1", include=False)
    assert (corrected["standing"]["judged"], corrected["standing"]["included"]) == (1, 0)
    assert post(http, "undo")["standing"]["included"] == 1


def test_undo_takes_back_what_was_done_last_and_hands_the_citation_out_again(http: httpx.Client) -> None:
    judge(http, "med-1", include=True)
    told = post(http, "undo")
    assert told["undone"] == {"event": "judge", "doc_id": "med-1", "include": True}
    assert told["next"][0]["doc_id"] == "med-1"
    assert post(http, "undo")["undone"] is None


def test_after_a_batch_the_order_is_learned_and_what_is_left_is_estimated(http: httpx.Client) -> None:
    order = judge_all(http, least=2)
    standing = post(http, "next")["standing"]
    estimate = standing["estimate"]
    assert 0.0 <= estimate["expected_left"] <= 2.0
    found = len(MEDICAL & set(order))
    assert estimate["recall"] == pytest.approx(found / (found + estimate["expected_left"]))
    assert estimate["recall_low"] < estimate["recall"]
    assert standing["sentences"][1].startswith("The classifier believes that ")
    assert "nothing bounds how wrong it is" in standing["sentences"][1]
    assert standing["learns_after"] == 0, "the last batch ends the review"
    judge_all(http)
    done = post(http, "next")
    assert done["next"] == []
    assert done["standing"]["sentences"] == [
        "12 of 12 citations are judged, 4 included.",
        "Everything is judged: recall is 1.",
    ]


def test_the_rest_can_be_drawn_at_random_until_the_target_is_proven(http: httpx.Client) -> None:
    judge_all(http, least=6)
    before = post(http, "next")["next"]
    told = post(http, "draw")
    proof = told["standing"]["proof"]
    assert (proof["total"], proof["read"], proof["error"]) == (6, 0, 0.05)
    assert {one["doc_id"] for one in told["next"]} == {one["doc_id"] for one in before}
    assert "Drawn at random: 0 of 6 judged" in told["standing"]["sentences"][-1]
    refused = http.post("/v1/screening/draw", json=ADA)
    assert (refused.status_code, refused.json()["error"]["type"]) == (422, "invalid_input")
    taken = post(http, "undo")
    assert taken["undone"] == {"event": "draw", "doc_id": None, "include": None}
    assert (taken["next"], taken["standing"]["proof"]) == (before, None)
    assert post(http, "draw")["next"] == told["next"], "drawing again gives the same sample"
    judge_all(http)
    end = post(http, "next")["standing"]
    assert (end["proof"]["read"], end["proof"]["recall"]) == (6, 1.0)
    assert end["sentences"][-1].endswith("The target of 0.95 is proven: you may stop.")


def test_two_reviewers_of_one_review_see_nothing_of_each_other(http: httpx.Client, tmp_path: Path) -> None:
    names = ["Ada", "ada", "Zoë / ../x", "李"]
    with ThreadPoolExecutor(4) as pool:
        orders = list(pool.map(lambda name: judge_all(http, reviewer=name), names))
    assert orders[1:] == orders[:-1]
    judge(http, "med-1", include=False, reviewer="Ada")
    counts = [post(http, "next", reviewer=name)["standing"]["included"] for name in names]
    assert counts == [3, 4, 4, 4]
    assert {path.parent for path in files(tmp_path / "kept")} == {tmp_path / "kept" / file_name("Falls")}
    assert len(files(tmp_path / "kept")) == 4


def test_a_service_started_again_goes_on_where_it_was(pipeline: Pipeline, tmp_path: Path) -> None:
    told: list[Any] = []
    for _ in range(2):
        with screening(pipeline, tmp_path) as address, httpx.Client(base_url=address, timeout=60) as http:
            if not told:
                judge_all(http, least=1)
                post(http, "draw")
            told.append(post(http, "next"))
            told.append(http.get("/v1/screening/export", params=ADA).text)
    assert told[:2] == told[2:]
    assert told[0]["standing"]["judged"] == 11


def test_a_new_review_takes_ids_or_what_is_found_and_is_there_after_a_start(pipeline: Pipeline, tmp_path: Path) -> None:
    with screening(pipeline, tmp_path) as address, httpx.Client(base_url=address, timeout=60) as http:
        body = {"question": " Muscle pain from statins? ", "doc_ids": ["med-2", "med-4"]}
        added = http.post("/v1/screening/reviews", json=body).json()
        assert added == {"review": "muscle-pain-from-statins", "question": "Muscle pain from statins?",
                         "collection": "dozen", "candidates": 2}  # fmt: skip
        assert post(http, "next", review=added["review"])["next"][0]["doc_id"] == "med-2"
        found = http.post("/v1/screening/reviews", json={"question": "Muscle pain from statins?", "candidates": 3})
        assert (found.json()["review"], found.json()["candidates"]) == ("muscle-pain-from-statins-2", 3)
        judge(http, "med-2", include=True, review=added["review"])
    with screening(pipeline, tmp_path) as address, httpx.Client(base_url=address, timeout=60) as http:
        names = [one["review"] for one in http.get("/v1/screening/reviews").json()["reviews"]]
        assert names == ["Falls", "Markup", "muscle-pain-from-statins", "muscle-pain-from-statins-2"]
        assert post(http, "next", review=added["review"])["standing"]["judged"] == 1


def test_a_review_of_one_citation_can_be_screened(http: httpx.Client) -> None:
    added = http.post("/v1/screening/reviews", json={"question": "李", "doc_ids": ["sci-4"]}).json()
    assert added["review"] == "x"
    assert judge(http, "sci-4", include=False, review="x")["next"] == []


def test_judgements_are_given_as_a_table_and_as_qrels(http: httpx.Client) -> None:
    who = {"review": "Markup", "reviewer": "=cmd()"}
    judge(http, "sci-3", include=True, **who)
    judge(http, "med-3", include=False, **who)
    answer = http.get("/v1/screening/export", params=who)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="markup-')
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["doc_id"], row["decision"], row["title"]) for row in rows] == [
        ("sci-3", "include", f"Markup {NASTY}"),
        ("med-3", "exclude", "Aspirin"),
    ]
    assert rows[0]["reviewer"] == "'=cmd()", "a spreadsheet must not take it for a formula"
    qrels = http.get("/v1/screening/export", params={**who, "form": "qrels"})
    assert qrels.text == "Markup 0 sci-3 1\nMarkup 0 med-3 0\n"


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        ("next", {"review": "Falls"}, (422, "reviewer: field required")),
        ("next", {"review": "Falls", "reviewer": " "}, (422, "reviewer: value error, is empty")),
        ("next", {"review": "Falls", "reviewer": "a\u202eb"}, (422, "can not be seen; give a name")),
        ("next", {"review": "Falls", "reviewer": "a" * 61}, (422, "reviewer: string should have at most 60")),
        ("next", {"review": "Falls", "reviewer": 7}, (422, "reviewer: input should be a valid string")),
        ("next", {"review": "Fals", "reviewer": "Ada"}, (404, "there is no review \"Fals\"; did you mean 'Falls'")),
        ("next", {**ADA, "who": 1}, (422, "who: extra inputs are not permitted")),
        ("next", [], (422, "the body: ")),
        ("judgements", {**ADA, "doc_id": "med-9", "include": True}, (404, 'has no citation "med-9"')),
        ("judgements", {**ADA, "doc_id": "med-1"}, (422, "include: field required")),
        ("judgements", {**ADA, "doc_id": "med-1", "include": 1}, (422, "include: input should be a valid boolean")),
        ("undo", {"reviewer": "Ada"}, (422, "review: field required")),
        ("draw", {"review": "nothing", "reviewer": "Ada"}, (404, "there is no review")),
        ("reviews", {"question": "  "}, (422, "question: value error, is empty")),
        ("reviews", {"question": "a", "doc_ids": []}, (422, "doc_ids: list should have at least 1")),
        ("reviews", {"question": "a", "doc_ids": ["med-1", "med-1"]}, (422, 'the citation "med-1" is given twice')),
        ("reviews", {"question": "a", "doc_ids": ["med-1", "gone"]}, (404, "no document 'gone'")),
        ("reviews", {"question": "a", "candidates": 0}, (422, "candidates: input should be greater than or equal")),
        ("reviews", {"question": "a", "candidates": 3001}, (422, "candidates: input should be less than or equal")),
        ("reviews", {"question": "a", "collection": "twelve"}, (404, 'no collection is named "twelve"')),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused_with_one_sentence_and_keeps_nothing(
    http: httpx.Client, tmp_path: Path, path: str, body: Any, refusal: tuple[int, str]
) -> None:
    status, said = refusal
    answer = http.post(f"/v1/screening/{path}", json=body)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["type"] == {404: "not_found", 422: "invalid_input"}[status]
    assert said in error["message"]
    assert "\n" not in error["message"]
    assert files(tmp_path / "kept") == []


@pytest.mark.parametrize("step", ["next", "judgements", "undo", "draw", "reviews"])
def test_only_json_is_taken_so_that_no_other_sites_form_can_judge(
    http: httpx.Client, tmp_path: Path, step: str
) -> None:
    body = json.dumps({**ADA, "doc_id": "med-1", "include": True})
    plain = http.post(f"/v1/screening/{step}", content=body, headers={"Content-Type": "text/plain"})
    broken = http.post(f"/v1/screening/{step}", content="{", headers={"Content-Type": "application/json"})
    surrogate = http.post(
        f"/v1/screening/{step}", content='{"review": "\\ud800"}', headers={"Content-Type": "application/json"}
    )
    large = http.post(f"/v1/screening/{step}", json={"review": "x" * (1 << 20)})
    found = [(one.status_code, one.json()["error"]["type"]) for one in (plain, broken, surrogate, large)]
    assert found == [(415, "not_json"), (400, "malformed_json"), (400, "malformed_json"), (413, "body_too_large")]
    assert files(tmp_path / "kept") == []


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({}, 422, "review: field required"),
        ({**ADA, "form": "xls"}, 422, 'form is "xls"; ask for one of csv, qrels'),
        ({**ADA, "more": "1"}, 422, "more: extra inputs are not permitted"),
        ({**ADA, "review": "gone"}, 404, "there is no review"),
    ],
)
def test_a_wrong_export_is_refused(http: httpx.Client, given: dict[str, str], status: int, said: str) -> None:
    answer = http.get("/v1/screening/export", params=given)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


def test_a_damaged_journal_is_told_and_left_alone(http: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "kept" / file_name("Falls") / f"{file_name('Ada')}.jsonl"
    path.parent.mkdir()
    path.write_text("broken\n")
    answer = http.post("/v1/screening/next", json=ADA)
    assert answer.status_code == 500
    assert "line 1 is no line of a screening journal" in answer.json()["error"]["message"]
    assert path.read_text() == "broken\n"
    assert post(http, "next", reviewer="Bob")["standing"]["judged"] == 0


def test_judgements_about_citations_that_the_review_lost_are_told(pipeline: Pipeline, tmp_path: Path) -> None:
    with screening(pipeline, tmp_path) as address, httpx.Client(base_url=address, timeout=60) as http:
        judge(http, "med-1", include=True)
    fewer = Screening(tmp_path, [Review("Falls", FALLS, "dozen", IDS[:3])])
    assert "med-1" not in IDS[:3]
    with running(create_app({"dozen": pipeline}, screening=fewer)) as address:
        answer = httpx.post(f"{address}/v1/screening/next", json=ADA, timeout=60)
    assert answer.status_code == 500
    assert "citations that review 'Falls' does not have, the first is 'med-1'" in answer.json()["error"]["message"]


def test_a_collection_without_vectors_can_not_be_screened(lexical_only: Path, tmp_path: Path) -> None:
    app = create_app({"half": open_pipeline(lexical_only)}, screening=Screening(tmp_path, ()))
    with running(app) as address, httpx.Client(base_url=address, timeout=60) as http:
        added = http.post("/v1/screening/reviews", json={"question": "vitamin", "candidates": 2}).json()
        answer = http.post("/v1/screening/next", json={"review": added["review"], "reviewer": "Ada"})
    assert answer.status_code == 422
    assert "lacks a lexical or a dense expert" in answer.json()["error"]["message"]


def test_a_folder_in_use_and_reviews_that_do_not_fit_are_refused_at_the_start(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    with screening(pipeline, tmp_path), pytest.raises(StorageError, match="another service keeps its judgements there"):
        create_app({"dozen": pipeline}, screening=Screening(tmp_path))
    twins = [Review("a", "a", "dozen", IDS), Review("a", "b", "dozen", IDS)]
    with pytest.raises(ConfigError, match="two reviews are named 'a'"):
        create_app({"dozen": pipeline}, screening=Screening(tmp_path / "b", twins))
    with pytest.raises(ConfigError, match="about the collection 'other', which is not served"):
        create_app({"dozen": pipeline}, screening=Screening(tmp_path / "c", [Review("a", "a", "other", IDS)]))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "reviews.jsonl").write_text('{"review": "a", "question": "b", "collection": "dozen"}\n')
    with pytest.raises(FormatError, match="line 1 lacks 'doc_ids'"):
        create_app({"dozen": pipeline}, screening=Screening(tmp_path / "d"))
    (tmp_path / "e").write_text("a file")
    with pytest.raises(StorageError, match="can not be used"):
        create_app({"dozen": pipeline}, screening=Screening(tmp_path / "e"))


def test_the_openapi_description_and_the_reference_name_every_route_and_field(http: httpx.Client) -> None:
    schema = http.get("/openapi.json").json()
    paths = {path for path in schema["paths"] if "screening" in path}
    steps = {"reviews", "next", "judgements", "undo", "draw", "export"}
    assert paths == {f"/v1/screening/{step}" for step in steps}
    reference = http.get("/docs").text
    for path in paths:
        for method, facts in schema["paths"][path].items():
            assert f"{method.upper()} {path}" in reference
            if method == "post":
                assert set(facts["responses"]) == {"200", "400", "404", "413", "415", "422", "500", "503"}
                assert facts["requestBody"]["content"]["application/json"]["schema"]["additionalProperties"] is False
    sheet = schema["components"]["schemas"]["Sheet"]["properties"]
    assert set(sheet) == {"review", "reviewer", "question", "next", "standing", "undone"}
    assert "Parameters of the address" in reference


def test_the_page_may_load_nothing_from_elsewhere(http: httpx.Client) -> None:
    answer = http.get("/screening")
    assert answer.headers["content-security-policy"].startswith("default-src 'none';")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "innerHTML" not in answer.text
    assert "://" not in answer.text


def test_a_service_without_a_folder_offers_no_screening(client: httpx.Client) -> None:
    assert client.get("/screening").status_code == 404
    assert client.get("/v1/screening/reviews").status_code == 404


def test_names_of_files_are_plain_and_different_for_different_texts() -> None:
    assert slug("Zoë / ../x") == "zo-x"
    assert slug("../..") == "x"
    assert file_name("Ada") != file_name("ada")
    assert len(file_name("a" * 500)) < 60
