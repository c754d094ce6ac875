"""What `periti router`'s diagnoses print for people, of the same facts as their JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Told = Mapping[str, Any]


def drift_text(told: Told) -> str:
    """One line a window, the alarm, one paragraph an expert that is called for."""
    return "\n".join(_drift(told))


def _drift(told: Told) -> Iterator[str]:
    yield f"{told['queries']} queries, against {told['reference']} that the router knows"
    yield "  queries         mean       z   level"
    first = 1
    for one in told["windows"]:
        mark = "  alarm" if one["drifted"] else ""
        yield f"  {first:>5} - {one['step']:<5} {one['mean']:+7.2f} {one['z']:+7.1f} {one['level']:7.2f}{mark}"
        first = one["step"] + 1
    alarm = told["alarm"]
    if alarm is None:
        yield "no alarm"
        return
    yield f"alarm at query {alarm['step']}, the drift began about query {alarm['since']}; {told['drifting']} are unlike"
    for number, one in enumerate(told["experts"], 1):
        yield (
            f"expert {number} that is missing: {one['size']} queries, nearest expert {one['nearest_expert']} (pilot "
            f"similarity {one['similarity']:.3f}); {', '.join(one['terms'])}"
        )
        yield from (f"    {medoid['query_id']}: {medoid['text']}" for medoid in one["medoids"])
    if not told["experts"]:
        yield "no cluster of 10 or more of them: wait for more queries"


def portfolio_text(told: Told) -> str:
    """Who is kept, who is not, and what the rest of the queries say."""
    chosen = told["portfolio"]
    labels = ", ".join(f"{name} {count}" for name, count in told["labels"].items())
    lines = [f"labelled queries: {labels}; {told['measure']} of the base {told['base']:.4f}"]
    lines += [f"  keep {one['expert']:<16} {one['reason']}" for one in chosen["picks"]]
    lines += [f"  drop {one['expert']:<16} {one['reason']}" for one in chosen["rejections"]]
    lines.append(f"mean best utility of the kept and the base: {chosen['utility']:.4f}")
    if told["rest"]:
        lines.append(
            f"on {told['rest']} other held-out queries: base {told['rest_base']:.4f}, best of the kept "
            f"{told['rest_chosen']:.4f}, best of all experts {told['rest_all']:.4f}"
        )
    return "\n".join(lines)


def merge_text(told: Told) -> str:
    """Who was merged with which weights, utilities before and after, bytes."""
    lines = []
    for one in told["groups"]:
        weights = ", ".join(f"{name} {weight:.3f}" for name, weight in one["weights"].items())
        more = f"; likeness {one['likeness']:.3f}, rank keeps {one['kept']:.1%}" if len(one["weights"]) > 1 else ""
        lines.append(f"{one['name']}: {weights}{more}")
    lines.append(f"routed {told['measure']} on held-out train queries  base  before   after")
    lines += [
        f"  {one['name']:<20} {one['base']:.4f}  {one['before']:.4f}  {one['after']:.4f}" for one in told["collections"]
    ]
    means = [
        sum(one[key] for one in told["collections"]) / len(told["collections"]) for key in ("base", "before", "after")
    ]
    lines.append(f"  {'macro':<20} " + "  ".join(f"{mean:.4f}" for mean in means))
    before, after = (size / 1e6 for size in told["bytes"])
    lines.append(f"adapters {before:.2f} MB before, {after:.2f} MB after; written to {told['folder']}")
    return "\n".join(lines)


def assign_text(told: Told) -> str:
    """Who serves each collection, with what it and its neighbours in the table reach."""
    lines = [f"{told['measure']} on held-out train queries      served    base    home    best"]
    for one in told["served"]:
        base, home = (_number(one[key]) for key in ("base", "at_home"))
        lines.append(
            f"  {one['collection']:<20} {one['expert']:<16} {one['utility']:.4f}  {base}  {home}  {one['best']:.4f}"
        )
    lines.append(
        f"experts that serve: {', '.join(told['experts'])}; mean {told['value']:.4f}, greedy {told['greedy']:.4f}"
    )
    lines.append(
        f"across halves (one chose, the other judged): {told['across']:.4f}, base {_number(told['base_across'])}"
    )
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "   -  " if value is None else f"{value:.4f}"


def archive_text(told: Told) -> str:
    """What every cell holds."""
    edges = ", ".join(f"{edge:g}" for edge in told["edges"])
    lines = [f"{told['offered']} offers, {told['entered']} entered; cost in {told['unit']}, cells parted at {edges}"]
    for one in told["elites"]:
        best = " *" if told["fronts"][one["domain"]][-1] == one["expert"] else ""
        cell = f"cell {one['cell']}  {one['utility']:.4f}  at {one['cost']:.2f}"
        lines.append(f"  {one['domain']:<20} {cell}  {one['expert']}{best}")
    return "\n".join(lines)


def workload_text(told: Told) -> str:
    """How the queries would be routed, and what covers them."""
    lines = [f"workload {told['name']!r}: {told['queries']} queries"]
    scores = told["scores"] or [float("nan")] * len(told["experts"])
    rows = sorted(zip(told["usage"], told["experts"], scores, strict=True), reverse=True)
    lines += [f"  {share:6.1%}  {name:<16} mean score {score:+.4f}" for share, name, score in rows]
    lines.append(
        f"95 % of them ask {', '.join(told['covering'])}; stored in {told['file']} ({', '.join(told['workloads'])})"
    )
    return "\n".join(lines)
