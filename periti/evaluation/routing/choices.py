"""Tables of what was chosen without test queries, of what is luck, and of what was expected."""

from __future__ import annotations

from periti.evaluation.routing.cells import NOTHING, Table, number, percent
from periti.evaluation.routing.results import RoutingStudy


def policies(study: RoutingStudy) -> Table:
    """A row a router and policy: what held-out train promised, what test gave, and what it costs."""
    rows = [
        (
            one.name,
            *(number(value) for value in (one.home, one.strangers, one.promise, one.seen, one.unseen)),
            number(one.cost, 2),
            number(one.asked, 2),
        )
        for one in study.policies
    ]
    head = ("system", "train, at home", "train, strangers", "train", "seen", "unseen", "cost", "experts asked")
    best = frozenset((row, 3) for row, one in enumerate(study.policies) if one.name == study.chosen)
    rule = (
        f"Macro means of {study.measure}. Train: held-out queries, scored by routers that were fitted without them; at "
        "home the router knows their collection, as strangers it knows neither their collection nor its expert. The "
        "mean of both (bold) chooses, since a panel meets both and can not tell them apart; test chose nothing."
    )
    notes = (f"{one.name}: {one.note}" for one in study.policies if one.note)
    return Table("Policies: chosen on held-out train", head, tuple(rows), 1, best, (rule, *notes) if rows else ())


def luck(study: RoutingStudy) -> Table:
    """A row an oracle: what it reaches, and what it gains over chance."""
    rows = [
        (
            one.name,
            one.among,
            number(one.seen),
            number(one.unseen),
            number(one.seen_gain, sign=True),
            number(one.unseen_gain, sign=True),
        )
        for one in study.luck
    ]
    head = ("oracle", "chooses among", "seen", "unseen", "gain, seen", "gain, unseen")
    rule = (
        "Gain: over an expert by chance among the same. The null oracle says how much of the instance oracle is luck: "
        "copies of one expert leave nothing to choose, so what it gains is the maximum's alone; compare it with the "
        "instance oracle of as many experts. The cross-fitted oracle chooses by other evidence than it is valued by, "
        "so that luck does not count; halves are of the relevant documents, of queries that have two or more."
    )
    return Table(
        "How much of the instance oracle is luck", head, tuple(rows), 2, words=(rule, *_share(study)) if rows else ()
    )


def _share(study: RoutingStudy) -> tuple[str, ...]:
    """How much of the instance oracle's gain the null oracle has; () where there is no null oracle."""
    gains: dict[str, float | None] = {}
    for one in study.luck:
        gains.setdefault(one.name, one.seen_gain)
    null, instance = gains.get("null oracle"), gains.get("instance oracle")
    if null is None or not instance:
        return ()
    return (f"On seen collections luck is {percent(null / instance)} % of the instance oracle's gain, of as many.",)


def expectations(study: RoutingStudy) -> Table:
    """A row a stated direction, and whether it holds."""
    answers = {True: "yes", False: "no", None: NOTHING}
    rows = [(one.about, one.claim, one.found, answers[one.holds]) for one in study.expectations]
    held = [one.holds for one in study.expectations if one.holds is not None]
    rule = (
        "Directions that the literature or simulations of it lead to expect, looked at on test queries; nothing was "
        f"chosen by them. {sum(held)} of {len(held)} hold."
    )
    return Table("Expected directions", ("method", "expected", "found", "holds"), tuple(rows), 4, words=(rule,))
