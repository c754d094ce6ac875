"""Nearest passages as an expert that answers with documents: a passage index searched with an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self
from weakref import WeakKeyDictionary

from periti.encoders.panel import ExpertEncoder
from periti.indexers.approximate import SearchSettings
from periti.indexers.dense import DenseIndex
from periti.indexers.docstore import Docstore
from periti.indexers.encoding import EncoderSource, load_encoder
from periti.indexers.passages import KIND, PassageIndex
from periti.passages.aggregation import Aggregation
from periti.protocols import Encoder
from periti.retrievers.dense import DenseOptions, DenseRetriever, expert_encoder
from periti.retrievers.runs import run_of_arrays
from periti.types import Queries, Run


@dataclass(frozen=True)
class PassageOptions(DenseOptions):
    """The options of a dense retriever, and how scores of passages become one of their document.

    `aggregation` is first, max, sum, mean, top-mean or decayed; `best` says how many passages the last two look at and
    `decay` what the next passage weighs for the last (`periti.passages.aggregation`).
    """

    aggregation: str = "max"
    best: int = 3
    decay: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rule()

    def rule(self) -> Aggregation:
        """The aggregation; raises ConfigError if there is no such rule."""
        return Aggregation(self.aggregation, self.best, self.decay)


class PassageRetriever:
    """Queries to the documents of the best passages.

    Args:
        index: an open passage index.
        encoder: makes the query vectors; must be the one that made the passage vectors.

    Raises:
        IndexMismatch: the encoder is another than the index was built with.
    """

    Options = PassageOptions

    def __init__(self, index: PassageIndex, encoder: Encoder) -> None:
        self._reading = DenseRetriever(index.passages, encoder)
        self.index, self.encoder = index, encoder

    @classmethod
    def open(cls, folder: Path, docstore: Docstore, options: PassageOptions) -> Self:
        """The retriever of an index directory, with the encoder its manifest names; raises IndexUnusable."""
        settings = SearchSettings(**{f.name: getattr(options, f.name) for f in fields(SearchSettings)})
        index = PassageIndex(_passages(folder, docstore, settings), options.rule())
        source = EncoderSource.of_manifest(index.passages.manifest)
        precision = {"precision": options.query_precision} if options.query_precision else {}
        encoder = load_encoder(EncoderSource(source.name, {**source.options, **precision}))
        return cls(index, expert_encoder(encoder, options))

    def retrieve(self, queries: Queries, depth: int) -> Run:
        """At most `depth` documents a query, scored by their passages."""
        scores, ordinals = self.index.search(self.encoder.encode_queries(queries.texts).vectors, depth)
        return run_of_arrays(queries, scores, ordinals, self.index.passages.ids, "passages")

    def notes(self, queries: Queries) -> Mapping[str, int]:
        """How many queries the encoder does not read to their end, and how many tokens that leaves out."""
        return self._reading.notes(queries)

    def fingerprint(self) -> Mapping[str, str]:
        """What its scores depend on."""
        passages, rule = self.index.passages, self.index.aggregation
        return {
            "index": str(passages.manifest.config_digest) + passages.manifest.corpus_digest,
            "model": self.encoder.identity.weights_sha256,
            "adapter": (self.encoder.adapter if isinstance(self.encoder, ExpertEncoder) else None) or "",
            "search": "exact" if passages.exact else repr(passages.settings),
            "aggregation": repr(asdict(rule)),
        }


_OPEN: WeakKeyDictionary[Docstore, dict[tuple[Path, SearchSettings], DenseIndex]] = WeakKeyDictionary()


def _passages(folder: Path, docstore: Docstore, settings: SearchSettings) -> DenseIndex:
    """The index, opened once for all experts of a collection that share it."""
    shared = _OPEN.setdefault(docstore, {})
    if (folder, settings) not in shared:
        shared[folder, settings] = DenseIndex(folder, docstore.ids, docstore.corpus_digest, settings, KIND)
    return shared[folder, settings]
