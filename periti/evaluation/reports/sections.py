"""The parts of a page: one section a table of scores, one for collections together, one for adjudication."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from periti.errors import InputError
from periti.evaluation.reports import figures
from periti.evaluation.reports.excerpt import drawn, listed
from periti.evaluation.reports.markup import Html, element, join, table
from periti.evaluation.reports.provenance import title
from periti.evaluation.significance.friedman import OverCollections
from periti.evaluation.significance.results import Comparison, ComparisonTable, Study
from periti.evaluation.significance.superscripts import groups, legend, superscripts
from periti.evaluation.significance.text import p_text, topics_text

DECIMALS = 4
PANELS = 6
"""Comparisons whose topics are drawn one by one."""
OPEN = 45
"""Comparisons up to which their table is unfolded."""
CURVES = {"budget", "method", "value"}
"""Columns that a frame of adjudication curves must have; quantity, low and high are read too."""


def systems(study: Study, one: ComparisonTable) -> Html:
    """Means with superscripts, places and tied groups."""
    beside = superscripts(one)
    standings = one.standings
    pairs = standings[0].best is not None
    judged = any(s.judged is not None for s in standings)
    seeds = any(s.seeds for s in standings)
    absent = any(s.absent for s in standings)
    head = ["#", "system", "mean", "sd"] + ["place", "groups"] * pairs
    head += ["judged@10"] * judged + ["seeds"] * seeds + ["missing"] * absent
    rows = []
    for number, s in enumerate(standings, 1):
        mean = join([f"{s.mean:.{DECIMALS}f}", element("sup", beside[s.system])])
        row = [str(number), s.system, mean, f"{s.deviation:.{DECIMALS}f}"] + [s.place, groups(s.groups)] * pairs
        row += ["-" if s.judged is None else f"{s.judged:.3f}"] * judged
        row += [str(max(1, len(s.seeds)))] * seeds + [str(s.absent)] * absent
        rows.append(row)
    words = [legend(one)]
    if pairs:
        words.append(
            "Place: the ranks that the tests allow. Systems that share a letter are in a tied group and are not set "
            "apart; of three letters and more the first and the last are named."
        )
    if study.design.baseline is not None:
        words.append(f"Baseline: {study.design.baseline}.")
    shown = element("div", table(head, rows, names=2), class_="systems")
    return join([shown, element("p", " ".join(words), class_="soft")])


def comparisons(study: Study, one: ComparisonTable) -> Html:
    """The table of comparisons, folded away if it is long."""
    excerpt = listed(one)
    design = study.design
    level = f"{100 * (1 - design.alpha):g} %"
    head = ["comparison", "difference", f"t {level}"] + [f"BCa {level}"] * bool(design.bootstrap)
    head += ["p"] if design.simultaneous else ["p", "p corrected"]
    head += ["d_z", "g", "won/tied/lost", "detectable", "topics for 80 %"]
    head += ["TOST p"] * (design.margin is not None)
    head += [f"p {name}" for name in (one.comparisons[0].other_p if one.comparisons else ())] + ["note"]
    rows = (_comparison_row(c, study) for c in excerpt.comparisons)
    shown = element(
        "details", element("summary", f"Comparisons: {excerpt.sentence}"), table(head, rows), class_="comparisons"
    )
    if len(excerpt.comparisons) <= OPEN:
        shown = Html(shown.replace("<details ", "<details open ", 1))
    words = (
        "* significant after correction. Intervals hold for each comparison by itself. Detectable: the least "
        "difference that this many topics find with 80 % power at alpha, before correction. Topics for 80 %: topics "
        "that would find the observed effect."
    )
    return join([shown, element("p", words, class_="soft")])


def _comparison_row(one: Comparison, study: Study) -> list[str]:
    def span(method: str) -> str:
        interval = one.interval(method)
        if interval is None:
            return "-"
        # Two lines: a table with both intervals fits a sheet of paper.
        return Html(f"[{interval.low:+.{DECIMALS}f},<br>{interval.high:+.{DECIMALS}f}]")

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    design = study.design
    row = [f"{one.a} − {one.b}", f"{one.difference:+.{DECIMALS}f}", span("t")]
    row += [span("bca")] * bool(design.bootstrap)
    row += [] if design.simultaneous else [p_text(one.p)]
    row += [p_text(one.adjusted) + ("*" if one.significant else "\u2007"), number(one.effect.d_z)]
    row += [number(one.effect.hedges)]
    row += [f"{one.wins}/{one.ties}/{one.losses}", f"{one.detectable:.{DECIMALS}f}", topics_text(one.topics_needed)]
    if one.equivalence is not None:
        row.append(p_text(one.equivalence.adjusted) + (" =" if one.equivalence.equivalent else ""))
    row += [p_text(p) for p in one.other_p.values()]
    notes = [element("span", caution.kind, title=caution.sentence) for caution in one.cautions]
    return [*row, Html(", ".join(notes))]


def pictures(study: Study, one: ComparisonTable) -> Html:
    """Forest plot, outcomes, topics and heat map."""
    excerpt = drawn(one)
    chosen = excerpt.comparisons
    panels = chosen[:PANELS]
    interval = "BCa" if study.design.bootstrap else "t"
    margin = "" if study.design.margin is None else f" The band is the margin of equivalence, {study.design.margin:g}."
    parts = [
        element("h3", "Differences with intervals"),
        _figure(
            figures.forest(study, one, chosen),
            f"{excerpt.sentence} Lines: {interval} intervals, {100 * (1 - study.design.alpha):g} %, each by itself. "
            f"Filled: significant after correction.{margin} At the right the difference and the corrected p.",
        ),
        element("h3", "Topics won, tied and lost"),
        _figure(
            figures.outcomes(one, chosen),
            f"{excerpt.sentence} Blue: the first system is better; grey: equal; orange: the second is better. The "
            f"dashed line is half of the {one.topics} topics.",
        ),
        _figure(
            figures.topics(one, panels),
            f"Every topic's difference, sorted{_of(panels, one.comparisons)}. The dashed line is the mean; the extreme "
            "topics are named.",
        ),
    ]
    if one.standings[0].best is not None and len(one.standings) > 2:
        room = len(one.standings) <= figures.NUMBERED
        parts += [
            element("h3", "All pairs"),
            _figure(
                figures.heat_map(study, one),
                "Corrected p of every pair; systems are numbered as in the table above, best mean first. Blue pairs "
                f"differ significantly at {study.design.alpha:g}."
                + (" Below the diagonal the corrected p, above it the difference of means." if room else ""),
            ),
        ]
    return join(parts)


def _of(shown: Sequence[Comparison], everything: Sequence[Comparison]) -> str:
    return "" if len(shown) == len(everything) else f", of the first {len(shown)} comparisons"


def _figure(svg: str, caption: str) -> Html:
    return element("figure", Html(svg), element("figcaption", caption))


def headline(study: Study, one: ComparisonTable) -> str:
    """What the table comes to, in a sentence or two."""
    best = one.standings[0]
    found = sum(c.significant for c in one.comparisons)
    kind = "pairs" if study.design.baseline is None else "comparisons with the baseline"
    said = (
        f"{one.topics} topics, {len(one.standings)} systems. Best mean: {best.system} ({best.mean:.{DECIMALS}f}). "
        f"{found:,} of {len(one.comparisons):,} {kind} differ significantly at {study.design.alpha:g}."
    )
    if best.worst is not None and best.worst > 1:
        said += f" The tests do not set the best apart from all others: its place is {best.place}."
    return said


def over_collections(over: OverCollections) -> Html:
    """Friedman's test and Nemenyi's comparisons."""
    words = (
        f"Each of the {len(over.collections)} collections is one observation. Friedman chi-square "
        f"{over.chi_square:.3f}, p {p_text(over.p)}; Iman-Davenport F {over.f:.3f}, p {p_text(over.f_p)}; Nemenyi "
        f"critical difference of mean ranks {over.critical_difference:.3f} at alpha {over.alpha:g}."
    )
    ranks = [[system, f"{rank:.3f}"] for system, rank in zip(over.systems, over.mean_ranks, strict=True)]
    pairs = [[f"{a} − {b}", p_text(p), "*" * (p <= over.alpha)] for (a, b), p in over.pairs.items()]
    return element(
        "section",
        element("h2", f"{over.measure} over collections"),
        element("p", words),
        table(["system", "mean rank"], ranks),
        element("details", element("summary", f"Nemenyi: {len(pairs)} pairs"), table(["pair", "p", ""], pairs)),
    )


def adjudication(frame: pl.DataFrame) -> Html:
    """Curves of value by budget, one picture a quantity, with the numbers below.

    Raises:
        InputError: a column is missing, there is no row, or a value is missing.
    """
    absent = CURVES - set(frame.columns)
    if absent or frame.is_empty():
        found = ", ".join(frame.columns) or "none"
        raise InputError(f"adjudication curves need rows with columns budget, method and value; found {found}")
    if frame.select(*sorted(CURVES)).null_count().sum_horizontal().item():
        raise InputError("adjudication curves lack a budget, method or value in some row; leave such rows out")
    if "quantity" not in frame.columns:
        frame = frame.with_columns(pl.lit("value").alias("quantity"))
    parts: list[str] = [element("h2", "Cheap judgements", id="adjudication")]
    for (quantity,), part in frame.group_by("quantity", maintain_order=True):
        caption = f"{quantity} by the budget of judgements, a line a method"
        known = {"low", "high"} <= set(part.columns) and part["low"].is_not_null().any()
        spread = "; upright lines beside the points from low to high." if known else "."
        parts.append(_figure(figures.curves(part, str(quantity)), caption + spread))
        parts.append(_curve_table(part, str(quantity)))
    return element("section", *parts)


def _curve_table(part: pl.DataFrame, quantity: str) -> Html:
    """The numbers of a picture of curves: a row a method, a column a budget."""
    budgets = part["budget"].unique().sort().to_list()
    cells = {(m, b): v for m, b, v in part.select("method", "budget", "value").iter_rows()}
    methods = part["method"].unique(maintain_order=True).to_list()
    rows = [[str(m), *(f"{cells[m, b]:.{DECIMALS}f}" if (m, b) in cells else "-" for b in budgets)] for m in methods]
    return element("details", element("summary", f"Numbers: {quantity}"), table(["method", *map(str, budgets)], rows))


def section(study: Study, one: ComparisonTable, number: int) -> Html:
    """Everything about one table."""
    return element(
        "section",
        element("h2", title(one), id=f"table-{number}"),
        element("p", headline(study, one)),
        systems(study, one),
        pictures(study, one),
        comparisons(study, one),
    )
