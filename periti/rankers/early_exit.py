"""Reranking that stops where the rest of a list will hardly matter.

A list is scored in blocks, in first-stage order. After a block it stops if the best logit of that block is below the
`keep`-th best so far by more than `gap`: a first stage that is any good has its relevant documents above, so that what
follows seldom climbs among the first `keep`. What is not scored follows in first-stage order, and is counted. The same
list always stops at the same place: neither other queries nor batches decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from periti.errors import ConfigError
from periti.protocols import Corpus

if TYPE_CHECKING:
    from periti.rankers.reranking import PairScorer

LEFT_OUT = "pairs_left_out"
"""Note: pairs within the depth that were not scored."""
OF_QUERIES = "_queries"
"""Notes of this ending count queries, all of which are in the first block."""


@dataclass(frozen=True)
class EarlyExit:
    """When a list is stopped.

    Attributes:
        gap: logits; 0 never stops.
        block: documents that are scored before the next look.
        keep: rank that the rest shall not reach.
    """

    gap: float = 0.0
    block: int = 20
    keep: int = 10

    def __post_init__(self) -> None:
        if not self.gap >= 0:
            raise ConfigError(f"ranker: exit_gap is {self.gap}; it must be 0 (never stop) or more")
        for name in ("block", "keep"):
            if getattr(self, name) < 1:
                raise ConfigError(f"ranker: exit_{name} is {getattr(self, name)}; it must be at least 1")

    @property
    def identity(self) -> Mapping[str, Any]:
        """What a run depends on; nothing where no list is stopped."""
        return {"early_exit": asdict(self)} if self.gap else {}

    def blocks(self, pairs: pl.DataFrame) -> list[pl.DataFrame]:
        """Pairs of whole queries, by `query_id` and `rank`, in blocks of each list; in one where none is stopped."""
        if not self.gap:
            return [pairs]
        place = pl.int_range(pl.len()).over("query_id") // self.block
        return (
            pairs.with_columns(block=place).sort("block", maintain_order=True).partition_by("block", include_key=False)
        )

    def stops(self, scored: pl.DataFrame, block: pl.DataFrame) -> set[str]:
        """The queries of the block just scored that need no further one.

        Args:
            scored: query_id, logit of everything scored so far, the block included.
            block: query_id, logit of the block.
        """
        kept = scored.group_by("query_id").agg(kth=pl.col("logit").top_k(self.keep).min(), count=pl.len())
        best = block.group_by("query_id").agg(best=pl.col("logit").max())
        done = kept.join(best, on="query_id").filter(
            (pl.col("count") >= self.keep) & (pl.col("best") < pl.col("kth") - self.gap)
        )
        return set(done["query_id"].to_list())


def score_until(
    scorer: PairScorer, pairs: pl.DataFrame, corpus: Corpus, until: EarlyExit
) -> tuple[pl.DataFrame, Counter[str]]:
    """Logits of whole queries' pairs, as far as lists are read, and notes.

    Args:
        scorer: says how relevant each pair is.
        pairs: query_id, doc_id, rank, text, sorted by query and rank.
        corpus: has the documents.
        until: when a list is stopped.

    Returns:
        The scored pairs with a column `logit`, and what was cut or left out.
    """
    notes: Counter[str] = Counter()
    parts: list[pl.DataFrame] = []
    stopped: set[str] = set()
    for number, block in enumerate(until.blocks(pairs)):
        rest = block.filter(~pl.col("query_id").is_in(stopped)) if stopped else block
        notes.update({LEFT_OUT: block.height - rest.height})
        if not rest.height:
            continue
        scored = scorer.score(rest["text"].to_list(), corpus.get(rest["doc_id"].to_list()))
        notes.update({name: n for name, n in scored.notes.items() if number == 0 or not name.endswith(OF_QUERIES)})
        parts.append(rest.with_columns(logit=pl.Series(scored.logits, dtype=pl.Float64)))
        if until.gap and bool(np.isfinite(scored.logits).all()):
            stopped |= until.stops(pl.concat(parts), parts[-1])
    return (pl.concat(parts) if parts else pairs.with_columns(logit=pl.lit(0.0))), +notes
