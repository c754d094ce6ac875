"""Skill profiles without a language model: Symbolic-MoE (Chen et al., 2025) over words.

A query's skills are its strongest TF-IDF terms. An expert's profile gives every term the mean of its centred utility
(its own less the experts' mean) over the queries that have the term as a skill, shrunk by n / (n + 5) where the paper
votes +1 or -1, so that a rare word decides little. S_e = strength_e + the mean of its profile over the query's terms.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError
from periti.protocols import Vectors
from periti.retrievers.routing.base import Explanation, FittedRouter, Scorer, Scores
from periti.retrievers.routing.similarity import Floats
from periti.retrievers.routing.table import UtilityTable

_WORD = re.compile(r"[^\W\d_][\w'-]+")


@dataclass(frozen=True)
class SkillOptions:
    """Which words are skills, and how slowly a profile believes them."""

    table: Path = Path("router")
    terms: int = 5
    """Skills a query."""
    shrinkage: float = 5.0
    """Queries that a profile must have seen to be believed by half."""

    def __post_init__(self) -> None:
        if self.terms < 1:
            raise ConfigError(f"skills router: terms is {self.terms}; it must be at least 1")
        if not self.shrinkage >= 0:
            raise ConfigError(f"skills router: shrinkage is {self.shrinkage}; it must not be negative")


@dataclass(frozen=True, eq=False)
class Skills(Scorer):
    """Profiles of all experts.

    Attributes:
        experts: E names.
        rarity: term to its inverse document frequency in the table's queries.
        profiles: term to float64 (E,).
        strength: float64 (E,), mean centred utility.
        terms: skills a query.
    """

    experts: tuple[str, ...]
    rarity: Mapping[str, float]
    profiles: Mapping[str, Floats]
    strength: Floats
    terms: int

    @classmethod
    def fit(cls, table: UtilityTable, options: SkillOptions | None = None) -> Self:
        """Profiles of a table."""
        options = options or SkillOptions()
        frequency = Counter(term for text in table.texts for term in set(words(text)))
        rarity = {term: math.log(len(table) / count) for term, count in frequency.items()}
        centred = table.utilities - table.utilities.mean(axis=1, keepdims=True)
        rows: dict[str, list[int]] = {}
        for row, text in enumerate(table.texts):
            for term in strongest(text, rarity, options.terms):
                rows.setdefault(term, []).append(row)
        profiles = {term: centred[seen].sum(axis=0) / (len(seen) + options.shrinkage) for term, seen in rows.items()}
        return cls(table.experts, rarity, profiles, centred.mean(axis=0), options.terms)

    def scores(self, vectors: Vectors, texts: Sequence[str]) -> Scores:  # noqa: ARG002  (the seam's signature)
        """float32 (q, E), in units of utility about 0; a query without a known skill gets the experts' strengths."""
        scores = np.tile(self.strength, (len(texts), 1))
        for row, text in enumerate(texts):
            known = [self.profiles[term] for term in self._skills(text)]
            if known:
                scores[row] += np.mean(known, axis=0)
        return scores.astype(np.float32)

    def fell_back(self, vectors: Vectors, texts: Sequence[str]) -> NDArray[np.bool_]:  # noqa: ARG002
        """Bool (q,): whether the query has no known skill."""
        return np.array([not self._skills(text) for text in texts], np.bool_)

    def explain(self, vectors: Vectors, texts: Sequence[str]) -> list[Explanation]:  # noqa: ARG002
        """The query's skills, and under `nearest` the expert that each speaks for most and by how much."""
        told: list[Explanation] = []
        for text in texts:
            skills = [(term, self.profiles[term]) for term in self._skills(text)]
            spoken = [
                {"expert": self.experts[int(own.argmax())], "skill": term, "similarity": float(own.max())}
                for term, own in skills
            ]
            told.append({"nearest": sorted(spoken, key=lambda one: -float(str(one["similarity"])))})
        return told

    def _skills(self, text: str) -> list[str]:
        return [term for term in strongest(text, self.rarity, self.terms) if term in self.profiles]


def words(text: str) -> list[str]:
    """The words of a text in lower case, of two letters at least."""
    return _WORD.findall(text.casefold())


def strongest(text: str, rarity: Mapping[str, float], terms: int) -> list[str]:
    """The terms of a text with the highest TF-IDF among those known, equals in alphabetical order."""
    counts = Counter(word for word in words(text) if word in rarity)
    return sorted(counts, key=lambda word: (-counts[word] * rarity[word], word))[:terms]


class SkillRouter(FittedRouter):
    """Routes by the skills that a query's words ask for."""

    Options = SkillOptions
    fit = Skills.fit
