"""BM25 as an expert: any index that is searched with words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from periti.errors import ConfigError
from periti.indexers.docstore import Docstore
from periti.indexers.lexical import Bm25, LexicalIndex, LexicalSearcher
from periti.retrievers.runs import run_of_arrays
from periti.types import Queries, Run


@dataclass(frozen=True)
class LexicalOptions(Bm25):
    """BM25's options, and how many queries Lucene answers at once."""

    threads: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threads < 1:
            raise ConfigError(f"lexical retriever: threads is {self.threads}; it must be at least 1")


class LexicalRetriever:
    """Queries to the best documents of a lexical index.

    Args:
        searcher: a searcher of an open index.
        threads: how many queries are answered at once.
    """

    Options = LexicalOptions

    def __init__(self, searcher: LexicalSearcher, threads: int = 2) -> None:
        self.searcher, self.threads = searcher, threads

    @classmethod
    def open(cls, folder: Path, docstore: Docstore, options: LexicalOptions) -> Self:
        """The retriever of an index directory; raises IndexUnusable."""
        index = LexicalIndex(folder, docstore.ids, docstore.corpus_digest)
        return cls(index.searcher(options), options.threads)

    def retrieve(self, queries: Queries, depth: int) -> Run:
        """At most `depth` documents a query, scored by BM25; a query without known terms finds none."""
        scores, ordinals = self.searcher.search(queries.texts, depth, threads=self.threads)
        return run_of_arrays(queries, scores, ordinals, self.searcher.index.ids, "lexical")
