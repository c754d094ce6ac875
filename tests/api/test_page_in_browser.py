from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from periti.api.app import create_app
from periti.pipeline import Pipeline
from tests.api.browser import chromium
from tests.api.conftest import NASTY, running, wait_until


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(chrome: Chrome, base_of_two: str) -> Iterator[Chrome]:
    """The page, ready to search; afterwards nothing may have been complained of in the console."""
    chrome.get_log("browser")  # type: ignore[no-untyped-call]
    chrome.get(base_of_two)
    wait_until(lambda: chrome.find_element(By.ID, "collection").is_enabled())
    yield chrome
    complaints: list[Any] = chrome.get_log("browser")  # type: ignore[no-untyped-call]
    assert [one for one in complaints if "422" not in one["message"]] == []


def status(page: Chrome) -> str:
    return page.find_element(By.ID, "message").text


def search(page: Chrome, query: str) -> list[WebElement]:
    box = page.find_element(By.ID, "query")
    # Typing thousands of characters takes seconds; the last key is a real one.
    page.execute_script("arguments[0].value = arguments[1]", box, query)
    box.send_keys(Keys.ENTER)
    wait_until(lambda: status(page) not in ("", "Searching …"))
    return page.find_elements(By.CSS_SELECTOR, "#results > li")


def test_a_question_shows_ranked_documents_their_scores_and_who_found_them(page: Chrome) -> None:
    hits = search(page, "does vitamin D prevent falls?")
    assert len(hits) == 10
    assert hits[0].find_element(By.TAG_NAME, "h2").text == "Vitamin D and falls"
    assert hits[0].find_element(By.CLASS_NAME, "rank").text == "1."
    facts = hits[0].find_element(By.CLASS_NAME, "facts").text
    assert "bm25 rank 1, score" in facts
    assert "dense rank 1, score" in facts
    assert "id med-1" in facts
    assert status(page).startswith("10 documents in ")
    assert " ms" in status(page)


def test_the_steps_are_told_when_asked_for_and_only_then(page: Chrome) -> None:
    search(page, "aspirin")
    page.find_element(By.CSS_SELECTOR, "#how summary").click()
    steps = page.find_element(By.ID, "steps").text
    for step in ("route", "retrieve:bm25", "retrieve:dense", "fuse", "rerank"):
        assert step in steps
    assert page.find_element(By.ID, "plan").text == "Asked: bm25 (weight 1), dense (weight 1)"
    page.find_element(By.ID, "explain").click()
    hits = search(page, "aspirin")
    assert "bm25" not in hits[0].text
    assert not page.find_element(By.ID, "how").is_displayed()


def test_the_collection_can_be_chosen(page: Chrome) -> None:
    chosen = Select(page.find_element(By.ID, "collection"))
    assert [option.text for option in chosen.options] == ["dozen", "half"]
    chosen.select_by_visible_text("half")
    assert page.find_element(By.ID, "about").text == "6 documents · experts: bm25"
    assert len(search(page, "vitamin")) == 1


def test_markup_in_documents_and_questions_stays_text(page: Chrome) -> None:
    hits = search(page, f"markup {NASTY}")
    shown = next(hit for hit in hits if "sci-3" in hit.text)
    assert shown.find_element(By.TAG_NAME, "h2").text == f"Markup {NASTY}"
    assert NASTY in shown.find_element(By.TAG_NAME, "p").text
    assert page.find_elements(By.CSS_SELECTOR, "#results img, #results script") == []
    assert page.title == "periti search"


def test_a_long_text_is_shown_whole_on_request(page: Chrome) -> None:
    shown = next(hit for hit in search(page, "whales sing") if "sci-4" in hit.text)
    assert "plankton" not in shown.text
    more = shown.find_element(By.CLASS_NAME, "more")
    assert more.get_attribute("aria-expanded") == "false"
    more.send_keys(Keys.ENTER)
    assert "plankton" in shown.text
    assert more.get_attribute("aria-expanded") == "true"


def test_an_empty_question_asks_for_one_and_nothing_found_says_so(page: Chrome) -> None:
    assert search(page, "   ") == []
    assert status(page) == "Type a question first."
    Select(page.find_element(By.ID, "collection")).select_by_visible_text("half")
    assert search(page, "xyzzy") == []
    assert status(page) == "Nothing found. Try other words."


def test_a_refusal_is_shown_as_the_services_sentence(page: Chrome) -> None:
    assert search(page, "x" * 8193) == []
    assert status(page) == "query has 8,193 bytes; at most 8,192 are taken, so shorten it"
    assert page.find_element(By.ID, "message").get_attribute("class") == "bad"


def test_everything_is_reached_by_keyboard_and_has_a_name(page: Chrome) -> None:
    page.find_element(By.TAG_NAME, "h1").click()
    page.find_element(By.TAG_NAME, "body").send_keys("/")
    reached = []
    for _ in range(5):
        element = page.switch_to.active_element
        reached.append((element.get_attribute("id") or element.text, element.accessible_name))
        element.send_keys(Keys.TAB)
    assert reached == [
        ("query", "Question"),
        ("Search", "Search"),
        ("collection", "Collection"),
        ("k", "Results"),
        ("explain", "Show who found what"),
    ]


def test_an_address_with_a_question_searches_at_once(page: Chrome, base_of_two: str) -> None:
    page.get(f"{base_of_two}/?q=aspirin&collection=half&k=3")
    wait_until(lambda: status(page).startswith("1 document in "))
    assert page.find_element(By.ID, "query").get_attribute("value") == "aspirin"
    search(page, "tenant rent")
    assert page.current_url.endswith("/?q=tenant+rent&collection=half&k=3")


def test_the_page_waits_for_a_service_that_is_still_opening(chrome: Chrome, pipeline: Pipeline) -> None:
    may_open = threading.Event()

    def opener() -> Pipeline:
        assert may_open.wait(60)
        return pipeline

    with running(create_app({"dozen": opener})) as address:
        chrome.get(address)
        wait_until(lambda: "still opening" in status(chrome))
        may_open.set()
        wait_until(lambda: chrome.find_element(By.ID, "collection").is_enabled())
        assert len(search(chrome, "aspirin")) == 10
    hits = search(chrome, "vitamin")
    assert hits == []
    assert status(chrome) == "The service does not answer; is it still running?"


@pytest.mark.parametrize(("flags", "ground"), [((), (250, 249, 247)), (("--force-dark-mode",), (22, 23, 26))])
def test_the_page_follows_the_colour_scheme(
    tmp_path: Any, base: str, flags: tuple[str, ...], ground: tuple[int, int, int]
) -> None:
    with chromium(tmp_path, *flags) as browser:
        browser.get(base)
        colour = browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    assert tuple(map(int, colour.removeprefix("rgba(").split(",")[:3])) == ground
