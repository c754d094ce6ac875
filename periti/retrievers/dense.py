"""Nearest vectors as an expert: any index that is searched with an encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Self
from weakref import WeakKeyDictionary

from periti.encoders import SentenceEncoder
from periti.encoders.adapters import shipped_expert
from periti.encoders.panel import PanelEncoder, panel_of
from periti.encoders.passes import PRECISIONS
from periti.errors import ConfigError, EncoderError, IndexMismatch
from periti.indexers.approximate import SearchSettings
from periti.indexers.dense import DenseIndex
from periti.indexers.docstore import Docstore
from periti.indexers.encoding import EncoderSource, load_encoder
from periti.protocols import Encoder
from periti.retrievers.runs import run_of_arrays
from periti.types import Queries, Run


@dataclass(frozen=True)
class DenseOptions(SearchSettings):
    """How hard an approximate index looks, and the adapter that makes an expert of the index's own encoder.

    `adapter` is a folder written by `periti train expert`; `expert` is the name of one that ships with periti.
    `query_precision` is "float64" or "float32"; without it the encoder's own, float64 unless it was loaded otherwise.
    """

    adapter: Path | None = None
    expert: str = ""
    query_precision: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.adapter and self.expert:
            raise ConfigError("dense retriever: both adapter and expert are given; keep one of them")
        if self.query_precision and self.query_precision not in PRECISIONS:
            raise ConfigError(
                f"dense retriever: query_precision is {self.query_precision!r}; give {' or '.join(PRECISIONS)}"
            )


class DenseRetriever:
    """Queries to the nearest documents of a dense index.

    Args:
        index: an open index.
        encoder: makes the query vectors; must be the one that made the document vectors.

    Raises:
        IndexMismatch: the encoder is another than the index was built with.
    """

    Options = DenseOptions

    def __init__(self, index: DenseIndex, encoder: Encoder) -> None:
        built, asking = asdict(index.identity), asdict(encoder.identity)
        different = [name for name in built if built[name] != asking[name]]
        if different:
            found = ", ".join(
                f"{n} {_short(built[n])} in the index, {_short(asking[n])} in the encoder" for n in different
            )
            raise IndexMismatch(
                f"index {index.folder} was built by another encoder ({found}); rebuild it or use that one"
            )
        self.index, self.encoder = index, encoder

    @classmethod
    def open(
        cls,
        folder: Path,
        docstore: Docstore,
        options: DenseOptions,
        panels: Callable[[SentenceEncoder], PanelEncoder] = panel_of,
    ) -> Self:
        """The retriever of an index directory, with the encoder its manifest names; raises IndexUnusable.

        `panels` gives the panel that holds an encoder's adapters.
        """
        index = _index(
            folder, docstore, SearchSettings(**{f.name: getattr(options, f.name) for f in fields(SearchSettings)})
        )
        source = EncoderSource.of_manifest(index.manifest)
        if options.query_precision:
            source = replace(source, options={**source.options, "precision": options.query_precision})
        return cls(index, expert_encoder(load_encoder(source), options, panels))

    def retrieve(self, queries: Queries, depth: int) -> Run:
        """At most `depth` documents a query, scored by the inner product of their vectors."""
        encoded = self.encoder.encode_queries(queries.texts)
        scores, ordinals = self.index.search(encoded.vectors, depth)
        return run_of_arrays(queries, scores, ordinals, self.index.ids, "dense")

    def notes(self, queries: Queries) -> Mapping[str, int]:
        """How many queries the encoder does not read to their end, and how many tokens that leaves out."""
        coverage = self.encoder.query_coverage(queries.texts)
        if not coverage.truncated_texts:
            return {}
        return {"truncated_queries": coverage.truncated_texts, "truncated_tokens": coverage.truncated_tokens}


_OPEN: WeakKeyDictionary[Docstore, dict[tuple[Path, SearchSettings], DenseIndex]] = WeakKeyDictionary()


def _index(folder: Path, docstore: Docstore, settings: SearchSettings) -> DenseIndex:
    """The index, opened once for all experts of a collection that share it."""
    shared = _OPEN.setdefault(docstore, {})
    if (folder, settings) not in shared:
        shared[folder, settings] = DenseIndex(folder, docstore.ids, docstore.corpus_digest, settings)
    return shared[folder, settings]


def expert_encoder(
    encoder: Encoder, options: DenseOptions, panels: Callable[[SentenceEncoder], PanelEncoder] = panel_of
) -> Encoder:
    """The encoder through the options' adapter; the encoder itself, as a member of its panel, without one.

    Raises:
        EncoderError: the adapter is missing, damaged or for another base, or the encoder takes none.
    """
    if not isinstance(encoder, SentenceEncoder):
        if options.adapter or options.expert:
            raise EncoderError(f"the encoder {encoder.identity.name!r} takes no adapter; leave it out")
        return encoder
    if options.adapter or options.expert:
        return panels(encoder).expert_at(options.adapter or shipped_expert(options.expert))
    return panels(encoder).expert(None)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 24 else f"{text[:20]}...{text[-1]}"
