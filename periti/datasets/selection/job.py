"""One selection from pool to file: fit, score with all cores, sample, gather, in memory that stays flat.

Scores and what else is known of each row lie in numbered files under a work folder beside the output. A job that is
killed goes on from them, to the same bytes; the folder goes when the output is there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from periti.datasets.selection.chosen import check_ending, write_chosen
from periti.datasets.selection.decontamination import Decontamination
from periti.datasets.selection.dsir import ngram_counts, target_counts
from periti.datasets.selection.executors import BlockMap, here
from periti.datasets.selection.features import HashedNgrams
from periti.datasets.selection.gathering import Gathering, Written
from periti.datasets.selection.outcome import Outcome
from periti.datasets.selection.parts import WorkFolder
from periti.datasets.selection.pool import Pool
from periti.datasets.selection.report import Report
from periti.datasets.selection.sampler import Sampling, draw
from periti.datasets.selection.scoring import Scoring
from periti.datasets.selection.selector import Blocks, Scorer, Selector, Target
from periti.datasets.selection.smoothing import kl_reduction
from periti.datasets.selection.stages import Filter, Stage
from periti.datasets.writing import check_writable
from periti.errors import InputError
from periti.progress import Progress, Silent


@dataclass(frozen=True)
class Job:
    """What to select, from what, and how.

    Attributes:
        pool: the documents or pairs.
        selector: what values them.
        sampling: how much is drawn from the values, and the seed of everything. Its shares are filled in from the
            targets.
        targets: examples of what is wanted; may be empty where the selector needs none.
        filters: take out single texts, before anything is scored.
        stages: take out texts that are like others.
        decontamination: takes out what tests ask; None to switch that off.
        duplicates: whether exact duplicates are taken out.
        once: a column; of records with the same value there only the one of the best score may be chosen. "" for none.
        absent: collections that could not be compared with, for the report.
        written: which columns are written beside the pool's own.
        explain: id, or "#" and the row from 1, of a document to explain.
        kl: whether the report has the KL reduction of each target (one more pass over the pool).
    """

    pool: Pool
    selector: Selector
    sampling: Sampling
    targets: tuple[Target, ...] = ()
    filters: tuple[Filter, ...] = ()
    stages: tuple[Stage, ...] = ()
    decontamination: Decontamination | None = None
    duplicates: bool = True
    once: str = ""
    absent: tuple[str, ...] = ()
    written: Written = field(default_factory=Written)
    explain: str = ""
    kl: bool = False

    def __post_init__(self) -> None:
        if self.selector.needs_target and not self.targets:
            raise InputError("this selector needs a target; give examples of what is wanted")
        names = [target.name for target in self.targets]
        for target in self.targets:
            if not any(text.strip() for text in target.texts):
                raise InputError(f"target {target.name!r} has no text in it; give examples of what is wanted")
            if names.count(target.name) > 1:
                raise InputError(f"two targets are named {target.name!r}; give them different names")


def select(job: Job, out: Path, *, blocks: BlockMap = here, progress: Progress | None = None) -> Report:
    """Select, and write what was chosen.

    Args:
        job: what and how.
        out: Parquet or JSON lines (`.gz` or not), in the pool's order.
        blocks: who scores the blocks of the pool (`executors`).
        progress: told of each step.

    Raises:
        InputError: an empty pool, a target without a text, a budget above what may be chosen, an unknown group or id.
        FormatError: a record can not be read, and the pool's reader does not pass over such; another ending of `out`.
        StorageError: writing failed.
    """
    progress = progress or Silent()
    check_ending(out)
    check_writable(out)
    work = WorkFolder.beside(out, fingerprint(job))
    scoring = Scoring(job.pool.reader, fitted(job), job.filters, job.decontamination)
    if work.finished() and not _goes_on(work, scoring, job.pool):
        work.remove()
        work = WorkFolder.beside(out, fingerprint(job))
    parts = _score(job, scoring, work, blocks, progress)
    outcome = Outcome.of(work, parts, scoring)
    if not outcome.size:
        raise InputError("there is no document in the pool that can be read; give a pool with at least one")
    if job.duplicates:
        outcome.take_out_duplicates()
    for stage in job.stages:
        outcome.take_out_by(stage, job.pool.texts, job.sampling.seed)
    sampling = _shared(job, scoring.scorer)
    if job.once:
        outcome.take_out_surpassed(job.once, job.pool, together=sampling.shares is None)
    sample = draw(outcome.scored(), sampling)
    divergence = Divergence(job.targets, job.pool.texts) if job.kl and job.targets else None
    seen = None if divergence is None else divergence.see
    gathering = Gathering(job.pool, outcome, sample, job.written, job.explain, seen)
    write_chosen(gathering.records(), out, work.path, job.pool.files)
    report = _report(job, outcome, gathering, out)
    if divergence is not None:
        report = replace(report, kl_reduction=divergence.reductions())
    work.remove()
    return report


class Divergence:
    """KL reduction of a choice that is seen block by block (`dsir.kl_reductions`)."""

    def __init__(self, targets: Sequence[Target], pool: Blocks) -> None:
        self._targets, self._pool = targets, pool
        self._features = HashedNgrams()
        self._chosen = np.zeros(self._features.buckets, np.int64)

    def see(self, texts: Sequence[str]) -> None:
        """Count the n-grams of chosen texts."""
        self._chosen += ngram_counts([texts], self._features)

    def reductions(self) -> dict[str, float]:
        """In nats for each target."""
        wanted, raw = target_counts(self._targets, self._features), ngram_counts(self._pool(), self._features)
        named = zip(self._targets, wanted, strict=True)
        return {target.name: kl_reduction(own, raw, self._chosen) for target, own in named}


def fitted(job: Job) -> Scorer:
    """The selector's scorer for the job's pool and targets."""
    return job.selector.fit(job.pool.texts, job.targets, seed=job.sampling.seed)


def fingerprint(job: Job) -> dict[str, Any]:
    """Everything that scores depend on. Another budget or temperature may use the scores of a run that was cut off."""
    from periti import __version__

    pool, tests = job.pool, job.decontamination
    targets = json.dumps([[target.name, target.share, *target.texts] for target in job.targets]).encode()
    against = None if tests is None else [*tests.names, sha256(tests.hashes.tobytes()).hexdigest(), repr(tests)]
    stats = [(path, path.stat()) for path in pool.files]
    return {
        "periti": __version__,
        "files": [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in stats],
        "reader": repr(pool.reader),
        "block": pool.block,
        "selector": repr(job.selector),
        "seed": job.sampling.seed,
        "targets": sha256(targets).hexdigest(),
        "filters": [repr(one) for one in job.filters],
        "stages": [repr(one) for one in job.stages],
        "tests": against,
    }


def _goes_on(work: WorkFolder, scoring: Scoring, pool: Pool) -> bool:
    """Whether what an earlier run left is what this one would make, by its first part."""
    first = next(iter(pool.blocks()))
    return work.read(0).rows.tobytes() == scoring(first).rows.tobytes()


def _score(job: Job, scoring: Scoring, work: WorkFolder, blocks: BlockMap, progress: Progress) -> int:
    """Make the parts that are missing; how many there are."""
    done = work.finished()
    number = done
    progress.start("score", None)
    for number, part in enumerate(blocks(scoring, islice(job.pool.blocks(), done, None)), done):
        work.write(number, part)
        progress.advance(len(part.rows))
        done = number + 1
    progress.finish()
    return done


def _shared(job: Job, scorer: Scorer) -> Sampling:
    """The sampling with the shares of targets, where the columns of the scores are the targets."""
    names = tuple(target.name for target in job.targets)
    if scorer.names != names:
        return replace(job.sampling, shares=None)
    given = [target.share for target in job.targets]
    if all(share is None for share in given):
        return replace(job.sampling, shares=tuple(float(len(target.texts)) for target in job.targets))
    if any(share is None or share <= 0 for share in given):
        raise InputError(f"the targets {', '.join(names)} have the shares {given}; give each a positive one, or none")
    return replace(job.sampling, shares=tuple(float(share or 0) for share in given))


def _report(job: Job, outcome: Outcome, gathering: Gathering, out: Path) -> Report:
    sample = gathering.sample
    pool, left, chosen, groups = outcome.amounts(sample)
    names, several = job.pool.reader.columns, len(sample.columns) > 1
    return Report(
        selector=repr(job.selector),
        text=names.text,
        budget=str(job.sampling.budget),
        seed=job.sampling.seed,
        pool=pool,
        removed=outcome.removed(),
        left=left,
        chosen=chosen,
        targets={n: marks.count() for n, marks in zip(sample.columns, sample.marks, strict=True)} if several else {},
        groups={n: (int(groups[i, 0]), int(groups[i, 1])) for n, i in outcome.groups.items()} if names.group else {},
        bad=tuple(outcome.bad),
        passed_over=tuple(path.name for path in job.pool.passed_over),
        absent=job.absent,
        dropped=tuple(gathering.dropped),
        explained=gathering.explained,
        out=str(out),
    )
