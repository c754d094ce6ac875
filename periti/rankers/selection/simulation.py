"""What quotas are good for: elections in which the rankings are biased against a group, and its quality is not.

Each voter ranks by the items' latent quality under Plackett–Luce noise; in what is observed, the quality of the
disadvantaged group is multiplied by the bias. A set is chosen from the observed rankings, with proportional quotas and
without, and judged by the latent ones (Boehmer et al., ICML 2023, section 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periti.errors import InputError
from periti.rankers.selection.committee import elect
from periti.rankers.selection.profile import Profile
from periti.rankers.selection.quotas import Quotas, proportional

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Election:
    """A kind of election.

    Attributes:
        rule: one of `profile.RULES`.
        items: how many items, m.
        voters: how many rankings.
        size: how many are chosen.
        share: share of the items in the disadvantaged group.
        bias: what the quality of that group is multiplied by, 0 < bias ≤ 1.
        noise: scale of the Gumbel noise on log quality; 0 makes all voters agree.
    """

    rule: str = "k-borda"
    items: int = 50
    voters: int = 20
    size: int = 10
    share: float = 0.4
    bias: float = 0.5
    noise: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.bias <= 1:
            raise InputError(f"simulation: bias is {self.bias}; it must be above 0 and at most 1")
        if not 0 < self.share < 1 or self.noise < 0:
            raise InputError(f"simulation: share {self.share} must be between 0 and 1, noise {self.noise} at least 0")
        if min(self.items, self.voters) < 1 or self.size > self.items:
            raise InputError(f"simulation: {self.size} of {self.items} items by {self.voters} voters can not be chosen")


@dataclass(frozen=True)
class Outcome:
    """Latent worth of what was chosen as a share of the best set's, float64 (rounds,)."""

    free: Values
    quota: Values


def simulate(election: Election, rounds: int, seed: int) -> Outcome:
    """Hold elections.

    Args:
        election: its kind.
        rounds: how many.
        seed: of all chance.
    """
    rng = np.random.default_rng(seed)
    found = np.array([_round(election, rng) for _ in range(rounds)]).reshape(rounds, 2)
    return Outcome(found[:, 0], found[:, 1])


def _round(election: Election, rng: np.random.Generator) -> tuple[float, float]:
    m = election.items
    behind = rng.permutation(m) < max(1, round(election.share * m))
    noise = election.noise * rng.gumbel(size=(election.voters, m))
    latent = np.log(rng.uniform(0.05, 1, m)) + noise
    observed = latent + np.where(behind, np.log(election.bias), 0.0)
    truth, seen = _profile(latent), _profile(observed)
    groups = ["behind" if one else "ahead" for one in behind]
    free = Quotas(election.size)
    bound = Quotas(election.size, proportional(groups, election.size))
    best = truth.score(election.rule, elect(truth, election.rule, groups, free))
    chosen = [elect(seen, election.rule, groups, quotas) for quotas in (free, bound)]
    return truth.score(election.rule, chosen[0]) / best, truth.score(election.rule, chosen[1]) / best


def _profile(utilities: Values) -> Profile:
    """Rankings by utility float64 (voters, m), largest first."""
    return Profile.of_orders(np.argsort(-utilities, axis=1).tolist(), utilities.shape[1])
