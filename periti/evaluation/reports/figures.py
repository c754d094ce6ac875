"""Pictures of a comparison as SVG elements: the only module that knows Matplotlib.

The same study gives the same bytes: no dates, fixed ids, Matplotlib's own defaults whatever the user's are. Text stays
text, colours are the page's (`palette`), and the names of systems are never read as mathematics.
"""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from periti.evaluation.reports.markup import printable
from periti.evaluation.reports.palette import STAND_IN, inline
from periti.evaluation.reports.provenance import title
from periti.evaluation.significance.results import Comparison, ComparisonTable, Study
from periti.evaluation.significance.text import p_text

WIDTH = 9.4
"""Of every picture, in inches of 96 pixels."""
NAME = 26
"""Characters of a name that a picture has room for; the table has all of them."""
NAMED = 45
"""Systems that a heat map names; more are numbered."""
NUMBERED = 14
"""Systems whose cells a heat map has room to write in."""
TICKED = 8
"""Budgets up to which the axis names each of them."""

INK, SOFT, RULE = STAND_IN["ink"], STAND_IN["soft"], STAND_IN["rule"]
_MARKERS = "osD^vPX*"
_DASHES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


def forest(study: Study, table: ComparisonTable, comparisons: Sequence[Comparison]) -> str:
    """Differences with their intervals, one row a comparison; filled where significant after correction."""

    def draw(figure: Any) -> None:
        axes = named_rows(figure, _pairs(table, comparisons))
        margin = study.design.margin
        if margin is not None:
            axes.axvspan(-margin, margin, color=STAND_IN["band"], linewidth=0)
        axes.axvline(0, color=SOFT, linewidth=1)
        for place, one in enumerate(comparisons):
            interval = one.interval("bca") or one.interval("t")
            if interval is not None:
                axes.plot(
                    [interval.low, interval.high], [place, place], color=INK, linewidth=1.4, solid_capstyle="butt"
                )
            face = INK if one.significant else STAND_IN["ground"]
            axes.plot(one.difference, place, "o", markersize=5.5, markerfacecolor=face, markeredgecolor=INK)
            told = f"{one.difference:+.4f}   p {p_text(one.adjusted)}"
            write(axes, 1.01, place, told, transform=axes.get_yaxis_transform())
        axes.set_xlabel(f"difference in {table.measure}", parse_math=False)

    return svg(draw, rows_height(len(comparisons)), f"Differences with intervals, {title(table)}")


