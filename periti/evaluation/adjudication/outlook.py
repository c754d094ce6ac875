"""What the judgements so far allow to say, and how many more the rest is likely to need.

Documents that nobody judged get a probability of relevance from those that somebody did; the missing judgements are
then drawn many times over. A pair of runs is separable when it differs significantly, in one direction, in nearly all
of these completions of the pool, inseparable when it does so in nearly none, and open otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from periti.errors import InputError
from periti.evaluation.adjudication.methods.fixed import RRF_K
from periti.evaluation.adjudication.pool import Pool
from periti.evaluation.adjudication.scoring import Scorer
from periti.evaluation.adjudication.verdicts import pairs, verdict
from periti.evaluation.measures import parse
from periti.evaluation.ranking import Ints, Values

CERTAIN = 0.95
DRAWS = 40
PATHS = 10
STEPS = 10
NEWTON_STEPS = 30


@dataclass(frozen=True)
class View:
    """How runs are compared in an outlook.

    Args:
        measure: as `periti.evaluation.parse` reads it.
        test: a name of `verdicts.TESTS`.
        alpha: its level.
        level: the lowest relevant grade, of the measure too where its name gives none.
        seed: of the completions.
    """

    measure: str = "AP"
    test: str = "t+holm"
    alpha: float = 0.05
    level: int = 1
    seed: int = 0


@dataclass(frozen=True)
class PairOutlook:
    """One pair of runs.

    Args:
        better, worse: by the mean over completions.
        difference: of the measure, mean over completions.
        share: of completions in which the difference is significant in that direction.
    """

    better: str
    worse: str
    difference: float
    share: float

    @property
    def state(self) -> str:
        """Separable, inseparable or open."""
        if self.share >= CERTAIN:
            return "separable"
        return "inseparable" if self.share <= 1.0 - CERTAIN else "open"


@dataclass(frozen=True)
class Outlook:
    """All pairs, and what is left to do.

    Args:
        view: how runs were compared.
        pairs: by share, largest first.
        unjudged: pooled documents without a judgement.
        expected_relevant: relevant documents expected among them.
        more_for_half, more_for_most: judgements until half, and nine tenths, of the open pairs show what the whole pool
            would show, median over completions, if the likeliest documents are judged first; None without open pairs.
    """

    view: View
    pairs: tuple[PairOutlook, ...]
    unjudged: int
    expected_relevant: float
    more_for_half: int | None
    more_for_most: int | None

    def of(self, state: str) -> tuple[PairOutlook, ...]:
        """The pairs of one state."""
        return tuple(pair for pair in self.pairs if pair.state == state)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What there is to say, in words."""
        separable, inseparable = len(self.of("separable")), len(self.of("inseparable"))
        left = len(self.pairs) - separable - inseparable
        counted = (
            f"Of {len(self.pairs)} pairs of runs {separable} are separable already ({self.view.measure}, "
            f"{self.view.test}, alpha {self.view.alpha:g}), {inseparable} would probably not be even if the "
            f"whole pool were judged, {left} are open."
        )
        said = [counted]
        if self.more_for_half is not None:
            said.append(
                f"About {self.more_for_half} more judgements would decide half of the open pairs, about "
                f"{self.more_for_most} nine tenths; {self.unjudged} documents are not judged, about "
                f"{self.expected_relevant:.0f} of them relevant."
            )
        elif not left:
            said.append("More judgements would hardly change which runs differ.")
        return tuple(said)


def too_early(pool: Pool, grades: Ints, level: int) -> str | None:
    """Why nothing can be said yet, None if something can."""
    judged = grades >= 0
    if len(pool.systems) < 2 or len(pool.topics) < 2:
        return f"{len(pool.systems)} runs and {len(pool.topics)} queries; pairs are compared from two of each on."
    if not (grades >= level).any() or not (judged & (grades < level)).any():
        return "Too early to compare runs: judge until some documents are relevant and some are not."
    return None


def look_ahead(pool: Pool, grades: Ints, view: View | None = None) -> Outlook:
    """The outlook after these judgements.

    Args:
        pool: what is judged.
        grades: int64 (N,), negative where nobody judged.
        view: how runs are compared.

    Raises:
        InputError: it is too early (see `too_early`), or the measure or test is unknown.
    """
    view = view or View()
    reason = too_early(pool, grades, view.level)
    if reason is not None:
        raise InputError(reason)
    scorer = Scorer(pool, parse([view.measure], view.level)[0])
    chance = relevance_chances(pool, grades, view.level)
    rng = np.random.default_rng(view.seed)
    completions = [_completed(grades, chance, view.level, rng) for _ in range(DRAWS)]
    scores = [scorer.scores(completion) for completion in completions]
    verdicts = [verdict(score, view.test, view.alpha) for score in scores]
    signed = np.array([one.direction * one.significant for one in verdicts])
    means = np.mean([score.mean(axis=0) for score in scores], axis=0)
    found = _pairs(pool, means, signed)
    unjudged = np.flatnonzero(grades < 0)
    is_open = np.array([pair.state == "open" for pair in found])
    order = unjudged[np.argsort(-chance[unjudged], kind="stable")]
    half, most = _needed(scorer, view, (grades, completions[:PATHS], signed[:PATHS]), (order, is_open))
    ranked = sorted(found, key=lambda pair: (-pair.share, -pair.difference, pair.better, pair.worse))
    return Outlook(view, tuple(ranked), len(unjudged), float(chance[unjudged].sum()), half, most)


