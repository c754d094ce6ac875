"""What reviews of one kind look for, learned from other topics: which words stand in included documents everywhere.

Topics differ in what they are about and agree in what they include (randomised trials, say). So only words count that
most other topics use, each topic weighs the same, its included and excluded documents weigh the same, and what the
document is about is left to the query. The strength of the penalty is chosen among the other topics too, each of them
held out in turn. A document that is also a candidate of a held-out topic is never learned from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from periti.errors import InputError
from periti.retrievers.routing.learners import logistic
from periti.screening.terms import counts, shares, term_weights, unit_rows
from periti.screening.topics import Floats, Ints, Topic

STRENGTHS = (0.03, 0.1, 0.3)
"""Tried as the inverse strength of the L2 penalty (scikit-learn's C)."""
USED, MOST = 0.01, 0.8
"""A word counts if it stands in this share of the documents of that share of the topics."""


@dataclass
class Criteria:
    """Learns from all topics but those held out; remembers what it has learned, since pairs come up twice.

    Args:
        topics: all topics, of different names.
        rel: lowest relevant grade.
        strengths: inverse strengths of the penalty to choose from.
    """

    topics: Sequence[Topic]
    rel: int = 1
    strengths: tuple[float, ...] = STRENGTHS
    chosen: dict[str, float] = field(default_factory=dict)
    """Topic to the strength chosen for it."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Topic to the documents of others that were not learned from, because they are its candidates too."""

    def __post_init__(self) -> None:
        if len(self.topics) < 3:
            raise InputError(
                f"{len(self.topics)} topics are too few to learn from others and to choose among them; give three or "
                "more, or a method that does not learn"
            )
        counted = {topic.name: counts(topic.documents) for topic in self.topics}
        self._shares = {name: shares(own) for name, own in counted.items()}
        # Whatever two topics are held out, a word that most of the others use is among these.
        self._words = sorted(self._used(self.topics, MOST * (len(self.topics) - 2)))
        self._tables = {name: term_weights(own, self._words) for name, own in counted.items()}
        self._scores: dict[frozenset[str], dict[tuple[str, float], Floats]] = {}

    def scores(self, topic: Topic) -> Floats:
        """Log-odds of inclusion by words alone, float64 (n,), learned from the topics that are not this one."""
        if topic.name not in self.chosen and len(self.strengths) == 1:
            self.chosen[topic.name] = self.strengths[0]
        if topic.name not in self.chosen:
            reached = self.reached(topic)
            self.chosen[topic.name] = max(reached, key=lambda strength: reached[strength])
        return self._learned((topic,))[topic.name, self.chosen[topic.name]]

    def reached(self, topic: Topic) -> dict[float, float]:
        """Strength to mean average precision on the topics that are not this one, each held out in turn."""
        others = [other for other in self.topics if other.name != topic.name]
        return {
            strength: float(np.mean([self._precision(other, topic, strength) for other in others]))
            for strength in self.strengths
        }

    def _precision(self, judge: Topic, held_out: Topic, strength: float) -> float:
        """Average precision on one of the others, learned from the rest, beside the vectors as it will be used."""
        learned = self._learned((judge, held_out))[judge.name, strength]
        order = judge.order(judge.scaled(learned) + judge.scaled(judge.meaning))
        found = judge.relevant(self.rel)[order]
        if not found.any():
            return 0.0
        return float((np.cumsum(found) / np.arange(1, len(found) + 1))[found].mean())

    def _learned(self, held_out: tuple[Topic, ...]) -> dict[tuple[str, float], Floats]:
        """Scores of the held-out topics by name and strength."""
        key = frozenset(topic.name for topic in held_out)
        if key not in self._scores:
            self._scores[key] = self._learn(held_out)
        return self._scores[key]

    def _learn(self, held_out: tuple[Topic, ...]) -> dict[tuple[str, float], Floats]:
        names = {topic.name for topic in held_out}
        taught = [topic for topic in self.topics if topic.name not in names]
        places, rarity = self._common(taught)
        rows, labels, weights = [], [], []
        kept_out = 0
        for topic in taught:
            keep = ~topic.shared_with(held_out)
            kept_out += int((~keep).sum())
            own = topic.relevant(self.rel)[keep]
            if own.all() or not own.any():
                continue  # it can not tell what is included from what is not
            rows.append(unit_rows(self._tables[topic.name][keep][:, places] * rarity))
            labels.append(own)
            weights.append(np.where(own, 0.5 / own.sum(), 0.5 / (~own).sum()))
        if len(held_out) == 1:
            self.left_out[held_out[0].name] = kept_out
        if not rows or not len(places):
            raise InputError("the other topics have no included and excluded documents to learn from; leave them out")
        table, label, weight = np.concatenate(rows), np.concatenate(labels).astype(np.int64), np.concatenate(weights)
        # A single topic may be asked at the strength that was chosen alone.
        wanted = self.strengths if len(held_out) > 1 else (self.chosen[held_out[0].name],)
        found = {}
        for strength in wanted:
            model = logistic(table, label, strength, weight * len(weight) / weight.sum())
            for topic in held_out:
                own_rows = unit_rows(self._tables[topic.name][:, places] * rarity)
                found[topic.name, strength] = own_rows @ model.weights[0] + model.bias[0]
        return found

    def _used(self, topics: Sequence[Topic], least: float) -> set[str]:
        """Words that at least so many of the topics use."""
        used = Counter(word for topic in topics for word, share in self._shares[topic.name].items() if share >= USED)
        return {word for word, number in used.items() if number >= least}

    def _common(self, taught: Sequence[Topic]) -> tuple[Ints, Floats]:
        """Places of the words that most of the topics use, and ln(1 / mean share) of each."""
        used = self._used(taught, MOST * len(taught))
        places = np.array([place for place, word in enumerate(self._words) if word in used], dtype=np.int64)
        mean = [np.mean([self._shares[t.name].get(self._words[place], 0.0) for t in taught]) for place in places]
        return places, -np.log(np.array(mean, dtype=np.float64))
