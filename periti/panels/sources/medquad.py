"""The question-answer pairs of MedQuAD itself; the answers are the documents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from periti.config import digest
from periti.datasets import load_dataset
from periti.datasets.dataset import Dataset
from periti.datasets.loaders.medquad import question_answers
from periti.errors import DatasetError
from periti.indexers.build import BuildConfig
from periti.panels.collection import CollectionConfig
from periti.panels.sources.source import Asked, OfDataset, built_of, one_to_one
from periti.panels.sources.texts import same
from periti.types import Document


@dataclass(frozen=True)
class Pair:
    """A question and the answer it asks for."""

    question: str
    document: Document


@dataclass(frozen=True)
class MedQuADPairs(OfDataset):
    """MedQuAD's pairs, or a sample by hash; the answers are a small collection of their own."""

    @property
    def folder(self) -> str:
        """The collection's own name: its documents are not the dataset's."""
        return self.name

    @property
    def recipe(self) -> BuildConfig:
        """Vectors only."""
        return BuildConfig(name=self.name, lexical=None, source=built_of(self.config))

    def documents(self) -> Iterable[Document]:
        """The answers."""
        return (pair.document for pair in medquad_pairs(self.dataset, self.config.sample))

    def asked(self, documents: Iterable[Document]) -> Asked:  # noqa: ARG002  (every question knows its answer)
        """The questions."""
        return one_to_one([(p.document.doc_id, p.question) for p in medquad_pairs(self.dataset, self.config.sample)])


def open_medquad(name: str, config: CollectionConfig) -> MedQuADPairs:
    """The source of a collection; raises UnknownName and DatasetError as datasets do."""
    return MedQuADPairs(name, config, load_dataset(config.dataset))


def medquad_pairs(dataset: Dataset, sample: int) -> list[Pair]:
    """MedQuAD's own question-answer pairs, or a sample by hash; questions asked in the test split are left out.

    Raises:
        DatasetError: the dataset is not medquad-liveqa.
    """
    if dataset.folder is None:
        raise DatasetError(f"dataset {dataset.name!r} has no folder of pairs; use medquad-liveqa")
    asked = {same(text) for text in dataset.queries().texts}
    pairs = [
        pair for pair in question_answers(dataset.folder) if pair.question.strip() and same(pair.question) not in asked
    ]
    pairs.sort(key=lambda pair: hashlib.sha256(pair.pair_id.encode()).digest())
    kept = pairs[: sample or len(pairs)]
    return [Pair(pair.question, Document(digest(pair.pair_id)[:16], pair.answer)) for pair in kept]
