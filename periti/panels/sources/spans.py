"""Passages from inside documents, each of which asks for its document: training queries without any judge."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from periti.datasets import load_dataset
from periti.panels.collection import CollectionConfig
from periti.panels.sources.source import Asked, OfDataset, one_to_one
from periti.types import Document

SPAN_WORDS = (30, 90)
"""Words that a span query may have."""


@dataclass(frozen=True)
class Spans(OfDataset):
    """A passage of every document that is long enough."""

    def asked(self, documents: Iterable[Document]) -> Asked:
        """One query a document."""
        return one_to_one(list(spans(documents)))


def open_spans(name: str, config: CollectionConfig) -> Spans:
    """The source of a collection; raises UnknownName and DatasetError as datasets do."""
    return Spans(name, config, load_dataset(config.dataset))


def spans(documents: Iterable[Document]) -> Iterator[tuple[str, str]]:
    """(doc_id, a passage from inside it): the inverse cloze task of Lee, Chang and Toutanova 2019, one a document.

    Which passage is decided by the document's id alone. It is taken behind the first third, which an encoder of short
    inputs sees anyway; documents that are too short for that ask nothing.
    """
    for document in documents:
        words = document.text.split()
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(document.doc_id.encode()).digest()[:8], "big"))
        length = int(rng.integers(*SPAN_WORDS))
        first, last = len(words) // 3, len(words) - length
        if last > first:
            start = int(rng.integers(first, last))
            yield document.doc_id, " ".join(words[start : start + length])
