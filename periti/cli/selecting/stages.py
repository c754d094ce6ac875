"""Filters and stages that every method of `periti select` may run before it chooses."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from periti.cli.selecting.embedding import embed_of

if TYPE_CHECKING:
    from periti.datasets.selection.near_duplicates import NearDuplicates
    from periti.datasets.selection.stages import Filter, Stage


def add_options(parser: Any) -> None:
    """Add the options of filters and stages."""
    group = parser.add_argument_group("filters, and duplicates that are not exact")
    group.add_argument("--min-tokens", type=int, default=0, metavar="N", help="take out shorter texts")
    group.add_argument("--max-tokens", type=int, metavar="N", help="take out longer texts")
    group.add_argument(
        "--language",
        nargs="+",
        default=[],
        metavar="CODE",
        help="take out texts in other languages, by script and stop-words: en de zh ...",
    )
    group.add_argument(
        "--known-language", action="store_true", help="with --language, also take out texts whose language is not clear"
    )
    group.add_argument(
        "--near-duplicates",
        nargs="?",
        type=float,
        const=0.8,
        metavar="J",
        help="take out texts whose shingles of words have a Jaccard coefficient of J or more with another's (0.8)",
    )
    group.add_argument(
        "--shingle", type=int, default=3, metavar="N", help="words of a shingle of --near-duplicates (default: 3)"
    )
    group.add_argument(
        "--semantic-duplicates",
        nargs="?",
        type=float,
        const=0.95,
        metavar="C",
        help="take out texts whose vectors have a cosine of C or more with another's (0.95); holds all vectors",
    )
    group.add_argument(
        "--semantic-keep",
        choices=("farthest", "closest", "first"),
        default="farthest",
        help="of semantic duplicates, by distance to their group's centroid (default: farthest)",
    )


def filters(arguments: argparse.Namespace) -> Sequence[Filter]:
    """Filters of single texts, in order."""
    from periti.datasets.selection.filters import LanguageFilter, LengthFilter

    found: list[Filter] = []
    if arguments.min_tokens or arguments.max_tokens is not None:
        found.append(LengthFilter(arguments.min_tokens, arguments.max_tokens))
    if arguments.language:
        found.append(LanguageFilter(tuple(arguments.language), keep_unknown=not arguments.known_language))
    return found


def stages(arguments: argparse.Namespace) -> Sequence[Stage]:
    """Stages over the whole pool, in order."""
    from periti.datasets.selection.near_duplicates import NearDuplicateStage
    from periti.datasets.selection.semantic import SemanticDuplicates

    found: list[Stage] = []
    if arguments.near_duplicates is not None:
        found.append(NearDuplicateStage(near_duplicates(arguments, arguments.near_duplicates)))
    if arguments.semantic_duplicates is not None:
        found.append(
            SemanticDuplicates(embed_of(arguments), arguments.semantic_duplicates, keep=arguments.semantic_keep)
        )
    return found


def near_duplicates(arguments: argparse.Namespace, threshold: float) -> NearDuplicates:
    """What a near-duplicate is, by the command line."""
    from periti.datasets.selection.near_duplicates import NearDuplicates
    from periti.datasets.selection.shingles import Shingling

    return NearDuplicates(threshold, Shingling(size=arguments.shingle))
