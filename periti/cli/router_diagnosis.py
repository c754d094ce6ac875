"""`periti router drift | portfolio | merge | assign | archive | workload`: who should be there, and in memory?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.cli.panel_files import add_panel_arguments, read_panel

if TYPE_CHECKING:
    from periti.panels.config import PanelConfig
    from periti.panels.panel import Panel


@dataclass(frozen=True)
class _Kind:
    name: str
    told: str
    epilog: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_diagnoses(kinds: Any) -> None:
    """Add the commands to those of `periti router`."""
    for kind in (
        _Kind("drift", "do queries drift away from what the router knows?", DRIFT, _drift_arguments, drift),
        _Kind(
            "portfolio", "which experts do a few labelled queries choose?", PORTFOLIO, _portfolio_arguments, portfolio
        ),
        _Kind("merge", "fewer experts, their adapters merged", MERGE, _merge_arguments, merge),
        _Kind("assign", "which expert serves each collection?", ASSIGN, _assign_arguments, assign),
        _Kind("archive", "the best expert for each collection at each cost", ARCHIVE, _archive_arguments, archive),
        _Kind("workload", "store which experts a workload's queries ask", WORKLOAD, _workload_arguments, workload),
    ):
        parser = kinds.add_parser(
            kind.name, help=kind.told, epilog=kind.epilog, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        add_panel_arguments(parser)
        kind.arguments(parser)
        parser.set_defaults(run=kind.run)


DRIFT = """examples:
  periti router drift panel.toml --queries today.tsv
  periti router drift panel.toml --queries cranfield:test --window 100 --json

Queries are read in their order. The signal is the largest pilot similarity, in standard deviations of what the nearest
collection's queries usually have; z is its mean over a window in standard errors, and an alarm is a CUSUM at level 1.
After an alarm the unlike queries are clustered: each cluster is an expert that is missing."""
PORTFOLIO = """examples:
  periti router portfolio panel.toml --labels 50
  periti router portfolio panel.toml --labels 20 --keep 3 --gamma 0.02 --draw 7

K queries of every collection are drawn from the held-out train queries of the utility table and choose; the others
judge. An expert is welcome if it beats the base on any collection, then those are kept that complement each other."""
MERGE = """examples:
  periti router merge panel.toml --into 3 --out merged
  periti router merge panel.toml --into 2 --rank 8 --out merged --json

The most used experts are kept, every other joins the one whose query vectors are most like its own; adapters are
averaged by usage. The router's shares of merged experts are summed. OUT has a folder for each expert that is left and
`router`, their utility table."""
ASSIGN = """examples:
  periti router assign panel.toml
  periti router assign panel.toml --into 3
  periti router assign panel.toml --most 1 --json

Mean utilities of held-out train queries; "across" is judged on the half of the queries that did not choose."""
ARCHIVE = """examples:
  periti router archive panel.toml
  periti router archive panel.toml --archive elites.json        adds this panel's experts to the file
  periti router archive panel.toml --cost encodings --json

Every expert of every seed competes in the cell of its collection and cost, by mean utility on held-out train queries.
The best of many is better than it will turn out to be: judge it on test queries once."""
WORKLOAD = """examples:
  periti router workload panel.toml --queries monday.tsv --out workload.json
  periti router workload panel.toml --queries scifact:train --name science --out workload.json

A file holds any number of workloads; one of the same name is replaced. In a collection's periti.toml,
  adapter_memory_mb = 4
  workload = "workload.json"
