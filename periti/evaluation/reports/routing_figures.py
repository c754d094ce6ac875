"""Pictures of a routing study as SVG elements, drawn with the tools of `figures`.

Shapes tell apart what colours do, so nothing is lost to a reader who sees few of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from periti.evaluation.reports.figures import named_rows, plain, rows_height, short, svg, write
from periti.evaluation.reports.palette import STAND_IN
from periti.evaluation.routing.cells import number
from periti.evaluation.routing.results import KINDS, RoutingStudy, StudiedSystem
from periti.evaluation.routing.tables import PAPER_SHARE, columns, front, gap_text, macro

MAPPED = 4000
"""Queries a map shows; of more it shows these many, spread over every collection."""
WRITTEN = 16
"""Experts up to which a matrix has room to write the shares in."""
WIDEST = (-1.0, 2.0)
"""Shares of the gap beyond which an interval is cut: a gap near 0 makes them as wide as one likes."""

INK, SOFT, RULE = STAND_IN["ink"], STAND_IN["soft"], STAND_IN["rule"]
_SHAPES = "osD^vPX*<>pd"
_LOOK: Mapping[str, tuple[str, str]] = dict(
    zip(KINDS, (("c5", "P"), ("c2", "s"), ("c1", "D"), ("c0", "o"), ("soft", "*"), ("c6", "X")), strict=True)
)
"""Kind of system -> role of its colour, shape."""


def query_map(study: RoutingStudy) -> str:
    """Queries in the plane: the colour is the expert that was asked, the shape the collection."""
    points = mapped(study.points)
    asked = points["expert"].unique().to_list()
    # Those that no query went to stand in the key too: that nobody asks them is news.
    colours = _looks([*study.experts, *sorted(set(asked) - set(study.experts))])
    known = [one.name for one in study.collections]
    found = points["collection"].unique().to_list()
    shown = [*(name for name in known if name in found), *sorted(set(found) - set(known))]
    names = _collections(study, shown)
    shapes = {name: (_SHAPES[at % len(_SHAPES)], at // len(_SHAPES) % 2 == 1) for at, name in enumerate(shown)}

    def draw(figure: Any) -> None:
        axes = figure.add_axes((0.0, 0.0, 0.72, 1.0))
        axes.set(xticks=[], yticks=[])
        axes.set_frame_on(False)
        for (collection, expert), part in sorted(points.group_by("collection", "expert", maintain_order=True)):
            shape, hollow = shapes[collection]
            colour = STAND_IN[f"c{colours[expert]}"]
            axes.plot(
                part["x"].to_numpy(), part["y"].to_numpy(), shape, markersize=4.2, markeredgecolor=colour,
                markerfacecolor="none" if hollow else colour, markeredgewidth=0.8 if hollow else 0, alpha=0.75,
            )  # fmt: skip
        told = labels(colours)
        experts = [_mark(axes, "s", STAND_IN[f"c{at}"], told[name]) for name, at in colours.items()]
        collections = [_mark(axes, shapes[name][0], INK, names[name], hollow=shapes[name][1]) for name in shown]
        first = _key(axes, experts, "expert asked", 1.0)
        _key(axes, collections, "collection", 1.0 - (len(experts) + 2.2) * 0.18 / tall)
        axes.add_artist(first)

    tall = max(5.2, 0.18 * (len(colours) + len(shown) + 5))
    return svg(draw, tall, "Queries in the plane, by the expert asked")


def mapped(points: pl.DataFrame) -> pl.DataFrame:
    """The points that a map shows: those with a place, thinned evenly within each collection if they are many."""
    placed = points.filter(pl.col("x").is_finite() & pl.col("y").is_finite())
    if placed.height <= MAPPED:
        return placed
    parts = []
    for _, part in placed.group_by("collection", maintain_order=True):
        keep = max(1, part.height * MAPPED // placed.height)
        parts.append(part[[at * part.height // keep for at in range(keep)]])
    return pl.concat(parts)


def routing_matrix(study: RoutingStudy, system: StudiedSystem) -> str:
    """Share of every collection's queries that each expert got; framed where the expert is at home."""
    experts = columns(study, system)
    names = labels(experts)
    rows = [one for one in study.collections if one.name in system.shares]

    def draw(figure: Any) -> None:
        high = 0.3 * len(rows) / tall
        axes = figure.add_axes((0.0, 0.0, min(0.085 * len(experts), 0.75), high))
        axes.set(xlim=(0, len(experts)), ylim=(len(rows), 0))
        axes.set_frame_on(False)
        for row, one in enumerate(rows):
            for column, expert in enumerate(experts):
                share = float(system.shares[one.name].get(expert, 0.0))
                _cell(axes, row, column, share, home=expert == one.home)
                if len(experts) <= WRITTEN:
                    write(axes, column + 0.5, row + 0.5, number(100 * share, 0), ha="center", color=INK, fontsize=8)
        told = _collections(study, [one.name for one in rows])
        axes.set_yticks([at + 0.5 for at in range(len(rows))], told.values(), parse_math=False, fontsize=8.5)
        axes.set_xticks([at + 0.5 for at in range(len(experts))], names.values(), parse_math=False, fontsize=8.5)
        if max(map(len, names.values()), default=0) > 10:
            for label in axes.get_xticklabels():
                label.set(rotation=30, ha="left", rotation_mode="anchor")
        axes.tick_params(length=0, colors=INK, labeltop=True, labelbottom=False)

    tall = 1.0 + 0.3 * max(len(rows), 1)
    return svg(draw, tall, f"Share of queries by collection and expert, {system.name}")


