"""What an expert is, in digests: whatever was fitted to its scores is of no use for another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from periti.config import digest
from periti.encoders.panel import ExpertEncoder
from periti.retrievers.dense import DenseRetriever
from periti.retrievers.experts import Expert
from periti.retrievers.lexical import LexicalRetriever


def fingerprint(expert: Expert) -> Mapping[str, str]:
    """Depth, and digests of index, model, adapter and scoring: everything that a score of the expert depends on.

    A retriever of another package is known by its class, and by its own method `fingerprint` where it has one.
    """
    return {"depth": str(expert.depth), **_facts(expert.retriever)}


def _facts(retriever: object) -> Mapping[str, str]:
    if isinstance(retriever, DenseRetriever):
        index, encoder = retriever.index, retriever.encoder
        adapter = encoder.adapter if isinstance(encoder, ExpertEncoder) else None
        return {
            "index": digest(asdict(index.manifest)),
            "model": encoder.identity.weights_sha256,
            "adapter": adapter or "",
            "search": "exact" if index.exact else digest(index.settings),
        }
    if isinstance(retriever, LexicalRetriever):
        searcher = retriever.searcher
        scoring = {name: value for name, value in asdict(searcher.scoring).items() if name != "threads"}
        return {"index": digest(asdict(searcher.index.manifest)), "scoring": digest(scoring)}
    own = getattr(retriever, "fingerprint", None)
    return {"retriever": type(retriever).__qualname__, **(own() if callable(own) else {})}
