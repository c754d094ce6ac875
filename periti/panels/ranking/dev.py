"""How good a ranker is on dev: the first stage's lists, reranked as it would rerank them in a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.encoders.cross import CrossEncoder, PairTokens
from periti.errors import InputError
from periti.panels.ranking.config import RankerConfig
from periti.panels.ranking.source import RankingSource
from periti.panels.slices import DEV, Slice
from periti.panels.vectors import measured
from periti.rankers.reranking import finished, require_finite
from periti.training.ranking.settings import RankingOptions
from periti.training.ranking.trainer import Score
from periti.types import Run


@dataclass(frozen=True)
class DevLists:
    """Lists of the dev queries of one collection, tokenised once.

    Attributes:
        name: of the collection.
        part: queries and judgements; relevant documents that the first stage missed stay missed.
        min_rel: the least grade that counts in binary measures.
        run: of the first stage.
        pairs: query_id, doc_id of what is reranked; the rest of a list stays below.
        tokens: of the pairs.
        depth: documents of a list that are reranked.
        prior: added to the logits, float64 (pairs,): what training adds of the first stage's scores.
    """

    name: str
    part: Slice
    min_rel: int
    run: Run
    pairs: pl.DataFrame
    tokens: list[PairTokens]
    depth: int
    prior: NDArray[np.float64]

    @classmethod
    def of(cls, source: RankingSource, encoder: CrossEncoder, options: RankingOptions) -> DevLists:
        """The lists of a source that has dev queries, as the encoder reads them."""
        depth = options.dev_depth
        part, run = source.slices[DEV], source.runs[DEV]
        low, high = (pl.col("score").min(), pl.col("score").max())
        height = ((pl.col("score") - low) / (high - low)).fill_nan(0.5).over("query_id")
        scored = Run(run.name, run.frame.with_columns(height=height))
        pairs = scored.top(depth).frame.join(part.queries.frame, on="query_id").sort("query_id", "rank")
        texts = [document.default_text() for document in source.docstore.get(pairs["doc_id"].to_list())]
        tokens = encoder.tokenise(pairs["text"].to_list(), texts)
        prior = options.first_stage * pairs["height"].to_numpy()
        return cls(source.name, part, source.min_rel, run, pairs.select("query_id", "doc_id"), tokens, depth, prior)

    def reranked(self, encoder: CrossEncoder) -> Run:
        """The run in the encoder's order.

        Raises:
            EncoderError: a logit is not finite.
        """
        logits = encoder.logits(self.tokens) + self.prior
        require_finite(logits, self.pairs)
        return finished(self.run, self.pairs.with_columns(logit=pl.Series(logits)))

    def mean(self, run: Run, measure: str) -> float:
        """The mean of the measure over the dev queries."""
        return float(np.mean(measured(run, self.part, measure, self.min_rel)["value"].to_numpy()))

    def sentence(self, measure: str) -> str:
        """What the card says of it."""
        cut = sum(1 for pair in self.tokens if pair.cut)
        return (
            f"{self.name}: {len(self.part.queries):,} queries, the first {self.depth} documents of each reranked; the "
            f"first stage has {self.mean(self.run, measure):.4f}; {cut:,} of {len(self.tokens):,} pairs are cut"
        )


def dev_lists(sources: Sequence[RankingSource], encoder: CrossEncoder, config: RankerConfig) -> list[DevLists]:
    """The lists of the sources that have dev queries.

    Raises:
        InputError: none has.
    """
    judged = [source for source in sources if DEV in source.slices]
    if not judged:
        names = ", ".join(repr(source.name) for source in sources)
        raise InputError(f"none of the sources {names} has dev queries to stop by; give one a share of dev")
    return [DevLists.of(source, encoder, config.training) for source in judged]


def dev_score(lists: Sequence[DevLists], measure: str) -> Score:
    """Mean over the collections of the measure on their dev queries."""

    def score(encoder: CrossEncoder) -> float:
        return float(np.mean([one.mean(one.reranked(encoder), measure) for one in lists]))

    return score