def gap_bars(study: RoutingStudy) -> str:
    """Share of the gap between base and dataset oracle that each system closes, with its interval."""
    shown = [one for one in study.systems if one.gap is not None and math.isfinite(one.gap[0])]
    names = labels(one.name for one in study.systems)
    gaps = [one.gap for one in shown if one.gap is not None]
    ends = [0.0, 1.0, *(end for gap in gaps for end in gap if math.isfinite(end))]
    low, high = max(min(ends), WIDEST[0]), min(max(ends), WIDEST[1])
    pad = 0.03 * (high - low)

    def draw(figure: Any) -> None:
        axes = named_rows(figure, [names[one.name] for one in shown])
        for at, (one, gap) in enumerate(zip(shown, gaps, strict=True)):
            value, *span = gap
            axes.barh(at, value, height=0.66, color=STAND_IN[_LOOK[one.kind][0]], alpha=0.75, linewidth=0)
            if all(map(math.isfinite, span)):
                axes.plot(span, [at, at], color=INK, linewidth=1.3, marker="|", markersize=6)
            write(axes, 1.01, at, gap_text(gap), transform=axes.get_yaxis_transform())
        axes.axvline(0, color=SOFT, linewidth=1)
        axes.axvline(1, color=SOFT, linewidth=1)
        axes.axvline(PAPER_SHARE, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xlim(low - pad, high + pad)
        above = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "bottom"}
        for at_x, word in ((0, "base"), (PAPER_SHARE, f"paper {100 * PAPER_SHARE:.0f} %"), (1, "dataset oracle")):
            write(axes, at_x, 1.01, word, **above)
        ticks = [tick for tick in axes.get_xticks() if low - pad <= tick <= high + pad]
        axes.set_xticks(ticks, [f"{100 * tick:.0f} %" for tick in ticks])
        axes.set_xlabel("share of the gap that is closed, macro mean of the seen collections")
        kinds = [kind for kind in KINDS if any(one.kind == kind for one in shown)]
        _key(axes, [_mark(axes, "s", STAND_IN[_LOOK[kind][0]], kind) for kind in kinds], "", 1.0, 1.17)

    return svg(draw, rows_height(len(shown)) + 0.2, "Share of the gap between base and dataset oracle that is closed")


def cut(study: RoutingStudy) -> bool:
    """Whether `gap_bars` leaves out the ends of an interval."""
    gaps = [gap for one in study.systems if (gap := one.gap) is not None]
    return any(math.isfinite(end) and not WIDEST[0] <= end <= WIDEST[1] for gap in gaps for end in gap)


def cost_quality(study: RoutingStudy) -> str:
    """Macro mean by cost, numbered as the systems are; the line joins those that none beats at their cost or less.

    Oracles are left out: they are no choice, and so far above that the others would lie on one line.
    """
    places = {one.name: at for at, one in enumerate(study.systems, 1)}
    quality = {one.name: macro(study, one) for one in study.systems}
    shown = list(priced(study))
    shown.sort(key=lambda one: (-quality[one.name], one.cost, places[one.name]))
    names = labels(one.name for one in study.systems)
    best = [study.system(name) for name in front(study)]

    def draw(figure: Any) -> None:
        axes = figure.add_axes((0.06, 0.0, 0.62, 1.0))
        plain(axes)
        axes.grid(axis="y", color=RULE, linewidth=0.8)
        # The last step goes on to the dearest system: all below the line is beaten.
        costs = [*(one.cost for one in best), *([max(one.cost for one in shown)] if best else [])]
        heights = [quality[one.name] for one in best]
        axes.plot(
            costs,
            [*heights, *heights[-1:]],
            color=INK,
            linewidth=1,
            linestyle=(0, (4, 3)),
            drawstyle="steps-post",
            zorder=1,
        )
        for one in shown:
            axes.plot(one.cost, quality[one.name], **_style(one.kind), zorder=2)
        axes.margins(x=0.08, y=0.08)
        axes.autoscale_view()
        _numbers(axes, [(one.cost, quality[one.name], str(places[one.name])) for one in shown], tall)
        axes.set_xlabel("query encodings a query")
        axes.set_ylabel(f"mean {study.measure} of all collections", parse_math=False)
        marks = []
        for one in shown:
            marks += axes.plot([], [], label=f" {places[one.name]}  {names[one.name]}", **_style(one.kind))
        _key(axes, marks, "systems, best first", 1.0)

    tall = max(4.2, 0.19 * (len(shown) + 2))
    return svg(draw, tall, f"Mean {study.measure} by cost")


