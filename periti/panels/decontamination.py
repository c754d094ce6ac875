"""No pair is learnt from whose query is asked in a test split that the panel evaluates."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from periti.panels.collection import CollectionConfig
from periti.panels.slices import LEARNT, TEST, Slice, divided, sliced
from periti.panels.sources import open_source
from periti.panels.sources.texts import words
from periti.types import Queries


def asked_in_tests(collections: Mapping[str, CollectionConfig]) -> frozenset[str]:
    """The words of every query that is evaluated: of test splits, and of what is held out from training splits.

    Queries are compared by `words`: they are the same if they differ in case, white space and punctuation only.

    Raises:
        UnknownName, DatasetError, FormatError: as the collections' sources raise them.
    """
    found: set[str] = set()
    for name, config in collections.items():
        if not (config.split or config.shared):
            continue
        source = open_source(name, config)
        asked = source.asked(source.documents()) if config.shared else None
        test = divided(name, config, source, asked).get(TEST)
        found |= {words(text) for text in test.queries.texts} if test else set()
    return frozenset(found)


def decontaminated(slices: Mapping[str, Slice], asked: frozenset[str]) -> tuple[dict[str, Slice], int]:
    """The slices without training queries that are asked in tests, and how many those were."""
    kept: dict[str, Slice] = {}
    left_out = 0
    for part, one in slices.items():
        if part not in LEARNT:
            kept[part] = one
            continue
        seen = pl.Series([words(text) in asked for text in one.queries.texts], dtype=pl.Boolean)
        left_out += int(seen.sum())
        kept |= sliced(part, Queries(one.queries.frame.filter(~seen)), one.qrels, one.qrels.name)
    return kept, left_out
