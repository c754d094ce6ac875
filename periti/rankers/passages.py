"""Long documents reranked by their passages: any scorer of pairs reads these, an aggregation makes one score of all.

Nothing of a document is left unread unless `most` says so, and then it is counted: docs_capped, capped_tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from periti.encoders.cross import CrossEncoder, load_cross_encoder
from periti.errors import ConfigError
from periti.indexers.dense import normalised
from periti.indexers.encoding import EncoderSource, load_encoder
from periti.indexers.passages import splitter_of
from periti.passages.aggregation import Aggregation, padded
from periti.passages.splitting import PassageConfig, Splitter
from periti.protocols import Encoder
from periti.rankers.cross_encoder import CrossEncoderScorer
from periti.rankers.reranking import PairRanker, PairScorer, Scored
from periti.types import Document

SCORERS = ("cross-encoder", "encoder")


class DotProductScorer:
    """Inner products of the vectors of query and document.

    Args:
        encoder: makes the vectors.
        cosine: whether vectors are scaled to length one.
    """

    def __init__(self, encoder: Encoder, *, cosine: bool = True) -> None:
        self._encoder, self._cosine = encoder, cosine

    @property
    def identity(self) -> Mapping[str, Any]:
        """The encoder's, and how vectors are compared."""
        return {**asdict(self._encoder.identity), "compared": "cosine" if self._cosine else "inner product"}

    def score(self, queries: Sequence[str], documents: Sequence[Document]) -> Scored:
        """Inner products of the pairs (queries[i], documents[i]); a text that occurs often is encoded once."""
        texts = [document.default_text() for document in documents]
        asked, read = list(dict.fromkeys(queries)), list(dict.fromkeys(texts))
        if not asked:
            return Scored(np.empty(0))
        questions, answers = self._encoder.encode_queries(asked), self._encoder.encode_documents(read)
        left, right = questions.vectors, answers.vectors
        if self._cosine:
            left, right = normalised(left), normalised(right)
        places = {text: place for place, text in enumerate(read)}
        rows = {text: place for place, text in enumerate(asked)}
        logits = np.einsum(
            "nd,nd->n",
            left[[rows[query] for query in queries]].astype(np.float64),
            right[[places[text] for text in texts]].astype(np.float64),
        )
        cut = {
            "truncated_texts": answers.coverage.truncated_texts,
            "truncated_queries": questions.coverage.truncated_texts,
        }
        return Scored(logits, {name: count for name, count in cut.items() if count})


class PassageScorer:
    """Scores of documents from scores of their passages; a scorer of pairs itself.

    Args:
        scorer: reads a query and a passage.
        splitter: makes the passages.
        aggregation: makes one score of those of a document.
    """

    def __init__(self, scorer: PairScorer, splitter: Splitter, aggregation: Aggregation) -> None:
        self._scorer, self._splitter, self._aggregation = scorer, splitter, aggregation

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """The scorer's, how documents are split and how scores are aggregated."""
        return {
            **self._scorer.identity,
            "passages": asdict(self._splitter.config),
            "aggregation": asdict(self._aggregation),
        }

    def score(self, queries: Sequence[str], documents: Sequence[Document]) -> Scored:
        """Aggregated logits of the pairs (queries[i], documents[i]); a document is split once for all its queries.

        The notes of the scorer count passages where they count pairs; docs_capped counts documents.
        """
        distinct = list({document.doc_id: document for document in documents}.values())
        split = self._splitter.split(distinct)
        bounds = np.searchsorted(split.owners, np.arange(len(distinct) + 1)).tolist()
        own = {document.doc_id: split.texts[bounds[n] : bounds[n + 1]] for n, document in enumerate(distinct)}
        logits = np.empty(len(documents))
        notes = Counter(split.notes)
        for query in dict.fromkeys(queries):
            pairs = [number for number, text in enumerate(queries) if text == query]
            ids = [documents[pair].doc_id for pair in pairs]
            passages = [Document(f"{doc_id}#{n}", text) for doc_id in ids for n, text in enumerate(own[doc_id])]
            scored = self._scorer.score([query] * len(passages), passages)
            owners = np.repeat(np.arange(len(pairs)), [len(own[doc_id]) for doc_id in ids])
            logits[pairs] = self._aggregation(*padded(scored.logits, owners, len(pairs)))
            notes.update(scored.notes)
        return Scored(logits, dict(notes))


