"""Runs as the arms of a bandit: a judgement rewards every run that holds the document among its first K.

Source: Losada, Parapar and Barreiro, SAC 2016 and IPM 2017. Each run has a Beta distribution that begins as Beta(1, 1).
Stationary ones add every judgement; non-stationary ones (-ns) keep only the last.
"""

from __future__ import annotations

import numpy as np

from periti.evaluation.adjudication.methods.base import Arms, Dice
from periti.evaluation.adjudication.pool import TopicPool
from periti.evaluation.ranking import Values

EPSILON = 0.1


class Bandit(Arms):
    """The two counts of every run, and how they learn."""

    forgets = False

    def __init__(self, topic: TopicPool, dice: Dice) -> None:
        super().__init__(topic, dice)
        self.alpha: Values = np.ones(self.systems)
        self.beta: Values = np.ones(self.systems)
        self.reckon()

    def learn(self, doc: int, *, relevant: bool) -> None:
        """Alpha counts relevant documents and beta others, of every run that holds the document."""
        held = self.topic.retrieved[:, doc]
        if self.forgets:
            self.alpha = np.where(held, 1.0 + relevant, self.alpha)
            self.beta = np.where(held, 2.0 - relevant, self.beta)
        else:
            self.alpha = self.alpha + held * relevant
            self.beta = self.beta + held * (not relevant)

    @property
    def mean(self) -> Values:
        """Posterior means."""
        return self.alpha / (self.alpha + self.beta)


class MaxMean(Bandit):
    """The run with the largest posterior mean."""

    def reckon(self) -> None:
        """The mean."""
        self.index = self.mean


class MaxMeanForgetful(MaxMean):
    """As MM, after the last judgement alone."""

    forgets = True


class Thompson(Bandit):
    """The run with the largest draw from its Beta distribution."""

    def reckon(self) -> None:
        """One draw."""
        self.index = self.dice.beta(self.alpha, self.beta)


class ThompsonForgetful(Thompson):
    """As TS, after the last judgement alone."""

    forgets = True


class EpsilonGreedy(Bandit):
    """A random run one time in ten, else that of the largest posterior mean."""

    def reckon(self) -> None:
        """The mean, or random numbers."""
        explores = self.dice.random(1)[0] < EPSILON
        self.index = self.dice.random(self.systems) if explores else self.mean


class EpsilonGreedyForgetful(EpsilonGreedy):
    """As ε-greedy, after the last judgement alone."""

    forgets = True


class UpperConfidence(Bandit):
    """UCB1-tuned: mean + sqrt(ln t / n * min(1/4, V + sqrt(2 ln t / n))); runs without a judgement come first.

    Source: Auer, Cesa-Bianchi and Fischer, Machine Learning 2002. n counts the judged documents that the run holds,
    t all judged ones, V = mean (1 - mean) is the variance of a reward of 0 or 1.
    """

    def reckon(self) -> None:
        """The upper bound; infinite without a judgement."""
        hits, pulls = self.alpha - 1.0, self.alpha + self.beta - 2.0
        known = pulls > 0
        count = np.where(known, pulls, 1.0)
        mean = hits / count
        ratio = np.log(max(1, int(self.judged.sum()))) / count
        width = np.sqrt(ratio * np.minimum(0.25, mean * (1.0 - mean) + np.sqrt(2.0 * ratio)))
        self.index = np.where(known, mean + width, np.inf)


class RandomArm(Arms):
    """The next document of a random run."""

    def learn(self, doc: int, *, relevant: bool) -> None:
        """Nothing."""

    def reckon(self) -> None:
        """All runs alike; chance breaks the tie."""
        self.index = np.zeros(self.systems)
