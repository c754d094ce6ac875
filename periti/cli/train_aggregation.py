"""`periti train aggregation`: one score from the likenesses of all passages, learned on held-out queries."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from periti.cli.held_out import add_held_out, read_held_out

EPILOG = """examples:
  periti train aggregation indexes/aila --queries aila-2019-cases --qrels aila-2019-cases --split train --out learned
  periti train aggregation indexes/aila --queries dev.tsv --qrels dev.qrels --most 10 --seed 2 --out learned --json

The pipeline finds documents for the held-out queries; queries and documents are split into passages, compared by an
encoder's vectors, and a recurrent network with attention learns what the comparisons say (BERT-PLI). A test split is
refused. Use it with  [ranker]  name = "learned-passages"  folder = "FOLDER"."""


def add_aggregation_parser(kinds: Any) -> None:
    """Add the command."""
    command = kinds.add_parser(
        "aggregation",
        help="one score from the passages of long queries and documents, from held-out queries",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("pipeline", type=Path, help="the first stage: a folder with periti.toml, or a TOML file")
    add_held_out(command)
    command.add_argument("--depth", type=int, default=50, help="documents of a query to learn from (default: 50)")
    command.add_argument("--model", default="", help="folder or hub name of the encoder (default: minilm)")
    command.add_argument("--length", type=int, default=200, help="tokens of a passage (default: 200)")
    command.add_argument("--stride", type=int, default=0, help="tokens from passage to passage (default: no overlap)")
    command.add_argument("--most", type=int, default=20, help="passages read of a text; 0 reads all (default: 20)")
    command.add_argument("--hidden", type=int, default=256, help="width of the recurrent network (default: 256)")
    command.add_argument("--epochs", type=int, default=60, help="passes over the pairs (default: 60)")
    command.add_argument("--seed", type=int, default=1, help="of weights and batches (default: 1)")
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write it")
    command.add_argument("--force", action="store_true", help="replace what is there")
    command.add_argument("--json", action="store_true", help="print the card as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Search, fit, write, and say what came of it."""
    from periti.batches import search_all
    from periti.errors import InputError
    from periti.passages.learned import LearnedConfig
    from periti.passages.splitting import PassageConfig
    from periti.pipeline import open_pipeline
    from periti.progress import Terminal
    from periti.rankers.learned_passages import Judged, Likenesses, encoder_of, fit_aggregation, write_aggregation

    if arguments.depth < 1:
        raise InputError(f"--depth is {arguments.depth}; give at least 1")
    if arguments.out.exists() and not arguments.force:
        raise InputError(f"{arguments.out} exists already; choose another place or ask to replace it (--force)")
    settings = LearnedConfig(hidden=arguments.hidden, epochs=arguments.epochs)
    passages = PassageConfig(arguments.length, arguments.stride, arguments.most)
    queries, qrels, min_rel, source = read_held_out(arguments)
    pipeline = open_pipeline(arguments.pipeline)
    found = search_all(pipeline, queries, arguments.depth, progress=Terminal())
    likenesses = Likenesses(encoder_of(arguments.model), passages)
    judged = Judged(queries, found, qrels, min_rel, source)
    model, card = fit_aggregation(likenesses, judged, pipeline.corpus, settings, arguments.seed)
    write_aggregation(model, likenesses, card, arguments.out, replacing=arguments.force)
    if arguments.json:
        print(json.dumps({"folder": str(arguments.out), **card}))
        return 0
    counts = f"{card['pairs']:,} pairs of {card['queries']:,} queries, {card['relevant']:,} of them relevant"
    print(f"{arguments.out}: learned from {counts}")
    print('  use it with  [ranker]  name = "learned-passages"  folder = "FOLDER"; judge it on other queries')
    return 0
