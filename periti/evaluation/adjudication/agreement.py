r"""Do cheap judgements tell runs apart as full ones do? Categories of pairs and what follows from them.

After Moffat, Scholer and Thomas (ADCS 2012) and Otero, Parapar and Ferro (CIKM 2023); gold is the truth:

    gold \ low         significant, same   significant, opposite   not, same     not, opposite
    significant        AA                  AD                      MA missed     MD missed
    not significant    MA spurious         MD spurious             PA            PD

A pair whose means are equal on either side has no direction: it is in a bucket of its own, `ties`, and still counts in
`gold`, `called`, `missed` and `spurious`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from periti.errors import InputError
from periti.evaluation.adjudication.verdicts import Verdict, verdict
from periti.evaluation.correlation import kendall_tau_b, rbo, tau_ap
from periti.evaluation.ranking import Values

NAN = float("nan")


@dataclass(frozen=True)
class Categories:
    """How many pairs of runs fall where.

    Args:
        aa, ad: significant on both sides, in the same and in opposite directions.
        ma_missed, md_missed: significant in gold only.
        ma_spurious, md_spurious: significant in low only.
        pa, pd: significant on neither side.
        ties: pairs of equal means on either side.
        tied_missed, tied_spurious: those of `ties` that are significant in gold only, in low only.
    """

    aa: int
    ad: int
    ma_missed: int
    md_missed: int
    ma_spurious: int
    md_spurious: int
    pa: int
    pd: int
    ties: int
    tied_missed: int = 0
    tied_spurious: int = 0

    @property
    def pairs(self) -> int:
        """All pairs."""
        one_sided = self.ma_missed + self.md_missed + self.ma_spurious + self.md_spurious
        return self.aa + self.ad + one_sided + self.pa + self.pd + self.ties

    @property
    def gold(self) -> int:
        """Pairs that are significant in gold."""
        return self.aa + self.ad + self.ma_missed + self.md_missed + self.tied_missed

    @property
    def called(self) -> int:
        """Pairs that are significant in low."""
        return self.aa + self.ad + self.spurious

    @property
    def missed(self) -> int:
        """Significant in gold and not called in that direction; AD pairs are among them."""
        return self.gold - self.aa

    @property
    def spurious(self) -> int:
        """Called significant though they are not in gold, in whatever direction: false positives."""
        return self.ma_spurious + self.md_spurious + self.tied_spurious

    @property
    def precision(self) -> float:
        """Share of the pairs called significant that are, in that direction; NaN if none is called."""
        return _ratio(self.aa, self.called)

    @property
    def recall(self) -> float:
        """Share of gold's significant pairs that are called in that direction: the power that is kept."""
        return _ratio(self.aa, self.gold)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN if neither side has a significant pair."""
        return _ratio(2 * self.aa, self.called + self.gold)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of recall and of the share of gold's other pairs that are not called; one of them if the other is void.

        Source: McKechnie, McDonald and Macdonald, arXiv 2507.07924.
        """
        others = self.pairs - self.gold
        shares = [share for share in (self.recall, _ratio(others - self.spurious, others)) if not np.isnan(share)]
        return float(np.mean(shares)) if shares else NAN

    @property
    def mcc(self) -> float:
        """Matthews correlation of "significant", an AD pair counting as missed; 0 where a margin is empty."""
        tp, fp, fn = self.aa, self.spurious, self.missed
        tn = self.pairs - tp - fp - fn
        margins = float((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
        return (tp * tn - fp * fn) / margins**0.5 if margins else 0.0

    @property
    def active_agreement(self) -> float:
        """2 AA / (2 AA + MA), MA of both kinds: of pairs called on one side or both, the share that agree."""
        return _ratio(2 * self.aa, 2 * self.aa + self.ma_missed + self.ma_spurious)

    @property
    def passive_agreement(self) -> float:
        """2 PA / (2 PA + MA)."""
        return _ratio(2 * self.pa, 2 * self.pa + self.ma_missed + self.ma_spurious)

    @property
    def publication_bias(self) -> float:
        """1 - AA / (AA + AD + MA): the share of one-sided or opposite findings."""
        found = self.aa + self.ad + self.ma_missed + self.ma_spurious
        return 1.0 - _ratio(self.aa, found)

    def as_data(self) -> dict[str, float | None]:
        """Counts and shares by name, None for NaN."""
        shares = (
            "precision", "recall", "f1", "mcc", "balanced_accuracy", "active_agreement", "passive_agreement",
            "publication_bias",
        )  # fmt: skip
        counts = {**asdict(self), "gold": self.gold, "missed": self.missed, "spurious": self.spurious}
        return {**counts, **{name: none_for_nan(getattr(self, name)) for name in shares}}


@dataclass(frozen=True)
class RankAgreement:
    """How alike the runs' means are under gold and low.

    Args:
        tau: Kendall's tau-b; NaN if low ties all runs.
        tau_ap: weighs the top of the low ranking.
        rbo: rank-biased overlap, p = .9, ties at random.
        rmse: root of the mean squared difference of the runs' means.
    """

    tau: float
    tau_ap: float
    rbo: float
    rmse: float

    def as_data(self) -> dict[str, float | None]:
        """By name, None for NaN."""
        return {name: none_for_nan(value) for name, value in asdict(self).items()}


def categories(gold: Verdict, low: Verdict) -> Categories:
    """The categories of all pairs; exact counts, any two verdicts over the same pairs.

    Raises:
        InputError: the verdicts are over different numbers of pairs.
    """
    if gold.direction.shape != low.direction.shape:
        raise InputError(f"{len(gold.direction)} pairs in gold and {len(low.direction)} in low; compare the same runs")
    tied = (gold.direction == 0) | (low.direction == 0)
    same = ~tied & (gold.direction == low.direction)
    opposite = ~tied & ~same
    both = gold.significant & low.significant
    missed, spurious = gold.significant & ~low.significant, low.significant & ~gold.significant
    neither = ~gold.significant & ~low.significant
    return Categories(
        aa=int((both & same).sum()),
        ad=int((both & opposite).sum()),
        ma_missed=int((missed & same).sum()),
        md_missed=int((missed & opposite).sum()),
        ma_spurious=int((spurious & same).sum()),
        md_spurious=int((spurious & opposite).sum()),
        pa=int((neither & same).sum()),
        pd=int((neither & opposite).sum()),
        ties=int(tied.sum()),
        tied_missed=int((missed & tied).sum()),
        tied_spurious=int((spurious & tied).sum()),
    )


def compare_scores(gold: Values, low: Values, test: str, alpha: float = 0.05) -> Categories:
    """The categories of two tables of scores, float64 (n, k) each, under the same test."""
    return categories(verdict(gold, test, alpha), verdict(low, test, alpha))


def rank_agreement(gold: Values, low: Values) -> RankAgreement:
    """Correlations of the runs' means.

    Args:
        gold: float64 (k,), means under full judgements, two or more.
        low: float64 (k,), means of the same runs under cheap ones.
    """
    if np.ptp(low) == 0.0 or np.ptp(gold) == 0.0:
        tau = tau_weighted = NAN
    else:
        tau, tau_weighted = kendall_tau_b(gold, low), tau_ap(gold, low)
    overlap = rbo(_groups(gold), _groups(low), 0.9)
    return RankAgreement(tau, tau_weighted, overlap, float(np.sqrt(np.mean((gold - low) ** 2))))


def none_for_nan(value: float) -> float | None:
    """The value, None for NaN, which JSON can not hold."""
    return None if np.isnan(value) else value


def _groups(means: Values) -> list[list[str]]:
    """The runs by mean, best first, equal ones together."""
    return [[str(run) for run in np.flatnonzero(means == value)] for value in np.unique(means)[::-1]]


def _ratio(part: float, whole: float) -> float:
    """Part over whole, NaN without a whole."""
    return part / whole if whole else NAN
