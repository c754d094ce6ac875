"""How a collection's queries are divided: fit, dev, utility and test never touch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import polars as pl

from periti.datasets.splits import hash_split
from periti.panels.collection import CollectionConfig
from periti.panels.sources.source import Asked, Source
from periti.types import Qrels, Queries

FIT, DEV, UTILITY, TEST = "fit", "dev", "utility", "test"
LEARNT = (FIT, DEV, UTILITY)
SLICES = (*LEARNT, TEST)


@dataclass(frozen=True)
class Slice:
    """Queries of one purpose, and their judgements; both None where there are none."""

    queries: Queries
    qrels: Qrels


def divided(name: str, config: CollectionConfig, source: Source, asked: Asked | None) -> dict[str, Slice]:
    """Queries by purpose. Test queries of a split that also trains are set apart first.

    Args:
        name: of the collection, for the names of judgements.
        config: shares, groups, and the split that is evaluated as it is.
        source: gives that split.
        asked: the queries to learn from; None if there are none.
    """
    found: dict[str, Slice] = {}
    if asked is not None:
        rest = 1 - config.shared
        shares = {
            TEST: config.shared,
            **{part: share * rest for part, share in zip(LEARNT, config.slices, strict=True)},
        }
        parts = pl.Series([hash_split(key, shares) for key in _groups(asked, config.group)], dtype=pl.String)
        for part in SLICES:
            found |= sliced(part, Queries(asked.queries.frame.filter(parts == part)), asked.qrels, f"{name}:{part}")
    if config.split:
        found |= sliced(TEST, *source.test(config.split), f"{name}:{config.split}")
    return found


def sliced(part: str, queries: Queries, qrels: Qrels, label: str) -> dict[str, Slice]:
    """The slice of these queries that are judged, if any."""
    judged = qrels.frame.join(queries.frame, on="query_id", how="semi")
    if not judged.height:
        return {}
    kept = queries.frame.join(judged, on="query_id", how="semi", maintain_order="left")
    return {part: Slice(Queries(kept), Qrels.of(judged, label))}


def sampled(found: dict[str, Slice], sample: int) -> None:
    """Cut the training slices to a sample in all, in proportion; the same queries whatever their order."""
    total = sum(len(found[part].queries) for part in LEARNT if part in found)
    if not sample or total <= sample:
        return
    for part in LEARNT:
        if part in found:
            one = found[part]
            keep = max(1, round(len(one.queries) * sample / total))
            order = sorted(one.queries.ids, key=lambda key: hashlib.sha256(key.encode()).digest())[:keep]
            frame = one.queries.frame.filter(pl.col("query_id").is_in(order))
            found |= sliced(part, Queries(frame), one.qrels, one.qrels.name)


def _groups(asked: Asked, group: str) -> list[str]:
    """What each query is divided by: its source's own group, its id, or the id of its first relevant document."""
    if asked.groups and group != "query":
        return [asked.groups[query_id] for query_id in asked.queries.ids]
    if group != "document":
        return asked.queries.ids
    first = dict(
        asked.qrels.frame.filter(pl.col("relevance") > 0).group_by("query_id").agg(pl.col("doc_id").min()).iter_rows()
    )
    return [first.get(query_id, query_id) for query_id in asked.queries.ids]
