"""Long queries against long documents by a learned aggregation of passage likenesses (BERT-PLI's second stage).

Query and document are split into passages, every passage of the one is compared with every passage of the other by the
cosine of an encoder's vectors, and `periti.passages.learned` makes one logit of the matrix. It is fitted on held-out
queries (`periti train aggregation`) and kept with the encoder's identity and how texts were split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import ConfigError, FormatError, IndexDamaged, IndexMismatch, InputError
from periti.files import sha256_file
from periti.indexers.dense import normalised
from periti.indexers.encoding import EncoderSource, load_encoder
from periti.indexers.passages import splitter_of
from periti.indexers.storage import building
from periti.passages.learned import Floats, LearnedAggregation, LearnedConfig
from periti.passages.splitting import PassageConfig, Splitter
from periti.protocols import Corpus, Encoder
from periti.rankers.fitted import Source, read_document, write_document
from periti.rankers.reranking import PairRanker, Scored
from periti.types import Document, Qrels, Queries, Run

KIND, WEIGHTS, CARD = "learned aggregation", "aggregation.npz", "card.json"
REMEDY = "fit one with `periti train aggregation`"


def encoder_of(model: str) -> Encoder:
    """A folder or hub name of sentence-transformers, or minilm where it is empty; raises EncoderError."""
    return load_encoder(EncoderSource("sentence-transformers", {"model": model}) if model else EncoderSource())


class Likenesses:
    """Cosines of all passages of a query with all of a document.

    Args:
        encoder: makes the vectors.
        config: how both sides are split.

    Raises:
        EncoderError, ConfigError: as `periti.indexers.passages.splitter_of`.
    """

    def __init__(self, encoder: Encoder, config: PassageConfig) -> None:
        self.encoder, self.config = encoder, config
        self._splitter: Splitter = splitter_of(encoder, config)

    def of(self, queries: Sequence[str], documents: Sequence[Document]) -> tuple[list[Floats], Counter[str]]:
        """For each pair (queries[i], documents[i]) float32 (n, m, 1), and counts of what was left out."""
        asked = [Document(text, text) for text in dict.fromkeys(queries)]
        read = list({document.doc_id: document for document in documents}.values())
        notes: Counter[str] = Counter()
        left, right = self._vectors(asked, True, notes), self._vectors(read, False, notes)
        pairs = zip(queries, documents, strict=True)
        return [(left[query] @ right[document.doc_id].T)[..., None] for query, document in pairs], notes

    def _vectors(self, texts: Sequence[Document], asked: bool, notes: Counter[str]) -> dict[str, NDArray[np.float32]]:
        """Vectors of length one of the passages of each text, by its id; a text without a token has one of nothing."""
        if not texts:
            return {}
        split = self._splitter.split(texts)
        encoder = self.encoder.encode_queries if asked else self.encoder.encode_documents
        # Equal passages are encoded once: in float32 the last bits depend on the batch, and equal texts must tie.
        distinct = {text: place for place, text in enumerate(dict.fromkeys(split.texts))}
        vectors = normalised(encoder(list(distinct)).vectors)[[distinct[text] for text in split.texts]]
        side = "query" if asked else "document"
        notes.update({f"{side}: {name}": count for name, count in split.notes.items() if count})
        ends = np.searchsorted(split.owners, np.arange(len(texts) + 1)).tolist()
        return {text.doc_id: vectors[ends[n] : ends[n + 1]] for n, text in enumerate(texts)}


class LearnedScorer:
    """Logits of pairs by a fitted aggregation."""

    def __init__(self, likenesses: Likenesses, model: LearnedAggregation, digest: str) -> None:
        self._likenesses, self._model, self._digest = likenesses, model, digest

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """The encoder's, how texts are split, and the digest of the weights."""
        own = self._likenesses
        return {**_told(own.encoder), "passages": asdict(own.config), "aggregation_sha256": self._digest}

    def score(self, queries: Sequence[str], documents: Sequence[Document]) -> Scored:
        """Logits of the pairs (queries[i], documents[i])."""
        pairs, notes = self._likenesses.of(queries, documents)
        keys = [(pair.shape, pair.tobytes()) for pair in pairs]
        first = {key: place for place, key in reversed(list(enumerate(keys)))}
        kept = sorted(first.values())
        logits = dict(zip(kept, self._model.scores([pairs[place] for place in kept]), strict=True))
        return Scored(np.array([logits[first[key]] for key in keys], np.float64), notes)


