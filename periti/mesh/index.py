"""A vocabulary to a searchable directory: postings of all names, vectors of the headings' own names.

    DIRECTORY/
      words/    docstore and Lucene postings of every name, entry terms included
      vectors/  docstore and FAISS vectors, of preferred names and their natural order or of every name

Both are collections as `periti index build` makes them, a name a document. A heading scores what its best name scores
(MaxP).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from periti.errors import ConfigError, IndexMissing
from periti.indexers.build import BuildConfig, build_collection
from periti.indexers.docstore import Docstore
from periti.indexers.encoding import EncoderSource
from periti.indexers.storage import building
from periti.mesh.vocabulary import Heading, Vocabulary
from periti.progress import Progress
from periti.protocols import Retriever
from periti.retrievers.dense import DenseOptions, DenseRetriever
from periti.retrievers.lexical import LexicalOptions, LexicalRetriever
from periti.types import MAX_K, Document, Queries, Run

WORDS, VECTORS = "words", "vectors"
DENSE = ("names", "all", "none")
"""What gets a vector: preferred names and their natural order, entry terms too, or nothing."""


@dataclass(frozen=True)
class MeshConfig:
    """What to build: of which names vectors are made, and by which encoder; what the vocabulary was read from."""

    dense: str = "names"
    encoder: EncoderSource = field(default_factory=EncoderSource)
    source: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.dense not in DENSE:
            raise ConfigError(f"vocabulary index: dense is {self.dense!r}; known: {', '.join(DENSE)}")


def build_vocabulary(
    vocabulary: Vocabulary,
    target: Path,
    config: MeshConfig | None = None,
    *,
    replace_it: bool = False,
    progress: Progress | None = None,
) -> None:
    """Build the index of a vocabulary; the directory appears whole or not at all.

    Raises:
        InputError: the target exists; StorageError: the disk is full or not writable.
    """
    config = config or MeshConfig()
    plain = BuildConfig(name="MeSH", dense=None, source=config.source)
    with building(target, replace=replace_it) as folder:
        build_collection(_documents(vocabulary, entries=True), folder / WORDS, plain, progress=progress)
        if config.dense != "none":
            whole = BuildConfig(name="MeSH", lexical=None, encoder=config.encoder, source=config.source)
            names = _documents(vocabulary, entries=config.dense == "all")
            build_collection(names, folder / VECTORS, whole, progress=progress)


def _documents(vocabulary: Vocabulary, *, entries: bool) -> Iterator[Document]:
    """A document a name; the first of a heading holds what else is known of it."""
    for number, heading in enumerate(vocabulary.headings):
        names = heading.names if entries else replace(heading, entries=()).names
        for place, name in enumerate(names):
            known = {"uid": heading.uid, "entries": list(heading.entries), "trees": list(heading.trees)}
            yield Document(f"{number:06d}-{place:04d}", name, metadata=known if place == 0 else {})


class HeadingSearch:
    """Texts to headings by one of the indexes.

    Args:
        retriever: finds names.
        headings: the heading of every name's id.
    """

    def __init__(self, retriever: Retriever, headings: pl.DataFrame) -> None:
        self.retriever, self.headings = retriever, headings

    def search(self, texts: Sequence[str], depth: int) -> list[list[tuple[str, float]]]:
        """For each text, the `depth` best headings with the score of their best name; fewer where there are none.

        Equal scores are in descending order of headings, as in any Run.
        """
        queries = Queries.from_pairs([(f"{number:08d}", text) for number, text in enumerate(texts)])
        found: dict[str, list[tuple[str, float]]] = {}
        names = min(MAX_K, 4 * depth + 1)
        while len(queries):
            run = self.retriever.retrieve(queries, names)
            best = self._maxp(run).top(depth).frame
            lists = {
                str(key[0]): list(part.select("doc_id", "score").iter_rows()) for key, part in best.group_by("query_id")
            }
            lengths = dict(run.frame.group_by("query_id").len().iter_rows())
            last = dict(run.frame.group_by("query_id").agg(pl.col("score").last()).iter_rows())
            again = [
                name
                for name, hits in lists.items()
                if lengths[name] == names < MAX_K and (len(hits) < depth or hits[-1][1] <= last[name])
            ]
            found.update(lists)
            queries = Queries(queries.frame.filter(pl.col("query_id").is_in(again)))
            names = min(MAX_K, names * 4)
        return [found.get(f"{number:08d}", []) for number in range(len(texts))]

    def _maxp(self, run: Run) -> Run:
        """Names to headings, each with its largest score."""
        owned = run.frame.join(self.headings, on="doc_id", how="left")
        best = owned.group_by("query_id", "heading").agg(pl.col("score").max())
        return Run.of(best.rename({"heading": "doc_id"}), run.name)


@dataclass(frozen=True)
class MeshIndex:
    """An open index: the vocabulary, and a search by words and, if it was built, by vectors."""

    vocabulary: Vocabulary
    words: HeadingSearch
    vectors: HeadingSearch | None
    encoder: DenseRetriever | None

    @classmethod
    def open(cls, folder: Path) -> MeshIndex:
        """The index that `build_vocabulary` wrote; raises IndexUnusable."""
        if not (folder / WORDS).is_dir():
            raise IndexMissing(f"{folder} holds no vocabulary; build one with `periti mesh index`")
        docstore = Docstore.open(folder / WORDS / "docstore")
        lexical = LexicalRetriever.open(folder / WORDS / "lexical", docstore, LexicalOptions())
        vocabulary, dense = _vocabulary(docstore), None
        vectors: HeadingSearch | None = None
        if (folder / VECTORS).is_dir():
            names = Docstore.open(folder / VECTORS / "docstore")
            dense = DenseRetriever.open(folder / VECTORS / "dense", names, DenseOptions())
            vectors = HeadingSearch(dense, _owners(names, vocabulary))
        return cls(vocabulary, HeadingSearch(lexical, _owners(docstore, vocabulary)), vectors, dense)


def _vocabulary(docstore: Docstore) -> Vocabulary:
    found = []
    for document in docstore:
        if document.metadata:
            known = document.metadata
            found.append(Heading(document.text, known["uid"], tuple(known["entries"]), tuple(known["trees"])))
    return Vocabulary(found)


def _owners(docstore: Docstore, vocabulary: Vocabulary) -> pl.DataFrame:
    """doc_id, heading: the heading that each document is a name of."""
    number = docstore.ids.ids.str.head(6).cast(pl.Int64)
    names = pl.Series("heading", [heading.name for heading in vocabulary.headings], pl.String)
    return pl.DataFrame({"doc_id": docstore.ids.ids, "heading": names.gather(number)})
