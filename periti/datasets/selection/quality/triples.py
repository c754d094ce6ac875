"""Texts at three levels: how often a rater puts all three in their order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.quality.held_out import HeldOut
from periti.datasets.selection.quality.judgments import Judgments

Floats = NDArray[np.float64]


def recovered(judgments: Judgments, ratings: HeldOut) -> tuple[Floats, Sequence[str]]:
    """Whether every pair of a group is ordered as judged, ties being failures; by group, float64 (g,), and the groups.

    Of a group that is a triple with its three pairs this is whether the order of the three is recovered.
    """
    right = ratings.outcomes(judgments) == 1.0
    groups = list(dict.fromkeys(judgments.groups))
    places = {group: number for number, group in enumerate(groups)}
    rows = np.array([places[group] for group in judgments.groups])
    whole = np.ones(len(groups))
    np.minimum.at(whole, rows, right.astype(np.float64))
    return whole, groups
