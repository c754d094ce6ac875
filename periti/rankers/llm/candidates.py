"""What rankers that ask a model have in common: whole queries at a time, calls side by side, a declared fallback."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

import polars as pl

from periti.errors import ConfigError, EndpointError
from periti.protocols import Corpus, Reranked
from periti.rankers.llm.endpoint import Endpoint, Session
from periti.rankers.reranking import finished
from periti.registry import nearest
from periti.types import Document, Queries, Run

T = TypeVar("T")
ON_FAILURE = ("error", "first-stage")
_PAIRS_AT_ONCE = 4096
"""Pairs whose texts are held."""
_LOGITS = pl.Schema({"query_id": pl.String, "doc_id": pl.String, "logit": pl.Float64})


@dataclass(frozen=True)
class Candidates:
    """A query and its first documents, best first."""

    query_id: str
    text: str
    documents: Sequence[Document]


class ModelRanker(ABC):
    """A ranker made of an endpoint and a way to ask it.

    Args:
        endpoint: is asked.
        depth: documents of a query that are judged; the others follow in first-stage order.
        on_failure: "error" raises the first failure; "first-stage" leaves a query of which one question failed as it
            was, and counts it as unranked_queries.
    """

    def __init__(self, endpoint: Endpoint, depth: int, on_failure: str) -> None:
        self.endpoint, self.depth, self._on_failure = endpoint, depth, on_failure

    @property
    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What determines the ranking, as far as a client can know."""

    @abstractmethod
    def judged(self, session: Session, batch: Sequence[Candidates]) -> Sequence[Sequence[float] | None]:
        """For each query, the logits of its documents, or None if the declared fallback applies."""

    def close(self) -> None:
        """Close the cache of answers."""
        self.endpoint.close()

    def rerank(self, queries: Queries, run: Run, corpus: Corpus) -> Run:
        """The run in the model's order; raises as `reranked`."""
        return self.reranked(queries, run, corpus).run

    def reranked(self, queries: Queries, run: Run, corpus: Corpus) -> Reranked:
        """The run in the model's order, with counts of calls, tokens, cost, cuts and failures.

        Raises:
            UnknownName: a candidate is not in the corpus.
            EndpointError: a question has no answer, and failures are to be errors.
            StorageError: the cache can not be read or written.
        """
        session = Session(self.endpoint)
        rows: list[tuple[str, str, float]] = []
        for batch in batches(queries, run, corpus, self.depth):
            for candidates, logits in zip(batch, self.judged(session, batch), strict=True):
                if logits is None:
                    session.count("unranked_queries")
                    continue
                ids = [document.doc_id for document in candidates.documents]
                rows += zip([candidates.query_id] * len(ids), ids, logits, strict=True)
        return Reranked(finished(run, pl.DataFrame(rows, schema=_LOGITS, orient="row")), session.notes)

    def _parallel(self, session: Session, jobs: Sequence[Callable[[], T]]) -> list[T | None]:
        """What the jobs return, in their order; None where one failed and that is no error."""

        def run(job: Callable[[], T]) -> T | None:
            try:
                return job()
            except EndpointError:
                if self._on_failure == "error":
                    raise
                return None

        with ThreadPoolExecutor(self.endpoint.settings.concurrency) as pool:
            futures = [pool.submit(run, job) for job in jobs]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
                for future in futures:
                    if future.done():
                        future.result()
                return [future.result() for future in futures]
            except BaseException:  # Ctrl-C as well: nothing more is asked or paid for
                session.stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def batches(queries: Queries, run: Run, corpus: Corpus, depth: int) -> Iterator[list[Candidates]]:
    """The queries that have candidates, by id, as many at a time as may be held with their texts."""
    pairs = run.frame.filter(pl.col("rank") <= depth).join(queries.frame, on="query_id", how="inner")
    batch: list[Candidates] = []
    held = 0
    for part in pairs.sort("query_id", "rank").partition_by("query_id", maintain_order=True):
        documents = corpus.get(part["doc_id"].to_list())
        batch.append(Candidates(part["query_id"][0], part["text"][0], documents))
        held += len(documents)
        if held >= _PAIRS_AT_ONCE:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def check_on_failure(on_failure: str) -> None:
    """Raise ConfigError if it is no known way to go on."""
    if on_failure not in ON_FAILURE:
        raise ConfigError(f"ranker: on_failure is {on_failure!r}; {nearest(on_failure, ON_FAILURE)}")
