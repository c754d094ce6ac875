"""The page of a routing study: whole by itself, well-formed, its pictures true to the numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest

from periti.evaluation.reports import Provenance
from periti.evaluation.reports import routing_figures as figures
from periti.evaluation.routing.page import html
from periti.evaluation.routing.results import POINTS, RoutingStudy
from tests.evaluation.reports.test_page import NASTY, Page, rows, text_of
from tests.evaluation.routing.small import BARE, HOSTILE, LONG, STUDY, renamed

WHO = Provenance(command="periti router evaluate small.toml", digests={"a.run": "ab" * 32}, versions={"periti": "0"})
VOID = {"meta", "link", "br"}


class Nested(HTMLParser):
    """Refuses an end tag that does not close the element that was opened last."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """`<use />` opens nothing."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def pictures(source: str) -> dict[str, str]:
    found = re.findall(r"<svg.*?</svg>", source, re.DOTALL)
    return {ET.fromstring(one).attrib["aria-label"]: one for one in found}


def words(picture: str) -> list[str]:
    return [one.text or "" for one in ET.fromstring(picture).iter("text")]


PAGES = [STUDY, BARE, renamed(*HOSTILE), renamed(NASTY, "漢字", "a\x00b"), replace(BARE, systems=(), collections=())]


@pytest.mark.parametrize("study", PAGES)
def test_a_page_is_well_formed_and_loads_and_runs_nothing(study: RoutingStudy) -> None:
    source = html(study, provenance=WHO)
    Nested(source)
    page = Page(source)
    assert not {"script", "img", "iframe", "image"} & {tag for tag, _ in page.tags}
    addresses = [value for _, held in page.tags for name, value in held.items() if name in ("src", "href")]
    assert all((value or "").startswith(("#", "data:,")) for value in addresses)
    assert "http://" not in source.replace("http://www.w3.org", "")
    assert "https://" not in source
    assert "url(http" not in source
    assert "\x00" not in source


@pytest.mark.parametrize("study", PAGES)
def test_ids_do_not_collide_and_every_link_leads_somewhere(study: RoutingStudy) -> None:
    page = Page(html(study))
    ids = [held["id"] for _, held in page.tags if "id" in held]
    assert len(ids) == len(set(ids))
    known = {f"#{one}" for one in ids}
    assert all(held["href"] in known for tag, held in page.tags if tag in ("use", "a"))


def test_the_same_study_gives_the_same_bytes_whatever_the_users_settings() -> None:
    plain = html(STUDY, provenance=WHO)
    with mpl.rc_context({"font.size": 30, "axes.grid": True}):
        assert html(replace(STUDY), provenance=WHO) == plain


def test_every_colour_of_a_picture_is_the_pages() -> None:
    source = html(STUDY)
    drawn = "".join(pictures(source).values())
    assert "#" not in re.sub(r"url\(#|href=\"#", "", drawn)
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", drawn))
    style = source[source.index("<style>") : source.index("</style>")]
    assert {"ink", "soft", "p1", "c0", "c1", "c2"} <= used
    assert all(style.count(f"--{name}:") == 3 for name in used)


def test_the_tables_tell_the_numbers_and_the_best_is_bold() -> None:
    source = html(STUDY)
    found = rows(source)
    assert "5 argmax router 0.4900 0.4000 0.4600 90 % [70, 110] 0.0200 1.02" in found
    assert "news - 25.0 25.0 50.0" in found
    assert "law: router base - argmax -0.1500 0.0156 * [-0.1947, -0.1053] 0/0/8" in found
    assert "route 0.200 2.0 %" in found
    assert "<b>0.4633</b>" in source
    assert "<b>0.4700</b>" not in source


def test_the_footer_and_the_head_say_where_the_numbers_come_from() -> None:
    said = text_of(html(STUDY, heading="Panel of two", provenance=WHO))
    assert said.startswith("Panel of two")
    for line in ("table tie rate 12 %", "versions periti 0", f"a.run sha256 {'ab' * 32}", f"command {WHO.command}"):
        assert line in said


def test_every_picture_is_there_once() -> None:
    assert list(pictures(html(STUDY))) == [
        "Share of the gap between base and dataset oracle that is closed",
        "Mean nDCG@10 by cost",
        "Queries in the plane, by the expert asked",
        "Share of queries by collection and expert, argmax",
        "Share of queries by collection and expert, top-2",
    ]


def test_what_there_is_not_is_said() -> None:
    said = text_of(html(BARE))
    assert "No query vectors were kept, so there is no map" in said
    assert "Nothing was compared by a test." in said
    assert "no routing matrix" in text_of(html(replace(BARE, systems=STUDY.systems[:1])))


def test_hostile_names_stay_names_in_tables_and_pictures() -> None:
    source = html(renamed(*HOSTILE), heading=NASTY)
    page = Page(source)
    assert "script" not in {tag for tag, _ in page.tags}
    assert LONG in " ".join(page.words)
    inside = [word for one in pictures(source).values() for word in words(one)]
    for name in ("<b>bold</b>", "$x_1$", "a name that …n to its end"):
        assert any(name in word for word in inside), name


