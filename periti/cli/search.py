"""`periti search`: one question to the panel."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.errors import InputError

if TYPE_CHECKING:
    from periti.types import Trace

EPILOG = """examples:
  periti search demo "is a verbal agreement to sell land enforceable?" --explain
  periti search indexes/scifact "does vitamin D prevent falls in older adults?"
  periti search indexes/scifact "statins and muscle pain" -k 5 --experts bm25
  periti search my/periti.toml "breach of warranty" --json --explain"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "search",
        help="ask one question",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="a collection's directory, a pipeline's TOML file, or demo")
    parser.add_argument("query", help="the question")
    parser.add_argument("-k", type=int, default=10, help="how many documents (default: 10)")
    parser.add_argument("--experts", nargs="+", help="ask only these experts of the panel")
    parser.add_argument("--explain", action="store_true", help="show what each step did")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=search)


def search(arguments: argparse.Namespace) -> int:
    """Print the best documents, with title and the beginning of the text."""
    from periti.cli.demo import opened
    from periti.types import Queries

    if not arguments.query.strip():
        raise InputError("the query is empty; ask something")
    pipeline = opened(arguments.config)
    if arguments.experts:
        pipeline = pipeline.only(*arguments.experts)
    run, trace = pipeline.explain(Queries.from_pairs([("q", arguments.query)]), arguments.k)
    documents = pipeline.corpus.get(run.frame["doc_id"].to_list())
    hits = [
        {"rank": rank, "score": score, "doc_id": document.doc_id, "title": document.title, "text": document.text}
        for rank, score, document in zip(run.frame["rank"], run.frame["score"], documents, strict=True)
    ]
    why = pipeline.why(Queries.from_pairs([("q", arguments.query)])) if arguments.explain else []
    plan = _plan(trace)
    steps = [{"step": s.name, "ms": round(s.seconds * 1000, 2), "notes": dict(s.notes)} for s in trace.steps]
    if arguments.json:
        routing = {"plan": plan, "why": dict(why[0]) if why else None} if arguments.explain else None
        told = {
            "query": arguments.query,
            "hits": hits,
            "routing": routing,
            "steps": steps if arguments.explain else None,
        }
        print(json.dumps(told))
        return 0
    if not hits:
        print("nothing found")
    for hit in hits:
        print(f"{hit['rank']:>3}  {hit['score']:.4f}  {hit['doc_id']}  {hit['title'][:90]}")
        print(f"     {_snippet(hit['text'])}")
    if arguments.explain:
        _print_routing(plan, why)
        for step in trace.steps:
            notes = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in step.notes.items())
            print(f"{step.name:<20} {step.seconds * 1000:>9.2f} ms  {notes}".rstrip())
    return 0


def _plan(trace: Trace) -> dict[str, float]:
    """Whom the query went to, and with what weight."""
    from periti.types import Plan

    output = trace.step("route").output
    if not isinstance(output, Plan):
        return {}
    return dict(output.frame.sort("weight", "expert", descending=[True, False]).select("expert", "weight").iter_rows())


def _print_routing(plan: Mapping[str, float], why: Sequence[Mapping[str, Any]]) -> None:
    """Who was asked, why, and who else could have been."""
    print("asked: " + ", ".join(f"{name} (weight {weight:g})" for name, weight in plan.items()))
    if not why:
        return
    scores = sorted(why[0]["scores"].items(), key=lambda item: -item[1])
    print("fitness: " + ", ".join(f"{name} {score:.4f}" for name, score in scores))
    for near in why[0].get("nearest", [])[:3]:
        told = (f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}" for key, value in near.items())
        print("  nearest: " + ", ".join(told))
    if why[0].get("fallback"):
        print("  nothing known is near: a fall-back scored this query")


def _snippet(text: str, width: int = 150) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 3] + "..."