def outcomes(table: ComparisonTable, comparisons: Sequence[Comparison]) -> str:
    """Topics won, tied and lost, one bar a comparison."""

    def draw(figure: Any) -> None:
        axes = named_rows(figure, _pairs(table, comparisons))
        for place, one in enumerate(comparisons):
            start = 0
            for role, count in (("win", one.wins), ("tie", one.ties), ("lose", one.losses)):
                axes.barh(place, count, left=start, height=0.72, color=STAND_IN[role], linewidth=0)
                start += count
            told = f"{one.wins} / {one.ties} / {one.losses}"
            write(axes, 1.01, place, told, transform=axes.get_yaxis_transform())
        axes.axvline(table.topics / 2, color=INK, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.set_xlim(0, table.topics)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("topics: won by the first / tied / won by the second")

    return svg(draw, rows_height(len(comparisons)), f"Topics won, tied and lost, {title(table)}")


def topics(table: ComparisonTable, comparisons: Sequence[Comparison]) -> str:
    """The difference on every topic, sorted, one panel a comparison; the extreme topics are named."""
    columns = 1 if len(comparisons) == 1 else 2
    lines = -(-len(comparisons) // columns)

    def draw(figure: Any) -> None:
        for place, (one, name) in enumerate(zip(comparisons, _pairs(table, comparisons), strict=True)):
            axes = figure.add_subplot(lines, columns, place + 1)
            plain(axes)
            _bars(axes, table, one)
            axes.set_title(name, parse_math=False, fontsize=9, color=INK, loc="left")
        figure.subplots_adjust(left=0.0, right=1.15, hspace=0.5, wspace=0.13)

    return svg(draw, 2.1 * lines, f"Differences topic by topic, {title(table)}")


def _bars(axes: Any, table: ComparisonTable, one: Comparison) -> None:
    """One panel of `topics`."""
    differences = table.differences(one)
    # Equal differences keep the order of topics, so that the picture does not depend on the sort.
    order = np.argsort(-differences, kind="stable")
    heights = differences[order]
    colours = [STAND_IN["win"] if height > 0 else STAND_IN["lose"] for height in heights]
    axes.bar(np.arange(len(heights)), heights, width=0.8, color=colours, linewidth=0)
    axes.axhline(0, color=SOFT, linewidth=0.8)
    axes.axhline(one.difference, color=INK, linewidth=0.8, linestyle=(0, (3, 3)))
    axes.set_xticks([])
    axes.margins(x=0.02, y=0.18)
    last = len(heights) - 1
    if heights[0] > 0:
        write(axes, 0, heights[0], f" {short(table.scores.query_ids[order[0]])}", va="bottom", fontsize=7.5)
    if heights[last] < 0:
        name = f"{short(table.scores.query_ids[order[last]])} "
        write(axes, last, heights[last], name, va="top", ha="right", fontsize=7.5)


def heat_map(study: Study, table: ComparisonTable) -> str:
    """The corrected p of all pairs, better systems first; p and differences are written in where there is room."""
    names = [standing.system for standing in table.standings]
    count = len(names)
    levels = _levels(study.design.alpha)
    grid = np.full((count, count), -1)
    number = {name: place for place, name in enumerate(names)}
    for one in table.comparisons:
        i, j = sorted((number[one.a], number[one.b]))
        grid[i, j] = grid[j, i] = sum(one.adjusted > level for level in levels)

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        for level in range(len(levels) + 1):
            axes.add_patch(_cells(grid == level, STAND_IN[f"p{level}"]))
        axes.set(xlim=(0, count), ylim=(count, 0), aspect="equal")
        axes.set_frame_on(False)
        _name_cells(axes, names)
        if count <= NUMBERED:
            _fill_cells(axes, table, number)
        _key(axes, levels)

    return svg(
        draw,
        min(WIDTH * (0.7 if count <= NAMED else 0.85), 1.2 + 0.55 * count),
        f"Corrected p of all pairs, {title(table)}",
    )


def _levels(alpha: float) -> tuple[float, float, float, float]:
    """Upper ends of the colours of p: three at or below alpha, then twice alpha; the last colour is above."""
    return (alpha / 50, alpha / 5, alpha, 2 * alpha)


def _cells(chosen: np.ndarray[Any, np.dtype[np.bool_]], colour: str) -> Any:
    """The chosen cells as one path; neighbours in a row are drawn as one, or a hundred systems make megabytes."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners: list[tuple[float, float]] = []
    codes: list[Any] = []
    # Cells touch each other where they are many: gaps would be wider than they are.
    gap = 0.03 if len(chosen) <= NAMED else 0.0
    for row, cells in enumerate(chosen):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], cells.astype(np.int8), [0]))))
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            steps = [(at, at + 1) for at in range(start, end)] if gap else [(start, end)]
            for left, right in steps:
                x, y, to, down = left + gap, row + gap, right - gap, row + 1 - gap
                corners += [(x, y), (to, y), (to, down), (x, down), (x, y)]
                codes += [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    shape = Path(np.array(corners).reshape(-1, 2), codes) if corners else Path(np.empty((0, 2)))
    return PathPatch(shape, facecolor=colour, linewidth=0, antialiased=bool(gap))


def _name_cells(axes: Any, names: Sequence[str]) -> None:
    """Names and numbers at the sides; only every fifth or tenth number of many systems."""
    count = len(names)
    if count <= NAMED:
        size = 8.5 if count <= 25 else 6.5
        places = np.arange(count) + 0.5
        left = [f"{short(name)}  {place}" for place, name in enumerate(names, 1)]
        axes.set_yticks(places, left, parse_math=False, fontsize=size)
        axes.set_xticks(places, range(1, count + 1), fontsize=size)
    else:
        step = 5 if count <= 100 else 10
        shown = [1, *range(step, count + 1, step)]
        axes.set_yticks(np.array(shown) - 0.5, shown, fontsize=8)
        axes.set_xticks(np.array(shown) - 0.5, shown, fontsize=8)
    axes.tick_params(length=0, colors=INK, labeltop=True, labelbottom=False)


def _fill_cells(axes: Any, table: ComparisonTable, number: dict[str, int]) -> None:
    """Write the corrected p below the diagonal and the difference above it."""
    for one in table.comparisons:
        i, j = sorted((number[one.a], number[one.b]))
        colour = STAND_IN["on-p"] if one.significant else INK
        write(axes, i + 0.5, j + 0.5, p_text(one.adjusted), ha="center", color=colour, fontsize=7)
        write(axes, j + 0.5, i + 0.5, f"{abs(one.difference):.4f}", ha="center", color=colour, fontsize=7)


def _key(axes: Any, levels: Sequence[float]) -> None:
    """What the colours mean."""
    from matplotlib.patches import Patch

    words = [f"p ≤ {level:.3g}" for level in levels] + [f"p > {levels[-1]:.3g}"]
    patches = [Patch(facecolor=STAND_IN[f"p{place}"], linewidth=0, label=word) for place, word in enumerate(words)]
    axes.legend(
        handles=patches, loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, labelcolor=INK, fontsize=9,
        title="corrected p", alignment="left",
    ).get_title().set(color=INK, fontsize=9)  # fmt: skip


def curves(frame: pl.DataFrame, quantity: str) -> str:
    """Value by budget, a line a method; a band from `low` to `high` where the frame has them.

    Args:
        frame: columns budget, method, value, and if known low and high.
        quantity: what the value is.
    """
    by_method = {str(name): part.sort("budget") for (name,), part in frame.group_by("method", maintain_order=True)}
    # The key is read from top to bottom as the lines end.
    order = sorted(by_method, key=lambda name: (-float(by_method[name]["value"][-1]), name))
    colour = {name: place for place, name in enumerate(sorted(by_method))}

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        plain(axes)
        axes.grid(axis="y", color=RULE, linewidth=0.8)
        budgets = frame["budget"].unique().sort().to_numpy()
        for name in order:
            _curve(axes, name, by_method[name], colour[name])
            if {"low", "high"} <= set(frame.columns):
                _spread(axes, by_method[name], colour[name], _aside(budgets, colour[name], len(colour)))
        if len(budgets) <= TICKED:
            axes.set_xticks(budgets, [f"{budget:g}" for budget in budgets])
        axes.set_xlabel("budget")
        axes.set_ylabel(quantity, parse_math=False)
        key = axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, labelcolor=INK, fontsize=9)
        for line in key.get_texts():
            line.set_parse_math(False)
        figure.subplots_adjust(left=0.05, right=0.82)

    return svg(draw, 4.4, quantity)


def _curve(axes: Any, name: str, part: pl.DataFrame, number: int) -> None:
    """One method's line, told apart by colour, dash and marker."""
    colour = STAND_IN[f"c{number % 8}"]
    budgets = part["budget"].to_numpy()
    axes.plot(
        budgets, part["value"].to_numpy(), color=colour, linestyle=_DASHES[number // 8 % len(_DASHES)], linewidth=1.6,
        marker=_MARKERS[(number + 3 * (number // 8)) % 8], markersize=4.5, label=" " + short(name),
    )  # fmt: skip


def _spread(axes: Any, part: pl.DataFrame, number: int, aside: float) -> None:
    """One method's intervals, a little beside its points so that those of several methods do not hide each other."""
    known = part.drop_nulls(["low", "high"])
    if known.height:
        places = known["budget"].to_numpy() + aside
        ends = known["low"].to_numpy(), known["high"].to_numpy()
        axes.vlines(places, *ends, color=STAND_IN[f"c{number % 8}"], linewidth=1, alpha=0.7)


def _aside(budgets: np.ndarray[Any, np.dtype[Any]], number: int, count: int) -> float:
    """How far beside its point a method's interval stands: all of them span a part of the narrowest step."""
    step = float(np.diff(budgets).min()) if len(budgets) > 1 else float(budgets[0])
    return 0.4 * step * (number - (count - 1) / 2.0) / max(count, 1)


def named_rows(figure: Any, names: Sequence[str]) -> Any:
    """Axes with one named row a comparison, the first on top."""
    axes = figure.add_subplot()
    plain(axes)
    axes.set_yticks(range(len(names)), names, parse_math=False, fontsize=8.5)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def plain(axes: Any) -> None:
    """Only the lines that are needed, in the page's colours."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(SOFT)
    axes.tick_params(color=SOFT, labelcolor=SOFT, labelsize=8.5)
    axes.xaxis.label.set(color=SOFT, fontsize=9)
    axes.yaxis.label.set(color=SOFT, fontsize=9)


def write(axes: Any, x: float, y: float, words: str, **how: Any) -> None:
    """Put words on a picture; they are not measured when the picture is laid out."""
    how = {"va": "center", "fontsize": 8, "color": SOFT, "parse_math": False, "clip_on": False} | how
    axes.text(x, y, words, **how)


def _pairs(table: ComparisonTable, comparisons: Sequence[Comparison]) -> list[str]:
    """Names of comparisons; systems that look alike when shortened carry their numbers in the table of systems."""
    shown = {standing.system: short(standing.system) for standing in table.standings}
    seen = Counter(shown.values())
    told = {
        system: name if seen[name] == 1 else f"{number}: {name}"
        for number, (system, name) in enumerate(shown.items(), 1)
    }
    return [f"{told[one.a]} − {told[one.b]}" for one in comparisons]


def short(name: str) -> str:
    """A name with its middle left out if it is long, on one line, without control characters."""
    clean = " ".join(printable(name).split("\n"))
    half = (NAME - 1) // 2
    return clean if len(clean) <= NAME else f"{clean[:half]}…{clean[-half:]}"


def rows_height(rows: int) -> float:
    """Inches of a picture with so many rows."""
    return 0.75 + 0.235 * max(rows, 2)


def svg(draw: Callable[[Any], None], height: float, shows: str) -> str:
    """A drawing as an SVG element for a page; Matplotlib's settings are as before afterwards."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.style import context

    fixed = {"svg.fonttype": "none", "svg.hashsalt": "periti", "svg.id": None, "font.family": "DejaVu Sans"}
    known = {name: value for name, value in fixed.items() if name in mpl.rcParams}
    written = io.StringIO()
    with context(["default", known]), warnings.catch_warnings():
        # The page's reader has the characters that the typeface we measure with lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(WIDTH, height))
        draw(figure)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(
            written, format="svg", bbox_inches="tight", pad_inches=0.05, transparent=True, metadata=nothing
        )  # fmt: skip
    return inline(written.getvalue(), printable(shows))
