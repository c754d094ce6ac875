"""What a selection chose, as data and as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from periti.datasets.selection.blocks import Bad
from periti.datasets.selection.selector import Reason

SHOWN = 10


@dataclass(frozen=True)
class Amount:
    """Documents and their tokens."""

    documents: int = 0
    tokens: int = 0

    @property
    def mean(self) -> float:
        """Tokens a document; 0 of none."""
        return self.tokens / self.documents if self.documents else 0.0


@dataclass(frozen=True)
class Explained:
    """Why one document was chosen or not.

    Attributes:
        id: as asked for.
        fate: "chosen", "not chosen", or what it was taken out for.
        scores: by column.
        reasons: what its score rests on.
    """

    id: str
    fate: str
    scores: Mapping[str, float]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Report:
    """What was chosen of what.

    Attributes:
        selector: it, with its options.
        text: columns that were read as the text.
        budget: as asked for.
        seed: of what was drawn.
        pool: everything that could be read.
        removed: documents taken out, by reason, in the order of the stages; tests that took out none included.
        left: what could be chosen.
        chosen: what was.
        targets: documents that each target chose, where there are several.
        groups: pool and chosen documents of each group, where there are groups.
        kl_reduction: nats that the choice is nearer to each target than the pool is, by hashed n-grams.
        bad: what could not be read and was passed over.
        passed_over: files of the pool's folder that are no data.
        absent: collections that it could not be compared with, since their files are not there.
        dropped: columns of a pool of pairs that are not written, since training reads others only.
        explained: the document that was asked about.
        out: the file written.
    """

    selector: str
    text: tuple[str, ...]
    budget: str
    seed: int
    pool: Amount
    removed: Mapping[str, int]
    left: Amount
    chosen: Amount
    targets: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    kl_reduction: Mapping[str, float] = field(default_factory=dict)
    bad: tuple[Bad, ...] = ()
    passed_over: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    explained: Explained | None = None
    out: str = ""


def lines_of(report: Report) -> Iterator[str]:
    """The report as lines of text."""
    yield f"{report.out}: {report.chosen.documents:,} of {report.pool.documents:,} documents, {report.selector}"
    yield f"text: {' + '.join(report.text)}; budget {report.budget}; seed {report.seed}"
    for name, amount in (("pool", report.pool), ("left", report.left), ("chosen", report.chosen)):
        yield f"{name:8}{amount.documents:>12,} documents{amount.tokens:>15,} tokens{amount.mean:>9.1f} a document"
    yield from (f"removed {count:>12,} {reason}" for reason, count in report.removed.items() if count)
    if unseen := [reason for reason, count in report.removed.items() if not count]:
        yield f"removed nothing: {', '.join(unseen)}"
    if report.absent:
        yield f"not compared with {', '.join(report.absent)}: their files are not there"
    yield from (f"target  {count:>12,} {name}" for name, count in report.targets.items())
    yield from (
        f"group   {chosen:>12,} of {pool:,} {name or '(none)'}" for name, (pool, chosen) in report.groups.items()
    )
    yield from (f"KL reduction {value:.3f} nats towards {name}" for name, value in report.kl_reduction.items())
    if report.bad:
        files = sum(one.file for one in report.bad)
        yield f"passed over: {len(report.bad) - files:,} records and {files:,} files, or rests of files, that are bad"
        yield from (f"  {one.where}: {one.why}" for one in report.bad[:SHOWN])
        if len(report.bad) > SHOWN:
            yield f"  and {len(report.bad) - SHOWN:,} more, all of them in --json"
    if report.passed_over:
        yield f"no data by their names: {', '.join(report.passed_over)}"
    if report.dropped:
        yield f"columns not written, as training reads none of them: {', '.join(report.dropped)}"
    if report.explained is not None:
        yield from _explanation(report.explained)


def _explanation(explained: Explained) -> Iterator[str]:
    scores = ", ".join(f"{name} {score:.4g}" for name, score in explained.scores.items())
    yield f"{explained.id}: {explained.fate}; {scores}"
    yield from (f"  {reason.value:>+10.4f}  {reason.what}" for reason in explained.reasons)
