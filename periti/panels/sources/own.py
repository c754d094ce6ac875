"""A small collection of its own: documents and queries that came together out of one file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from periti.config import digest
from periti.datasets import load_dataset
from periti.errors import ConfigError
from periti.indexers.build import BuildConfig
from periti.panels.collection import CollectionConfig
from periti.panels.sources.source import Asked
from periti.types import Document, Qrels, Queries

UNSTATED = "unstated"


@dataclass(frozen=True)
class OwnDocuments:
    """Documents and what asks for them."""

    name: str
    config: CollectionConfig
    domain: str
    licence: str
    texts: tuple[Document, ...]
    questions: Asked
    min_rel: int = 1

    @property
    def folder(self) -> str:
        """Name and digest of the documents: a file that has changed gets another index, never a stale one."""
        return f"{self.name}-{digest([[one.doc_id, one.title, one.text] for one in self.texts])[:12]}"

    @property
    def recipe(self) -> BuildConfig:
        """Vectors only. Of the file its name alone is kept: folders are a machine's."""
        file = self.config.file.name if self.config.file else ""
        source = {"dataset": self.config.dataset, "queries": self.config.queries, "file": file}
        return BuildConfig(name=self.name, lexical=None, source=source)

    def documents(self) -> Iterable[Document]:
        """Those of the file."""
        return self.texts

    def asked(self, documents: Iterable[Document]) -> Asked:  # noqa: ARG002  (they came with their documents)
        """Those of the file."""
        return self.questions

    def test(self, split: str) -> tuple[Queries, Qrels]:
        """Refused: a file has no splits."""
        raise ConfigError(f"{self.config.label}: a file has no split {split!r}; set hold_out to evaluate a share of it")


def own_documents(name: str, config: CollectionConfig, documents: Sequence[Document], asked: Asked) -> OwnDocuments:
    """Documents in the order of their ids, so that the order of a file's lines changes nothing.

    Domain and licence are the configuration's, else those of the dataset that the texts come from, else unstated.
    """
    facts = load_dataset(config.dataset).facts if config.dataset else None
    domain = config.domain or (facts.domain if facts else UNSTATED)
    licence = config.licence or (facts.licence if facts else UNSTATED)
    return OwnDocuments(name, config, domain, licence, tuple(sorted(documents)), asked)
