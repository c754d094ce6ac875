"""`periti train gate`: a gate that weights sources query by query, from their runs of held-out queries."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.cli.held_out import add_held_out, read_held_out
from periti.errors import InputError

if TYPE_CHECKING:
    from periti.types import Run

EPILOG = """examples:
  periti train gate train-bm25.run train-dense.run --names bm25 dense --queries scifact --qrels scifact --split train \\
      --seed 1 --out gate

Runs are named as the experts of the pipeline that is to use the gate, by [fusion] name = "gated", gate = "gate". A test
split is refused. Each run's scores are calibrated by their quantiles first."""


def add_gate_parser(kinds: Any) -> None:
    """Add the command."""
    command = kinds.add_parser(
        "gate",
        help="weights of sources for every query, from runs of held-out queries",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("runs", nargs="+", metavar="RUN", help="run files, two or more")
    command.add_argument(
        "--names", nargs="+", metavar="NAME", help="what to call the sources (default: the runs' tags)"
    )
    add_held_out(command)
    command.add_argument("--seed", type=int, default=1, help="of weights, batches and masks (default: 1)")
    command.add_argument(
        "--mask", type=float, default=1.0, help="chance that a masked query lacks a source; 0: no masking"
    )
    command.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write the gate")
    command.add_argument("--force", action="store_true", help="replace a gate that is there")
    command.add_argument("--json", action="store_true", help="print the card as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, write, and say what came of it."""
    from periti.rankers.calibration.calibration import Judged
    from periti.rankers.gate.files import write_gate
    from periti.rankers.gate.learning import GateOptions
    from periti.rankers.gate.training import HeldOut, train_gate

    runs = _named(arguments)
    queries, qrels, min_rel, source = read_held_out(arguments)
    judged = Judged(qrels, min_rel)
    options = GateOptions(seed=arguments.seed, mask=arguments.mask)
    trained = train_gate(runs, HeldOut(queries, judged, source), options)
    write_gate(trained, arguments.out, replace=arguments.force)
    if arguments.json:
        print(json.dumps({"folder": str(arguments.out), "sources": trained.sources, **trained.card}))
        return 0
    loss = trained.card["loss"]
    print(f"{arguments.out}: a gate over {', '.join(trained.sources)} from {trained.card['queries']:,} queries")
    print(
        f"  loss on its own held-out queries {loss['before']:.4f} with equal weights, {loss['best']:.4f} with the gate"
    )
    print('  use it with  [fusion]  name = "gated"  gate = "FOLDER"; judge it on other queries with `periti compare`')
    return 0


def _named(arguments: argparse.Namespace) -> Mapping[str, Run]:
    """The runs by name."""
    from periti.cli.runs import read_runs

    runs = read_runs(arguments.runs)
    names = arguments.names or [ranking.name for ranking in runs]
    if len(names) != len(runs) or len(set(names)) != len(names):
        raise InputError(f"--names gives {len(set(names))} different names for {len(runs)} runs; give one each")
    return {name: ranking.renamed(name) for name, ranking in zip(names, runs, strict=True)}
