"""Tables of choice, luck and expectations on a small study, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from periti.evaluation.routing.choices import expectations, luck, policies
from periti.evaluation.routing.export import to_json
from periti.evaluation.routing.markdown import markdown
from periti.evaluation.routing.page import html
from periti.evaluation.routing.results import Expectation, StudiedOracle, StudiedPolicy
from periti.evaluation.routing.text import text
from tests.evaluation.routing.small import BARE, STUDY

CHOSEN = replace(
    STUDY,
    chosen="top-2",
    policies=(
        StudiedPolicy("argmax", 0.5, 0.3, 0.4, 0.49, 0.4, 1.02, 1.0),
        StudiedPolicy("top-2", 0.51, None, 0.51, 0.49, None, 2.02, 2.0, "tuned to two"),
    ),
    luck=(
        StudiedOracle("null oracle", "2 training seeds of one expert", 0.46, 0.41, 0.01, -0.002),
        StudiedOracle("instance oracle", "any 2 trained experts", 0.5, None, 0.04, None),
        StudiedOracle("instance oracle", "all 3", 0.52, None, 0.08, None),
    ),
    expectations=(
        Expectation("Tryage", "ridge beats chance", "+0.1", True),
        Expectation("C3PO", "neighbours beat pilots", "-0.1", False),
        Expectation("PreMoe", "a profile is hit", "no profile", None),
    ),
)


def test_a_policy_shows_what_train_promised_and_the_choice_is_bold() -> None:
    table = policies(CHOSEN)

    assert table.rows == (
        ("argmax", "0.5000", "0.3000", "0.4000", "0.4900", "0.4000", "1.02", "1.00"),
        ("top-2", "0.5100", "-", "0.5100", "0.4900", "-", "2.02", "2.00"),
    )
    assert table.best == {(1, 3)}
    assert table.words[1:] == ("top-2: tuned to two",)


def test_luck_is_the_null_oracle_s_gain_as_a_share_of_that_of_as_many_experts() -> None:
    table = luck(CHOSEN)

    assert table.rows[0][2:] == ("0.4600", "0.4100", "+0.0100", "-0.0020")
    assert table.words[1] == "On seen collections luck is 25.0 % of the instance oracle's gain, of as many."
    assert len(luck(replace(CHOSEN, luck=CHOSEN.luck[1:])).words) == 1, "no null oracle, no share"


def test_an_expectation_that_is_only_reported_counts_for_nothing() -> None:
    table = expectations(CHOSEN)

    assert [row[3] for row in table.rows] == ["yes", "no", "-"]
    assert table.words[0].endswith("1 of 2 hold.")


def test_the_choice_leads_and_the_highest_on_test_says_that_it_favours_itself() -> None:
    outcome = text(CHOSEN).splitlines()[1]

    assert outcome == (
        "Policy chosen on held-out train: top-2. Macro nDCG@10 on seen collections: top-2 0.4900, base 0.4000 (+9.0 "
        "points), all domains 0.4500 (+4.0 points); it closes 90 % [65, 115] of the gap from base to dataset oracle. "
        "Macro nDCG@10 on unseen collections: top-2 0.4100, base 0.4000 (+1.0 points), all domains 0.4000 (+1.0 "
        "points). Macro nDCG@10 on seen collections: argmax 0.4900, base 0.4000 (+9.0 points), all domains 0.4500 "
        "(+4.0 points); it closes 90 % [70, 110] of the gap from base to dataset oracle. Picked as the highest of 2 "
        "routers on these very queries, which favours it."
    )


@pytest.mark.parametrize("title", ["Policies: chosen on held-out train", "How much of the instance", "Expected direc"])
def test_every_form_of_the_report_has_the_tables_if_they_have_rows(title: str) -> None:
    for form in (text, markdown, html):
        assert title in form(CHOSEN)
        assert title not in form(BARE)


def test_plain_values_keep_what_was_chosen() -> None:
    told = to_json(CHOSEN)

    assert told["chosen"] == "top-2"
    assert told["policies"][1]["strangers"] is None
    assert told["luck"][0]["seen_gain"] == 0.01
    assert [one["holds"] for one in told["expectations"]] == [True, False, None]
