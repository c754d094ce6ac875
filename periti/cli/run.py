"""`periti run`: every query of a set, as a TREC run."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

EPILOG = """examples:
  periti run indexes/scifact --queries scifact --out scifact.run
  periti run indexes/scifact --queries scifact:train --out train.run -k 100 --experts bm25
  periti run my/periti.toml --queries topics.tsv --out mine.run.gz

The scores written are strictly decreasing in rank, so that every evaluator reads the ranking that periti made; the
pipeline's own scores are kept in order but ties among them are resolved by the one rule (document id, descending)."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "run",
        help="answer a set of queries and write a TREC run",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="a collection's directory or a pipeline's TOML file")
    parser.add_argument("--queries", required=True, help="a topics file, or a dataset's name, NAME:SPLIT for one split")
    parser.add_argument("--out", type=Path, required=True, help="the run file; .gz is compressed")
    parser.add_argument("-k", type=int, default=1000, help="documents a query (default: 1000)")
    parser.add_argument("--experts", nargs="+", help="ask only these experts of the panel")
    parser.add_argument("--tag", help="the run's name in the file (default: the pipeline's)")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Search all queries in batches and write the run."""
    from periti.batches import search_all_noted
    from periti.datasets.references import open_queries
    from periti.datasets.trec import write_run
    from periti.datasets.writing import check_writable
    from periti.pipeline import open_pipeline
    from periti.progress import Terminal

    check_writable(arguments.out)
    queries = open_queries(arguments.queries)
    pipeline = open_pipeline(arguments.config)
    if arguments.experts:
        pipeline = pipeline.only(*arguments.experts)
    began = time.perf_counter()
    searched = search_all_noted(pipeline, queries, arguments.k, progress=Terminal())
    found, notes = searched.run, searched.notes
    seconds = time.perf_counter() - began
    tag = arguments.tag or pipeline.name
    write_run(found.renamed(tag), arguments.out)
    silent = len(queries) - len(found.query_ids)
    facts = {
        "run": str(arguments.out),
        "tag": tag,
        "queries": len(queries),
        "queries_without_answer": silent,
        "documents": found.frame.height,
        "queries_per_second": round(len(queries) / seconds, 1),
        **({"ranker": dict(searched.ranker)} if searched.ranker else {}),
        "notes": {expert: dict(counts) for expert, counts in notes.items()},
    }
    if arguments.json:
        print(json.dumps(facts))
    else:
        print(
            f"{arguments.out}: {len(queries):,} queries, {found.frame.height:,} documents, "
            f"{silent} queries without an answer, {facts['queries_per_second']} queries/s"
        )
        for expert, counts in notes.items():
            print(f"{expert}: " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items()))
    return 0
