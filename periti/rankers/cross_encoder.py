"""The cross-encoder as a ranker: every candidate read together with the query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from periti.encoders.cross import FLOAT32, PRECISIONS, CrossEncoder, load_cross_encoder
from periti.encoders.quantised import INT8, load_quantised
from periti.encoders.states import STATES_BYTES
from periti.errors import ConfigError
from periti.rankers.early_exit import EarlyExit
from periti.rankers.reranking import PairRanker, Scored
from periti.types import Document


class CrossEncoderScorer:
    """Logits of a cross-encoder, with counts of pairs and queries that were cut."""

    def __init__(self, model: CrossEncoder) -> None:
        self._model = model

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """The model's."""
        return self._model.identity

    def score(self, queries: Sequence[str], documents: Sequence[Document]) -> Scored:
        """Logits of the pairs (queries[i], documents[i])."""
        tokens = self._model.tokenise(queries, [document.default_text() for document in documents])
        counts = {
            "truncated_pairs": sum(1 for pair in tokens if pair.cut),
            "truncated_queries": len({query for query, pair in zip(queries, tokens, strict=True) if pair.query_cut}),
        }
        return Scored(self._model.logits(tokens), {name: count for name, count in counts.items() if count})


class CrossEncoderRanker(PairRanker):
    """Reranks by a cross-encoder."""

    @dataclass(frozen=True)
    class Options:
        """Settings.

        Attributes:
            model: folder of the model (`periti train ranker` writes one) or its name on the model hub.
            depth: documents of a query that are read.
            max_length: tokens of a pair; 0 takes the model's own maximum.
            query_budget: tokens of the query; what is longer is cut there, and counted.
            relevant_label: with a model of two labels, the one that means relevant; -1 if it has one label.
            precision: of matrix products, "float32", or "bfloat16", which is faster where the processor knows it, or
                "int8", faster on processors with VNNI (`periti train quantise` makes its graph).
            exit_gap: where 20 more documents of a list have no logit within so much of the tenth best, the rest is not
                read and stays as the first stage has it; 0 reads all. See `periti.rankers.early_exit`.
            states: of a model with head "late-join", a folder where what it knows of single documents is kept: of one
                that was read before, for whatever query, only the joined layers remain to be computed. About 3 kB a
                token; none keeps some in memory only.
            states_mb: of such a model, memory for the same.
        """

        model: str = ""
        depth: int = 100
        max_length: int = 0
        query_budget: int = 64
        relevant_label: int = -1
        precision: str = FLOAT32
        exit_gap: float = 0.0
        states: Path | None = None
        states_mb: int = STATES_BYTES >> 20

        def __post_init__(self) -> None:
            for name, least in (("depth", 1), ("max_length", 0), ("query_budget", 1), ("states_mb", 0)):
                if getattr(self, name) < least:
                    raise ConfigError(f"ranker: {name} is {getattr(self, name)}; it must be at least {least}")
            known = (*PRECISIONS, INT8)
            if self.precision not in known:
                raise ConfigError(f"ranker: no precision {self.precision!r}; known: {', '.join(known)}")
            EarlyExit(self.exit_gap)

    @classmethod
    def open(cls, options: Options) -> Self:
        """The ranker.

        Raises:
            ConfigError: no model is named.
            EncoderError: the model can not be loaded or is no ranker.
        """
        if not options.model:
            raise ConfigError("ranker 'cross-encoder' needs a model; set model to a folder or a name on the hub")
        return cls(CrossEncoderScorer(_opened(options)), options.depth, until=EarlyExit(options.exit_gap))


def _opened(options: CrossEncoderRanker.Options) -> CrossEncoder:
    length, label = options.max_length or None, None if options.relevant_label < 0 else options.relevant_label
    if options.precision == INT8:
        return load_quantised(
            Path(options.model), max_length=length, query_budget=options.query_budget, relevant_label=label
        )
    model = load_cross_encoder(
        options.model,
        max_length=length,
        query_budget=options.query_budget,
        relevant_label=label,
        precision=options.precision,
    )
    model.remember(options.states_mb << 20, options.states)
    return model