def test_names_that_begin_with_an_underscore_have_their_place_in_the_key() -> None:
    source = html(renamed("_law", "_lex", "_argmax"))
    inside = [word.strip() for word in words(pictures(source)["Queries in the plane, by the expert asked"])]
    assert {"_law", "_lex", "med", "base", "news (unseen)"} <= set(inside)


def test_names_that_look_alike_when_shortened_carry_their_place() -> None:
    alike = [f"centroids, cosine, k={k}, ties own, mean, argmax" for k in (1, 2)]
    assert [word[:2] for word in figures.labels(alike).values()] == ["1:", "2:"]
    assert figures.labels(["a", "b"]) == {"a": "a", "b": "b"}


def test_the_matrix_writes_percent_and_frames_experts_at_home() -> None:
    picture = figures.routing_matrix(STUDY, STUDY.systems[4])
    numbers = [word for word in words(picture) if word.isdigit()]
    assert numbers == ["90", "10", "0", "0", "100", "0", "25", "25", "50"]
    assert len(re.findall(r"fill: none; stroke: var\(--ink\)", picture)) == 2


def test_the_gap_has_the_papers_line_and_every_share_written() -> None:
    inside = words(figures.gap_bars(STUDY))
    assert {"paper 62 %", "base", "dataset oracle", "90 % [70, 110]", "25 % [-10, 60]"} <= set(inside)


def test_a_gap_as_wide_as_the_sky_is_cut_and_the_page_says_so() -> None:
    wide = replace(STUDY.systems[4], gap=(0.9, -40.0, 70.0))
    study = replace(STUDY, systems=(*STUDY.systems[:4], wide))
    said = text_of(html(study))
    assert "The axis is cut" in said
    assert "90 % [-4000, 7000]" in said
    assert "The axis is cut" not in text_of(html(STUDY))
    assert "4000 %" not in words(figures.gap_bars(study))


def test_cost_and_quality_name_every_system_but_oracles_and_the_front() -> None:
    source = html(STUDY)
    inside = [word.strip() for word in words(figures.cost_quality(STUDY))]
    assert inside.count("5  argmax") == 1
    assert not any("oracle" in word for word in inside)
    assert "cost or less: all domains; argmax; top-2." in text_of(source)


def test_a_map_has_a_shape_a_collection_a_colour_an_expert_and_each_query_once() -> None:
    picture = figures.query_map(STUDY)
    # Three queries, and one in the key for each of three experts and three collections.
    assert len(re.findall(r"<use ", picture)) == 3 + 3 + 3
    inside = [word.strip() for word in words(picture)]
    assert sorted(inside) == sorted(
        ["expert asked", "lex", "med", "base", "collection", "law", "medicine", "news (unseen)"]
    )


def test_many_queries_are_thinned_within_each_collection_and_the_page_says_so() -> None:
    rng = np.random.default_rng(1)
    names = ["law"] * 9_000 + ["medicine"] * 990 + ["news"] * 10
    points = pl.DataFrame({"x": rng.random(10_000), "y": rng.random(10_000), "collection": names, "expert": "lex"})
    counts = dict(figures.mapped(points)["collection"].value_counts().iter_rows())
    assert counts == {"law": 3600, "medicine": 396, "news": 4}
    assert "4,000 of 10,000 queries are drawn" in text_of(html(replace(STUDY, points=points)))


def test_queries_without_a_place_are_left_out_and_counted() -> None:
    points = pl.concat([STUDY.points, pl.DataFrame([(np.nan, 1.0, "law", "lex")], schema=POINTS, orient="row")])
    assert "3 of 4 queries are drawn" in text_of(html(replace(STUDY, points=points)))


def test_many_experts_and_collections_are_drawn_and_the_page_says_what_comes_again() -> None:
    names = [f"c{place:02}" for place in range(30)]
    experts = tuple(f"an expert with a long name {place:02}" for place in range(20))
    points = pl.DataFrame({"x": np.arange(30.0), "y": np.arange(30.0), "collection": names, "expert": experts[0]})
    shares = {name: {experts[0]: 0.5, experts[19]: 0.5} for name in names}
    study = replace(
        BARE,
        collections=tuple(replace(BARE.collections[0], name=name, home="") for name in names),
        systems=tuple(replace(one, values=dict.fromkeys(names, 0.5), shares=shares) for one in BARE.systems),
        experts=experts,
        points=points,
    )
    said = text_of(html(study))
    assert "Shapes come again after 24 collections, colours after 8 experts." in said


def test_long_lists_of_comparisons_are_folded() -> None:
    assert '<details open class="comparisons">' in html(STUDY)
    many = replace(STUDY, studies={f"{place}": STUDY.studies["law: router"] for place in range(23)})
    assert '<details class="comparisons">' in html(many)
