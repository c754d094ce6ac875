"""Fusion of calibrated scores: for experts of different encoders, each with its own index."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from periti.errors import ConfigError
from periti.rankers.calibration.calibration import Calibration
from periti.rankers.fusion.ballots import Ballots, Values
from periti.rankers.fusion.parts import fused
from periti.rankers.fusion.scaling import MISSING
from periti.rankers.fusion.valued import Valued
from periti.registry import nearest
from periti.types import Plan, Run

RULES: Mapping[str, Callable[[Valued], Values]] = {
    "sum": lambda valued: valued.total,
    "mnz": lambda valued: valued.hits * valued.total,
    "max": lambda valued: valued.top,
}


@dataclass(frozen=True)
class CalibratedOptions:
    """Which calibration, and how its values are combined.

    `calibration` is the file that `periti calibrate` wrote. A document that an expert did not return gets 0 from it, or
    with `missing = "list_min"` what the calibration gives the lowest score of the expert's list, the most it can have.
    """

    calibration: Path = Path("calibration.json")
    rule: str = "sum"
    missing: str = "zero"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ConfigError(f"calibrated: rule is {self.rule!r}; {nearest(self.rule, RULES)}")
        if self.missing not in MISSING:
            raise ConfigError(f"calibrated: missing is {self.missing!r}; {nearest(self.missing, MISSING)}")


class CalibratedFusion:
    """Weighted sum (or CombMNZ, or the largest) of calibrated scores."""

    Options = CalibratedOptions

    def __init__(self, calibration: Calibration, options: CalibratedOptions) -> None:
        self.calibration, self.options = calibration, options

    @classmethod
    def open(cls, options: CalibratedOptions) -> Self:
        """The fusion rule; raises IndexUnusable if the file is missing, damaged or no calibration."""
        return cls(Calibration.read(options.calibration), options)

    def require(self, experts: Mapping[str, Mapping[str, str]]) -> None:
        """Raise IndexMismatch unless the calibration was fitted for these experts: name -> fingerprint."""
        self.calibration.require(experts, f"the calibration {self.options.calibration}")

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once.

        Raises:
            InputError: no runs.
            IndexMismatch: an expert has no curve.
        """
        rule = RULES[self.options.rule]
        return fused(runs, plan, lambda ballots: rule(self._valued(ballots)), f"calibrated({self.calibration.method})")

    def _valued(self, ballots: Ballots) -> Valued:
        """Calibrated values; curves rise, so a list's last row has its lowest value."""
        value = np.zeros(len(ballots.score))
        for name, own in ballots.by_expert().items():
            value[own] = self.calibration.values(name, ballots.score[own])
        if self.options.missing == "zero":
            return Valued(ballots, value, np.zeros(len(ballots.starts)))
        return Valued(ballots, value, value[ballots.starts + ballots.lengths - 1])
