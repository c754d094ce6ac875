"""The page: what it says, that it is whole by itself, and that names stay names."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest

from periti.errors import InputError
from periti.evaluation.reports import Provenance, html
from periti.evaluation.reports.markup import Html, element, safe
from periti.evaluation.significance import Design, Evidence, Scores, compare
from tests.evaluation.significance.toy import table, toy

NASTY = "<script>alert(\"1\")</script> $\\frac{1}$ & 'x' </svg>"
STUDY = compare([toy()], Design(bootstrap=200, margin=0.05))
WHO = Provenance(command="periti compare --seed 1", digests={"a.run": "ab" * 32}, versions={"periti": "0"})


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def many(count: int, topics: int = 12) -> Scores:
    rng = np.random.default_rng(3)
    return table(**{f"s{n:03}": np.clip(rng.random(topics) + n / count, 0, 2) for n in range(count)})


def text_of(source: str) -> str:
    return " ".join(" ".join(Page(source).words).split())


def rows(source: str) -> list[str]:
    return [text_of(row) for row in re.findall(r"<tr>.*?</tr>", source, re.DOTALL)]


def test_the_same_study_gives_the_same_bytes() -> None:
    again = compare([toy()], Design(bootstrap=200, margin=0.05))
    assert html(STUDY, provenance=WHO) == html(again, provenance=WHO)


def test_means_carry_the_numbers_of_the_systems_that_are_significantly_worse() -> None:
    found = rows(html(STUDY))
    assert found[1] == "1 A 0.4037 3 0.1375 1-2 a"
    assert found[3].startswith("3 C 0.3088 ")


def test_the_footer_has_everything_that_makes_numbers_comparable() -> None:
    said = text_of(html(STUDY, provenance=WHO))
    for words in (
        "paired t-test on the mean difference",
        "family all pairs, of each measure by itself: 3 comparisons",
        "Holm step-down",
        "topics AP on scores: n = 8",
        "seed 1",
        f"scores sha256 {STUDY.tables[0].scores.digest}",
        f"input a.run sha256 {'ab' * 32}",
        "versions periti 0",
        "command periti compare --seed 1",
    ):
        assert words in said


def test_tie_rule_and_denominator_are_told_where_they_are_known() -> None:
    one = replace(STUDY.tables[0], rules={"n": "8", "ties": "by document id", "denominator": "every judged query"})
    said = text_of(html(replace(STUDY, tables=(one,))))
    assert "ties by document id" in said
    assert "denominator every judged query" in said


def test_warnings_stand_at_the_top_in_words() -> None:
    said = text_of(html(STUDY))
    assert said.index("8 topics are few") < said.index("8 topics, 3 systems")


def test_nothing_is_loaded_and_nothing_runs() -> None:
    source = html(STUDY)
    page = Page(source)
    assert not {"script", "img", "iframe", "image"} & {tag for tag, _ in page.tags}
    addresses = [value for _, held in page.tags for name, value in held.items() if name in ("src", "href")]
    assert all((value or "").startswith(("#", "data:,")) for value in addresses)
    assert "http://" not in source.replace("http://www.w3.org", "")
    assert "https://" not in source
    assert "url(http" not in source


def test_names_that_are_markup_mathematics_or_other_scripts_stay_names() -> None:
    names = [NASTY, "漢字 run", "a\x00b", "é" * 300]
    scores = table(**dict(zip(names, np.random.default_rng(1).random((4, 9)), strict=True)))
    source = html(compare([scores], Design(bootstrap=0)), heading=NASTY, provenance=Provenance(command=NASTY))
    page = Page(source)
    assert "script" not in {tag for tag, _ in page.tags}
    assert unescape(" ".join(page.words)).count(NASTY) >= 3
    assert "漢字 run" in source
    assert "é" * 300 in source
    assert "\x00" not in source


def test_long_names_that_look_alike_when_shortened_carry_their_numbers_in_pictures() -> None:
    alike = [f"bm25_k1=0.9_b=0.4_terms={n}_reranked_by_monot5" for n in (1, 2)]
    scores = table(**dict(zip([*alike, "z"], np.random.default_rng(1).random((3, 9)), strict=True)))
    study = compare([scores], Design(bootstrap=0))
    (picture,) = re.findall(r"<svg[^>]*Differences with intervals.*?</svg>", html(study), re.DOTALL)
    numbers = {standing.system: n for n, standing in enumerate(study.tables[0].standings, 1)}
    for name in alike:
        assert f"{numbers[name]}: bm25_k1=0.9_…ed_by_monot5" in picture


def test_ids_of_several_pictures_do_not_collide() -> None:
    tables = [toy(), replace(toy(), measure="nDCG@10")]
    page = Page(html(compare(tables, Design(bootstrap=0))))
    ids = [held["id"] for _, held in page.tags if "id" in held]
    assert len(ids) == len(set(ids))
    known = {f"#{one}" for one in ids}
    assert all(held["href"] in known for tag, held in page.tags if tag in ("use", "a"))


def test_every_colour_of_a_picture_is_the_pages() -> None:
    source = html(STUDY)
    pictures = "".join(re.findall(r"<svg.*?</svg>", source, re.DOTALL))
    assert "#" not in re.sub(r"url\(#|href=\"#", "", pictures)
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", pictures))
    style = source[source.index("<style>") : source.index("</style>")]
    assert len(used) > 5
    # Light, dark and paper each define every colour.
    assert all(style.count(f"--{name}:") == 3 for name in used - {"on-p"})


def test_a_baseline_shows_arrows_and_no_map_of_pairs() -> None:
    study = compare([toy()], Design(baseline="C", bootstrap=0))
    source = html(study)
    assert rows(source)[1].startswith("1 A 0.4037 ▲")
    assert "Baseline: C." in text_of(source)
    assert "All pairs" not in source


def test_many_systems_are_excerpted_and_the_page_says_so() -> None:
    study = compare([many(60)], Design(bootstrap=0, test="hsd"))
    source = html(study)
    said = text_of(source)
    assert "45 of 1,770 comparisons: the best mean with the next 45" in said
    assert "117 of 1,770 comparisons: those with the best mean, and those of neighbours" in said
    assert len(source) < 700_000


def test_two_systems_and_two_collections_have_their_sections() -> None:
    rng = np.random.default_rng(1)
    tables = [replace(table(x=rng.random(9), y=rng.random(9)), collection=name) for name in ("one", "two")]
    said = text_of(html(compare(tables, Design(bootstrap=0))))
    assert "AP on one" in said
    assert "AP on two" in said
    assert "AP over collections" in said
    assert "Nemenyi: 1 pairs" in said


def test_identical_and_constant_systems_are_drawn_too() -> None:
    scores = table(x=[0.5] * 6, y=[0.5] * 6, z=[0.7] * 6)
    found = rows(html(compare([scores], Design(bootstrap=0))))
    assert found[1].startswith("1 z 0.7000 2,3 ")
    assert any(row.startswith("x − y +0.0000") for row in found)


def test_the_users_matplotlib_settings_are_neither_used_nor_changed() -> None:
    plain = html(STUDY, provenance=WHO)
    with mpl.rc_context({"font.size": 30, "axes.grid": True}):
        before = dict(mpl.rcParams)
        assert html(STUDY, provenance=WHO) == plain
        assert dict(mpl.rcParams) == before


CURVES = pl.DataFrame(
    {"budget": [0.1, 0.2, 0.1, 0.2], "method": ["depth", "depth", "$mtf$", "$mtf$"], "value": [0.5, 0.6, 0.7, 0.8]}
)


def test_adjudication_curves_are_drawn_and_told_in_numbers() -> None:
    source = html(STUDY, curves=CURVES.with_columns(quantity=pl.lit("tau"), low=pl.col("value") - 0.1, high=0.9))
    assert "depth 0.5000 0.6000" in rows(source)
    assert "tau by the budget of judgements" in text_of(source)
    assert "$mtf$" in source


@pytest.mark.parametrize(
    ("curves", "said"),
    [
        (CURVES.drop("value"), "found budget, method"),
        (CURVES.clear(), "need rows"),
        (CURVES.with_columns(value=pl.lit(None, pl.Float64)), "lack a budget, method or value"),
    ],
)
def test_curves_without_a_column_a_row_or_a_value_are_refused(curves: pl.DataFrame, said: str) -> None:
    with pytest.raises(InputError, match=said):
        html(STUDY, curves=curves)


def test_places_seeds_judgements_and_missing_topics_have_columns() -> None:
    scores = replace(toy(), seeds={"A": ("A1", "A2")}, absent={"C": 2})
    source = html(compare([scores], Design(bootstrap=0), Evidence(judged={"A": 1.0, "B": 0.5})))
    assert rows(source)[0] == "# system mean sd place groups judged@10 seeds missing"
    assert rows(source)[1].endswith("1.000 2 0")


def test_plain_strings_are_escaped_and_html_is_not() -> None:
    assert safe("<b>") == "&lt;b&gt;"
    assert element("p", "<", Html("<i>x</i>"), class_='"') == '<p class="&quot;">&lt;<i>x</i></p>'
