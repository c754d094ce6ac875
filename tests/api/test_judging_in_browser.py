"""The judging page in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from periti.api.judging import create_judging_app
from periti.evaluation.adjudication.log import Log
from tests.api.browser import chromium
from tests.api.conftest import NASTY, running, wait_until
from tests.api.judging import QUERIES, desk


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "judging.db"


@pytest.fixture
def address(log: Path) -> Iterator[str]:
    with running(create_judging_app(desk(log, batch=1))) as found:
        yield found


@pytest.fixture
def page(chrome: Chrome, address: str) -> Iterator[Chrome]:
    """The page with Ada at work; afterwards nothing may have been complained of in the console."""
    chrome.get_log("browser")  # type: ignore[no-untyped-call]
    chrome.get(address)
    chrome.find_element(By.ID, "assessor").send_keys("Ada", Keys.ENTER)
    wait_until(lambda: message(chrome) == "Judging as Ada.")
    yield chrome
    complaints: list[Any] = chrome.get_log("browser")  # type: ignore[no-untyped-call]
    assert complaints == []


def message(page: Chrome) -> str:
    return page.find_element(By.ID, "message").text


def shown(page: Chrome) -> str:
    return page.find_element(By.ID, "where").text


def press(page: Chrome, key: str, then: str) -> None:
    page.find_element(By.TAG_NAME, "body").send_keys(key)
    wait_until(lambda: message(page).startswith(then))


def test_question_title_and_text_are_shown_with_the_questions_words_lit(page: Chrome) -> None:
    assert shown(page) == "Question q1 · document d1 · 1 of 3"
    assert page.find_element(By.ID, "question").text == QUERIES["q1"]
    assert page.find_element(By.ID, "title").text == "Vitamin D and falls"
    lit = [mark.text for mark in page.find_elements(By.CSS_SELECTOR, "article mark")]
    assert lit == ["Vitamin", "D", "falls", "Vitamins", "prevented", "fall"]
    assert page.find_element(By.ID, "text").text == "Vitamins prevented a fall in older adults."


def test_a_digit_judges_u_takes_back_and_n_puts_off(page: Chrome, log: Path) -> None:
    press(page, "2", "d1: 2, highly relevant.")
    assert "document d1" not in shown(page)
    press(page, "u", "Taken back: d1 was 2.")
    assert shown(page).startswith("Question q1 · document d1 · 1 of 3 · you had it before")
    press(page, "n", "d1 is put off.")
    assert shown(page).startswith("Question q2")
    press(page, "0", "d3: 0, not relevant.")
    kept = [(event.kind, event.doc_id, event.grade, event.assessor) for event in Log(log).events()]
    assert kept == [("judge", "d1", 2, "Ada"), ("undo", "d1", 2, "Ada"), ("judge", "d3", 0, "Ada")]


def test_buttons_do_what_the_keys_do(page: Chrome, log: Path) -> None:
    names = [button.text for button in page.find_elements(By.CSS_SELECTOR, "#grades button")]
    assert names == ["0 not relevant", "1 related", "2 highly relevant", "3 perfect", "u undo", "n skip"]
    page.find_elements(By.CSS_SELECTOR, "#grades button")[3].click()
    wait_until(lambda: message(page).startswith("d1: 3, perfect."))
    assert [event.grade for event in Log(log).events()] == [3]


def test_digits_typed_into_the_name_or_held_down_judge_nothing(page: Chrome, log: Path) -> None:
    page.find_element(By.ID, "assessor").send_keys("2")
    page.execute_script(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '1', repeat: true, bubbles: true}));"
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '1', ctrlKey: true, bubbles: true}));"
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '7', bubbles: true}));"
    )
    page.find_element(By.TAG_NAME, "h1").click()
    press(page, "u", "There is nothing to take back.")
    assert Log(log).events() == []


def test_markup_in_questions_and_documents_stays_text(page: Chrome) -> None:
    press(page, "n", "d1 is put off.")
    assert page.find_element(By.ID, "question").text == QUERIES["q2"]
    assert page.find_element(By.ID, "title").text == f"Aspirin {NASTY}"
    assert NASTY in page.find_element(By.ID, "text").text
    assert page.find_elements(By.CSS_SELECTOR, "main img, main script") == []
    assert page.title == "periti judging"


def test_progress_the_outlook_and_the_end_are_told_in_words(page: Chrome) -> None:
    assert "0 of 6 pooled documents" in page.find_element(By.ID, "counts").text
    for judged in range(1, 7):
        page.find_element(By.TAG_NAME, "body").send_keys("1")
        told = f"You judged {judged} of them."
        wait_until(lambda told=told: told in page.find_element(By.ID, "counts").text)  # type: ignore[misc]
    assert message(page).endswith("Nothing is left for you to judge.")
    assert not page.find_element(By.ID, "sheet").is_displayed()
    assert "6 of 6 pooled documents" in page.find_element(By.ID, "counts").text
    assert "You judged 6 of them." in page.find_element(By.ID, "counts").text
    assert page.find_element(By.ID, "bar").get_attribute("value") == "6"
    wait_until(lambda: page.find_element(By.ID, "outlook").text != "")


def test_an_address_with_a_name_goes_on_where_that_assessor_was(page: Chrome, address: str) -> None:
    press(page, "1", "d1: 1, related.")
    left = shown(page).replace(" · you had it before", "")
    page.get(f"{address}/?assessor=Ada")
    wait_until(lambda: message(page) == "Judging as Ada.")
    assert shown(page) == f"{left} · you had it before"
    page.get(f"{address}/?assessor=Bob")
    wait_until(lambda: message(page) == "Judging as Bob.")
    assert left not in shown(page)


def test_a_service_that_has_gone_is_told_and_the_document_stays(chrome: Chrome, tmp_path: Path) -> None:
    with running(create_judging_app(desk(tmp_path / "log.db"))) as address:
        chrome.get(f"{address}/?assessor=Ada")
        wait_until(lambda: message(chrome) == "Judging as Ada.")
        before = shown(chrome)
    press(chrome, "1", "The service does not answer")
    assert shown(chrome) == before
    assert "bad" in (chrome.find_element(By.ID, "message").get_attribute("class") or "")
