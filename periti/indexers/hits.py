"""Lucene queries to NumPy arrays of hits, a whole batch in a few calls.

Reading hits one by one through jnius takes as long as the search itself (1.9 s for 300 queries of 1,000 hits). Method
handles turned into Java functions let the JVM search a batch on its own threads and flatten the answers into arrays of
numbers instead (0.1 s).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from periti.indexers.jvm import cast, java

_COLLECTORS = "java.util.stream.Collectors"


class Hits(NamedTuple):
    """Hits of a batch of queries, flattened in the order of the queries."""

    counts: NDArray[np.int64]
    """int64 (q,): hits of each query."""
    rows: NDArray[np.int64]
    """int64 (sum of counts,): Lucene's internal document numbers."""
    scores: NDArray[np.float32]
    """float32 (sum of counts,)."""


class _Functions(NamedTuple):
    hits: Any
    """Function: TopDocs -> Stream of ScoreDoc."""
    count: Any
    """ToIntFunction: TopDocs -> number of hits."""
    row: Any
    """ToIntFunction: ScoreDoc -> document number."""
    score: Any
    """ToDoubleFunction: ScoreDoc -> score."""


def search_batch(searcher: Any, queries: Sequence[Any], k: int, *, parallel: bool) -> Hits:
    """The k best hits of each Lucene query, by score and then by Lucene's document number.

    Args:
        searcher: a Lucene `IndexSearcher`.
        queries: Lucene `Query` objects.
        k: hits wanted of each.
        parallel: whether Java may use its threads (as many as there are cores); the answer does not depend on it.
    """
    functions = _functions()
    batch = java("java.util.ArrayList")()
    for query in queries:
        batch.add(query)
    stream = batch.parallelStream() if parallel else batch.stream()
    found = java("java.util.ArrayList")(stream.map(_searching(searcher, k)).collect(java(_COLLECTORS).toList()))
    counts = found.stream().mapToInt(functions.count).toArray()
    rows = found.stream().flatMap(functions.hits).mapToInt(functions.row).toArray()
    scores = found.stream().flatMap(functions.hits).mapToDouble(functions.score).toArray()
    return Hits(np.array(counts, np.int64), np.array(rows, np.int64), np.array(scores, np.float32))


def _searching(searcher: Any, k: int) -> Any:
    """A Java function: Query -> TopDocs of its k best hits."""
    handles = java("java.lang.invoke.MethodHandles")
    named = java("java.lang.Class").forName
    arguments = java("java.util.ArrayList")()
    for argument in (named("org.apache.lucene.search.Query"), java("java.lang.Integer").TYPE):
        arguments.add(argument)
    answer = named("org.apache.lucene.search.TopDocs")
    signature = java("java.lang.invoke.MethodType").methodType(answer, cast("java.util.List", arguments))
    handle = handles.publicLookup().findVirtual(named("org.apache.lucene.search.IndexSearcher"), "search", signature)
    bound = handles.insertArguments(handle.bindTo(searcher), 1, java("java.lang.Integer")(k))
    return _function("java.util.function.Function", bound)


@lru_cache(maxsize=1)
def _functions() -> _Functions:
    """Java functions made of field getters; one set serves all threads."""
    named = java("java.lang.Class").forName
    handles = java("java.lang.invoke.MethodHandles")
    method_type = java("java.lang.invoke.MethodType").methodType
    lookup = handles.publicLookup()
    top_docs = named("org.apache.lucene.search.TopDocs")
    score_doc = named("org.apache.lucene.search.ScoreDoc")
    array = named("[Lorg.apache.lucene.search.ScoreDoc;")
    objects = named("[Ljava.lang.Object;")
    stream = lookup.findStatic(
        named("java.util.Arrays"), "stream", method_type(named("java.util.stream.Stream"), objects)
    )
    hits = lookup.findGetter(top_docs, "scoreDocs", array)
    to_stream = stream.asType(method_type(named("java.util.stream.Stream"), array))
    return _Functions(
        hits=_function("java.util.function.Function", handles.filterReturnValue(hits, to_stream)),
        count=_function(
            "java.util.function.ToIntFunction", handles.filterReturnValue(hits, handles.arrayLength(array))
        ),
        row=_function(
            "java.util.function.ToIntFunction", lookup.findGetter(score_doc, "doc", java("java.lang.Integer").TYPE)
        ),
        score=_function(
            "java.util.function.ToDoubleFunction", lookup.findGetter(score_doc, "score", java("java.lang.Float").TYPE)
        ),
    )


def _function(interface: str, handle: Any) -> Any:
    """A method handle as an instance of a functional interface."""
    named = java("java.lang.Class").forName
    return cast(interface, java("java.lang.invoke.MethodHandleProxies").asInterfaceInstance(named(interface), handle))
