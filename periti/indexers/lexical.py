"""Words to documents: Lucene postings through pyserini's Anserini jar.

The index is an ordinary Anserini one (`LuceneSearcher` of pyserini opens it). Searching goes to Lucene directly, not
through Anserini's `SimpleSearcher`, which rounds scores to four decimals and nudges ties apart in ascending order of
ids; here scores stay Lucene's and ties follow the one rule, so the top k is always a prefix of the top k+1.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import ConfigError, IndexDamaged, IndexMismatch, InputError, StorageError
from periti.indexers.docstore import DocIds
from periti.indexers.hits import Hits, search_batch
from periti.indexers.jvm import cast, java, java_error, on_java_thread
from periti.indexers.manifest import Manifest, open_verified
from periti.protocols import Vectors
from periti.types import MAX_K, Document

LUCENE, ROWS = "lucene", "rows.npy"
ANALYSERS: Mapping[str, tuple[str, ...]] = {
    "en": ("-language", "en", "-stemmer", "porter"),
    "en-unstemmed": ("-language", "en", "-stemmer", "none"),
    **{
        code: ("-language", code)
        for code in ("ar", "bn", "de", "es", "fi", "fr", "hi", "hu", "id", "it", "ja", "ko", "nl", "no", "pt", "ru",
                     "sv", "te", "th", "tr", "zh")
    },
}  # fmt: skip
"""Name -> arguments of Anserini's indexer: "en" stems (Porter) and drops stop words, "zh" takes character bigrams."""
CONTENTS, TITLE = "contents", "title"
_ADD = 1_000
"""Documents handed to the JVM at once."""


@dataclass(frozen=True)
class LexicalConfig:
    """How texts are cut into terms."""

    analyser: str = "en"
    threads: int = 2

    def __post_init__(self) -> None:
        if self.analyser not in ANALYSERS:
            raise ConfigError(f"lexical index: no analyser {self.analyser!r}; known: {', '.join(sorted(ANALYSERS))}")
        if self.threads < 1:
            raise ConfigError(f"lexical index: threads is {self.threads}; it must be at least 1")


@dataclass(frozen=True)
class Bm25:
    """How documents are scored: BM25 (k1, b as in Anserini), optional weight of the title, optional RM3.

    RM3 (Abdul-Jaleel et al., TREC 2004) expands the query with `rm3_terms` terms of its first `rm3_documents`
    documents; `rm3_weight` is the share that the original query keeps. The contents field holds title and text;
    `title_weight` adds the title's own score on top.
    """

    k1: float = 0.9
    b: float = 0.4
    title_weight: float = 0.0
    rm3: bool = False
    rm3_terms: int = 10
    rm3_documents: int = 10
    rm3_weight: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.k1 < math.inf or not 0 <= self.b <= 1:
            raise ConfigError(f"BM25: k1 is {self.k1} and b is {self.b}; k1 must be >= 0 and b between 0 and 1")
        if not 0 <= self.title_weight < math.inf:
            raise ConfigError(f"BM25: title_weight is {self.title_weight}; it must be >= 0")
        if self.rm3 and (self.rm3_terms < 1 or self.rm3_documents < 1 or not 0 <= self.rm3_weight <= 1):
            raise ConfigError("RM3: terms and documents must be at least 1 and the weight between 0 and 1")
        if self.rm3 and self.title_weight:
            raise ConfigError("RM3 expands the contents field only; leave title_weight at 0 or switch rm3 off")


def write_lexical(documents: Iterable[Document], ids: DocIds, folder: Path, config: LexicalConfig) -> Mapping[str, Any]:
    """Index documents with Lucene into an existing folder.

    Args:
        documents: the corpus, in the docstore's order.
        ids: the docstore's ids.
        folder: where to write.
        config: the analyser and the number of threads.

    Returns:
        Facts for the manifest: how many documents hold terms, how many are empty.

    Raises:
        IndexDamaged: Lucene holds another number of documents than were given.
        StorageError: Lucene could not write its index.
    """
    target = (folder / LUCENE).resolve()
    arguments = ["-input", "", "-collection", "JsonCollection", "-index", str(target), "-threads", str(config.threads),
                 *ANALYSERS[config.analyser], "-fields", TITLE, "-storeDocvectors"]  # fmt: skip
    given = empty = 0
    try:
        with _writing(arguments) as add:
            for block in _blocks(documents):
                lines = [_json(document) for document in block if document.default_text()]
                empty += len(block) - len(lines)
                given += len(lines)
                if lines:
                    add(lines)
    except java_error() as error:
        raise _unwritten(target) from error
    if not any(target.glob("segments_*")):  # Anserini logs a failed commit and goes on
        raise _unwritten(target)
    (target / "write.lock").unlink(missing_ok=True)
    rows = on_java_thread(lambda: _rows(target, ids))
    if len(rows) != given:
        raise IndexDamaged(f"Lucene holds {len(rows):,} documents of the {given:,} given to it; build the index again")
    np.save(folder / ROWS, rows)
    return {"indexed": given, "empty_documents": empty}


