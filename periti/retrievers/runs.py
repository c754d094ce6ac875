"""Arrays of an index to a Run: the one place where row numbers become ids."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.indexers.docstore import DocIds
from periti.protocols import Vectors
from periti.types import RUN, Queries, Run


def run_of_arrays(queries: Queries, scores: Vectors, ordinals: NDArray[np.int64], ids: DocIds, name: str) -> Run:
    """A run of arrays that an index returned.

    Args:
        queries: the q queries asked.
        scores: float32 (q, k), best first by the one rule.
        ordinals: int64 (q, k), -1 where there is no document.
        ids: ids of the ordinals.
        name: the run's name.

    Returns:
        The run; the arrays are already in the one order, so nothing is sorted but the queries.
    """
    order = queries.frame["query_id"].arg_sort().to_numpy()
    scores, ordinals = scores[order], ordinals[order]
    present = ordinals >= 0
    counts = present.sum(axis=1)
    rank = np.broadcast_to(np.arange(1, ordinals.shape[1] + 1, dtype=np.int32), ordinals.shape)
    asked = queries.frame["query_id"].gather(np.repeat(order, counts))
    frame = pl.DataFrame(
        {
            "query_id": asked,
            "doc_id": ids.take(ordinals[present]),
            "score": scores[present],
            "rank": rank[present],
        },
        schema=RUN,
    )
    return Run(name, frame)
