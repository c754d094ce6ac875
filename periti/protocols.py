"""The seams of periti: what each role is asked to do, in one to three methods.

Arrays state their shape where they are born; frames cross every border. Anything that satisfies a protocol can be
registered under a name (`periti.registry`) and then passes the contract suite in `tests/contracts`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from periti.types import Coverage, Document, Plan, Queries, Run

Vectors = NDArray[np.float32]
"""float32, shape (n, d), C-contiguous."""


@dataclass(frozen=True)
class EncoderIdentity:
    """What makes two sets of vectors comparable; stored in every dense index and checked before every search."""

    name: str
    weights_sha256: str
    dimension: int
    pooling: str
    normalised: bool
    max_length: int
    prompts: tuple[str, str] = ("", "")
    """Text put before a query and before a document."""


@dataclass(frozen=True)
class Encoded:
    """Vectors of some texts, and what had to be cut to make them."""

    vectors: Vectors
    coverage: Coverage


@runtime_checkable
class Corpus(Protocol):
    """Documents in a fixed order, also found by id."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Document]: ...

    def get(self, doc_ids: Sequence[str]) -> list[Document]:
        """The documents of these ids, in the order asked; UnknownName if one is absent."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Texts to vectors. Query vectors do not depend on what else is encoded in the same call."""

    @property
    def identity(self) -> EncoderIdentity:
        """What has to agree with an index for a search to make sense."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        """Vectors of queries, float32 (n, d)."""
        ...

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        """Vectors of documents, float32 (n, d)."""
        ...

    def query_coverage(self, texts: Sequence[str]) -> Coverage:
        """What encoding these queries would cut, without encoding them."""
        ...


@runtime_checkable
class Index(Protocol):
    """A read-only directory of vectors. If exact, its top k is a prefix of its top k+1, ties included."""

    def __len__(self) -> int: ...

    def search(self, vectors: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
        """Scores float32 (q, k) and row numbers int64 (q, k), best first; -inf and -1 where there is none."""
        ...


@runtime_checkable
class Retriever(Protocol):
    """Queries to ranked documents of one index."""

    def retrieve(self, queries: Queries, depth: int) -> Run:
        """At most `depth` documents for each query, the same whatever else is in `queries`."""
        ...


@runtime_checkable
class Noting(Protocol):
    """A retriever that can tell what it does not read of some queries; an optional power."""

    def notes(self, queries: Queries) -> Mapping[str, int]:
        """Counts worth reporting beside an answer, such as truncated queries; empty when there is nothing to say."""
        ...


@runtime_checkable
class Router(Protocol):
    """How fit each expert is for each query."""

    @property
    def experts(self) -> tuple[str, ...]:
        """The experts it knows, in the order of the columns of `scores`."""
        ...

    def scores(self, queries: Queries) -> NDArray[np.float32]:
        """float32 (n_queries, n_experts), larger is fitter."""
        ...


@runtime_checkable
class Policy(Protocol):
    """Fitness to a plan: whom to ask."""

    def select(self, queries: Queries, experts: Sequence[str], scores: NDArray[np.float32]) -> Plan:
        """At least one expert for every query, weights positive."""
        ...


@runtime_checkable
class Fusion(Protocol):
    """Runs of several experts to one run."""

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an asked expert returned, once."""
        ...


@runtime_checkable
class QueryFusion(Protocol):
    """A fusion that reads the queries too; an optional power."""

    def fuse_queries(self, queries: Queries, runs: Mapping[str, Run], plan: Plan) -> Run:
        """`fuse`, for these queries."""
        ...


@runtime_checkable
class Ranker(Protocol):
    """A run to a better run of the same pairs."""

    def rerank(self, queries: Queries, run: Run, corpus: Corpus) -> Run:
        """Pairs out ⊆ pairs in; inputs are not modified."""
        ...


@dataclass(frozen=True)
class Reranked:
    """What a ranker made of a run, and counts worth reporting: pairs and queries that were cut, calls, failures."""

    run: Run
    notes: Mapping[str, int]


@runtime_checkable
class NotingRanker(Protocol):
    """A ranker that tells what determines its order and what it could not read; an optional power."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Model, revision, max length, dtype, depth: the same identity and first stage give the same run."""
        ...

    def reranked(self, queries: Queries, run: Run, corpus: Corpus) -> Reranked:
        """`rerank`, with its notes."""
        ...
