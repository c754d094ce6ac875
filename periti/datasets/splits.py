"""Splits for collections that have no official ones: by the hash of the query id, so they never depend on order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import polars as pl

from periti.errors import InputError
from periti.types import Qrels, Queries


def hash_split(query_id: str, fractions: Mapping[str, float], *, seed: int = 0) -> str:
    """The split of one query: the same on every machine, in every version and whatever other queries there are.

    Args:
        query_id: the id.
        fractions: share of each split, in order; they sum to 1.
        seed: another seed gives another split.

    Raises:
        InputError: a share is negative or they do not sum to 1.
    """
    if not fractions or min(fractions.values()) < 0 or abs(sum(fractions.values()) - 1) > 1e-9:
        raise InputError(f"fractions {dict(fractions)} do not sum to 1; give shares such as train=0.8, test=0.2")
    digest = hashlib.sha256(f"{seed}\t{query_id}".encode()).digest()
    point, bound = int.from_bytes(digest[:8], "big") / 2**64, 0.0
    chosen = ""
    for name, share in fractions.items():
        bound += share
        if share:
            chosen = name
        if point < bound:
            break
    return chosen


def split_queries(queries: Queries, fractions: Mapping[str, float], *, seed: int = 0) -> dict[str, Queries]:
    """Queries by split, each in the given order; a split may be empty.

    Raises:
        InputError: a share is negative or they do not sum to 1.
    """
    names = pl.Series([hash_split(query_id, fractions, seed=seed) for query_id in queries.ids], dtype=pl.String)
    return {name: Queries(queries.frame.filter(names == name)) for name in fractions}


def queries_among(queries: Queries, ids: pl.Series) -> Queries:
    """The queries whose id is among `ids`, in their order."""
    return Queries(queries.frame.filter(pl.col("query_id").is_in(ids.implode())))


def qrels_among(qrels: Qrels, ids: pl.Series) -> Qrels:
    """The judgements of the queries among `ids`.

    Raises:
        SchemaError: none of them is judged.
    """
    return Qrels.of(qrels.frame.filter(pl.col("query_id").is_in(ids.implode())), qrels.name)
