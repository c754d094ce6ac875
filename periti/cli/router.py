"""`periti router`: the router in front of a panel: fit it, judge it, ask it why."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.cli.panel_files import add_panel_arguments, read_panel
from periti.cli.router_diagnosis import add_diagnoses
from periti.errors import InputError

if TYPE_CHECKING:
    from periti.panels.config import PanelConfig

FIT_EPILOG = """examples:
  periti router fit panel.toml                 the utility table of every seed
  periti router fit panel.toml --seed 1 --json

The table says what every expert is worth on held-out queries of train; a test split is refused. Every router is fitted
to it when it is opened; `[router] table = "panel/router/seed-1"` in a collection's periti.toml reads it."""
EVALUATE_EPILOG = """examples:
  periti router evaluate panel.toml
  periti router evaluate panel.toml --json > study.json
  periti router evaluate panel.toml --html panel.html --markdown panel.md

Systems: the base, each expert, the multi-task control, every router, oracles; per collection and macro, seen and
unseen, with routing rates, gap closed, regret, cost, stability, and corrected significance. Vectors are remembered."""
EXPLAIN_EPILOG = """examples:
  periti router explain panel.toml "is a verbal agreement to sell land enforceable?"
  periti router explain panel.toml "metformin and kidney disease" --router neighbours --json"""


