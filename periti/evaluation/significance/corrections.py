"""p-values of a family, adjusted: each is what its level must be so that its comparison is rejected.

Every function takes float64 (m,) with values in [0, 1] and returns float64 (m,) in the same order: at least the given
value, at most 1, and in the same order of size. NaN stands for a comparison without variance, identical runs: it counts
as 1 and stays in the family (`of_family`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from periti.errors import InputError
from periti.evaluation.significance.grid import Ints, Values
from periti.registry import nearest


def none(p: Values) -> Values:
    """The p-values as they are."""
    return p.copy()


def bonferroni(p: Values) -> Values:
    """M times p: bounds the chance of any false rejection under every dependence."""
    return np.minimum(1.0, p * len(p))


def holm(p: Values) -> Values:
    """Step-down Bonferroni: never less powerful, same guarantee (Holm, 1979)."""
    order, sorted_p, factor = _sorted(p)
    return _unsorted(order, np.maximum.accumulate(np.minimum(1.0, sorted_p * factor)))


def hochberg(p: Values) -> Values:
    """Step-up with Holm's factors: holds under independence or positive dependence (Hochberg, 1988)."""
    order, sorted_p, factor = _sorted(p)
    return _unsorted(order, _from_above(np.minimum(1.0, sorted_p * factor)))


def benjamini_hochberg(p: Values) -> Values:
    """Bounds the expected share of false rejections under independence or positive dependence (1995)."""
    order, sorted_p, _ = _sorted(p)
    rank = np.arange(1, len(p) + 1)
    return _unsorted(order, _from_above(np.minimum(1.0, sorted_p * len(p) / rank)))


def benjamini_yekutieli(p: Values) -> Values:
    """Bounds the expected share of false rejections under every dependence (2001): BH times 1 + 1/2 + ... + 1/m."""
    order, sorted_p, _ = _sorted(p)
    rank = np.arange(1, len(p) + 1)
    harmonic = float((1.0 / rank).sum())
    return _unsorted(order, _from_above(np.minimum(1.0, sorted_p * len(p) * harmonic / rank)))


CORRECTIONS: Mapping[str, Callable[[Values], Values]] = MappingProxyType(
    {
        "none": none,
        "bonferroni": bonferroni,
        "holm": holm,
        "hochberg": hochberg,
        "bh": benjamini_hochberg,
        "by": benjamini_yekutieli,
    }
)
"""By name. MaxT is not among them: it needs the resampled statistics, see `signflip.max_t`."""

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "none": "none",
        "bonferroni": "Bonferroni (family-wise error)",
        "holm": "Holm step-down (family-wise error)",
        "hochberg": "Hochberg step-up (family-wise error, positive dependence)",
        "bh": "Benjamini-Hochberg (false discovery rate)",
        "by": "Benjamini-Yekutieli (false discovery rate, any dependence)",
        "maxt": "Westfall-Young step-down MaxT over sign flips (family-wise error)",
    }
)


def of_family(p: Values, correction: str) -> Values:
    """The adjusted p-values of one family.

    Args:
        p: float64 (m,); NaN counts as 1 and stays in the family.
        correction: a name of `CORRECTIONS`.

    Raises:
        InputError: another name, or a number that is no probability.
    """
    if correction not in CORRECTIONS:
        raise InputError(f"no correction of p-values named {correction!r}; {nearest(correction, CORRECTIONS)}")
    filled = np.where(np.isnan(p), 1.0, p)
    if ((filled < 0.0) | (filled > 1.0)).any():
        bad = filled[(filled < 0.0) | (filled > 1.0)][0]
        raise InputError(f"a p-value of the family is {bad}; give numbers from 0 to 1")
    # A product or quotient may round to just below p; an adjusted value never falls below it.
    return np.maximum(filled, CORRECTIONS[correction](filled))


def _sorted(p: Values) -> tuple[Ints, Values, Values]:
    """Order, the p-values ascending, and Holm's factors m, m - 1, ..., 1."""
    order = np.argsort(p, kind="stable")
    return order, p[order], np.arange(len(p), 0, -1, dtype=np.float64)


def _from_above(adjusted: Values) -> Values:
    """Each value lowered to the least of those after it."""
    lowest: Values = np.minimum.accumulate(adjusted[::-1])[::-1]
    return lowest


def _unsorted(order: Ints, adjusted: Values) -> Values:
    """The values in the order the p-values came in."""
    result = np.empty_like(adjusted)
    result[order] = adjusted
    return result
