"""The `periti` command: parses arguments, runs one command module, turns errors into exit statuses."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from periti import __version__
from periti.errors import PeritiError

COMMANDS = (
    "demo", "datasets", "index", "search", "run", "calibrate", "fuse", "evaluate", "compare", "agree",
    "adjudicate", "screen", "select", "judge", "train", "router", "mesh", "serve", "doctor",
)  # fmt: skip

DESCRIPTION = "Retrieval and ranking by a panel of domain experts, with evaluation people can trust."
EPILOG = """examples:
  periti demo                                        build the demo collection and serve it with a web page
  periti datasets list                               the collections that periti knows
  periti index build --dataset scifact --out x       Lucene postings, FAISS vectors and texts of one collection
  periti search x "does vitamin D prevent falls?"    ask the panel
  periti run x --queries scifact --out scifact.run   a TREC run of every query
  periti calibrate x --dataset scifact --split train bring the scores of the experts to one scale
  periti fuse a.run b.run --out ab.run               several runs to one; --tune finds weights on dev
  periti evaluate --qrels scifact scifact.run        measures with their denominators
  periti compare --qrels scifact a.run b.run         differences, intervals, corrected significance
  periti agree --qrels a.qrels b.qrels --runs *.run  do other judgements rank the systems alike?
  periti adjudicate simulate --dataset clef-tar-2017 which cheap judgements keep the conclusions?
  periti screen --dataset cohen-screening --all      which citations of a review to read first, and when to stop
  periti select dsir --pool pool.jsonl --target examples.jsonl --budget 5% --seed 1 --out chosen.parquet
                                                     what of a pool experts should learn from
  periti judge --pool pool.jsonl --judge-url http://localhost:8000/v1 --judge-model NAME --out judged.jsonl
                                                     pairs labelled by criteria of quality, by asking a model
  periti train expert panel.toml --seed 1            experts over one frozen document encoder
  periti train ranker ranker.toml --seed 1           a cross-encoder over a first stage's lists
  periti router evaluate panel.toml                  is the routed panel better than one model?
  periti mesh suggest "heart attack*" --index x     MeSH headings for a clause of a Boolean query
  periti doctor                                      is everything in place on this machine?

`periti COMMAND --help` shows the examples of each command."""


def parser() -> argparse.ArgumentParser:
    """The whole argument parser."""
    top = argparse.ArgumentParser(
        prog="periti",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"periti {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"periti.cli.{name}").add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parsed = parser().parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
        sys.stdout.flush()
    except PeritiError as error:
        print(f"periti: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("periti: interrupted; nothing half-written was kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone: point stdout at nothing so that Python's exit does not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status
