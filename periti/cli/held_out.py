"""Held-out queries of a command line: the one place that says from where something may be fitted or tuned."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from periti.errors import InputError

if TYPE_CHECKING:
    from periti.rankers.fitted import Source
    from periti.types import Qrels, Queries


def add_held_out(command: argparse.ArgumentParser) -> None:
    """The options that name held-out queries and judgements; `read_held_out` opens them."""
    command.add_argument("--queries", required=True, metavar="REF", help="held-out queries: a file or a collection")
    command.add_argument("--qrels", required=True, metavar="REF", help="their judgements: a file or a collection")
    command.add_argument("--split", metavar="NAME", help="of collections: dev, train ...; never test")
    command.add_argument(
        "--min-rel", type=int, metavar="N", help="lowest relevant grade; default: the collection's, or 1"
    )


def read_held_out(arguments: argparse.Namespace) -> tuple[Queries, Qrels, int, Source]:
    """Queries, judgements, the lowest relevant grade, and where they come from; raises InputError for a test split."""
    from periti.datasets.references import open_qrels, open_queries

    base, split = split_of(arguments.qrels, arguments.split)
    qrels = open_qrels(base, split=split or None)
    asked, of = split_of(arguments.queries, arguments.split)
    queries = open_queries(asked, split=of or None)
    source = source_of(arguments.qrels, arguments.split, qrels, queries)
    return queries, qrels, level_of(arguments.qrels, arguments.min_rel), source


def split_of(ref: str, split: str | None) -> tuple[str, str]:
    """The collection and the split that a reference NAME, NAME:SPLIT or FILE and an option name together.

    Raises:
        InputError: the split is a test split, or none is named and the reference is no file.
    """
    from periti.rankers.fitted import refuse_test

    base, colon, named = ref.rpartition(":")
    if Path(ref).is_file():
        return ref, ""
    if not colon or Path(ref).exists():
        base, named = ref, ""
    if named and split and named != split:
        raise InputError(f"{ref!r} names the split {named!r} but {split!r} was asked for; give one of them")
    chosen = split or named
    if not chosen:
        raise InputError(f"{ref}: no split is named, and the official one is mostly test; give --split dev or train")
    refuse_test(chosen, base)
    return base, chosen


def source_of(ref: str, split: str | None, qrels: Qrels | None, queries: Queries | None = None) -> Source:
    """Where held-out queries come from, with digests; without queries the ids that are judged stand for them.

    Raises:
        InputError: as `split_of`.
    """
    from periti.config import digest
    from periti.rankers.fitted import Source, qrels_digest, queries_digest

    base, chosen = split_of(ref, split)
    judged = [] if qrels is None else qrels.query_ids
    known = queries_digest(queries) if queries is not None else digest(judged)
    count = len(judged) if queries is None else len(queries)
    dataset = Path(base).name if Path(base).exists() else base
    return Source(dataset, chosen, count, known, "" if qrels is None else qrels_digest(qrels))


def level_of(ref: str, given: int | None) -> int:
    """The lowest relevant grade: the one given, the catalog's of a known collection, or 1.

    Raises:
        InputError: it is below 1.
    """
    from periti.datasets.catalog import catalog

    if given is not None:
        if given < 1:
            raise InputError(f"min_rel is {given}; give the lowest relevant grade, 1 or more")
        return given
    name = ref.partition(":")[0]
    return catalog()[name].min_rel if not Path(name).exists() and name in catalog() else 1
