"""What neural reranking adds, and what in its training matters: writes docs/results/rankers.md.

Gains: cross-encoders rerank BM25's first 100 documents; each, and a fusion with it, against BM25 and the best fusion
without it. The one of benchmarks/ranker.toml answers every collection; those of ranker_health.toml and ranker_law.toml,
questions about health and about regulation, came before it, and are made and judged again only where --ranker names
them: the page has what was kept of them. A ranker is trained first if it is not under --home, for up to an hour of one
core, and scores for one or two more. Curricula: short trainings, several seeds for each curriculum and control (up to
an hour and a half). What was trained and scored is kept under --home and is not made again. The screening table is that
of docs/results/screening.md.

Usage: python -m benchmarks.rankers [--home DIR] [--indexes DIR] [--part gains|read|score|curricula|page|all]
    [--ranker NAME ...] [--seed S]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measuring import ROOT, record
from ranker_curricula import DEPTH as STUDY_DEPTH
from ranker_curricula import study as curricula_study
from ranker_gains import LEFT_OUT, Gains, Judge
from ranker_page import kept_figures, page

STUDY = ROOT / "benchmarks" / "curricula.toml"
PAGE = ROOT / "docs" / "results" / "rankers.md"


@dataclass(frozen=True)
class Ranker:
    """A ranker that is judged.

    Attributes:
        file: how it is trained.
        start: how the adapter is trained that has learnt from the same collections.
        most: test queries of a collection, and of one that was not learnt from.
        asked: the collections that it answers; all of its file by default.
        starts_there: whether the ranker starts from the adapter.
    """

    file: str
    start: str
    most: tuple[int, int]
    asked: tuple[str, ...] = ()
    starts_there: bool = True


RANKERS = {
    "reader": Ranker("ranker.toml", "ranker_start.toml", (1000, 225)),
    "health": Ranker("ranker_health.toml", "ranker_health_start.toml", (1000, 225), ("medquad-whole", "medquad")),
    "law": Ranker("ranker_law.toml", "ranker_law_start.toml", (1200, 225), ("obliqa",), starts_there=False),
}


def told(sentence: str) -> None:
    """Progress, for who waits."""
    print(sentence, file=sys.stderr, flush=True)


def gains(name: str, arguments: argparse.Namespace) -> None:
    """Train what is missing, judge, keep the figures."""
    from periti.panels.ranking.config import read_ranker_config, starting_from
    from periti.panels.ranking.courses import ranker_folder, train_ranker_of
    from periti.progress import Terminal

    ranker = RANKERS[name]
    config = read_ranker_config(ROOT / "benchmarks" / ranker.file)
    config = replace(config, home=arguments.home, indexes=arguments.indexes)
    config = replace(config, states=arguments.home / "states")  # some 580 kB a document
    adapter = start(ranker, arguments)
    command = f"periti train ranker benchmarks/{ranker.file} --seed {arguments.seed}"
    if ranker.starts_there:
        config, command = starting_from(config, adapter), f"{command} --adapter FOLDER"
    asked = ranker.asked or tuple(one for one in config.collections if one not in LEFT_OUT)
    judge = Judge(config, arguments.home, adapter, asked, ranker.most, told, arguments.seed)
    only = [one for one in asked if one in (arguments.only or asked)]
    if arguments.part == "read":
        judge.read(only)
        return
    card = train_ranker_of(config, arguments.seed, progress=Terminal(), command=command)
    if arguments.part == "score":
        judge.score(ranker_folder(config, arguments.seed), only)
        return
    found = judge.study(ranker_folder(config, arguments.seed))
    shares = {one: config.collections[one].slices[0] for one in config.learnt}
    facts = {"most_queries": ranker.most, "fitted": shares, "starts_there": ranker.starts_there}
    record(f"ranker_gains_{name}", {"training": _training(card), **_plain(found), **facts})


def start(ranker: Ranker, arguments: argparse.Namespace) -> Path:
    """The folder of the linear adapter that the ranker starts from, trained if it is missing."""
    from periti.panels.config import read_panel_config
    from periti.panels.courses import expert_folder, train_expert
    from periti.panels.panel import open_panel
    from periti.progress import Terminal

    config = read_panel_config(ROOT / "benchmarks" / ranker.start)
    config = replace(config, home=arguments.home / "start", indexes=arguments.indexes)
    (name,) = config.experts
    folder = expert_folder(config, name, arguments.seed)
    if not folder.exists():
        panel = open_panel(config, Terminal(), config.experts[name].sources)
        train_expert(panel, name, arguments.seed, progress=Terminal())
    return folder


def _training(card: Mapping[str, Any]) -> dict[str, Any]:
    learnt = ("share", "shares", "parts") if "parts" in card else ("steps", "best_step", "dev_curve", "seconds")
    return {name: card[name] for name in ("seed", "dev", "dev_of_start", "sources", "options", *learnt)}


def _plain(found: Gains) -> dict[str, Any]:
    settings = {
        where: {
            name: {"rule": rule, "options": dict(trial.options), "weights": dict(trial.weights), "dev": trial.value}
            for name, (rule, trial) in chosen.items()
        }
        for where, chosen in found.settings.items()
    }
    return {**asdict(replace(found, settings={})), "settings": settings}


def curricula(arguments: argparse.Namespace) -> None:
    """Train, judge, keep the figures."""
    from periti.panels.ranking.config import read_ranker_config

    config = replace(read_ranker_config(STUDY), indexes=arguments.indexes)
    seeds = range(1, arguments.seeds + 1)
    effects, beside = curricula_study(config, arguments.home / "curricula", seeds, arguments.study_most, told)
    facts = {"steps": config.training.steps, "depth": STUDY_DEPTH, "most_queries": arguments.study_most}
    record("ranker_curricula", {**facts, "beside": beside, "effects": [asdict(one) for one in effects]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=ROOT / "build" / "rankers")
    parser.add_argument("--indexes", type=Path, default=ROOT / "indexes")
    parser.add_argument("--part", choices=("gains", "read", "score", "curricula", "page", "all"), default="all")
    parser.add_argument("--only", nargs="+", default=[], help="collections, for --part read and --part score")
    parser.add_argument(
        "--ranker", nargs="+", choices=RANKERS, default=["reader"], help="whose gains (default: reader)"
    )
    parser.add_argument("--study-most", type=int, default=60, help="test queries of the curriculum study (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="of the training and of intervals")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each curriculum (default: 3)")
    arguments = parser.parse_args()
    if arguments.part in ("gains", "read", "score", "all"):
        for name in arguments.ranker:
            gains(name, arguments)
    if arguments.part in ("read", "score"):
        return
    if arguments.part in ("curricula", "all"):
        curricula(arguments)
    PAGE.write_text(page(*kept_figures()), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
