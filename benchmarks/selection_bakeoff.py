"""A fair contest of selectors on a made-up pool of which everything is known.

20,000 short documents of 20 topics; 5 of these are wanted (a fifth of the pool), a tenth is garbage, a tenth exact
copies. Each selector chooses 5 % for a target of 5, 50 or 500 examples, by the sampler that all share. Measured:
precision (wanted among chosen), coverage (of the 25 wanted sub-topics, those with at least a quarter of their even
share of the budget), copies (chosen documents that another chosen one repeats), KL reduction towards 2,000 fresh wanted
documents less that of a random choice, mean length, and nDCG@10 of a linear query adapter trained on the chosen pairs,
asked for fresh wanted documents.

Usage: python -m benchmarks.selection_bakeoff [--size N] [--seeds N]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import mean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.bakeoff_world import PARTS, WANTED, WIDTH, Documents, World
from periti.datasets.selection.baselines import RandomLengthSelector, RandomSelector
from periti.datasets.selection.budget import Budget
from periti.datasets.selection.clusters import k_means
from periti.datasets.selection.dsir import DsirSelector, ngram_counts
from periti.datasets.selection.features import HashedNgrams
from periti.datasets.selection.near_duplicates import NearDuplicates
from periti.datasets.selection.nearness import nearness
from periti.datasets.selection.quad import QuadSelector
from periti.datasets.selection.quotas import Quota
from periti.datasets.selection.sampler import Sampling, sample
from periti.datasets.selection.selector import Target
from periti.datasets.selection.smoothing import kl_reduction
from periti.datasets.selection.target import TargetRanker
from periti.datasets.selection.tokens import count_tokens

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
EXAMPLES = (5, 50, 500)
BUDGET = 0.05
RANDOM, LENGTH, QUALITY, ORACLE = "random", "random, same lengths", "quality only", "oracle"
FAILING, DSIR, QUAD = "DSIR, sum, no smoothing", "DSIR", "Quad"
MEAN, BETR, DISTILLED = "BETR, mean", "BETR", "BETR, distilled"
ORDER = (
    RANDOM,
    LENGTH,
    QUALITY,
    FAILING,
    DSIR,
    MEAN,
    BETR,
    DISTILLED,
    QUAD,
    *(f"{name}{more}" for name in (DSIR, BETR) for more in (" + dedup", " + dedup + quotas")),
    ORACLE,
)


@dataclass(frozen=True)
class Measures:
    """Of what one selector chose."""

    precision: float
    coverage: float
    copies: float
    kl_reduction: float
    length: float
    ndcg: float


class Contest:
    """One pool, and what is measured on it.

    Args:
        size: documents of the pool.
        seed: of everything.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.world, self.seed = World(seed), seed
        self.pool: Documents = self.world.pool(size)
        self.budget = int(BUDGET * size)
        self.asked = self.world.asked(12)
        self.searched = np.concatenate([self.asked.vectors, self.world.others(2000).vectors])
        topics = np.arange(2000) % WANTED
        truth = self.world.documents(topics, self.world.rng.random(2000))
        self.features = HashedNgrams()
        self.truth = ngram_counts(truth.blocks(), self.features)
        self.raw = ngram_counts(self.pool.blocks(), self.features)
        self.distinct = NearDuplicates(0.9).find(self.pool.blocks, seed=seed).stays
        self.lengths = np.array([count_tokens(text) for text in self.pool.texts])

    def chosen(self, target: Target) -> dict[str, Rows]:
        """What every selector chooses."""
        scores = {name: scorer(self, target) for name, scorer in SCORERS.items()}
        found = {name: self._best(own) for name, own in scores.items()}
        for name in (DSIR, BETR):
            found[f"{name} + dedup"] = self._best(scores[name], self.distinct)
            found[f"{name} + dedup + quotas"] = self._spread(scores[name])
        wanted = np.flatnonzero(self.pool.wanted & self.distinct)
        found[ORACLE] = np.random.default_rng(self.seed).permutation(wanted)[: self.budget]
        return found

    def _best(self, scores: Floats, may: NDArray[np.bool_] | None = None, groups: Sequence[str] | None = None) -> Rows:
        room = int(np.isfinite(scores[:, 0] if may is None else scores[may, 0]).sum())
        budget = Budget.parse(str(min(self.budget, room)))
        sampling = Sampling(budget, seed=self.seed, quota=Quota() if groups is None else Quota.parse("equal"))
        return sample(scores, sampling, groups=groups, open=may).rows

    def _spread(self, scores: Floats) -> Rows:
        """The best of each of 25 clusters, of the distinct documents among the best 1.5 times the budget."""
        values = np.where(self.distinct, scores[:, 0], -np.inf)
        best = np.argsort(-values, kind="stable")[: 3 * self.budget // 2]
        labels = k_means(self.pool.vectors[best], min(WANTED * PARTS, len(best)), seed=self.seed)[1]
        groups = np.full(len(self.pool), "none", dtype=object)
        groups[best] = [f"cluster {label}" for label in labels]
        may = np.zeros(len(self.pool), dtype=bool)
        may[best] = True
        return self._best(scores, may, [str(group) for group in groups])

    def measured(self, rows: Rows) -> Measures:
        """Figures of a choice."""
        chosen = self.pool[rows]
        parts = np.bincount(chosen.parts[chosen.wanted], minlength=WANTED * PARTS)
        reduction = kl_reduction(self.truth, self.raw, ngram_counts(chosen.blocks(), self.features))
        return Measures(
            precision=float(chosen.wanted.mean()),
            coverage=float((parts >= max(1.0, 0.25 * self.budget / (WANTED * PARTS))).mean()),
            copies=1 - len(set(chosen.texts)) / len(chosen),
            kl_reduction=reduction,
            length=float(self.lengths[rows].mean()),
            ndcg=self.ndcg(chosen),
        )

    def ndcg(self, pairs: Documents, ridge: float = 1.0) -> float:
        """nDCG@10 of the adapter that ridge regression, shrunk to the identity, makes of the pairs."""
        queries, documents = pairs.queries.astype(np.float64), pairs.vectors.astype(np.float64)
        prior = ridge * np.eye(WIDTH)
        adapter = np.linalg.solve(queries.T @ queries + prior, queries.T @ documents + prior)
        scores = self.asked.queries @ adapter @ self.searched.T
        own = scores[np.arange(len(self.asked)), np.arange(len(self.asked))]
        ranks = (scores > own[:, None]).sum(axis=1)
        return float(np.where(ranks < 10, 1 / np.log2(ranks + 2), 0).mean())


def quality(texts: Sequence[str]) -> Floats:
    """A judge of style who knows no topic: good words less filler, of all words, (n, 1)."""
    found = [[word[:4] for word in text.split()] for text in texts]
    return np.array([[(words.count("good") - words.count("fill")) / len(words)] for words in found])


def _fitted(make: Callable[[Contest], Any]) -> Callable[[Contest, Target], Floats]:
    def scores(contest: Contest, target: Target) -> Floats:
        scorer = make(contest).fit(contest.pool.blocks, [target], seed=contest.seed)
        found: Floats = scorer.score(contest.pool.texts)
        return found

    return scores


def _near(aggregate: str) -> Callable[[Contest, Target], Floats]:
    """BETR's ranks of the whole pool, without a classifier distilled from them."""

    def scores(contest: Contest, target: Target) -> Floats:
        return nearness(contest.world.embed(target.texts), contest.pool.vectors, aggregate)[:, None]

    return scores


SCORERS: Mapping[str, Callable[[Contest, Target], Floats]] = {
    RANDOM: _fitted(lambda contest: RandomSelector()),  # noqa: ARG005
    LENGTH: _fitted(lambda contest: RandomLengthSelector()),  # noqa: ARG005
    QUALITY: lambda contest, target: quality(contest.pool.texts),  # noqa: ARG005
    FAILING: _fitted(lambda contest: DsirSelector(smoothing="none", length="sum")),  # noqa: ARG005
    DSIR: _fitted(lambda contest: DsirSelector()),  # noqa: ARG005
    MEAN: _near("mean"),
    BETR: _near("max"),
    DISTILLED: _fitted(lambda contest: TargetRanker(contest.world.embed)),
    QUAD: _fitted(lambda contest: QuadSelector(contest.world.embed, examined=0.3)),
}


def contest(size: int, seed: int, examples: Sequence[int] = EXAMPLES) -> dict[int, dict[str, Measures]]:
    """Every selector's figures for targets of some sizes, on one pool."""
    held = Contest(size, seed)
    found = {}
    for count in examples:
        chosen = held.chosen(held.world.target(count))
        found[count] = {name: held.measured(chosen[name]) for name in ORDER}
    return found


def table(results: Mapping[int, Mapping[str, Sequence[Measures]]]) -> str:
    """Markdown: means over seeds, and the deviation of nDCG@10."""
    lines = [
        "| examples | selector | precision | coverage | copies | KL reduction over random | words | nDCG@10 | sd |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for examples, selectors in results.items():
        chance = mean(run.kl_reduction for run in selectors[RANDOM])
        for name, runs in selectors.items():
            of = {field.name: mean(getattr(run, field.name) for run in runs) for field in fields(Measures)}
            spread = stdev(run.ndcg for run in runs) if len(runs) > 1 else 0.0
            lines.append(
                f"| {examples} | {name} | {of['precision']:.2f} | {of['coverage']:.2f} | {of['copies']:.1%} | "
                f"{of['kl_reduction'] - chance:+.3f} | {of['length']:.1f} | {of['ndcg']:.3f} | {spread:.3f} |"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Hold the contest, keep the figures, print the table."""
    from benchmarks.measuring import record

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=20_000, help="documents of a pool (default: 20000)")
    parser.add_argument("--seeds", type=int, default=5, help="pools (default: 5)")
    options = parser.parse_args(arguments)
    runs = [contest(options.size, seed) for seed in range(options.seeds)]
    results = {count: {name: [run[count][name] for run in runs] for name in ORDER} for count in EXAMPLES}
    kept = {str(k): {name: [asdict(run) for run in own] for name, own in of.items()} for k, of in results.items()}
    record("selection_bakeoff", {"size": options.size, "seeds": options.seeds, "examples": kept})
    print(table(results))


if __name__ == "__main__":
    main()
