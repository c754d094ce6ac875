"""Late interaction as a ranker: token vectors of the candidates made now, or read from an index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from periti.encoders.token_models import PUNCTUATION, load_token_encoder
from periti.encoders.tokens import TokenEncoder
from periti.errors import ConfigError
from periti.indexers.docstore import Docstore
from periti.protocols import Corpus, Reranked
from periti.rankers.late_interaction.index import TokenIndex
from periti.rankers.late_interaction.scorer import FromIndex, LateInteractionScorer
from periti.rankers.reranking import PairRanker
from periti.registry import nearest
from periti.types import Queries, Run

CHOICES = ("model", "keep", "drop")


@dataclass(frozen=True)
class TokenOptions:
    """Which encoder makes token vectors, and of what.

    Attributes:
        model: folder of a sentence-transformers or PyLate model, or the hub name of the former; "" takes MiniLM.
        max_length: tokens of a document; 0 takes the model's own maximum.
        query_budget: tokens of a query; 0 takes the model's own, or 64.
        special: whether special tokens and markers are compared: keep, drop, or as the model says (PyLate's keep
            them, others drop them).
        punctuation: whether the documents' punctuation is compared: keep, drop, or as the model says (PyLate's list
            what they skip, others keep it).
    """

    model: str = ""
    max_length: int = 0
    query_budget: int = 0
    special: str = "model"
    punctuation: str = "model"

    def __post_init__(self) -> None:
        for name in ("max_length", "query_budget"):
            if getattr(self, name) < 0:
                raise ConfigError(f"late interaction: {name} is {getattr(self, name)}; it must be at least 1, or 0")
        for name in ("special", "punctuation"):
            if getattr(self, name) not in CHOICES:
                found = getattr(self, name)
                raise ConfigError(f"late interaction: {name} is {found!r}; {nearest(found, CHOICES)}")

    def load(self) -> TokenEncoder:
        """The encoder; raises EncoderError if it can not be loaded."""
        return load_token_encoder(
            self.model,
            max_length=self.max_length or None,
            query_budget=self.query_budget or None,
            keep_special={"model": None, "keep": True, "drop": False}[self.special],
            skip={"model": None, "keep": (), "drop": PUNCTUATION}[self.punctuation],
        )


class LateInteractionRanker(PairRanker):
    """Reranks by MaxSim over token vectors.

    Args:
        encoder: makes the vectors of queries, and of documents where there is no index.
        depth: documents of a query that are scored.
        index: token vectors of the documents.
    """

    @dataclass(frozen=True)
    class Options(TokenOptions):
        """Settings, beside those of `TokenOptions`.

        Attributes:
            depth: documents of a query that are scored.
            index: folder of a token index (`periti index tokens`) of the collection, made with the same encoder;
                without one, documents are encoded at every question.
        """

        depth: int = 100
        index: Path | None = None

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.depth < 1:
                raise ConfigError(f"late interaction: depth is {self.depth}; it must be at least 1")

    def __init__(self, encoder: TokenEncoder, depth: int, index: TokenIndex | None = None) -> None:
        super().__init__(LateInteractionScorer(encoder, None if index is None else FromIndex(index)), depth)
        self._index = index

    @classmethod
    def open(cls, options: Options) -> Self:
        """The ranker.

        Raises:
            EncoderError: the model can not be loaded.
            IndexUnusable: the index is missing, damaged, or made with another encoder.
        """
        encoder = options.load()
        index = None if options.index is None else TokenIndex.open(options.index, encoder.identity)
        return cls(encoder, options.depth, index)

    def reranked(self, queries: Queries, run: Run, corpus: Corpus) -> Reranked:
        """The run by MaxSim; raises as `PairRanker.reranked`, and IndexMismatch for another corpus than the index's."""
        if self._index is not None and isinstance(corpus, Docstore):
            self._index.require_corpus(corpus.corpus_digest)
        return super().reranked(queries, run, corpus)
