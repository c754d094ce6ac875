"""Measures of a reader who goes on from one document to the next with a known chance (the C/W/L framework).

Each says with what chance C(i) the reader goes on after rank i. The weight W(i) of rank i is then C(1) ... C(i-1) over
the sum of all such products, and the measure is the sum of W(i) gain(i): gain per document inspected. Source: Moffat,
Bailey, Scholer and Thomas, TOIS 2017; Azzopardi, Thomas and Moffat, SIGIR 2019. Values are those of cwl_eval 1.0.12,
ir-measures' engine, which looks at `DEPTH` ranks, fills short lists with nothing, and scales grades from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from periti.errors import InputError
from periti.evaluation.ranking import Ranking, Values

DEPTH = 1000
"""Ranks that cwl_eval looks at where a measure has no cutoff."""

BLOCK = 1024
"""Queries computed together, so that memory does not grow with their number."""

Going = Callable[[Values, Values], Values]
"""Gains, (q, k), and ranks, (k,), to the chance of going on after each rank, broadcast to (q, k)."""


def scaled_dcg(ranking: Ranking, *, cutoff: int, max_rel: int, min_rel: int = 0, dcg: str = "log2") -> Values:
    """Discounted gain over that of a list of documents of the highest grade: C(i) = log(i + 1) / log(i + 2) to k."""
    if dcg != "log2":
        raise InputError(f"SDCG: dcg is {dcg!r}, and it is defined with 'log2' only; leave dcg out")
    return _weighed(ranking, (min_rel, max_rel), cutoff, lambda _, rank: np.log(rank + 1.0) / np.log(rank + 2.0))


def bejeweled(ranking: Ranking, *, cutoff: int, max_rel: int, min_rel: int = 0, T: float = 1.0) -> Values:  # noqa: N803
    """The reader goes on until the gain wanted, T, is had or k documents are seen (BPM, static)."""
    _positive("BPM", T)
    return _weighed(
        ranking, (min_rel, max_rel), cutoff, lambda gain, _: np.where(np.cumsum(gain, axis=1) < T, 1.0, 0.0)
    )


def insq(ranking: Ranking, *, max_rel: int, min_rel: int = 0, T: float = 1.0) -> Values:  # noqa: N803
    """C(i) = ((i + 2T - 1) / (i + 2T))^2: the further down, the likelier to go on."""
    _positive("INSQ", T)
    return _weighed(ranking, (min_rel, max_rel), None, lambda _, rank: _insq(rank, 2.0 * T))


def inst(ranking: Ranking, *, max_rel: int, min_rel: int = 0, T: float = 1.0) -> Values:  # noqa: N803
    """INSQ that takes the gain already had into account: 2T less the gain of the first i."""
    _positive("INST", T)
    return _weighed(
        ranking, (min_rel, max_rel), None, lambda gain, rank: _insq(rank, 2.0 * T - np.cumsum(gain, axis=1))
    )


def nerr8(ranking: Ranking, *, cutoff: int, max_rel: int, min_rel: int = 0) -> Values:
    """C(i) = 1 - gain(i) to k."""
    return _weighed(ranking, (min_rel, max_rel), cutoff, lambda gain, _: 1.0 - gain)


def nerr9(ranking: Ranking, *, cutoff: int, max_rel: int, min_rel: int = 0) -> Values:
    """C(i) = i / (i + 1) (1 - gain(i)) to k."""
    return _weighed(ranking, (min_rel, max_rel), cutoff, lambda gain, rank: rank / (rank + 1.0) * (1.0 - gain))


def nerr10(ranking: Ranking, *, max_rel: int, min_rel: int = 0, p: float = 0.9) -> Values:
    """C(i) = p (1 - gain(i))."""
    return _weighed(ranking, (min_rel, max_rel), None, lambda gain, _: p * (1.0 - gain))


def nerr11(ranking: Ranking, *, max_rel: int, min_rel: int = 0, T: float = 1.0) -> Values:  # noqa: N803
    """C(i) = ((i + 2T - 1) / (i + 2T))^2 (1 - gain(i))."""
    _positive("NERR11", T)
    return _weighed(ranking, (min_rel, max_rel), None, lambda gain, rank: _insq(rank, 2.0 * T) * (1.0 - gain))


DEFINITIONS: Mapping[str, Callable[..., Values]] = MappingProxyType(
    {
        "SDCG": scaled_dcg,
        "BPM": bejeweled,
        "INSQ": insq,
        "INST": inst,
        "NERR8": nerr8,
        "NERR9": nerr9,
        "NERR10": nerr10,
        "NERR11": nerr11,
    }
)


def _weighed(ranking: Ranking, scale: tuple[int, int], cutoff: int | None, going: Going) -> Values:
    """The measure of every query, float64 (q,), some queries at a time."""
    lowest, highest = scale
    found = int(ranking.judged_grade.max(initial=0))
    if lowest >= highest:
        raise InputError(f"min_rel is {lowest} and max_rel {highest}; the scale of grades runs upwards")
    if found > highest:
        raise InputError(f"the judgements have grade {found}, above max_rel={highest}; give the scale's highest grade")
    depth = DEPTH if cutoff is None else min(cutoff, DEPTH)
    rank = np.arange(1.0, depth + 1.0)
    values = np.zeros(len(ranking.query_ids))
    for start in range(0, len(values), BLOCK):
        end = min(start + BLOCK, len(values))
        gain = _gains(ranking, (start, end), scale, depth)
        # The last document looked at ends the list, whatever the chance after it.
        chance = np.broadcast_to(going(gain, rank), gain.shape)[:, :-1]
        reach = np.concatenate([np.ones((end - start, 1)), np.cumprod(chance, axis=1)], axis=1)
        values[start:end] = (reach * gain).sum(axis=1) / reach.sum(axis=1)
    return values


def _gains(ranking: Ranking, block: tuple[int, int], scale: tuple[int, int], depth: int) -> Values:
    """Gains from 0 to 1 of some queries' first documents, float64 (q, k); 0 for what is not judged or retrieved."""
    start, end = block
    hits = slice(*np.searchsorted(ranking.query, (start, end)).tolist())
    query, rank, grade = ranking.query[hits] - start, ranking.rank[hits], ranking.grade[hits]
    shown = rank <= depth
    gain = np.zeros((end - start, depth))
    gain[query[shown], rank[shown] - 1] = np.maximum(grade[shown] - scale[0], 0) / (scale[1] - scale[0])
    return gain


def _insq(rank: Values, wanted: Values | float) -> Values:
    """((i + w - 1) / (i + w))^2."""
    chance: Values = ((rank + wanted - 1.0) / (rank + wanted)) ** 2.0
    return chance


def _positive(name: str, wanted: float) -> None:
    """Refuse a reader who wants nothing."""
    if not wanted > 0:
        raise InputError(f"{name}: T is {wanted:g}; it is the gain wanted, above 0")
