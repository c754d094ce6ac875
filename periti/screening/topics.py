"""A review topic: a question, the whole set of its candidates, and what each of them says.

The candidates are all judged documents of the topic. They have no first-stage order, so nothing of the order in which
they are stored may reach a ranking: ties are broken by the digest of the id (`Topic.order`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import InputError, UnknownName
from periti.indexers.docstore import Docstore
from periti.pipeline import Pipeline
from periti.registry import nearest
from periti.retrievers.dense import DenseRetriever
from periti.retrievers.lexical import LexicalRetriever
from periti.screening.terms import unit_rows
from periti.types import MAX_K, Document, Qrels, Queries

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Topic:
    """One review topic.

    Attributes:
        name: the query's id.
        query: its text.
        documents: n candidates, sorted by id.
        grades: int64 (n,), the judgements.
        words: float64 (n,), BM25 with the query, 0 where no term of it occurs.
        meaning: float64 (n,), cosine of the vectors of query and document, 0 where there is no text.
        vectors: float64 (n, d), of length one, 0 where there is no text.
    """

    name: str
    query: str
    documents: tuple[Document, ...]
    grades: Ints
    words: Floats
    meaning: Floats
    vectors: Floats

    def __len__(self) -> int:
        return len(self.documents)

    def relevant(self, rel: int = 1) -> Flags:
        """Who is judged at that grade or above, bool (n,)."""
        return self.grades >= rel

    @cached_property
    def textless(self) -> Flags:
        """Documents with neither title nor text, of which nothing can be said; bool (n,)."""
        return np.array([not document.default_text() for document in self.documents])

    @cached_property
    def places(self) -> Floats:
        """float64 (n,), from 0 to 1: what orders equal scores, drawn from the digest of each id."""
        digests = (hashlib.sha256(document.doc_id.encode()).digest() for document in self.documents)
        return np.array([int.from_bytes(digest[:6], "big") / 2.0**48 for digest in digests])

    def scaled(self, scores: Floats) -> Floats:
        """Scores with mean 0 and deviation 1 over the documents with text; documents without one get the median.

        Nothing speaks for or against a document without text; at the bottom it would be taken for excluded.
        """
        read = ~self.textless
        if not read.any():
            return np.zeros(len(self))
        spread = scores[read].std()
        scaled = (scores - scores[read].mean()) / (spread if spread > 0 else 1.0)
        settled: Floats = np.where(read, scaled, np.median(scaled[read]))
        return settled

    def order(self, scores: Floats, among: Ints | None = None) -> Ints:
        """Candidates (or those `among` them) by score descending, equal ones by `places`; int64."""
        among = np.arange(len(self)) if among is None else among
        return among[np.lexsort((self.places[among], -scores[among]))]

    @cached_property
    def keys(self) -> tuple[frozenset[str], ...]:
        """What each document is recognised by in another topic: PubMed id, and title in plain letters."""
        return tuple(_keys(document) for document in self.documents)

    def shared_with(self, others: Sequence[Topic]) -> Flags:
        """Documents that are also candidates of one of the others, bool (n,)."""
        elsewhere = frozenset[str]().union(*(own for other in others for own in other.keys))
        return np.array([bool(own & elsewhere) for own in self.keys], dtype=np.bool_)


def _keys(document: Document) -> frozenset[str]:
    title = re.sub(r"[^a-z0-9]+", " ", document.title.lower()).strip()
    number = str(document.metadata.get("pubmed_id", ""))
    return frozenset(({f"title:{title}"} if title else set()) | ({f"pubmed:{number}"} if number else set()))


def read_topics(collection: Pipeline, queries: Queries, qrels: Qrels, names: Sequence[str] = ()) -> tuple[Topic, ...]:
    """The topics of a collection.

    Args:
        collection: an open collection with a lexical and a dense expert.
        queries: one text a topic.
        qrels: the judgements; the judged documents of a topic are its candidates.
        names: topics to read; all judged ones without it.

    Raises:
        UnknownName: there is no topic of a name, or a candidate is not in the collection.
        InputError: the collection has no such experts, or more documents than can be ranked whole.
    """
    known = [name for name in queries.ids if name in set(qrels.query_ids)]
    for name in names:
        if name not in known:
            raise UnknownName(f"there is no topic {name!r}; {nearest(name, known)}")
    wanted = [name for name in known if name in names or not names]
    asked = Queries(queries.frame.filter(pl.col("query_id").is_in(wanted)))
    lexical, dense, docstore = _experts(collection)
    found = lexical.retrieve(asked, len(docstore)).frame
    vectors = np.zeros((len(docstore), dense.index.identity.dimension))
    rows, stored = dense.index.stored()
    vectors[rows] = unit_rows(stored.astype(np.float64))
    questions = unit_rows(dense.encoder.encode_queries(asked.texts).vectors.astype(np.float64))
    topics = []
    for (name, text), question in zip(asked.frame.iter_rows(), questions, strict=True):
        judged = qrels.frame.filter(pl.col("query_id") == name).sort("doc_id")
        ids = judged["doc_id"].to_list()
        own = vectors[[docstore.ids.ordinal(doc_id) for doc_id in ids]]
        scores = judged.join(found.filter(pl.col("query_id") == name), on="doc_id", how="left", maintain_order="left")
        topics.append(
            Topic(
                name=name,
                query=text,
                documents=tuple(docstore.get(ids)),
                grades=judged["relevance"].to_numpy().astype(np.int64),
                words=scores["score"].fill_null(0.0).to_numpy().astype(np.float64),
                meaning=own @ question,
                vectors=own,
            )
        )
    return tuple(topics)


def _experts(collection: Pipeline) -> tuple[LexicalRetriever, DenseRetriever, Docstore]:
    """The first lexical and dense expert, and the texts."""
    retrievers = [expert.retriever for expert in collection.experts.values()]
    lexical = next((one for one in retrievers if isinstance(one, LexicalRetriever)), None)
    dense = next((one for one in retrievers if isinstance(one, DenseRetriever)), None)
    if lexical is None or dense is None or not isinstance(collection.corpus, Docstore):
        raise InputError(
            f"collection {collection.name!r} lacks a lexical or a dense expert, and screening compares both; build it "
            "with periti index build"
        )
    if len(collection.corpus) > MAX_K:
        raise InputError(
            f"collection {collection.name!r} has {len(collection.corpus):,} documents and screening ranks all of a "
            f"topic, at most {MAX_K:,} a collection; index the candidates of fewer topics at a time"
        )
    return lexical, dense, collection.corpus
