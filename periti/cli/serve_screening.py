"""Options of `periti serve` for screening: where judgements are kept, and which reviews there are to begin with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from periti.errors import InputError

if TYPE_CHECKING:
    from periti.api.reviews import Prior, Review
    from periti.api.screening import Screening


def add_screening(parser: argparse.ArgumentParser) -> None:
    """Add --screen, --reviews and --model."""
    group = parser.add_argument_group("screening")
    group.add_argument("--screen", type=Path, metavar="FOLDER", help="offer /screening; judgements are kept here")
    group.add_argument(
        "--reviews",
        metavar="DATASET",
        help="reviews to begin with: the topics of a dataset, whose citations are served",
    )
    group.add_argument("--model", metavar="MODEL", help="a cross-encoder that orders the citations at first")


def screening_of(arguments: argparse.Namespace, collections: Sequence[str]) -> Screening | None:
    """What the service offers for screening, None if nothing.

    Raises:
        InputError: --reviews or --model without --screen, or a dataset that is no screening.
        EncoderError: the model can not be loaded.
    """
    if arguments.screen is None:
        for option in ("reviews", "model"):
            if getattr(arguments, option) is not None:
                raise InputError(f"--{option} needs --screen; name the folder where judgements are kept")
        return None
    from periti.api.reviews import fusion
    from periti.api.screening import Screening

    reviews = [] if arguments.reviews is None else dataset_reviews(arguments.reviews, collections)
    prior = fusion if arguments.model is None else _prior(arguments.model)
    return Screening(arguments.screen, reviews, prior)


def dataset_reviews(name: str, collections: Sequence[str]) -> list[Review]:
    """The topics of a dataset; which citations there are is taken from its judgements, and nothing else.

    Args:
        name: of the dataset.
        collections: names of what is served: one of them is the dataset's, or the only one has its citations.

    Raises:
        InputError: it is no screening, or it is not known which collection has its citations.
    """
    import polars as pl

    from periti.api.reviews import Review
    from periti.datasets.dataset import load_dataset

    dataset = load_dataset(name)
    if dataset.facts.kind != "screening":
        raise InputError(f"dataset {dataset.name!r} is for {dataset.facts.kind}, not for screening; its judgements do "
                         "not cover all citations of a topic")  # fmt: skip
    if dataset.name not in collections and len(collections) > 1:
        raise InputError(
            f"none of the collections is named {dataset.name!r}; serve its collection, alone or under its own name; "
            f"served: {', '.join(collections)}"
        )
    collection = dataset.name if dataset.name in collections else collections[0]
    judged = dict(dataset.qrels().frame.group_by("query_id").agg(pl.col("doc_id").sort()).iter_rows())
    return [
        Review(query_id, text, collection, tuple(judged[query_id]))
        for query_id, text in dataset.queries().frame.iter_rows()
        if query_id in judged
    ]


def _prior(folder: str) -> Prior:
    """The first order by a cross-encoder's logits."""
    from periti.rankers.cross_encoder import CrossEncoderRanker
    from periti.screening.methods import MODEL, Orderer

    scorer = CrossEncoderRanker.open(CrossEncoderRanker.Options(folder)).scorer
    return lambda topic: Orderer((topic,), model=scorer).scores(topic, MODEL)