def priced(study: RoutingStudy) -> tuple[StudiedSystem, ...]:
    """Systems that `cost_quality` shows."""
    known = (one for one in study.systems if math.isfinite(one.cost) and math.isfinite(macro(study, one)))
    return tuple(one for one in known if one.kind != "oracle")


def labels(names: Iterable[str]) -> dict[str, str]:
    """Name to what a picture has room for; names that look alike when shortened carry their place."""
    shown = {name: short(name) for name in names}
    seen = Counter(shown.values())
    return {name: word if seen[word] == 1 else f"{at}: {word}" for at, (name, word) in enumerate(shown.items(), 1)}


def _collections(study: RoutingStudy, names: Sequence[str]) -> dict[str, str]:
    """Collection to what a picture calls it, with a word if no expert has seen it."""
    unseen = {one.name for one in study.collections if not one.seen}
    return {name: word + " (unseen)" * (name in unseen) for name, word in labels(names).items()}


def _looks(names: Sequence[str]) -> dict[str, int]:
    """Name to the number of its colour; beyond eight they come again."""
    return {name: at % 8 for at, name in enumerate(names)}


def _style(kind: str) -> dict[str, Any]:
    """How a system is marked."""
    role, shape = _LOOK[kind]
    return {"marker": shape, "markersize": 6, "color": STAND_IN[role], "markeredgewidth": 0, "linestyle": "none"}


def _mark(axes: Any, shape: str, colour: str, name: str, *, hollow: bool = False) -> Any:
    """A mark for a key. The blank before the name keeps Matplotlib from dropping names that begin with _."""
    look = {"markerfacecolor": "none", "markeredgewidth": 0.8} if hollow else {"markeredgewidth": 0}
    (mark,) = axes.plot([], [], shape, markersize=6, color=colour, label=f" {name}", **look)
    return mark


def _key(axes: Any, marks: Sequence[Any], heading: str, top: float, left: float = 1.01) -> Any:
    """What marks mean, at the right of a picture from `top` down."""
    key = axes.legend(
        handles=list(marks), loc="upper left", bbox_to_anchor=(left, top), frameon=False, labelcolor=INK, fontsize=8.5,
        title=heading or None, alignment="left", handletextpad=0.2, borderpad=0, borderaxespad=0, labelspacing=0.35,
    )  # fmt: skip
    key.get_title().set(color=SOFT, fontsize=8.5)
    for word in key.get_texts():
        word.set_parse_math(False)
    return key


def _cell(axes: Any, row: int, column: int, share: float, *, home: bool) -> None:
    """A cell of a matrix. The colour stays pale enough for ink to be read on it, on light and dark paper."""
    where: dict[str, Any] = {"y": row + 0.5, "width": 0.94, "left": column + 0.03, "height": 0.92}
    axes.barh(**where, color=STAND_IN["p4"], linewidth=0)
    axes.barh(**where, color=STAND_IN["p1"], alpha=0.6 * min(max(share, 0.0), 1.0), linewidth=0)
    if home:
        axes.barh(**where, facecolor="none", edgecolor=INK, linewidth=1.2)


def _numbers(axes: Any, points: Sequence[tuple[float, float, str]], tall: float) -> None:
    """Numbers beside points, moved apart where several stand at about one cost, with a line back to the point."""
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    step, aside = 0.15 * (top - bottom) / tall, 0.018 * (right - left)
    clusters: list[list[tuple[float, float, str]]] = []
    for point in sorted(points):
        if clusters and point[0] - clusters[-1][-1][0] < 2 * aside:
            clusters[-1].append(point)
        else:
            clusters.append([point])
    for cluster in clusters:
        x = max(point[0] for point in cluster) + aside
        last = -math.inf
        for cost, value, name in sorted(cluster, key=lambda point: point[1]):
            y = max(value, last + step)
            last = y
            if y > value:
                axes.plot([cost, x], [value, y], color=SOFT, linewidth=0.5, zorder=1)
            write(axes, x, y, f" {name}", color=INK)
    axes.set(xlim=(left, right), ylim=(bottom, top))