class LexicalIndex:
    """A verified Lucene index, opened for reading; safe to share between threads.

    Args:
        folder: a directory written by `periti.indexers.build`.
        ids: the ids of the collection's docstore.
        corpus_digest: the docstore's.

    Raises:
        IndexUnusable: as `open_verified`; IndexMismatch when it belongs to another corpus.
    """

    def __init__(self, folder: Path, ids: DocIds, corpus_digest: str) -> None:
        self.folder = folder
        self.manifest: Manifest = open_verified(folder, "lexical")
        if self.manifest.corpus_digest != corpus_digest:
            raise IndexMismatch(f"{folder} indexes another corpus than the docstore beside it; build it again")
        self.ids = ids
        self._rows: NDArray[np.int64] = np.load(folder / ROWS, allow_pickle=False)
        self._reader = on_java_thread(lambda: _open_reader(folder / LUCENE))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def analyser(self) -> str:
        """Name of the analyser that cut the documents, which also cuts the queries."""
        return str(self.manifest.config["analyser"])

    def searcher(self, scoring: Bm25) -> LexicalSearcher:
        """A searcher of this index with its own scoring."""
        return LexicalSearcher(self, scoring)

    def close(self) -> None:
        """Give Lucene's files back."""
        on_java_thread(self._reader.close)


class LexicalSearcher:
    """Texts to the best documents of one lexical index under one scoring."""

    def __init__(self, index: LexicalIndex, scoring: Bm25) -> None:
        self.index, self.scoring = index, scoring
        on_java_thread(self._open)

    def _open(self) -> None:
        scoring = self.scoring
        reader = cast("org.apache.lucene.index.IndexReader", self.index._reader)  # noqa: SLF001
        self._searcher = java("org.apache.lucene.search.IndexSearcher")(reader)
        bm25 = java("org.apache.lucene.search.similarities.BM25Similarity")(scoring.k1, scoring.b)
        self._searcher.setSimilarity(bm25)
        self._generator = java("io.anserini.search.query.BagOfWordsQueryGenerator")()
        self._feedback = java("io.anserini.search.SimpleSearcher")(str((self.index.folder / LUCENE).resolve()))
        self._feedback.set_bm25(scoring.k1, scoring.b)
        if self.index.analyser == "en-unstemmed":
            self._feedback.set_analyzer(java("io.anserini.analysis.DefaultEnglishAnalyzer").newNonStemmingInstance())
        elif self.index.analyser != "en":
            self._feedback.set_language(self.index.analyser)
        if scoring.rm3:
            count, documents, weight = scoring.rm3_terms, scoring.rm3_documents, scoring.rm3_weight
            self._feedback.set_rm3(None, count, documents, weight, False, True)
        self._analyzer = self._feedback.get_analyzer()

    def search(self, texts: Sequence[str], k: int, *, threads: int = 2) -> tuple[Vectors, NDArray[np.int64]]:
        """The k best documents of each text by the one ordering rule.

        Args:
            texts: queries; one without any known term finds nothing.
            k: 1..10,000.
            threads: 1 keeps Lucene to one core, more lets it use all; the answer does not depend on it.

        Returns:
            scores float32 (q, k) and docstore ordinals int64 (q, k); -inf and -1 where there are no more.

        Raises:
            InputError: k is out of range.
        """
        if not 1 <= k <= MAX_K:
            raise InputError(f"k is {k}; it must be between 1 and {MAX_K:,}")
        return on_java_thread(lambda: self._search(texts, k, parallel=threads > 1 and len(texts) > 1))

    def _search(self, texts: Sequence[str], k: int, *, parallel: bool) -> tuple[Vectors, NDArray[np.int64]]:
        """Ask for one hit more than wanted, and for more yet where the last places are tied."""
        scores, ordinals = np.full((len(texts), k), -np.inf, np.float32), np.full((len(texts), k), -1, np.int64)
        queries = [self._query(text) for text in texts]
        pending, wanted = list(range(len(texts))), k + 1
        while pending:
            hits = search_batch(self._searcher, [queries[i] for i in pending], wanted, parallel=parallel)
            self._place(hits, pending, scores, ordinals)
            pending = _tied_at_the_cut(hits, pending, k, wanted)
            wanted *= 4
        return scores, ordinals

    def terms(self, text: str) -> list[str]:
        """The terms that a text is searched by."""
        analyse = java("io.anserini.analysis.AnalyzerUtils").analyze
        return on_java_thread(lambda: [str(term) for term in analyse(self._analyzer, text).toArray()])

    def _query(self, text: str) -> Any:
        """A Lucene query of the text's terms, expanded and weighted as the scoring says."""
        scoring = self.scoring
        if scoring.rm3 and (weights := self._feedback.get_feedback_terms(text)):
            return self._generator.buildQuery(CONTENTS, weights)
        if scoring.title_weight:
            fields = java("java.util.HashMap")()
            for name, weight in ((CONTENTS, 1.0), (TITLE, scoring.title_weight)):
                fields.put(name, java("java.lang.Float")(weight))
            return self._generator.buildQuery(cast("java.util.Map", fields), self._analyzer, text)
        return self._generator.buildQuery(CONTENTS, self._analyzer, text)

    def _place(self, hits: Hits, queries: list[int], scores: Vectors, ordinals: NDArray[np.int64]) -> None:
        """Order the hits of each query by the one rule and write its first k into the result."""
        k = scores.shape[1]
        found = self.index._rows[hits.rows]  # noqa: SLF001
        owner = np.repeat(np.arange(len(queries)), hits.counts)
        order = np.lexsort((self.index.ids.tie_rank[found], -hits.scores, owner))
        place = np.arange(len(order)) - np.repeat(np.cumsum(hits.counts) - hits.counts, hits.counts)
        kept = order[place < k]
        target = np.array(queries, np.int64)[owner[kept]], place[place < k]
        scores[target], ordinals[target] = hits.scores[kept], found[kept]


