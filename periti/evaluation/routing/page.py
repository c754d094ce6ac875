"""A routing study as one HTML page: tables and pictures, no script, no network, light and dark."""

from __future__ import annotations

import math
from collections.abc import Mapping

from periti.evaluation.reports import routing_figures as figures
from periti.evaluation.reports.markup import Html, element, join
from periti.evaluation.reports.markup import table as html_table
from periti.evaluation.reports.page import whole
from periti.evaluation.reports.provenance import Provenance
from periti.evaluation.routing.cells import Table
from periti.evaluation.routing.choices import expectations, luck, policies
from periti.evaluation.routing.results import RoutingStudy, StudiedSystem
from periti.evaluation.routing.tables import (
    best_router,
    by_collection,
    collections,
    front,
    headline,
    lead,
    matrix,
    overall,
    routed,
    seconds,
    significance,
    stability,
)

OPEN = 45
"""Comparisons up to which their table is unfolded."""
LOOKS = 24
"""Collections that a map's shapes tell apart; experts have 8 colours."""


def html(study: RoutingStudy, *, heading: str = "Routed panel of experts", provenance: Provenance | None = None) -> str:
    """A page that is whole by itself; the same study and provenance give the same bytes.

    Args:
        study: what was measured.
        heading: of the page.
        provenance: command, digests and versions for the footer; the versions of now if absent.
    """
    sections = {"Systems": _over(study), "Collections": _by_collection(study), "Who is asked": _asked(study)}
    chosen = [shown(one) for one in (policies(study), luck(study), expectations(study)) if one.rows]
    if chosen:
        sections["Policies and luck"] = chosen
    steady = [shown(one) for one in (stability(study), seconds(study)) if one.rows]
    if steady:
        sections["Stability and time"] = steady
    sections["Significance"] = [_significance(significance(study))]
    ids = {name: name.lower().replace(" ", "-") for name in sections}
    links = (element("li", element("a", name, href=f"#{at}")) for name, at in ids.items())
    words = headline(study)
    body = [
        element(
            "header",
            element("h1", heading),
            element("p", lead(study), class_="soft"),
            *([element("p", words)] if words else []),
            element("nav", element("ul", *links)),
        ),
        element(
            "main",
            *(element("section", element("h2", name, id=ids[name]), *parts) for name, parts in sections.items()),
        ),
        _footer(study.facts, provenance or Provenance()),
    ]
    return whole(heading, body)


def shown(one: Table) -> Html:
    """A table under its title, the best cells bold, with its sentences below."""
    rows = [
        [element("b", cell) if (number, place) in one.best else cell for place, cell in enumerate(row)]
        for number, row in enumerate(one.rows)
    ]
    parts = [html_table(one.head, rows, names=one.names)]
    if one.words:
        parts.append(element("ul", *(element("li", line) for line in one.words), class_="soft"))
    return join([element("h3", one.title), *parts])


def _over(study: RoutingStudy) -> list[Html]:
    """Means over collections, the gap, the cost."""
    # The class is that of a table whose first column counts.
    parts = [element("div", shown(overall(study)), class_="systems")]
    if any(one.gap is not None and math.isfinite(one.gap[0]) for one in study.systems):
        words = (
            "Share of the way from the base (0 %) to the dataset oracle (100 %), with 95 % bootstrap intervals; the "
            "dashed line is what the paper's router closes."
        )
        words += " The axis is cut; the numbers at the right are whole." * figures.cut(study)
        parts += [element("h3", "Gap closed"), _figure(figures.gap_bars(study), words)]
    if figures.priced(study):
        best = front(study)
        words = (
            f"Macro mean of all collections by cost, without the oracles. The dashed line is the front, systems that "
            f"no other equals at their cost or less: {'; '.join(best) or 'none'}."
        )
        parts += [element("h3", "Cost and quality"), _figure(figures.cost_quality(study), words)]
    return parts


def _by_collection(study: RoutingStudy) -> list[Html]:
    """Every collection's means, then what the collections are."""
    best = element("p", "Bold: the best of a column, oracles apart.", class_="soft")
    return [*(shown(one) for one in by_collection(study)), best, shown(collections(study))]


def _asked(study: RoutingStudy) -> list[Html]:
    """Map of the queries and the routing matrices; that of the best router is unfolded."""
    parts = [_map(study)]
    systems = routed(study)
    if not systems:
        return [*parts, element("p", "No system says whom it asked, so there is no routing matrix.")]
    best = best_router(study)
    first = best if best in systems else systems[0]
    ordered = sorted(systems, key=lambda one: one is not first)
    return [*parts, *(_matrix(study, one, unfolded=one is first) for one in ordered)]


def _map(study: RoutingStudy) -> Html:
    """The map of queries, or why there is none."""
    drawn = figures.mapped(study.points)
    if drawn.is_empty():
        return element("p", "No query vectors were kept, so there is no map of the queries.")
    words = "Every mark is a query, its vector projected to the plane: neighbours are alike, far distances say little."
    if drawn.height < study.points.height:
        words += f" {drawn.height:,} of {study.points.height:,} queries are drawn, spread over every collection."
    if study.points["collection"].n_unique() > LOOKS or len({*study.experts, *study.points["expert"]}) > 8:
        words += f" Shapes come again after {LOOKS} collections, colours after 8 experts."
    return join([element("h3", "Map of the queries"), _figure(figures.query_map(study), words)])


def _matrix(study: RoutingStudy, system: StudiedSystem, *, unfolded: bool) -> Html:
    """A routing matrix as a picture, with its numbers folded away."""
    numbers = matrix(study, system)
    words = "Share of each collection's queries in %; framed: the expert was trained on that collection's train part."
    picture = _figure(figures.routing_matrix(study, system), words)
    cells = html_table(numbers.head, numbers.rows, names=numbers.names)
    inside = join([picture, element("details", element("summary", "Numbers"), cells)])
    if unfolded:
        return join([element("h3", numbers.title), inside])
    return element("details", element("summary", numbers.title), inside)


def _significance(one: Table) -> Html:
    """The table of differences, folded away if it is long; it is headed by what came out."""
    if not one.rows:
        return element("p", "Nothing was compared by a test.")
    rows = html_table(one.head, one.rows, names=one.names)
    folded = element("details", element("summary", f"{len(one.rows)} comparisons"), rows, class_="comparisons")
    if len(one.rows) <= OPEN:
        folded = Html(folded.replace("<details ", "<details open ", 1))
    words = element("ul", *(element("li", line) for line in one.words), class_="soft")
    return join([words, folded])


def _figure(svg: str, caption: str) -> Html:
    return element("figure", Html(svg), element("figcaption", caption))


def _footer(facts: Mapping[str, str], provenance: Provenance) -> Html:
    """What the study knows of itself, then command, digests and versions."""
    lines: list[Html] = []
    for name, words in {**facts, **provenance.sentences}.items():
        code = name == "command" or words.startswith("sha256 ")
        lines += [element("dt", name), element("dd", words, class_="code" if code else "")]
    return element("footer", element("h2", "How these numbers came about"), element("dl", *lines))