def relevance_chances(pool: Pool, grades: Ints, level: int = 1) -> Values:
    """The probability that each pooled document is relevant, float64 (N,).

    A ridge logistic regression on the document's reciprocal-rank score, the share of runs that hold it, and its query.

    Args:
        pool: the documents.
        grades: int64 (N,), negative where nobody judged.
        level: the lowest relevant grade.
    """
    features = _features(pool)
    judged = grades >= 0
    x, y = features[judged], (grades[judged] >= level).astype(np.float64)
    ridge = np.ones(features.shape[1])
    ridge[:3] = (1e-3, 0.1, 0.1)
    weight = np.zeros(features.shape[1])
    for _ in range(NEWTON_STEPS):
        chance = _logistic(x @ weight)
        gradient = x.T @ (y - chance) - ridge * weight
        step = np.linalg.solve((x * (chance * (1.0 - chance))[:, None]).T @ x + np.diag(ridge), gradient)
        # A full Newton step may overshoot while the slopes are still flat.
        step *= min(1.0, 2.0 / max(1e-12, float(np.abs(step).max())))
        weight += step
        if np.abs(step).max() < 1e-8:
            break
    return _logistic(features @ weight)


def _features(pool: Pool) -> Values:
    """float64 (N, 3 + q): 1, fused score and share of runs, both standardised, and one column a query."""
    held = np.concatenate([topic.retrieved for topic in pool.topics], axis=1)
    padded = np.concatenate([topic.padded_ranks for topic in pool.topics], axis=1)
    fused = np.log(np.maximum(np.where(held, 1.0 / (RRF_K + padded), 0.0).sum(axis=0), 1e-9))
    columns = [np.ones(len(pool))]
    for column in (fused, held.mean(axis=0)):
        spread = column.std()
        columns.append((column - column.mean()) / (spread if spread > 0 else 1.0))
    queries = (pool.topic_of[:, None] == np.arange(len(pool.topics))).astype(np.float64)
    return np.column_stack([*columns, queries])


def _logistic(value: Values) -> Values:
    """1 / (1 + exp(-value)), without overflow."""
    chance: Values = 1.0 / (1.0 + np.exp(-np.clip(value, -50.0, 50.0)))
    return chance


def _completed(grades: Ints, chance: Values, level: int, rng: np.random.Generator) -> Ints:
    """All judgements, those that are missing drawn; a drawn relevant document gets a grade of the judged ones."""
    relevant = grades[grades >= level]
    drawn = np.where(rng.random(len(grades)) < chance, rng.choice(relevant, len(grades)), 0)
    return np.where(grades >= 0, grades, drawn)


def _pairs(pool: Pool, means: Values, signed: Ints) -> list[PairOutlook]:
    """Every pair in the order of `verdicts.pairs`; signed is the direction where significant, else 0, (draws, m)."""
    first, second = pairs(len(pool.systems))
    difference = means[first] - means[second]
    found = []
    for number, (a, b) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        ahead, behind = (a, b) if difference[number] >= 0 else (b, a)
        sign = 1 if ahead == a else -1
        share = float((signed[:, number] == sign).mean())
        found.append(PairOutlook(pool.systems[ahead], pool.systems[behind], abs(float(difference[number])), share))
    return found


def _needed(
    scorer: Scorer, view: View, truth: tuple[Ints, list[Ints], Ints], rest: tuple[Ints, Ints]
) -> tuple[int | None, int | None]:
    """Judgements until half and nine tenths of the open pairs show what they show in the end, medians over paths.

    Args:
        scorer: scores judgements.
        view: how runs are compared.
        truth: the grades so far, completions of them, and what each completion's pairs show in the end.
        rest: the unjudged documents in the order of judging, and which pairs are open.
    """
    (grades, completions, final), (order, is_open) = truth, rest
    if not is_open.any() or not len(order):
        return None, None
    counts = np.unique(np.rint(len(order) * np.linspace(0.0, 1.0, STEPS + 1) ** 2).astype(np.int64))
    half, most = [], []
    for completion, end in zip(completions, final, strict=True):
        settled = np.zeros(int(is_open.sum()), dtype=np.bool_)
        needed = np.zeros(len(settled), dtype=np.int64)
        for count in counts[::-1].tolist():
            partial = grades.copy()
            partial[order[:count]] = completion[order[:count]]
            found = verdict(scorer.scores(partial), view.test, view.alpha)
            differs = (found.direction * found.significant)[is_open] != end[is_open]
            # Going backwards, the first count that shows something else ends the stretch that agrees to the end.
            needed = np.where(settled, needed, count)
            settled |= differs
        half.append(np.quantile(needed, 0.5, method="higher"))
        most.append(np.quantile(needed, 0.9, method="higher"))
    return int(np.median(half)), int(np.median(most))