HEALTH_EPILOG = """examples:
  periti router health panel.toml
  periti router health panel.toml --seed 2 --json

Examined on the held-out train queries of the utility table: effective experts, dead dimensions, effective rank, score
scales, clones, experts neglected on their own collections. Each alarm names its bound."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("router", help="fit, judge and question the router of a panel")
    kinds = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    fit = _kind(kinds, "fit", "make the utility table of held-out train queries", FIT_EPILOG)
    fit.add_argument("--no-texts", action="store_true", help="leave the queries' texts out, to give the table away")
    fit.set_defaults(run=fit_table)
    judge = _kind(kinds, "evaluate", "is the routed panel better than one model?", EVALUATE_EPILOG)
    judge.add_argument("--html", type=Path, help="also write the report as one HTML page")
    judge.add_argument("--markdown", type=Path, help="also write the report as Markdown")
    judge.set_defaults(run=evaluate)
    sick = _kind(kinds, "health", "loads, clones, neglected and collapsed experts", HEALTH_EPILOG)
    sick.set_defaults(run=examine)
    why = _kind(kinds, "explain", "which expert answers a query, and why", EXPLAIN_EPILOG)
    why.add_argument("query", help="the question")
    why.add_argument("--router", help="another router than the configuration's")
    why.set_defaults(run=explain)
    add_diagnoses(kinds)


def _kind(kinds: Any, name: str, told: str, epilog: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = kinds.add_parser(
        name, help=told, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_panel_arguments(parser)
    return parser


def fit_table(arguments: argparse.Namespace) -> int:
    """Write the utility table of every seed."""
    from periti.panels.config import BASE
    from periti.panels.courses import require_shared, trained
    from periti.panels.panel import open_panel
    from periti.panels.tables import table_folder, utility_table
    from periti.progress import Terminal

    config = read_panel(arguments)
    require_shared(config, config.routed[1:])
    panel = open_panel(config, Terminal(), [name for name, one in config.collections.items() if one.learns])
    told = []
    for seed in config.seeds:
        adapters = {name: None if name == BASE else trained(config, name, seed) for name in config.routed}
        table = utility_table(panel, adapters, seed)
        table = table.without_texts() if arguments.no_texts else table
        folder = table_folder(config, seed)
        table.write(folder, replace=True)
        means = dict(zip(table.experts, (round(float(v), 4) for v in table.utilities.mean(axis=0)), strict=True))
        told.append(
            {"seed": seed, "folder": str(folder), "queries": len(table), "tie_rate": table.tie_rate, "means": means}
        )
        if not arguments.json:
            shown = ", ".join(f"{name} {value:.4f}" for name, value in means.items())
            print(f"seed {seed}: {len(table)} held-out train queries, {table.tie_rate:.1%} ties; {shown}; {folder}")
    if arguments.json:
        print(json.dumps(told))
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Print the study; write the report where asked."""
    from periti.evaluation.reports import Provenance
    from periti.evaluation.routing.export import to_json
    from periti.evaluation.routing.markdown import markdown
    from periti.evaluation.routing.page import html
    from periti.evaluation.routing.text import text
    from periti.panels.panel import open_panel
    from periti.panels.study import study
    from periti.progress import Terminal

    config = read_panel(arguments)
    _require_trained(config)
    panel = open_panel(config, Terminal())
    # Without folders, which are this machine's: the page may be published.
    command = f"periti router evaluate {arguments.config.name}"
    found = study(panel, Terminal(), {"command": command, "base": panel.base.identity.name})
    if arguments.html:
        arguments.html.write_text(html(found, provenance=Provenance(command=command)), encoding="utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(markdown(found), encoding="utf-8")
    print(json.dumps(to_json(found)) if arguments.json else text(found))
    return 0


def examine(arguments: argparse.Namespace) -> int:
    """Print what ails the experts of a seed."""
    from periti.panels.config import BASE
    from periti.panels.courses import trained
    from periti.panels.health import health
    from periti.panels.panel import open_panel
    from periti.panels.tables import table_folder
    from periti.progress import Terminal
    from periti.retrievers.routing.table import UtilityTable

    config = read_panel(arguments)
    seed = config.seeds[0]
    table = UtilityTable.read(table_folder(config, seed))
    panel = open_panel(config, Terminal(), [name for name, one in config.collections.items() if one.learns])
    adapters = {name: None if name == BASE else trained(config, name, seed) for name in config.routed}
    found = health(panel, table, adapters)
    alarms = [
        {"kind": a.kind, "experts": list(a.experts), "value": a.value, "bound": a.bound, "sentence": a.sentence}
        for a in found.alarms
    ]
    if arguments.json:
        frames = {"experts": found.experts.to_dicts(), "pairs": found.pairs.to_dicts(), "own": found.own.to_dicts()}
        print(json.dumps({"effective_experts": found.effective_experts, **frames, "alarms": alarms}))
        return 0
    print(f"effective experts: {found.effective_experts:.2f} of {len(config.routed)}")
    for row in found.experts.iter_rows(named=True):
        print(
            f"  {row['expert']:<16} load {row['load_share']:.3f}  dead dimensions {row['dead_share']:.3f}  "
            f"effective rank {row['effective_rank']:.0f}  scores {row['score_mean']:.3f} ± {row['score_std']:.3f}"
        )
    print("\n".join(f"alarm: {alarm['sentence']}" for alarm in alarms) or "no alarm")
    return 0


def explain(arguments: argparse.Namespace) -> int:
    """Print the scores of every expert for a query and what they rest on."""
    from periti.encoders import SentenceEncoder
    from periti.encoders.panel import panel_of
    from periti.errors import ConfigError
    from periti.indexers.encoding import EncoderSource, load_encoder
    from periti.panels.panel import Panel
    from periti.panels.systems import scorers
    from periti.panels.tables import base_vectors, table_folder
    from periti.panels.vectors import QueryVectors
    from periti.registry import nearest
    from periti.retrievers.routing.table import UtilityTable

    if not arguments.query.strip():
        raise InputError("the query is empty; ask something")
    config = read_panel(arguments)
    base = load_encoder(EncoderSource())
    if not isinstance(base, SentenceEncoder):
        raise ConfigError("the panel's base must be a sentence encoder")
    panel = Panel(config, {}, QueryVectors(panel_of(base), config.home / "vectors"))
    router = arguments.router or config.router
    known = scorers(panel)
    if router not in known:
        raise InputError(f"no router {router!r} is fitted to a utility table; {nearest(router, known)}")
    scorer = known[router](UtilityTable.read(table_folder(config, config.seeds[0])))
    texts = [arguments.query]
    vectors = base_vectors(panel.vectors, texts)
    scores = dict(zip(scorer.experts, map(float, scorer.scores(vectors, texts)[0]), strict=True))
    why = scorer.explain(vectors, texts)[0]
    chosen = max(scores, key=lambda name: scores[name])
    answer = {
        "query": arguments.query,
        "router": router,
        "expert": chosen,
        "scores": scores,
        "fallback": bool(scorer.fell_back(vectors, texts)[0]),
        **why,
    }
    if arguments.json:
        print(json.dumps(answer))
        return 0
    print(f"{router}: {chosen}")
    for name, score in sorted(scores.items(), key=lambda item: -item[1]):
        print(f"  {score:+.4f}  {name}")
    for near in why.get("nearest", []):
        print(
            "  because: " + ", ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in near.items())
        )
    return 0


def _require_trained(config: PanelConfig) -> None:
    """Say at once what is missing or does not belong here, before any index is opened."""
    from periti.panels.courses import expert_folder, require_shared

    require_shared(config, config.experts)
    missing = [
        f"{name} (seed {seed})"
        for seed in config.seeds
        for name in config.experts
        if not expert_folder(config, name, seed).is_dir()
    ]
    if missing:
        raise InputError(f"{len(missing)} experts are not trained, the first is {missing[0]}; run periti train expert")
