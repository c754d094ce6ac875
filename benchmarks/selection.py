"""Data selection: the bake-off, its effect on experts, raters, speed and memory. Writes docs/results/selection.md.

Every part keeps its figures in benchmarks/results/; `--part page` only writes the page again. The effect trains some
hundred linear experts, a few seconds each, and keeps them under --home. Speed and memory have scripts of their own,
selection_speed.py and selection_memory.py.

Usage: python -m benchmarks.selection [--home DIR] [--indexes DIR] [--part PART] [--seeds N]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
from measuring import ROOT, record
from selection_effect import LENGTH, OPTIONS, ORACLE, RANDOM, Bench, Choose, Pair, on_dev, open_bench, study
from selection_page import (
    BETR,
    BOTH,
    CANDIDATES,
    DSIR,
    DSIR_ONCE,
    MATCHED,
    ONCE,
    QUALITY,
    RATERS,
    SELECTORS,
    SPLIT,
    page,
)

from periti.datasets.selection.baselines import RandomLengthSelector, RandomSelector
from periti.datasets.selection.dsir import DsirSelector, kl_reductions
from periti.datasets.selection.quality.rater import Rater
from periti.datasets.selection.quality.rater_files import read_rater
from periti.datasets.selection.quality.selector import QualitySelector
from periti.datasets.selection.selector import Target
from periti.datasets.selection.target import TargetRanker
from periti.panels.config import read_panel_config

PANEL = ROOT / "benchmarks" / "panel.toml"
PAGE = ROOT / "docs" / "results" / "selection.md"
TEMPERATURES = (0.0, 0.3, 0.6)
"""Of the Gumbel noise that draws have; one is chosen on held-out queries."""


def chooser(rater: Rater, temperature: float) -> Choose:
    """What every selector chooses, given a rater of quality and the temperature of the draws."""

    def choose(bench: Bench, domain: str, seed: int) -> Mapping[str, Sequence[Pair]]:
        target = bench.target(domain, seed)
        scores = {
            RANDOM: bench.scores(RandomSelector(), target, seed),
            LENGTH: bench.scores(RandomLengthSelector(), target, seed),
            DSIR: bench.scores(DsirSelector(), target, seed),
            BETR: bench.scores(TargetRanker(embed=bench.base.embed), target, seed),
            QUALITY: bench.scores(QualitySelector(raters=(rater,)), target, seed),
        }
        scores[BOTH] = scores[DSIR] + scores[QUALITY]
        scores[MATCHED] = scores[DSIR] + scores[BETR]
        scores[ONCE] = bench.once(scores[MATCHED])
        drawn = {name: bench.drawn(own, temperature, seed) for name, own in scores.items()}
        return {**drawn, ORACLE: bench.oracle(domain, seed)}

    return choose


def candidates(bench: Bench, domain: str, seed: int) -> Mapping[str, Sequence[Pair]]:
    """What was tried on held-out queries only."""
    scores = bench.scores(DsirSelector(), bench.target(domain, seed), seed)
    order = np.argsort(-scores, kind="stable")
    above = order[: max(two_kinds(scores), bench.budget)]
    drawn = np.random.default_rng([seed, 4]).choice(above, size=bench.budget, replace=False)
    return {
        DSIR_ONCE: bench.drawn(bench.once(scores), 0.0, seed),
        SPLIT: [bench.pool[place] for place in np.sort(drawn)],
    }


def two_kinds(scores: NDArray[np.float64]) -> int:
    """How many scores are of the upper of two kinds: the split with the largest variance between them (Otsu)."""
    ordered = np.sort(scores)
    below = np.arange(1, len(scores))
    sums = np.cumsum(ordered)
    means = sums[:-1] / below, (sums[-1] - sums[:-1]) / (len(scores) - below)
    between = below * (len(scores) - below) * (means[1] - means[0]) ** 2
    return len(scores) - int(below[np.argmax(between)])


def tried(arguments: argparse.Namespace) -> None:
    """What candidates that were not tested reach on held-out queries."""
    config = replace(read_panel_config(PANEL), indexes=arguments.indexes)
    bench = open_bench(config, arguments.home, arguments.budget, arguments.examples, arguments.most)
    found = on_dev(bench, candidates, CANDIDATES, arguments.seeds, arguments.home)
    record("selection_candidates", {"seeds": arguments.seeds, "held_out": found})


def reduction(target: Target, bench: Bench, pairs: Sequence[Pair]) -> float:
    """KL reduction of what was chosen, in nats."""
    found = kl_reductions([target], bench.blocks, lambda: iter([[pair.text for pair in pairs]]))
    return found[target.name]


def effect(arguments: argparse.Namespace) -> None:
    """Choose, train, judge, keep the figures."""
    config = replace(read_panel_config(PANEL), indexes=arguments.indexes)
    bench = open_bench(config, arguments.home, arguments.budget, arguments.examples, arguments.most)
    folder = arguments.home / "rater"
    if not folder.exists():
        options = ("--features", "hashed", "--no-comparison", "--out", str(folder))
        periti("train", "rater", "--pairs", "ukpconvarg1", *options)
    rater = read_rater(folder)
    dev = {
        warm: on_dev(bench, chooser(rater, warm), (DSIR, BETR, BOTH), arguments.dev_seeds, arguments.home)
        for warm in TEMPERATURES
    }
    means = {warm: float(np.mean([list(own.values()) for own in found.values()])) for warm, found in dev.items()}
    temperature = max(means, key=means.__getitem__)
    held_out = on_dev(bench, chooser(rater, temperature), SELECTORS, arguments.seeds, arguments.home)
    effects, base = study(bench, chooser(rater, temperature), reduction, arguments.seeds, arguments.home)
    domains = {name: sum(pair.domain == name for pair in bench.pool) for name in {pair.domain for pair in bench.pool}}
    facts = {
        "pool": len(bench.pool),
        "pool_by_domain": dict(sorted(domains.items())),
        "budget": bench.budget,
        "examples": bench.examples,
        "seeds": arguments.seeds,
        "queries": {name: len(part.queries) for name, (_, part) in bench.tests.items()},
        "training": OPTIONS.told(),
        "base": base,
        "temperature": temperature,
        "dev": {str(warm): value for warm, value in means.items()},
        "held_out": held_out,
        "dev_seeds": arguments.dev_seeds,
    }
    record("selection_effect", {**facts, "effects": [asdict(one) for one in effects]})


def periti(*arguments: str) -> str:
    """What a command of ours prints."""
    command = [str(Path(sys.executable).with_name("periti")), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def raters() -> None:
    """Cross-validated raters on both collections of judgments."""
    for name in RATERS:
        record(f"rater_{name}", json.loads(periti("train", "rater", "--pairs", name, "--json")))


def bakeoff(arguments: argparse.Namespace) -> None:
    """The contest on made-up pools, a process of its own: it is a package's module."""
    command = [sys.executable, "-m", "benchmarks.selection_bakeoff", "--seeds", str(arguments.bakeoff_seeds)]
    subprocess.run(command, check=True, cwd=ROOT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=ROOT / "build" / "selection")
    parser.add_argument("--indexes", type=Path, default=ROOT / "indexes")
    parser.add_argument("--part", choices=("bakeoff", "effect", "tried", "raters", "page", "all"), default="all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--bakeoff-seeds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=400, help="pairs to choose (default: 400)")
    parser.add_argument("--examples", type=int, default=50, help="of a target (default: 50)")
    parser.add_argument("--most", type=int, default=2000, help="test queries of a domain (default: 2,000)")
    parser.add_argument("--dev-seeds", type=int, default=2, help="seeds that choose the temperature (default: 2)")
    arguments = parser.parse_args()
    if arguments.part in ("bakeoff", "all"):
        bakeoff(arguments)
    if arguments.part in ("raters", "all"):
        raters()
    if arguments.part in ("effect", "all"):
        effect(arguments)
    if arguments.part in ("tried", "all"):
        tried(arguments)
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
