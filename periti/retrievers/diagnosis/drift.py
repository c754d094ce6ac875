"""Drift of the queries away from what the panel was made for, and the new expert it calls for (TAME).

TAME (task-agnostic continual experts) adds an expert when the loss deviates significantly. Online there is no loss; its
stand-ins are the largest pilot similarity of a query, and an online utility where one is measured.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from periti.errors import InputError
from periti.retrievers.diagnosis.arrays import Floats, between, vector

_LEAST = 200
"""Fewer reference values do not fix mean and deviation well enough to promise a rate of false alarms."""


@dataclass(frozen=True)
class DriftOptions:
    """How soon, and how sure.

    Args:
        slack: half of the smallest drop that matters, in standard deviations of the reference.
        false_alarms: the probability of an alarm on a stationary stream of `horizon` queries.
        horizon: how many queries that promise covers.
        window: queries in the running mean that readings show.
    """

    slack: float = 0.5
    false_alarms: float = 0.01
    horizon: int = 10_000
    window: int = 50


DEFAULT = DriftOptions()


@dataclass(frozen=True)
class Reading:
    """The monitor after one query.

    Args:
        step: how many queries were observed.
        mean: running mean of the similarity over the last `window` queries.
        z: its distance from the reference mean in standard errors; negative is worse.
        level: the larger CUSUM over its bound; an alarm at 1 and more.
        drifted: whether an alarm was raised, now or earlier (it stays until `reset`).
        since: the step at which the drop probably began, None without an alarm.
        signal: "similarity" or "utility", whichever raised the alarm.
    """

    step: int
    mean: float
    z: float
    level: float
    drifted: bool
    since: int | None
    signal: str | None


class _Cusum:
    """One-sided CUSUM (Page 1954) for a drop of one signal, with a bound from the reference itself."""

    def __init__(self, reference: Floats, slack: float, tolerated: float) -> None:
        self.mean, self.deviation = float(reference.mean()), float(reference.std())
        # The reference mean is itself uncertain; without two standard errors more of slack, a reference that came out
        # high by chance would look like a slow drift of everything after it.
        self.slack = slack + 2 / math.sqrt(len(reference))
        drops = (self.mean - reference) / self.deviation
        # A value beyond the reference counts as its extreme: one strange query is no drift, and the bound below holds
        # for values of the reference's range only.
        self.low, self.high = float(drops.min()), float(drops.max())
        # So is the exponent, which speaks of the tail: a reference of 200 that came out tame by chance would break the
        # promise up to three times over. A tenth more of bound at 400 values makes up for that.
        self.bound = -math.log(tolerated) / _exponent(drops - self.slack) * (1 + 2 / math.sqrt(len(reference)))
        self.reset()

    def reset(self) -> None:
        self.level, self.start = 0.0, 0

    def observe(self, value: float, step: int) -> None:
        drop = min(max((self.mean - value) / self.deviation, self.low), self.high)
        self.level = max(0.0, self.level + drop - self.slack)
        if self.level == 0:
            self.start = step


def _exponent(increments: Floats) -> float:
    """The θ > 0 with mean exp(θ·x) = 1, for increments with a negative mean and some above 0.

    By Lundberg's inequality a walk of such increments ever reaches h with probability at most exp(-θ·h), whatever
    their distribution. For a normal one and slack k, θ = 2k.
    """
    if increments.max() <= 0:  # no value of the reference ever raises the level
        return 1.0
    low, high = 0.0, 1.0

    def excess(theta: float) -> float:
        return float(np.exp(np.minimum(theta * increments, 700)).mean()) - 1  # exp(709) is the largest there is

    while excess(high) < 0:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return low


class DriftMonitor:
    """Watches a stream of queries against a reference window.

    The alarm is a CUSUM of the standardised drop whose bound is computed from the reference (no normality assumed):
    it promises `false_alarms` per `horizon` for queries that are independent draws of the reference. Streams in which
    neighbouring queries are alike (sessions) need a larger slack, and a yes-or-no utility that fails for a few in a
    hundred wants a reference of 500 and more, since 200 hold too few failures.

    Args:
        similarities: (n,), n ≥ 200, largest pilot similarity of queries that are no drift.
        utilities: (m,), m ≥ 200, online utility of such queries; None if none is measured.
        options: how soon and how sure.

    Raises:
        InputError: too few values, values that are all equal or not finite, or options out of range.
    """

    def __init__(
        self, similarities: ArrayLike, utilities: ArrayLike | None = None, options: DriftOptions = DEFAULT
    ) -> None:
        between(options.slack, 0, math.inf, "slack")
        between(options.false_alarms, 1e-12, 0.5, "false_alarms")
        between(options.horizon, 1, math.inf, "horizon")
        between(options.window, 1, math.inf, "window")
        references = {"similarity": similarities} | ({} if utilities is None else {"utility": utilities})
        tolerated = options.false_alarms / options.horizon / len(references)
        self._signals = {
            name: _Cusum(_reference(values, name), options.slack, tolerated) for name, values in references.items()
        }
        self._recent: deque[float] = deque(maxlen=options.window)
        self.reset()

    def reset(self) -> None:
        """Forget the alarm and the running sums; the reference stays."""
        self._recent.clear()
        self._step = 0
        self._alarm: tuple[int, str] | None = None
        for signal in self._signals.values():
            signal.reset()

    def observe(self, similarity: float, utility: float | None = None) -> Reading:
        """Take in one query.

        Args:
            similarity: its largest pilot similarity.
            utility: its utility, None where it was not measured.

        Raises:
            InputError: a value is not finite, or a utility comes without a reference for it.
        """
        values = {"similarity": similarity} | ({} if utility is None else {"utility": utility})
        for name, value in values.items():
            if not math.isfinite(value):
                raise InputError(f"{name} of query {self._step + 1} is {value}; leave out what was not measured")
            if name not in self._signals:
                raise InputError(f"query {self._step + 1} has a {name} but the monitor no reference; give one to it")
        self._step += 1
        self._recent.append(similarity)
        for name, value in values.items():
            signal = self._signals[name]
            signal.observe(value, self._step)
            if self._alarm is None and signal.level >= signal.bound:
                self._alarm = (signal.start + 1, name)
        return self._reading()

    def _reading(self) -> Reading:
        signal = self._signals["similarity"]
        mean = sum(self._recent) / len(self._recent)
        return Reading(
            step=self._step,
            mean=mean,
            z=(mean - signal.mean) / (signal.deviation / math.sqrt(len(self._recent))),
            level=max(one.level / one.bound for one in self._signals.values()),
            drifted=self._alarm is not None,
            since=self._alarm and self._alarm[0],
            signal=self._alarm and self._alarm[1],
        )


def _reference(values: ArrayLike, name: str) -> Floats:
    reference = vector(values, f"reference {name}")
    if len(reference) < _LEAST:
        raise InputError(f"reference {name}: {len(reference)} values; give at least {_LEAST}")
    if np.ptp(reference) <= 1e-12 * max(1.0, float(np.abs(reference).max())):
        raise InputError(
            f"reference {name}: all values are {reference[0]:g}; a signal that never varies shows no drift"
        )
    return reference
