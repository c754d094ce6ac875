"""One collection, divided: document vectors from its index; queries of fit, dev, utility and test never touch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from periti.errors import ConfigError, InputError
from periti.indexers.build import build_collection
from periti.indexers.dense import DenseIndex
from periti.indexers.docstore import Docstore
from periti.panels.collection import OF_PAIRS, CollectionConfig
from periti.panels.decontamination import asked_in_tests, decontaminated
from periti.panels.slices import DEV, FIT, SLICES, TEST, UTILITY, Slice, divided, sampled
from periti.panels.sources import open_source
from periti.panels.sources.source import Source
from periti.progress import Progress
from periti.protocols import Vectors
from periti.training.pairs import Hints, TrainingSet


@dataclass(frozen=True)
class Material:
    """A collection, ready to train on and to evaluate.

    Attributes:
        name: as the panel calls it.
        domain: of the dataset's facts, or as the panel's file says.
        licence: likewise.
        min_rel: the least grade that counts as relevant in binary measures.
        docstore: its open documents, for trainings that encode texts.
        index: its open dense index, exact.
        rows: ids of the rows of `vectors`, D.
        vectors: float32 (D, d), as the index holds them.
        slices: purpose -> queries and judgements.
        hints: what its source knows about training queries beside judgements.
        notes: counts of what was read, merged and left out, where queries come from pairs.
    """

    name: str
    domain: str
    licence: str
    min_rel: int
    docstore: Docstore
    index: DenseIndex
    rows: list[str]
    vectors: Vectors
    slices: Mapping[str, Slice]
    hints: Hints = field(default_factory=Hints)
    notes: Mapping[str, int] = field(default_factory=dict)

    def training_set(self) -> TrainingSet:
        """The queries to fit, joined with the rows of their relevant documents; raises InputError if there are none."""
        if FIT not in self.slices:
            raise InputError(f"collection {self.name!r}: no query falls into the slice to fit; give it a larger share")
        part = self.slices[FIT]
        name = f"{self.name}:{FIT}"
        found = TrainingSet.of(name, part.queries, part.qrels, self.rows, self.vectors, hints=self.hints)
        return replace(found, read=lambda rows: self.texts([self.rows[row] for row in rows]))

    def texts(self, doc_ids: Sequence[str]) -> list[str]:
        """What encoders read of these documents."""
        return [document.default_text() for document in self.docstore.get(doc_ids)]


def open_material(
    name: str, collections: Mapping[str, CollectionConfig], indexes: Path, progress: Progress
) -> Material:
    """A collection of a panel; its index is built first where it is absent.

    Args:
        name: the collection.
        collections: all of the panel's: queries that are asked in a test of any of them are not learnt from.
        indexes: the folder of indexes.
        progress: told of building.

    Raises:
        ConfigError: the index is not an exact one, or a slice that is needed is not there.
        UnknownName, DatasetError, FormatError, IndexUnusable: as datasets, files and indexes raise them.
    """
    config = collections[name]
    source = open_source(name, config)
    folder = indexes / source.folder
    if not (folder / "dense").is_dir():
        build_collection(source.documents(), folder, source.recipe, progress=progress)
    docstore = Docstore.open(folder / "docstore")
    index = DenseIndex(folder / "dense", docstore.ids, docstore.corpus_digest)
    if not index.exact:
        raise ConfigError(f"{folder}: the dense index is not exact; experts learn from exact vectors, build it so")
    ordinals, vectors = index.stored()
    slices, hints, notes = divisions(name, collections, source, docstore)
    return Material(
        name=name,
        domain=source.domain,
        licence=source.licence,
        min_rel=source.min_rel,
        docstore=docstore,
        index=index,
        rows=docstore.ids.take(ordinals).to_list(),
        vectors=vectors,
        slices=slices,
        hints=hints,
        notes=notes,
    )


def divisions(
    name: str, collections: Mapping[str, CollectionConfig], source: Source, docstore: Docstore
) -> tuple[dict[str, Slice], Hints, dict[str, int]]:
    """Slices of the docstore's collection, what is known about their queries, and counts."""
    config = collections[name]
    asked = source.asked(docstore) if config.learns else None
    slices = divided(name, config, source, asked)
    notes = dict(asked.notes) if asked else {}
    if config.learns:
        slices, left_out = decontaminated(slices, asked_in_tests(collections))
        if left_out or config.queries in OF_PAIRS:
            notes["asked in tests"] = left_out
    sampled(slices, config.sample)
    return slices, asked.hints if asked else Hints(), notes


__all__ = ["DEV", "FIT", "SLICES", "TEST", "UTILITY", "Material", "Slice", "open_material"]
