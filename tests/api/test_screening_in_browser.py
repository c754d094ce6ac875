"""The reviewer's page in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from periti.pipeline import Pipeline
from periti.screening.journal import Journal, Judged
from tests.api.browser import chromium
from tests.api.conftest import NASTY, wait_until
from tests.api.screening import FALLS, screening


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def address(pipeline: Pipeline, tmp_path: Path) -> Iterator[str]:
    with screening(pipeline, tmp_path / "kept") as found:
        yield found


@pytest.fixture
def page(chrome: Chrome, address: str) -> Iterator[Chrome]:
    """The page with Ada at the review of falls; afterwards nothing may have been complained of in the console."""
    chrome.get_log("browser")  # type: ignore[no-untyped-call]
    chrome.get(f"{address}/screening")
    wait_until(lambda: message(chrome) == "Choose a review and type your name.")
    chrome.find_element(By.ID, "reviewer").send_keys("Ada", Keys.ENTER)
    # The first review that is opened loads the encoder.
    wait_until(lambda: message(chrome) == "Screening as Ada.", 180)
    yield chrome
    complaints: list[Any] = chrome.get_log("browser")  # type: ignore[no-untyped-call]
    assert complaints == []


def text(page: Chrome, name: str) -> str:
    return page.find_element(By.ID, name).text


def message(page: Chrome) -> str:
    return text(page, "message")


def press(page: Chrome, key: str, then: str) -> None:
    page.find_element(By.TAG_NAME, "body").send_keys(key)
    wait_until(lambda: message(page).startswith(then))


def kept(folder: Path, reviewer: str = "Ada") -> list[tuple[str, bool]]:
    """What is on disk for a reviewer."""
    found = []
    for path in (folder / "kept").rglob("*.jsonl"):
        if f'"reviewer": "{reviewer}"' in path.read_text():
            found += [(e.doc_id, e.include) for e in Journal(path, "Falls", reviewer).events if isinstance(e, Judged)]
    return found


def test_the_citation_comes_with_title_abstract_and_the_titles_terms_lit(page: Chrome) -> None:
    assert text(page, "question") == FALLS
    assert text(page, "where") == "Citation med-1"
    assert text(page, "name") == "Vitamin D and falls"
    assert text(page, "text") == "Vitamin D lowers the risk of falls in older adults who lack it."
    lit = [mark.text for mark in page.find_elements(By.CSS_SELECTOR, "article mark")]
    assert lit == ["Vitamin", "D", "falls", "Vitamin", "D", "falls", "adults"]
    assert len(page.find_elements(By.CSS_SELECTOR, "#ahead li")) == 5
    assert text(page, "counts") == "0 of 12 citations are judged, 0 included."
    assert text(page, "told") == "What is left is estimated after 10 more."


def test_keys_include_exclude_and_take_back_and_each_is_on_disk(page: Chrome, tmp_path: Path) -> None:
    press(page, "i", "med-1: included.")
    assert kept(tmp_path) == [("med-1", True)]
    second = text(page, "where").removeprefix("Citation ")
    press(page, "e", f"{second}: excluded.")
    assert kept(tmp_path) == [("med-1", True), (second, False)]
    assert text(page, "counts").startswith("2 of 12 citations are judged, 1 included.")
    press(page, "u", f"Taken back: {second} was excluded.")
    assert text(page, "where") == f"Citation {second}"
    press(page, "u", "Taken back: med-1 was included.")
    press(page, "u", "There is nothing to take back.")
    assert kept(tmp_path) == []


def test_buttons_do_what_keys_do_and_tell_their_keys(page: Chrome, tmp_path: Path) -> None:
    for name, key in (("include", "i"), ("exclude", "e"), ("undo", "u")):
        button = page.find_element(By.ID, name)
        assert button.text == f"{key} {name}"
        assert button.get_attribute("aria-keyshortcuts") == key
    page.find_element(By.ID, "include").click()
    wait_until(lambda: message(page).startswith("med-1: included."))
    page.find_element(By.ID, "undo").click()
    wait_until(lambda: message(page).startswith("Taken back: med-1"))
    page.find_element(By.ID, "exclude").click()
    wait_until(lambda: message(page).startswith("med-1: excluded."))
    assert kept(tmp_path) == [("med-1", False)]


def test_keys_typed_into_a_field_or_held_down_judge_nothing(page: Chrome, tmp_path: Path) -> None:
    page.find_element(By.ID, "reviewer").send_keys("ie")
    page.execute_script(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'i', repeat: true, bubbles: true}));"
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'i', ctrlKey: true, bubbles: true}));"
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'x', bubbles: true}));"
    )
    page.find_element(By.TAG_NAME, "h1").click()
    press(page, "u", "There is nothing to take back.")
    assert kept(tmp_path) == []


def test_a_title_further_down_can_be_read_and_judged_first(page: Chrome, tmp_path: Path) -> None:
    third = page.find_elements(By.CSS_SELECTOR, "#ahead button")[1]
    title = third.text
    third.click()
    assert text(page, "name") == title
    assert "Vitamin D and falls" in text(page, "ahead")
    chosen = text(page, "where").removeprefix("Citation ")
    press(page, "e", f"{chosen}: excluded.")
    assert kept(tmp_path) == [(chosen, False)]
    assert text(page, "where") == "Citation med-1"


def test_a_reload_goes_on_where_it_was_and_another_reviewer_begins_anew(
    page: Chrome, address: str, tmp_path: Path
) -> None:
    press(page, "i", "med-1: included.")
    left = text(page, "where")
    page.refresh()
    wait_until(lambda: message(page) == "Screening as Ada.")
    assert text(page, "where") == left
    page.get(f"{address}/screening?review=Falls&reviewer=Bob")
    wait_until(lambda: message(page) == "Screening as Bob.")
    assert text(page, "where") == "Citation med-1"
    press(page, "e", "med-1: excluded.")
    assert (kept(tmp_path), kept(tmp_path, "Bob")) == ([("med-1", True)], [("med-1", False)])


def test_estimate_random_draws_and_the_end_are_told_in_words(page: Chrome) -> None:
    for judged in range(1, 11):
        page.find_element(By.TAG_NAME, "body").send_keys("i" if "med-" in text(page, "where") else "e")
        told = f"{judged} of 12 citations are judged"
        wait_until(lambda told=told: text(page, "counts").startswith(told))  # type: ignore[misc]
    assert "The classifier believes that" in text(page, "told")
    page.find_element(By.ID, "draw").click()
    wait_until(lambda: message(page) == "The rest is drawn at random from now on.")
    assert "Drawn at random: 0 of 2 judged" in text(page, "told")
    assert not page.find_element(By.ID, "draw").is_displayed()
    for judged in (11, 12):
        page.find_element(By.TAG_NAME, "body").send_keys("i" if "med-" in text(page, "where") else "e")
        told = f"{judged} of 12 citations are judged"
        wait_until(lambda told=told: text(page, "counts").startswith(told))  # type: ignore[misc]
    assert message(page).endswith("Every citation is judged.")
    assert not page.find_element(By.ID, "reading").is_displayed()
    assert not page.find_element(By.ID, "include").is_enabled()
    assert page.find_element(By.ID, "bar").get_attribute("value") == "12"
    press(page, "u", "Taken back:")
    assert page.find_element(By.ID, "reading").is_displayed()


def test_the_links_give_the_judgements(page: Chrome) -> None:
    press(page, "i", "med-1: included.")
    links = {name: page.find_element(By.ID, name).get_attribute("href") or "" for name in ("csv", "qrels")}
    assert httpx.get(links["qrels"]).text == "Falls 0 med-1 1\n"
    assert "med-1,include," in httpx.get(links["csv"]).text


def test_markup_in_questions_and_citations_stays_text(page: Chrome) -> None:
    Select(page.find_element(By.ID, "review")).select_by_value("Markup")
    page.find_element(By.ID, "start").click()
    wait_until(lambda: text(page, "question") == f"Markup {NASTY}")
    assert text(page, "name") == f"Markup {NASTY}"
    assert NASTY in text(page, "text")
    assert page.find_elements(By.CSS_SELECTOR, "main img, main script, form img") == []
    assert page.title == "periti screening"


def test_a_review_is_added_in_the_page_and_a_wrong_one_is_told(page: Chrome) -> None:
    page.find_element(By.CSS_SELECTOR, "#adding summary").click()
    page.find_element(By.ID, "title").send_keys("Pain of muscles")
    ids = page.find_element(By.ID, "ids")
    ids.send_keys("med-2 law-1\nmed-2")
    page.find_element(By.ID, "add").click()
    wait_until(lambda: message(page).startswith('the citation "med-2" is given twice'))
    assert page.find_element(By.ID, "message").get_attribute("class") == "bad"
    ids.clear()
    ids.send_keys("med-2 law-1")
    page.find_element(By.ID, "add").click()
    wait_until(lambda: message(page) == "Added pain-of-muscles with 2 citations.")
    page.find_element(By.ID, "reviewer").send_keys(Keys.ENTER)
    wait_until(lambda: text(page, "question") == "Pain of muscles")
    assert text(page, "where") == "Citation med-2"
    # The browser itself notes that an answer was a refusal.
    noted: list[dict[str, Any]] = page.get_log("browser")  # type: ignore[no-untyped-call]
    assert ["422" in one["message"] for one in noted] == [True]


def test_every_control_has_a_name_and_the_page_a_language(page: Chrome) -> None:
    unnamed = page.execute_script(
        "return [...document.querySelectorAll('input, select, textarea, button, a, section, [role=group], progress')]"
        ".filter((e) => !(e.labels?.length || e.textContent.trim() || e.ariaLabel))"
        ".map((e) => e.id)"
    )
    assert unnamed == []
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
    assert page.find_element(By.ID, "message").get_attribute("aria-live") == "polite"


def test_a_narrow_page_needs_no_scrolling_sideways(page: Chrome) -> None:
    size = page.get_window_size()
    page.set_window_size(400, 900)
    try:
        width = page.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert width[0] <= width[1]
    finally:
        page.set_window_size(size["width"], size["height"])


def test_a_service_that_has_gone_is_told_and_the_citation_stays(
    chrome: Chrome, pipeline: Pipeline, tmp_path: Path
) -> None:
    with screening(pipeline, tmp_path / "gone") as address:
        chrome.get(f"{address}/screening?review=Falls&reviewer=Ada")
        wait_until(lambda: message(chrome) == "Screening as Ada.")
        before = text(chrome, "where")
    press(chrome, "i", "The service does not answer")
    assert text(chrome, "where") == before
    assert "bad" in (chrome.find_element(By.ID, "message").get_attribute("class") or "")