class PassageRanker(PairRanker):
    """Reranks long documents by their passages."""

    @dataclass(frozen=True)
    class Options:
        """Settings.

        Attributes:
            scorer: "cross-encoder" or "encoder" (cosine of its vectors).
            model: folder or hub name of the cross-encoder, or of an encoder of sentence-transformers; empty takes
                minilm as encoder.
            depth: documents of a query that are read.
            length: tokens of a passage.
            stride: tokens from passage to passage; 0 for no overlap.
            most: passages read of a document; 0 reads all.
            title_tokens: tokens of the title put before every passage.
            aggregation: first, max, sum, mean, top-mean or decayed (`periti.passages.aggregation`).
            best: passages that top-mean and decayed count.
            decay: weight of a passage over the one before it, for decayed.
            query_budget: tokens of a query that a cross-encoder reads; what is longer is cut there, and counted.
            relevant_label: with a cross-encoder of two labels, the one that means relevant; -1 if it has one label.
        """

        scorer: str = "cross-encoder"
        model: str = ""
        depth: int = 100
        length: int = 200
        stride: int = 0
        most: int = 0
        title_tokens: int = 0
        aggregation: str = "max"
        best: int = 3
        decay: float = 0.5
        query_budget: int = 64
        relevant_label: int = -1

        def __post_init__(self) -> None:
            if self.scorer not in SCORERS:
                raise ConfigError(f"ranker passages: no scorer {self.scorer!r}; known: {', '.join(SCORERS)}")
            for name in ("depth", "query_budget"):
                if getattr(self, name) < 1:
                    raise ConfigError(f"ranker passages: {name} is {getattr(self, name)}; it must be at least 1")
            self.split()
            self.rule()

        def split(self) -> PassageConfig:
            """How documents are split; raises ConfigError."""
            return PassageConfig(self.length, self.stride, self.most, self.title_tokens)

        def rule(self) -> Aggregation:
            """The aggregation; raises ConfigError."""
            return Aggregation(self.aggregation, self.best, self.decay)

    @classmethod
    def open(cls, options: Options) -> Self:
        """The ranker.

        Raises:
            ConfigError: no model is named for a cross-encoder, or passages are longer than what the model reads.
            EncoderError: the model can not be loaded.
        """
        scorer, splitter = _encoder(options) if options.scorer == "encoder" else _cross_encoder(options)
        return cls(PassageScorer(scorer, splitter, options.rule()), options.depth, chunk=256)


def _encoder(options: PassageRanker.Options) -> tuple[PairScorer, Splitter]:
    source = EncoderSource("sentence-transformers", {"model": options.model}) if options.model else EncoderSource()
    encoder = load_encoder(source)
    return DotProductScorer(encoder), splitter_of(encoder, options.split())


def _cross_encoder(options: PassageRanker.Options) -> tuple[PairScorer, Splitter]:
    if not options.model:
        raise ConfigError(
            'ranker passages: no model is named; give model = FOLDER of a cross-encoder, or scorer = "encoder"'
        )
    label = None if options.relevant_label < 0 else options.relevant_label
    model = load_cross_encoder(options.model, query_budget=options.query_budget, relevant_label=label)
    return CrossEncoderScorer(model), cross_splitter(model, options.split())


def cross_splitter(model: CrossEncoder, config: PassageConfig) -> Splitter:
    """Splits documents as a cross-encoder counts tokens.

    Raises:
        ConfigError: passages are longer than what it reads beside its query budget.
    """
    special = int(model.tokenizer.num_special_tokens_to_add(pair=True))
    config.require_room(model.max_length - special - model.query_budget, f"the cross-encoder {model.name!r}")
    return Splitter(model.tokenizer, config)