def _tied_at_the_cut(hits: Hits, queries: list[int], k: int, wanted: int) -> list[int]:
    """The queries whose k-th and last hit have equal scores, so that a tied document may have been cut off."""
    ends = np.cumsum(hits.counts)
    full = hits.counts == wanted
    last = hits.scores[np.where(full, ends - 1, 0)] if len(hits.scores) else np.zeros(len(queries))
    at_k = hits.scores[np.where(full, ends - wanted + k - 1, 0)] if len(hits.scores) else last
    return [query for query, again in zip(queries, full & (last == at_k), strict=True) if again]


def _unwritten(target: Path) -> StorageError:
    free = shutil.disk_usage(target.parent).free
    return StorageError(
        f"Lucene could not finish its index in {target} ({free:,} bytes free); nothing was kept, "
        "make room and build again"
    )


@contextmanager
def _writing(arguments: list[str]) -> Iterator[Callable[[list[str]], object]]:
    """An open Lucene writer, as the function that adds a block of JSON documents; closed whatever happens."""
    writer = on_java_thread(lambda: java("io.anserini.index.SimpleIndexer")(arguments))
    try:
        yield lambda lines: on_java_thread(lambda: writer.addRawDocuments(lines))
    finally:
        on_java_thread(writer.close)


def _blocks(documents: Iterable[Document]) -> Iterator[list[Document]]:
    iterator = iter(documents)
    while block := list(islice(iterator, _ADD)):
        yield block


def _json(document: Document) -> str:
    """A document as Anserini's JsonCollection reads it."""
    return json.dumps(
        {"id": document.doc_id, "contents": f"{document.title}\n{document.text}".strip(), TITLE: document.title}
    )


def _open_reader(path: Path) -> Any:
    # Long queries (a case, a review) hold more distinct terms than Lucene's default of 1,024 clauses.
    java("org.apache.lucene.search.IndexSearcher").setMaxClauseCount(1 << 20)
    # A JVM keeps the working directory it was started in: a relative path would mean another place after a chdir.
    directory = java("org.apache.lucene.store.FSDirectory").open(java("java.nio.file.Paths").get(str(path.resolve())))
    return java("org.apache.lucene.index.DirectoryReader").open(cast("org.apache.lucene.store.Directory", directory))


def _rows(path: Path, ids: DocIds) -> NDArray[np.int64]:
    """Docstore ordinal of each of Lucene's internal document numbers, int64 (n,)."""
    reader = _open_reader(path)
    try:
        fields = reader.storedFields()
        found = [str(fields.document(row).get("id")) for row in range(reader.maxDoc())]
    finally:
        reader.close()
    known = ids.ids.to_frame("doc_id").with_row_index("ordinal")
    placed = pl.DataFrame({"doc_id": found}).join(known, on="doc_id", how="left", maintain_order="left")
    return placed["ordinal"].cast(pl.Int64).to_numpy()


def config_facts(config: LexicalConfig) -> dict[str, Any]:
    """The configuration as the manifest stores it; threads do not change the index."""
    facts = asdict(config)
    del facts["threads"]
    return facts
