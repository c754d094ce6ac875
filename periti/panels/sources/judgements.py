"""A dataset's own queries and judgements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from periti.datasets import load_dataset
from periti.panels.collection import CollectionConfig
from periti.panels.sources.source import Asked, OfDataset
from periti.types import Document


@dataclass(frozen=True)
class Judgements(OfDataset):
    """The queries of a split."""

    def asked(self, documents: Iterable[Document]) -> Asked:  # noqa: ARG002  (they are judged already)
        """The queries and judgements of the split to train on."""
        return Asked(self.dataset.queries(self.config.train), self.dataset.qrels(self.config.train))


def open_judgements(name: str, config: CollectionConfig) -> Judgements:
    """The source of a collection; raises UnknownName and DatasetError as datasets do."""
    return Judgements(name, config, load_dataset(config.dataset))
