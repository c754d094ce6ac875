"""Average precision estimated from judgements of a sample of the pool, drawn within strata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import numpy as np
import polars as pl

from periti.errors import InputError
from periti.evaluation.exact import INFAP_EPSILON
from periti.evaluation.ranking import Ints, Ranking, Values, running_count
from periti.types import Qrels

SAMPLED_ONLY = frozenset({"infAP", "xinfAP"})
"""Families that mean something only for sampled judgements."""


@dataclass(frozen=True)
class Strata:
    """Which stratum each document of the pool was sampled in.

    `frame` has the columns query_id, doc_id, stratum (String); pairs are unique.
    """

    frame: pl.DataFrame

    @classmethod
    def of(cls, frame: pl.DataFrame, qrels: Qrels) -> Self:
        """Check that every document of the pool has one stratum.

        Args:
            frame: columns query_id, doc_id, stratum.
            qrels: the pool: judged documents, and those not sampled with a negative grade.

        Raises:
            InputError: a document of the pool has no stratum, or two.
        """
        strata = frame.select(pl.col("query_id", "doc_id", "stratum").cast(pl.String))
        key = ["query_id", "doc_id"]
        if strata.select(key).is_duplicated().any():
            first = strata.filter(strata.select(key).is_duplicated()).row(0)
            raise InputError(f"strata: document {first[1]!r} of query {first[0]!r} is in two; give each one stratum")
        lost = qrels.frame.join(strata, on=key, how="anti")
        if lost.height:
            raise InputError(
                f"strata: {lost.height} of {qrels.frame.height} pooled documents have none, the first is "
                f"{lost['doc_id'][0]!r} of query {lost['query_id'][0]!r}; give every document of the pool a stratum"
            )
        return cls(strata)

    def numbers(self, frame: pl.DataFrame) -> Ints:
        """int64 (n,): the stratum of each row of a frame of query_id and doc_id, as a number."""
        names = self.frame.select(pl.col("stratum").unique().sort()).with_row_index("number")
        numbered = self.frame.join(names, on="stratum", how="left")
        joined = frame.join(numbered, on=["query_id", "doc_id"], how="left", maintain_order="left")
        return joined["number"].cast(pl.Int64).to_numpy()


def extended_inferred_ap(ranking: Ranking, *, rel: int = 1) -> Values:
    """AP where the documents of a stratum that were not sampled are relevant as often as the sampled ones (xinfAP).

    Source: Yilmaz, Kanoulas and Aslam, SIGIR 2008, with trec_eval's smoothing e = 1e-5. Each sampled relevant
    document at rank k counts size / sampled times, sizes of its stratum, with the expected precision
    1/k + sum over strata of pooled_above / k * (relevant_above + e) / (judged_above + 2e);
    the sum is divided by the R estimated in the same way. One stratum gives infAP.
    """
    hits = _or_one(ranking.stratum, len(ranking.rank))
    judged = _or_one(ranking.judged_stratum, len(ranking.judged_query))
    queries, found = len(ranking.query_ids), ranking.grade >= rel
    estimate, weight = np.zeros(queries), np.zeros(len(hits))
    expected = 1.0 / ranking.rank
    for stratum in np.unique(judged).tolist():
        here, pool = hits == stratum, judged == stratum
        size, sampled, relevant = (
            np.bincount(ranking.judged_query[pool & (ranking.judged_grade >= level)], minlength=queries)
            for level in (np.iinfo(np.int64).min, 0, rel)
        )
        scale = np.divide(size, sampled, out=np.zeros(queries), where=sampled > 0)
        estimate += relevant * scale
        weight += np.where(here & found, scale[ranking.query], 0.0)
        above = [
            running_count(ranking.query, mask) - mask for mask in (here, here & found, here & (ranking.grade >= 0))
        ]
        share = (above[1] + INFAP_EPSILON) / (above[2] + 2 * INFAP_EPSILON)
        expected = expected + above[0] / ranking.rank * share
    return np.divide(ranking.total(weight * expected), estimate, out=np.zeros(queries), where=estimate > 0)


DEFINITIONS: Mapping[str, Callable[..., Values]] = MappingProxyType({"xinfAP": extended_inferred_ap})
"""Measure families by name."""


def _or_one(strata: Ints | None, length: int) -> Ints:
    """The strata, or one for all."""
    return np.zeros(length, dtype=np.int64) if strata is None else strata
