"""Which experts a workload uses, remembered (PreMoe's task patterns, from logs instead of calibration runs)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from periti.errors import FormatError, InputError
from periti.retrievers.diagnosis.arrays import Floats, between, distinct, matrix, vector
from periti.retrievers.diagnosis.records import read_record, write_record
from periti.retrievers.diagnosis.vitals import traffic
from periti.types import Plan

_KIND = "periti-workloads-1"


@dataclass(frozen=True)
class WorkloadProfile:
    """How a workload (a tenant, a corpus, an hour) uses a panel.

    Args:
        name: the workload.
        experts: the E experts of the panel.
        usage: (E,), share of its queries that each answered; sums to 1.
        scores: (E,), mean router scores of its queries, if known: what a new batch is compared with.

    Raises:
        InputError: names repeated, lengths that differ, a share that is negative, or a sum other than 1.
    """

    name: str
    experts: tuple[str, ...]
    usage: tuple[float, ...]
    scores: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        what = f"workload {self.name!r}"
        usage = vector(self.usage, f"{what}: usage", len(distinct(self.experts, what)))
        if usage.min() < 0 or abs(usage.sum() - 1) > 1e-6:
            raise InputError(f"{what}: usage is {self.usage}; give shares of 0 and more that sum to 1")
        if self.scores is not None:
            vector(self.scores, f"{what}: scores", len(self.experts))

    @classmethod
    def of_counts(cls, name: str, experts: Sequence[str], counts: ArrayLike, scores: ArrayLike | None = None) -> Self:
        """The profile of a log.

        Args:
            name: the workload.
            experts: the E experts.
            counts: (E,), queries that each answered.
            scores: (n, E), router scores of its queries, to be averaged; None if not kept.

        Raises:
            InputError: as the constructor, or no query at all.
        """
        used = vector(counts, f"workload {name!r}: counts", len(experts))
        if used.sum() <= 0:
            raise InputError(f"workload {name!r}: no query was answered; give a log with queries")
        means = None
        if scores is not None:
            means = matrix(scores, f"workload {name!r}: scores", columns=len(experts)).mean(axis=0)
        shares = used / used.sum()
        return cls(name, tuple(experts), tuple(shares.tolist()), None if means is None else tuple(means.tolist()))

    @classmethod
    def of_plan(cls, name: str, experts: Sequence[str], plan: Plan, scores: ArrayLike | None = None) -> Self:
        """The profile of a plan; a query asked of several experts counts by their weights.

        Raises:
            InputError: as `of_counts`.
            UnknownName: the plan names an expert outside the panel.
        """
        _, counts = traffic(plan, dict.fromkeys(plan.frame["query_id"].unique().to_list(), name), experts)
        return cls.of_counts(name, experts, counts.sum(axis=0), scores)

    def covering(self, coverage: float) -> tuple[str, ...]:
        """The fewest experts that answer at least this share of the queries, most used first.

        Raises:
            InputError: coverage outside [0, 1].
        """
        between(coverage, 0, 1, "coverage")
        order = np.argsort(-np.array(self.usage), kind="stable")
        covered = np.cumsum(np.array(self.usage)[order])
        # Shares sum to 1 up to rounding, which must not ask for an expert that nobody uses.
        needed = int(np.searchsorted(covered, coverage - 1e-9)) + 1 if coverage > 0 else 0
        return tuple(self.experts[expert] for expert in order[:needed] if self.usage[expert] > 0)


def nearest(profiles: Sequence[WorkloadProfile], experts: Sequence[str], mean_scores: ArrayLike) -> WorkloadProfile:
    """The stored workload most like a first batch of queries (PreMoe's retrieval of a task pattern).

    Likeness is the correlation of mean router scores with the profile's, or with its usage if it keeps no scores.
    PreMoe takes the L2 distance of raw logits, which a router of another temperature or offset would upset.

    Args:
        profiles: what is stored, of this panel; ties go to the first.
        experts: the E experts, the order of `mean_scores`.
        mean_scores: (E,), router scores averaged over the batch.

    Raises:
        InputError: no profile, one of another panel, or scores of another length or not finite.
    """
    batch = vector(mean_scores, "mean router scores", len(experts))
    if not profiles:
        raise InputError("no workload is stored; write the profile of a log first")
    likeness = []
    for profile in profiles:
        if set(profile.experts) != set(experts):
            raise InputError(
                f"workload {profile.name!r} is of experts {sorted(profile.experts)}, the panel has {sorted(experts)}; "
                "profile it again"
            )
        kept = dict(zip(profile.experts, profile.scores or profile.usage, strict=True))
        likeness.append(float(_standard(batch) @ _standard(np.array([kept[expert] for expert in experts]))))
    return profiles[int(np.argmax(likeness))]


def _standard(values: Floats) -> Floats:
    """Centred and of unit length; zeros if all values are equal."""
    centred = values - values.mean()
    norm = float(np.linalg.norm(centred))
    unit: Floats = centred / norm if norm > 1e-12 * max(1.0, float(np.abs(values).max())) else np.zeros_like(centred)
    return unit


def write_profiles(path: Path, profiles: Sequence[WorkloadProfile]) -> None:
    """Write profiles as JSON, one file for all workloads of a panel.

    Raises:
        InputError: two profiles of one name.
        StorageError: the file can not be written; what was there is whole.
    """
    distinct([profile.name for profile in profiles], "workloads")
    write_record(path, _KIND, {"workloads": [asdict(profile) for profile in profiles]})


def read_profiles(path: Path) -> tuple[WorkloadProfile, ...]:
    """The profiles written at `path`.

    Raises:
        FormatError: it is absent or holds something else.
    """
    content = read_record(path, _KIND)
    try:
        return tuple(
            WorkloadProfile(
                name=record["name"],
                experts=tuple(record["experts"]),
                usage=tuple(record["usage"]),
                scores=None if record["scores"] is None else tuple(record["scores"]),
            )
            for record in content["workloads"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path} holds a workload that can not be read ({error}); write it again") from error
