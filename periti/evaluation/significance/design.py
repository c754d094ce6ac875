"""What is decided before looking: test, family, correction, level, resampling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

from periti.errors import InputError
from periti.evaluation.significance.corrections import CORRECTIONS, TITLES
from periti.evaluation.significance.paired import Null, Zeros
from periti.registry import nearest

Test = Literal["t", "randomization", "wilcoxon", "hsd", "randomized-hsd"]
Family = Literal["measure", "all"]
SIMULTANEOUS = ("hsd", "randomized-hsd")
"""Tests whose p-values hold for all pairs at once."""

TESTS: Mapping[str, str] = MappingProxyType(
    {
        "t": "paired t-test on the mean difference",
        "randomization": "paired randomisation (sign-flip) test on the mean difference",
        "wilcoxon": "Wilcoxon signed-rank test (symmetry of the differences about 0, not their mean)",
        "hsd": "Tukey HSD for randomised blocks (topics are blocks, two-way ANOVA error)",
        "randomized-hsd": "randomised Tukey HSD (scores permuted within topics)",
    }
)
ZERO_RULES: Mapping[str, str] = MappingProxyType(
    {
        "wilcox": "zero differences are dropped before ranking (wilcox)",
        "pratt": "zero differences are ranked and their ranks dropped (pratt)",
    }
)


@dataclass(frozen=True)
class Design:
    """The plan of a comparison.

    Args:
        test: name of `TESTS`.
        correction: name of `corrections.CORRECTIONS` or "maxt"; by default Holm's, none for simultaneous tests.
        baseline: the system that the others are compared with; all pairs without it.
        family: the comparisons corrected together: of one measure (in one collection), or of all.
        alpha: level, two-sided.
        permutations: of randomisation tests.
        bootstrap: samples of the BCa intervals; 0 leaves them out.
        seed: of everything drawn.
        margin: of equivalence (TOST), in units of the measure; no equivalence test without it.
        zeros, null, ties_within: of Wilcoxon's test, see `paired.wilcoxon`.
        every_test: whether to add the uncorrected p-values of the other tests of pairs.

    Raises:
        InputError: an unknown name, a number out of range, or a second correction of simultaneous p-values.
    """

    test: Test = "t"
    correction: str = ""
    baseline: str | None = None
    family: Family = "measure"
    alpha: float = 0.05
    permutations: int = 100_000
    bootstrap: int = 10_000
    seed: int = 1
    margin: float | None = None
    zeros: Zeros = "wilcox"
    null: Null = "auto"
    ties_within: float = 0.0
    every_test: bool = False

    def __post_init__(self) -> None:
        for name, known in (("test", Test), ("family", Family), ("zeros", Zeros), ("null", Null)):
            _known(name, getattr(self, name), get_args(known))
        if not self.correction:
            object.__setattr__(self, "correction", "none" if self.simultaneous else "holm")
        _known("correction", self.correction, (*CORRECTIONS, "maxt"))
        if self.simultaneous and self.correction != "none":
            raise InputError(
                f"p-values of {self.test} already hold for all pairs at once, and {self.correction} would correct them "
                "twice; use correction none, or another test"
            )
        if self.correction == "maxt" and self.test != "randomization":
            raise InputError(
                f"correction maxt resamples by sign flips and does not fit the test {self.test}; use test randomization"
            )
        self._require_numbers()

    def _require_numbers(self) -> None:
        """Refuse numbers out of range."""
        if not 0.0 < self.alpha < 0.5:
            raise InputError(f"alpha is {self.alpha}; give a level above 0 and below .5, e.g. .05")
        if self.permutations < 1 or self.bootstrap < 0 or self.seed < 0 or not 0 <= self.ties_within < 1:
            raise InputError(
                f"permutations={self.permutations}, bootstrap={self.bootstrap}, seed={self.seed}, "
                f"ties_within={self.ties_within}; give at least 1, 0 and 0, and a share from 0 to below 1"
            )
        if 0 < self.bootstrap < 100:
            raise InputError(f"{self.bootstrap} bootstrap samples make no interval; give 0, or 100 and more")
        if self.margin is not None and not (self.margin > 0 and math.isfinite(self.margin)):
            raise InputError(
                f"the margin of equivalence is {self.margin}; declare a difference above 0 that matters not"
            )

    @property
    def simultaneous(self) -> bool:
        """Whether the test's p-values already hold for all pairs of a measure."""
        return self.test in SIMULTANEOUS

    def sentences(self, resampling: str, size: int) -> dict[str, str]:
        """Name to sentence of everything that was decided.

        Args:
            resampling: how the randomisation was done.
            size: comparisons of the family.
        """
        said = {"test": TESTS[self.test], "sides": "two-sided"}
        if self.test in ("randomization", "randomized-hsd"):
            said["resampling"] = f"{resampling}; seed {self.seed}"
        if self.test == "wilcoxon":
            said["zero rule"] = f"{ZERO_RULES[self.zeros]}; null distribution: {self.null}"
        pairs = "all pairs" if self.baseline is None else f"every other system with the baseline {self.baseline}"
        over = "of each measure by itself" if self.family == "measure" else "of all measures and collections together"
        said["family"] = f"{pairs}, {over}: {size} comparisons"
        already = "p-values already hold for all pairs of a measure at once and are not corrected again"
        said["correction"] = already if self.simultaneous else TITLES[self.correction]
        said["alpha"] = f"{self.alpha:g}"
        drawn = f"BCa bootstrap over topics, {self.bootstrap} samples, seed {self.seed}"
        each = f"{100 * (1 - self.alpha):g} % for each comparison by itself"
        said["intervals"] = f"t{f' and {drawn}' if self.bootstrap else ''}; {each}"
        if self.margin is not None:
            said["equivalence"] = f"TOST with the declared margin {self.margin:g}, corrected by {self.tost_correction}"
        return said

    @property
    def tost_correction(self) -> str:
        """Correction of the equivalence tests: the design's where it works on p-values, else Holm's."""
        return "holm" if self.simultaneous or self.correction == "maxt" else self.correction

    def as_json(self) -> dict[str, Any]:
        """The plan with plain values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def _known(field: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{field}={value!r} is not known; {nearest(str(value), known)}")
