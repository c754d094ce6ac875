"""Which experts of a panel a workload asks: the profile of its queries, stored for the working set (PreMoe)."""

from __future__ import annotations

from pathlib import Path

from periti.panels.held_out import router_of, seen_by_router
from periti.panels.panel import Panel
from periti.retrievers.diagnosis.workload import WorkloadProfile, read_profiles, write_profiles
from periti.retrievers.policies.fixed import Argmax
from periti.retrievers.routing.table import UtilityTable
from periti.types import Queries


def profile_of(panel: Panel, table: UtilityTable, queries: Queries, name: str) -> WorkloadProfile:
    """How the queries of a workload would be routed, and what its mean router scores look like.

    Raises:
        InputError: there are no queries.
    """
    scorer = router_of(panel)(table)
    scores = scorer.scores(seen_by_router(panel, queries.texts), queries.texts)
    plan = Argmax.open(Argmax.Options()).select(queries, scorer.experts, scores)
    return WorkloadProfile.of_plan(name, scorer.experts, plan, scores)


def store(profile: WorkloadProfile, path: Path) -> tuple[WorkloadProfile, ...]:
    """Add a profile to a file, in place of one of its name; all that the file holds then.

    Raises:
        FormatError: the file is there and holds something else.
        StorageError: it can not be written.
    """
    others = read_profiles(path) if path.exists() else ()
    kept = (*(one for one in others if one.name != profile.name), profile)
    write_profiles(path, kept)
    return kept
