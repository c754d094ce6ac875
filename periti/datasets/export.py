"""A collection written out as a BEIR folder, for tools that read nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from periti.datasets.beir import write_beir
from periti.datasets.catalog import as_json
from periti.datasets.dataset import Dataset
from periti.errors import InputError
from periti.types import Queries


def export_beir(dataset: Dataset, folder: Path, splits: Sequence[str] = ()) -> int:
    """Write the collection as a BEIR folder with its facts in `dataset.json`; the number of documents.

    Args:
        dataset: the collection.
        folder: must not exist yet.
        splits: which splits; by default all that do not only ask another split's queries in another way.

    Raises:
        UnknownName: there is no such split.
        InputError: the folder exists, or two splits have another text for the same query.
        StorageError: writing failed; nothing is left behind.
    """
    chosen = splits or [name for name, facts in dataset.facts.splits.items() if facts.variant_of is None]
    qrels = {split: dataset.qrels(split) for split in chosen}
    queries = pl.concat([dataset.queries(split).frame for split in chosen]).unique(maintain_order=True)
    if queries["query_id"].is_duplicated().any():
        twice = queries.filter(queries["query_id"].is_duplicated())["query_id"][0]
        raise InputError(
            f"dataset {dataset.name!r}: query {twice!r} has different texts in the splits {', '.join(chosen)}; "
            "choose one of them"
        )
    return write_beir(folder, dataset.documents(), Queries.of(queries), qrels, facts=as_json(dataset.facts))