keeps the adapters in memory that the workload asks most, and loads others when they are asked."""


def _drift_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queries", required=True, help="the stream: a topics file or a dataset")
    parser.add_argument("--window", type=int, default=50, help="queries a line of the report (default: 50)")
    parser.add_argument("--slack", type=float, default=0.5, help="half of the drop that matters, in deviations (0.5)")
    parser.add_argument("--false-alarms", type=float, default=0.01, help="their probability in 10,000 queries (0.01)")


def drift(arguments: argparse.Namespace) -> int:
    """Print every window, the alarm, and the experts that the drifting queries call for."""
    from periti.cli.diagnosis_text import drift_text
    from periti.datasets.references import open_queries
    from periti.panels.held_out import closed_panel, table_of
    from periti.panels.monitor import watch
    from periti.retrievers.diagnosis.drift import DriftOptions

    config = read_panel(arguments)
    table, queries = table_of(config), open_queries(arguments.queries)
    options = DriftOptions(slack=arguments.slack, false_alarms=arguments.false_alarms, window=arguments.window)
    found = watch(closed_panel(config), table, queries, options, config.seeds[0])
    experts = [
        {
            "size": one.proposal.size,
            "medoids": [
                {"query_id": q, "text": text} for q, text in zip(one.medoids, one.proposal.examples, strict=True)
            ],
            "terms": list(one.proposal.terms),
            "nearest_expert": one.nearest,
            "similarity": one.similarity,
        }
        for one in found.experts
    ]
    told = {
        "reference": found.reference,
        "queries": len(queries),
        "windows": [asdict(one) for one in found.windows],
        "alarm": asdict(found.alarm) if found.alarm else None,
        "drifting": found.drifting,
        "experts": experts,
    }
    return _tell(arguments, told, drift_text)


def _portfolio_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--labels", type=int, required=True, metavar="K", help="labelled queries of every collection")
    parser.add_argument("--keep", type=int, metavar="N", help="places besides the base's (default: for all experts)")
    parser.add_argument(
        "--gamma", type=float, default=0.0, help="what a whole overlap@10 costs in utility (default: 0)"
    )
    parser.add_argument(
        "--draw", type=int, default=0, help="seed of the draw of queries and of the bootstrap (default: 0)"
    )


def portfolio(arguments: argparse.Namespace) -> int:
    """Print who is kept, who is not, and why."""
    from periti.cli.diagnosis_text import portfolio_text
    from periti.panels.held_out import adapters_of, table_of
    from periti.panels.portfolio import Places, choose_experts, likeness_of, sample

    config = read_panel(arguments)
    table = table_of(config)
    rows = sample(table, arguments.labels, arguments.draw)
    likeness = None
    if arguments.gamma:
        likeness = likeness_of(_opened(config), adapters_of(config, config.seeds[0]), table, rows)
    keep = len(table.experts) if arguments.keep is None else arguments.keep
    found = choose_experts(table, rows, Places(keep, arguments.gamma, arguments.draw), likeness)
    return _tell(arguments, {"measure": table.measure, **asdict(found)}, portfolio_text)


def _merge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--into", type=int, required=True, metavar="N", help="experts to be left, besides the base")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to make, for the experts and their utility table"
    )
    parser.add_argument("--rank", type=int, help="of merged LoRA adapters (default: the largest of their own)")


def merge(arguments: argparse.Namespace) -> int:
    """Write the merged experts; print who was merged and what it costs."""
    from periti.cli.diagnosis_text import merge_text
    from periti.errors import InputError
    from periti.panels.held_out import adapters_of, table_of
    from periti.panels.merging import merge_experts, write_merging

    config = read_panel(arguments)
    if arguments.out.exists():
        raise InputError(f"{arguments.out} exists already; name another folder")
    table, adapters = table_of(config), adapters_of(config, config.seeds[0])
    found = merge_experts(_opened(config), table, adapters, arguments.into, arguments.rank)
    write_merging(found, arguments.out)
    told = {
        "measure": table.measure,
        "groups": [
            {"name": g.name, "weights": dict(g.weights), "kept": g.kept, "likeness": g.likeness} for g in found.groups
        ],
        "collections": [
            {"name": name, "base": found.base[name], "before": found.before[name], "after": found.after[name]}
            for name in found.before
        ],
        "bytes": list(found.bytes),
        "folder": str(arguments.out),
    }
    return _tell(arguments, told, merge_text)


def _assign_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--into", type=int, metavar="N", help="experts that may serve besides the base (default: all)")
    parser.add_argument(
        "--most", type=int, metavar="M", help="collections that one expert may serve (default: any number)"
    )
    parser.add_argument(
        "--affinity", type=float, default=0.0, help="gain of two like collections that share an expert (0)"
    )
    parser.add_argument("--restarts", type=int, default=20, help="random starts of the search (default: 20)")


def assign(arguments: argparse.Namespace) -> int:
    """Print who serves each collection, and what that is worth."""
    from periti.cli.diagnosis_text import assign_text
    from periti.panels.assignment import AssignmentOptions, assign_collections
    from periti.panels.held_out import table_of

    config = read_panel(arguments)
    table = table_of(config)
    options = AssignmentOptions(arguments.into, arguments.most, arguments.affinity, arguments.restarts, config.seeds[0])
    return _tell(arguments, {"measure": table.measure, **asdict(assign_collections(table, options))}, assign_text)


def _archive_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--archive", type=Path, help="file to add to, made if it is not there (default: none is written)"
    )
    parser.add_argument(
        "--cost", choices=("memory", "encodings"), default="memory", help="MB of an adapter, or encodings"
    )
    parser.add_argument("--edges", type=float, nargs="+", help="borders of the cost cells, ascending")


def archive(arguments: argparse.Namespace) -> int:
    """Offer every expert of every seed to an archive; print what its cells hold."""
    from periti.cli.diagnosis_text import archive_text
    from periti.panels.archive import offers, open_archive

    config = read_panel(arguments)
    kept = open_archive(arguments.archive, arguments.cost, arguments.edges)
    before = len(kept)
    taken = [kept.offer(elite) for elite in offers(config, arguments.cost)]
    if arguments.archive:
        kept.write(arguments.archive)
    told = {
        "unit": kept.unit,
        "edges": list(kept.edges),
        "offered": len(taken),
        "entered": sum(taken),
        "cells_before": before,
        "elites": [{**asdict(one), "cell": kept.cell(one)[1]} for one in kept],
        "fronts": {domain: [one.expert for one in kept.front(domain)] for domain in sorted({e.domain for e in kept})},
    }
    return _tell(arguments, told, archive_text)


def _workload_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queries", required=True, help="a log of queries: a topics file or a dataset")
    parser.add_argument("--out", type=Path, required=True, help="file of workloads to add to, made if it is not there")
    parser.add_argument("--name", help="of the workload (default: that of the queries)")


def workload(arguments: argparse.Namespace) -> int:
    """Store the profile of a log of queries; print which experts it asks."""
    from periti.cli.diagnosis_text import workload_text
    from periti.datasets.references import open_queries
    from periti.panels.held_out import closed_panel, table_of
    from periti.panels.workload import profile_of, store

    config = read_panel(arguments)
    queries = open_queries(arguments.queries)
    name = arguments.name or Path(arguments.queries).stem
    profile = profile_of(closed_panel(config), table_of(config), queries, name)
    kept = store(profile, arguments.out)
    told = {
        **asdict(profile),
        "queries": len(queries),
        "covering": list(profile.covering(0.95)),
        "file": str(arguments.out),
        "workloads": [one.name for one in kept],
    }
    return _tell(arguments, told, workload_text)


def _opened(config: PanelConfig) -> Panel:
    """The panel with the collections of its utility table."""
    from periti.panels.panel import open_panel
    from periti.progress import Terminal

    return open_panel(config, Terminal(), [name for name, one in config.collections.items() if one.train])


def _tell(arguments: argparse.Namespace, told: dict[str, Any], text: Callable[[dict[str, Any]], str]) -> int:
    print(json.dumps(told) if arguments.json else text(told))
    return 0
