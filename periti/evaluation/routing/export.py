"""A routing study as plain values: nothing rounded, null for what is not defined."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from numbers import Integral, Real
from typing import Any

from periti.evaluation.routing.results import RoutingStudy, StudiedSystem
from periti.evaluation.routing.tables import front, macro
from periti.evaluation.significance.results import Study
from periti.evaluation.significance.text import as_json

BY_TOPIC = ("query_ids", "scores")
"""Members of a comparison's table that grow with its topics."""


def to_json(study: RoutingStudy, *, by_topic: bool = False) -> dict[str, Any]:
    """The whole study as dictionaries, lists, strings, booleans, finite numbers and None.

    Args:
        study: what was measured.
        by_topic: whether comparisons carry every system's score of every topic; their digest is there anyway.
    """
    told = {
        "measure": study.measure,
        "seeds": study.seeds,
        "experts": study.experts,
        "collections": [
            {"name": one.name, "domain": one.domain, "home": one.home, "seen": one.seen, "queries": one.queries}
            for one in study.collections
        ],
        "systems": [_system(study, one) for one in study.systems],
        "front": front(study),
        "comparisons": {name: _comparison(one, by_topic=by_topic) for name, one in study.studies.items()},
        "points": {name: study.points[name].to_list() for name in study.points.columns},
        "stability": study.stability,
        "seconds": study.seconds,
        "facts": study.facts,
        "chosen": study.chosen,
        "policies": [asdict(one) for one in study.policies],
        "luck": [asdict(one) for one in study.luck],
        "expectations": [asdict(one) for one in study.expectations],
    }
    plain: dict[str, Any] = _plain(told)
    return plain


def _system(study: RoutingStudy, one: StudiedSystem) -> dict[str, Any]:
    """One system with its macro means."""
    gap = None if one.gap is None else dict(zip(("value", "low", "high"), one.gap, strict=True))
    return {
        "name": one.name,
        "kind": one.kind,
        "values": one.values,
        "macro": {
            "seen": macro(study, one, seen=True),
            "unseen": macro(study, one, seen=False),
            "all": macro(study, one),
        },
        "gap": gap,
        "regret": one.regret,
        "cost": one.cost,
        "shares": one.shares,
        "note": one.note,
    }


def _comparison(one: Study, *, by_topic: bool) -> dict[str, Any]:
    """One corrected comparison, as `periti compare --json` has it."""
    told: dict[str, Any] = json.loads(as_json(one))
    if not by_topic:
        for table in told["tables"]:
            for name in BY_TOPIC:
                del table[name]
    return told


def _plain(value: Any) -> Any:
    """The value with Python's own types, whatever library counted, and None for numbers that JSON does not have."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value]