class LearnedPassageRanker(PairRanker):
    """Reranks by a learned aggregation over passages of both sides."""

    @dataclass(frozen=True)
    class Options:
        """Settings.

        Attributes:
            folder: what `periti train aggregation` wrote.
            model: the encoder it was fitted with: folder or hub name; empty takes minilm.
            depth: documents of a query that are read.
        """

        folder: Path | None = None
        model: str = ""
        depth: int = 50

        def __post_init__(self) -> None:
            if self.depth < 1:
                raise ConfigError(f"ranker learned-passages: depth is {self.depth}; it must be at least 1")

    @classmethod
    def open(cls, options: Options) -> Self:
        """The ranker.

        Raises:
            ConfigError: no folder is named.
            IndexMissing, IndexDamaged: there is no aggregation, or it was altered.
            IndexMismatch: it was fitted with another encoder.
            EncoderError: the encoder can not be loaded.
        """
        if options.folder is None:
            raise ConfigError(f"ranker 'learned-passages' needs a folder; {REMEDY} and set folder to it")
        encoder = encoder_of(options.model)
        model, config, digest = read_aggregation(options.folder, encoder)
        return cls(LearnedScorer(Likenesses(encoder, config), model, digest), options.depth, chunk=256)


@dataclass(frozen=True)
class Judged:
    """Held-out queries, what a first stage finds for them, and which of it is relevant.

    Attributes:
        queries: the queries.
        run: the first stage's lists, as deep as they are learned from.
        qrels: judgements; what is not judged counts as not relevant.
        min_rel: the lowest relevant grade.
        source: where the queries come from.
    """

    queries: Queries
    run: Run
    qrels: Qrels
    min_rel: int
    source: Source


def fit_aggregation(
    likenesses: Likenesses, judged: Judged, corpus: Corpus, config: LearnedConfig, seed: int
) -> tuple[LearnedAggregation, dict[str, Any]]:
    """An aggregation, and what its card says.

    A relevant pair weighs as much more than another as there are fewer of them.

    Raises:
        InputError: the lists hold no relevant document, or nothing else.
        UnknownName: a document is not in the corpus.
    """
    frame = judged.run.frame.join(judged.queries.frame, on="query_id").join(
        judged.qrels.frame, on=["query_id", "doc_id"], how="left"
    )
    labels = (frame["relevance"].fill_null(0) >= judged.min_rel).cast(pl.Int64).to_list()
    positive = sum(labels)
    if not 0 < positive < len(labels):
        raise InputError(
            f"{judged.source.dataset}: {positive} of the {len(labels)} documents that the first stage finds are "
            "relevant; an aggregation is learned from some of both kinds, so give other queries or more depth"
        )
    pairs, notes = likenesses.of(frame["text"].to_list(), corpus.get(frame["doc_id"].to_list()))
    weighed = replace(config, positive_weight=config.positive_weight * (len(labels) - positive) / positive)
    model = LearnedAggregation.fit(pairs, labels, weighed, seed=seed)
    return model, {
        "source": asdict(judged.source),
        "queries": frame["query_id"].n_unique(),
        "pairs": len(labels),
        "relevant": positive,
        "left_out": dict(notes),
        "settings": asdict(weighed),
        "seed": seed,
    }


def write_aggregation(
    model: LearnedAggregation, likenesses: Likenesses, card: Mapping[str, Any], folder: Path, *, replacing: bool = False
) -> None:
    """Write the folder, whole or not at all; raises InputError if it is there already, and StorageError."""
    with building(folder, replace=replacing) as scratch:
        model.save(scratch / WEIGHTS)
        body = {
            "encoder": _told(likenesses.encoder),
            "passages": asdict(likenesses.config),
            "sha256": sha256_file(scratch / WEIGHTS),
            **card,
        }
        write_document(scratch / CARD, KIND, body)


def _told(encoder: Encoder) -> dict[str, Any]:
    """The identity of an encoder, as JSON has it."""
    return {**asdict(encoder.identity), "prompts": list(encoder.identity.prompts)}


def read_aggregation(folder: Path, encoder: Encoder) -> tuple[LearnedAggregation, PassageConfig, str]:
    """The aggregation, how texts are split, and its digest.

    Raises:
        IndexMissing: there is none.
        IndexDamaged: a file is truncated or was altered.
        IndexMismatch: it was fitted with another encoder.
    """
    body = read_document(folder / CARD, KIND, REMEDY)
    digest = str(body["sha256"])
    if not (folder / WEIGHTS).is_file() or sha256_file(folder / WEIGHTS) != digest:
        raise IndexDamaged(f"{folder / WEIGHTS} is absent, truncated or was altered; {REMEDY}")
    own = _told(encoder)
    for name, value in body["encoder"].items():
        if own[name] != value:
            raise IndexMismatch(
                f"{folder} was fitted with an encoder whose {name} is {value}, and this one's is {own[name]}; "
                f"name the same model, or {REMEDY}"
            )
    try:
        return LearnedAggregation.load(folder / WEIGHTS), PassageConfig(**body["passages"]), digest
    except FormatError as error:
        raise IndexDamaged(str(error)) from error
