"""What neural reranking adds, and what in its training matters: writes docs/results/rankers.md.

Gains: the cross-encoder of benchmarks/ranker.toml (trained first if it is not under --home; about an hour of one core)
reranks BM25's first 100 documents on every collection; it and a fusion with it against BM25 and the best fusion without
it. Curricula: short trainings, several seeds for each curriculum and control (about an hour and a half). What
was trained and scored is kept under --home and is not made again. The screening table is that of
docs/results/screening.md.

Usage: python -m benchmarks.rankers [--home DIR] [--indexes DIR] [--part gains|read|score|curricula|page|all] [--seed S]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measuring import RESULTS, ROOT, machine, record
from ranker_curricula import DEPTH as STUDY_DEPTH
from ranker_curricula import START as UNTRAINED
from ranker_curricula import Effect
from ranker_curricula import study as curricula_study
from ranker_gains import ADAPTED, ALL, BM25, DENSE, DEPTH, FUSION, LEFT_OUT, MORE, RANKER, RIVAL, Gain, Gains, Judge

FILE = ROOT / "benchmarks" / "ranker.toml"
START = ROOT / "benchmarks" / "ranker_start.toml"
STUDY = ROOT / "benchmarks" / "curricula.toml"
PAGE = ROOT / "docs" / "results" / "rankers.md"
TESTS = ("| collection | system | against | difference | interval | p | Holm |", "|---|---|---|---:|---|---:|---:|")
SYSTEMS = (BM25, DENSE, FUSION, ADAPTED, RIVAL, RANKER, MORE, ALL)


def told(sentence: str) -> None:
    """Progress, for who waits."""
    print(sentence, file=sys.stderr, flush=True)


def gains(arguments: argparse.Namespace) -> None:
    """Train what is missing, judge, keep the figures."""
    from periti.panels.ranking.config import read_ranker_config, starting_from
    from periti.panels.ranking.courses import ranker_folder, train_ranker_of
    from periti.progress import Terminal

    config = replace(read_ranker_config(FILE), home=arguments.home, indexes=arguments.indexes)
    config = replace(config, states=arguments.home / "states")  # some 580 kB a document
    config = starting_from(config, start(arguments))
    command = f"periti train ranker benchmarks/ranker.toml --seed {arguments.seed} --adapter FOLDER"
    most = (arguments.most, arguments.most_unseen)
    judge = Judge(config, arguments.home, most, told, arguments.seed, fewer(arguments.fewer))
    if arguments.part == "read":
        judge.read(arguments.only)
        return
    card = train_ranker_of(config, arguments.seed, progress=Terminal(), command=command)
    if arguments.part == "score":
        judge.score(ranker_folder(config, arguments.seed), arguments.only)
        return
    found = judge.study(ranker_folder(config, arguments.seed))
    facts = {"most_queries": most, "fewer": " ".join(arguments.fewer)}
    record("ranker_gains", {"training": _training(card), **_plain(found), **facts})


def fewer(given: Sequence[str]) -> dict[str, int]:
    """What `--fewer` says: collection -> most test queries."""
    return {name: int(count) for name, _, count in (one.partition("=") for one in given)}


def start(arguments: argparse.Namespace) -> Path:
    """The folder of the linear adapter that the ranker starts from, trained if it is missing."""
    from periti.panels.config import read_panel_config
    from periti.panels.courses import expert_folder, train_expert
    from periti.panels.panel import open_panel
    from periti.progress import Terminal

    config = replace(read_panel_config(START), home=arguments.home / "start", indexes=arguments.indexes)
    (name,) = config.experts
    folder = expert_folder(config, name, arguments.seed)
    if not folder.exists():
        panel = open_panel(config, Terminal(), config.experts[name].sources)
        train_expert(panel, name, arguments.seed, progress=Terminal())
    return folder


def _training(card: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("seed", "steps", "best_step", "dev", "dev_of_start", "dev_curve", "seconds", "sources", "options")
    return {name: card[name] for name in kept}


def _plain(found: Gains) -> dict[str, Any]:
    settings = {
        name: {"rule": rule, "options": dict(trial.options), "weights": dict(trial.weights), "dev": trial.value}
        for name, (rule, trial) in found.settings.items()
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


def page() -> str:
    """The page, from the figures that are kept."""
    facts = machine()
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    head = (
        "# Neural reranking\n\nPrinted by `python -m benchmarks.rankers` from benchmarks/ranker.toml and "
        "benchmarks/curricula.toml; figures in `benchmarks/results/ranker_gains.json` and `ranker_curricula.json`. "
        f"Machine: {facts['processor']}, {facts['cores']} cores; {versions}.\n"
    )
    parts = [head]
    for name, of in (("ranker_gains", _gains_part), ("ranker_curricula", _curricula_part)):
        path = RESULTS / f"{name}.json"
        if path.exists():
            parts.append(of(json.loads(path.read_text(encoding="utf-8"))))
    parts.append(
        "## Screening\n\nThe screening table (leave-one-topic-out over `cohen-screening`, every method, with intervals "
        "and stopping rules) is in [screening.md](screening.md), printed by `python benchmarks/screening.py`.\n"
    )
    return "\n".join(parts)


def _gains_part(kept: Mapping[str, Any]) -> str:
    lines = _made(kept)
    for name, one in kept["settings"].items():
        weights = ", ".join(f"{part} {weight:.1f}" for part, weight in one["weights"].items())
        options = ", ".join(f"{key}={value}" for key, value in one["options"].items())
        lines.append(f"* *{name}*: {one['rule']} ({options}), weights {weights}; {one['dev']:.4f} on dev")
    lines += ["", f"*{RIVAL}* is the best fusion without it: it may leave out any of its parts, and dev prefers it.\n"]
    lines += ["", "nDCG@10; **bold**: the best of a row; above the line collections whose train part it learnt from.\n"]
    lines += [f"| collection | domain | queries | {' | '.join(SYSTEMS)} |", "|---|---|---:|" + "---:|" * len(SYSTEMS)]
    queries = {gain["collection"]: gain["queries"] for gain in kept["gains"]}
    seen, means = kept["seen"], kept["means"]
    for names in (seen, [name for name in means if name not in seen]):
        lines += [_row(name, kept["domains"][name], str(queries[name]), means[name]) for name in names]
        mean = {system: sum(means[name][system] for name in names) / len(names) for system in SYSTEMS} if names else {}
        if mean:
            lines.append(_row("macro mean, " + ("seen" if names is seen else "unseen"), "", "", mean))
    lines += [
        "",
        "### Tests\n",
        (
            f"*{ALL}* against BM25 and against *{RIVAL}*. Paired t-test, Holm over these {len(kept['gains'])} "
            "comparisons, 95 % BCa intervals of each by itself. `*` marks significance at .05. What is compared was "
            "settled after a look at some of these queries, with an earlier ranker; rules and weights are dev's.\n"
        ),
        *_tests(kept["gains"]),
        "",
        _verdict(ALL, kept["gains"], kept["domains"], f"both BM25 and *{RIVAL}*"),
        "",
        "### Other comparisons\n",
        (
            f"The cross-encoder fused with BM25 alone, and *{ALL}* against the fusion without an adapter, which is "
            "often the better one on collections that no adapter learnt from. Holm over these "
            f"{len(kept['others'])}.\n"
        ),
        *_tests(kept["others"]),
        "",
        _verdict(MORE, kept["others"], kept["domains"], f"both BM25 and *{FUSION}*"),
        _verdict(ALL, kept["others"], kept["domains"], f"*{FUSION}*"),
        "",
    ]
    lines += [
        (
            "`medquad-pairs` asks held-out questions of MedQuAD itself among a sample of 3,000 of its answers; "
            "`medquad` those of TREC LiveQA."
        ),
        "",
    ]
    lines += [f"Left out: {'; '.join(f'`{name}`, {why}' for name, why in LEFT_OUT.items())}.", ""]
    return "\n".join(lines)


def _made(kept: Mapping[str, Any]) -> list[str]:
    """How the ranker was made and judged."""
    training = kept["training"]
    return [
        "## Gains\n",
        (
            "One cross-encoder over all-MiniLM-L6-v2 that joins query and document late: it adds up the likeness of "
            "the two texts read alone, the same by a linear adapter (benchmarks/ranker_start.toml), that of the texts "
            "read together, and how well the document's tokens meet each of the query's. The adapter is fitted to "
            "three fifths of the train queries of "
            f"{', '.join(source['name'].split(':')[0] for source in training['sources'])}; the matrix that turns the "
            f"query's tokens and the scales are trained on others ({training['steps']} steps of "
            f"{training['options']['batch']} lists, loss "
            f"{training['options']['loss']}, seed {training['seed']}). {_kept(training)} "
            f"It reranks BM25's first {DEPTH}; "
            f"of a collection at most {' or, if unseen, '.join(map(str, kept['most_queries']))} test queries, by hash. "
            f"Rules and weights were chosen on {sum(kept['dev'].values())} held-out queries of train; one setting "
            "serves all collections"
            f" (`--part gains --most {kept['most_queries'][0]} --most-unseen {kept['most_queries'][1]}"
            f"{' --fewer ' * bool(kept['fewer'])}{kept['fewer']}`):\n"
        ),
    ]


def _kept(training: Mapping[str, Any]) -> str:
    """Which step of the training was best on dev."""
    curve = ", ".join(f"{value:.4f} after {step}" for step, value, *_ in training["dev_curve"][1:])
    start = f"{training['dev_of_start']:.4f} before the first step, {curve}"
    if training["best_step"] == 0:
        return f"Dev says that this training does not help ({start}): what it began with is kept."
    return f"Kept is step {training['best_step']}, the best on dev ({start})."


def _row(name: str, domain: str, queries: str, means: Mapping[str, float]) -> str:
    best = max(means[system] for system in SYSTEMS)
    cells = [f"**{means[s]:.4f}**" if means[s] == best else f"{means[s]:.4f}" for s in SYSTEMS]
    return f"| {name} | {domain} | {queries} | {' | '.join(cells)} |"


def _tests(gains: Sequence[Mapping[str, Any]]) -> list[str]:
    return [*TESTS, *(_test(Gain(**{**gain, "interval": tuple(gain["interval"])})) for gain in gains)]


def _test(gain: Gain) -> str:
    mark = " *" if gain.adjusted <= 0.05 else ""
    low, high = gain.interval
    return (
        f"| {gain.collection} | {gain.system} | {gain.baseline} | {gain.difference:+.4f} | [{low:+.4f}, {high:+.4f}] | "
        f"{_p(gain.p)} | {_p(gain.adjusted)}{mark} |"
    )


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else f"{value:.0e}"


def _verdict(system: str, gains: Sequence[Mapping[str, Any]], domains: Mapping[str, str], rivals: str) -> str:
    """Where a system is significantly better than all rivals, and worse than any."""
    own = [Gain(**gain) for gain in gains if gain["system"] == system]
    collections = list(dict.fromkeys(gain.collection for gain in own))
    better = [
        name
        for name in collections
        if all(g.adjusted <= 0.05 and g.difference > 0 for g in own if g.collection == name)
    ]
    worse = sorted({g.collection for g in own if g.adjusted <= 0.05 and g.difference < 0})
    return (
        f"* *{system}*: significantly above {rivals} on {len(better)} of "
        f"{len(collections)} collections ({', '.join(better) or 'none'}; domains: "
        f"{', '.join(sorted({domains[name] for name in better})) or 'none'}), significantly below on "
        f"{len(worse)} ({', '.join(worse) or 'none'})."
    )


def _curricula_part(kept: Mapping[str, Any]) -> str:
    effects = [Effect(**{**one, "seeds": tuple(one["seeds"])}) for one in kept["effects"]]
    seeds = len(effects[0].seeds)
    lines = [
        "## Curricula\n",
        (
            "A cross-encoder over all-MiniLM-L6-v2 that starts from the likeness of query and document within one "
            f"sequence (*start*), {kept['steps']} steps, {seeds} seeds each, the last state kept; BM25's first "
            f"{kept['depth']} reranked, at most {kept['most_queries']} test queries of a collection. Means over "
            "seeds of nDCG@10 with their standard deviation; differences from no curriculum topic by topic after "
            "averaging seeds, paired t, Holm over all comparisons. *anti* and *random* are the controls of *kde* "
            f"(`--part curricula --seeds {seeds} --study-most {kept['most_queries']}`).\n"
        ),
        "| collection | BM25 | start | curriculum | nDCG@10 | sd over seeds | difference | interval | p | Holm |",
        "|---|---:|---:|---|---:|---:|---:|---|---:|---:|",
    ]
    for one in effects:
        bm25, start = (kept["beside"][system][one.collection] for system in (BM25, UNTRAINED))
        low, high = one.interval
        mark = " *" if one.adjusted <= 0.05 else ""
        cells = f"{one.difference:+.4f} | [{low:+.4f}, {high:+.4f}] | {_p(one.p)} | {_p(one.adjusted)}{mark}"
        if one.curriculum == "none":
            cells = " | | | "
        lines.append(
            f"| {one.collection} | {bm25:.4f} | {start:.4f} | {one.curriculum} | {one.mean:.4f} | {one.spread:.4f} "
            f"| {cells} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=ROOT / "build" / "rankers")
    parser.add_argument("--indexes", type=Path, default=ROOT / "indexes")
    parser.add_argument("--part", choices=("gains", "read", "score", "curricula", "page", "all"), default="all")
    parser.add_argument("--only", nargs="+", default=[], help="collections, for --part read and --part score")
    parser.add_argument("--most", type=int, default=300, help="test queries of a collection (default: 300)")
    parser.add_argument("--most-unseen", type=int, default=225, help="the same, of one not learnt from (default: 225)")
    parser.add_argument("--fewer", nargs="+", default=[], metavar="NAME=N", help="at most N of a collection after all")
    parser.add_argument("--study-most", type=int, default=60, help="the same, of the curriculum study (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="of the training and of intervals")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each curriculum (default: 3)")
    arguments = parser.parse_args()
    if arguments.part in ("gains", "read", "score", "all"):
        gains(arguments)
    if arguments.part in ("read", "score"):
        return
    if arguments.part in ("curricula", "all"):
        curricula(arguments)
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
