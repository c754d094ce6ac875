"""Exact definitions of the total-recall measures of CLEF TAR, as its own script tar_eval computes them.

Source: github CLEF-TAR/tar, scripts/measures/eval_measures.py and, for recall at a percentage, eval_measures_2018.py.
R is the number of relevant documents of a topic, n of the retrieved, and N of the judged (grade 0 or above: TAR judges
every document of the search), or n where a run returns more than N, except for NCG and R_percent. The script takes the
order of the file's lines for the ranking, whatever the scores; give it a run read in file order. It leaves out topics
without a relevant document; here they are 0, and `Policy(no_relevant="exclude")` leaves them out. Grades 3 and 4 of the
2017 training files are codes for documents outside the search: map them to -1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from periti.errors import InputError
from periti.evaluation.ranking import Ints, Ranking, Values, running_count

ROUNDINGS: Mapping[str, Callable[[Values], Values]] = MappingProxyType(
    {
        "half_even": np.round,
        "half_up": lambda amounts: np.floor(amounts + 0.5),
        "ceil": np.ceil,
    }
)
"""Ways to make a share of R a number of documents: Python 3's round, Python 2's round, and up."""

LOSS_B = 100.0
"""The constant b of tar_eval's loss."""


def work_saved(ranking: Ranking, *, recall: float, rounding: str = "half_even", rel: int = 1) -> Values:
    """(N - rank at which that share of R is found) / N - (1 - share), 0 if it never is (tar_eval wss_95, wss_100).

    Args:
        ranking: the judged run.
        recall: the share of R, above 0 and at most 1.
        rounding: how share * R becomes a number of documents, a name of `ROUNDINGS`.
        rel: the lowest relevant grade.
    """
    found = ranking.grade >= rel
    wanted = ranking.relevant(rel)
    # .95 * 20 is 19.000000000000000 in float64 but 1.1 * 10 is not 11: noise must not round up.
    needed = ROUNDINGS[rounding](np.round(recall * wanted, 9)).astype(np.int64)
    at = found & (running_count(ranking.query, found) == needed[ranking.query])
    rank = ranking.total(np.where(at, ranking.rank, 0).astype(np.float64))
    size = _read(ranking)
    saved = _ratio(size - rank, size) - round(1.0 - recall, 12)
    return np.where((wanted > 0) & (ranking.count(found) >= needed), saved, 0.0)


def last_relevant(ranking: Ranking, *, rel: int = 1) -> Values:
    """Rank of the last relevant document retrieved, 0 if there is none (tar_eval last_rel)."""
    last = np.zeros(len(ranking.query_ids))
    found = ranking.grade >= rel
    np.maximum.at(last, ranking.query[found], ranking.rank[found].astype(np.float64))
    return last


def recall_at_percent(ranking: Ranking, *, percent: float, rel: int = 1) -> Values:
    """Relevant documents among the first round(N * percent / 100), divided by R (tar_eval 2018 recall@k%).

    Halves round to even. tar_eval 2018 keeps, beyond the end of a run, the value of the last full percent before it;
    here every document retrieved counts.
    """
    cutoff = np.round(_screened(ranking) * percent / 100.0)
    found = ranking.count((ranking.grade >= rel) & (ranking.rank <= cutoff[ranking.query]))
    return _ratio(found, ranking.relevant(rel))


def normalised_area(ranking: Ranking, *, rel: int = 1) -> Values:
    """Area under the curve of relevant documents found by rank, divided by the best: R * N - R^2 / 2."""
    found = ranking.grade >= rel
    size, wanted = _read(ranking), ranking.relevant(rel)
    area = ranking.total(np.where(found, size[ranking.query] - ranking.rank + 0.5, 0.0))
    return _ratio(area, wanted * size - wanted**2 / 2.0)


def normalised_gain(ranking: Ranking, *, percent: int, rel: int = 1) -> Values:
    """Share of R found after that tenth of N, as tar_eval 2017 prints NCG@10 to NCG@100, defect included.

    The script notes the gain at every multiple m of t = floor(N / 10) under the tenth floor(10 m / N) and prints the
    tenth before the one that it names: if 10 divides N, NCG@10 is 0 and NCG@20 is the recall at 10 %; else it is the
    recall at 10 % of N, rounded down. `R_percent` is the sound measure.

    Raises:
        InputError: percent is no multiple of 10 up to 100, or a query has fewer than 10 judged documents.
    """
    if percent % 10 or not 10 <= percent <= 100:
        raise InputError(f"NCG@{percent}: tar_eval prints tenths; give 10, 20, ... or 100, or use R_percent")
    size = _screened(ranking)
    if size.min() < 10:
        small = ranking.query_ids[int(size.argmin())]
        raise InputError(
            f"NCG: query {small!r} has {size.min()} judged documents, tar_eval needs 10 or more; use R_percent"
        )
    cutoff = np.array(
        [
            _noted(documents, shown, percent // 10 - 1)
            for documents, shown in zip(size.tolist(), ranking.retrieved.tolist(), strict=True)
        ]
    )
    found = ranking.count((ranking.grade >= rel) & (ranking.rank <= cutoff[ranking.query]))
    return _ratio(found, ranking.relevant(rel))


def loss_of_recall(ranking: Ranking, *, rel: int = 1) -> Values:
    """(1 - recall)^2 of everything retrieved (tar_eval loss_r)."""
    recall = _ratio(ranking.count(ranking.grade >= rel), ranking.relevant(rel))
    return (1.0 - recall) ** 2


def loss_of_effort(ranking: Ranking, *, rel: int = 1) -> Values:
    """(100 / N)^2 * (n / (R + 100))^2 (tar_eval loss_e)."""
    effort = LOSS_B / np.maximum(_read(ranking), 1) * ranking.retrieved / (ranking.relevant(rel) + LOSS_B)
    return effort**2


def loss(ranking: Ranking, *, rel: int = 1) -> Values:
    """Loss of recall plus loss of effort (tar_eval loss_er)."""
    return loss_of_recall(ranking, rel=rel) + loss_of_effort(ranking, rel=rel)


DEFINITIONS: Mapping[str, Callable[..., Values]] = MappingProxyType(
    {
        "WSS": work_saved,
        "last_rel": last_relevant,
        "R_percent": recall_at_percent,
        "norm_area": normalised_area,
        "NCG": normalised_gain,
        "loss_r": loss_of_recall,
        "loss_e": loss_of_effort,
        "loss_er": loss,
    }
)
"""Measure families by name."""


def _noted(documents: int, shown: int, tenth: int) -> int:
    """The last rank whose gain tar_eval notes under this tenth (from 0), 0 if there is none."""
    step = documents // 10
    # The same operations in the same order as the script's: 10 * (m / N) and 10 * m / N round differently.
    noted = [rank for rank in range(step, shown + 1, step) if int(float(rank) / float(documents) * 10.0) <= tenth]
    return max(noted, default=0)


def _read(ranking: Ranking) -> Ints:
    """int64 (q,): N, or the documents retrieved where they are more."""
    return np.maximum(_screened(ranking), ranking.retrieved)


def _screened(ranking: Ranking) -> Ints:
    """int64 (q,): the judged documents of each query."""
    return ranking.relevant(0)


def _ratio(above: Values | Ints, below: Values | Ints) -> Values:
    """Quotient above / below, 0 where below is 0."""
    return np.divide(above, below, out=np.zeros(len(above)), where=np.asarray(below) != 0)
