"""What does periti cost, or save, against bare pyserini `batch_search` on the same Lucene index?

Bare pyserini is `LuceneSearcher.batch_search` with 2 threads plus reading (docid, score) of every hit, which any caller
does; periti's side ends with a Run of checked, ordered rows. Texts: a collection's documents and queries.

Usage: python benchmarks/search_lexical.py COLLECTION_DIRECTORY --queries DATASET [-k 10 100 1000]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from measuring import interleaved, record, summary

from periti.datasets.references import open_queries
from periti.indexers.docstore import Docstore
from periti.indexers.jvm import java
from periti.indexers.lexical import Bm25, LexicalIndex
from periti.retrievers.lexical import LexicalRetriever


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path)
    parser.add_argument("--queries", required=True)
    parser.add_argument("-k", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    docstore = Docstore.open(arguments.collection / "docstore")
    index = LexicalIndex(arguments.collection / "lexical", docstore.ids, docstore.corpus_digest)
    retriever = LexicalRetriever(index.searcher(Bm25()))
    queries = open_queries(arguments.queries)
    java("java.lang.System")  # our JVM first: pyserini accepts a running one
    from pyserini.search.lucene import LuceneSearcher

    bare = LuceneSearcher(str(arguments.collection / "lexical" / "lucene"))
    bare.set_bm25(0.9, 0.4)
    results: dict[str, Any] = {"documents": len(docstore), "queries": len(queries)}
    for k in arguments.k:

        def theirs(k: int = k) -> dict[str, list[tuple[str, float]]]:
            found = bare.batch_search(queries.texts, queries.ids, k=k, threads=2)
            return {query_id: [(hit.docid, hit.score) for hit in hits] for query_id, hits in found.items()}

        calls: dict[str, Callable[[], object]] = {"periti": partial(retriever.retrieve, queries, k), "pyserini": theirs}
        seconds = interleaved(calls, arguments.rounds)
        timings = {name: summary(values) for name, values in seconds.items()}
        ratio = timings["pyserini"]["p50_ms"] / timings["periti"]["p50_ms"]
        results[f"k={k}"] = {**timings, "throughput_vs_pyserini": round(ratio, 3)}
    record("search_lexical", results)


if __name__ == "__main__":
    main()
