"""The lists that are fused and compared: of words, of vectors, of an adapter's vectors, and in a cross-encoder's order.

Logits are kept in a folder and are not computed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from periti.config import PipelineConfig, digest
from periti.encoders import minilm
from periti.encoders.cross import CrossEncoder, weights_digest
from periti.panels.material import Material
from periti.panels.slices import Slice
from periti.panels.vectors import measured, moved, searched
from periti.pipeline import open_pipeline
from periti.protocols import Vectors
from periti.rankers.reranking import finished
from periti.types import Run

DEPTH = 100
CUT = 10
MEASURE = f"nDCG@{CUT}"
BM25, DENSE, ADAPTED, RANKER = "bm25", "dense", "dense, adapter", "cross-encoder"


@dataclass(frozen=True)
class Lists:
    """Lists of one collection's queries of one purpose.

    Attributes:
        part: queries and judgements.
        min_rel: the least relevant grade.
        runs: bm25, dense, dense by an adapter, and the ranker's order of BM25's list; of
            DEPTH documents, or fewer where BM25 finds fewer.
    """

    part: Slice
    min_rel: int
    runs: Mapping[str, Run]


def lists_of(material: Material, part: Slice, words: PipelineConfig, matrix: Vectors, logits: Logits) -> Lists:
    """The lists of a collection's queries, DEPTH documents each; `matrix` is the adapter's, float32 (d, d)."""
    first = {BM25: open_pipeline(words).search(part.queries, DEPTH).renamed(BM25)}
    vectors = minilm().encode_queries(part.queries.texts).vectors
    for name, turned in ((DENSE, vectors), (ADAPTED, moved(vectors, matrix))):
        first[name] = searched(material, part.queries, turned, DEPTH, name)
    return Lists(part, material.min_rel, {**first, RANKER: logits.rerank(material, part, first[BM25]).renamed(RANKER)})


@dataclass(frozen=True)
class Logits:
    """A cross-encoder whose logits are remembered by digest of what it reads.

    Attributes:
        model: the cross-encoder.
        folder: where they are kept.
        told: of what is being scored.
    """

    model: CrossEncoder
    folder: Path
    told: Callable[[str], None]

    def rerank(self, material: Material, part: Slice, run: Run) -> Run:
        """The run in the cross-encoder's order."""
        read = [weights_digest(self.model.model), self.model.max_length, self.model.query_budget, self.model.precision]
        pairs = run.frame.join(part.queries.frame, on="query_id").sort("query_id", "rank")
        lists = pairs.partition_by("query_id", maintain_order=True)
        frames = []
        for done, one in enumerate(lists, 1):
            frames.append(self._scored(material, one, [read, material.docstore.corpus_digest]))
            if done % 25 == 0 or done == len(lists):
                self.told(f"{material.name}: {done:,} of {len(lists):,} queries reranked")
        return finished(run, pl.concat(frames))

    def _scored(self, material: Material, pairs: pl.DataFrame, read: Sequence[Any]) -> pl.DataFrame:
        """The logits of one query's list, as kept or computed."""
        key = digest([*read, pairs["text"][0], pairs["doc_id"].to_list()])
        path = self.folder / f"{key}.parquet"
        if not path.exists():
            texts = material.texts(pairs["doc_id"].to_list())
            logits = self.model.logits(self.model.tokenise(pairs["text"].to_list(), texts))
            self.folder.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(".new")
            pl.DataFrame({"logit": logits}).write_parquet(fresh)
            fresh.replace(path)
        # Another query may have the same text and list.
        return pairs.select("query_id", "doc_id").with_columns(pl.read_parquet(path)["logit"])


def mean_of(run: Run, lists: Lists) -> float:
    """The mean of the measure over the queries."""
    return float(measured(run, lists.part, MEASURE, lists.min_rel)["value"].to_numpy().mean())
