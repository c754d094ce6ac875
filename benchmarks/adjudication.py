"""What cheap judging does to comparisons of runs: writes docs/results/adjudication.md.

All methods, budgets of 5, 10 and 25 % of every query's pool, five seeds, on CLEF TAR 2017 (15 runs) and TREC-COVID
round 1 (143 runs), read in place from PERITI_DATA; then what a run loses that was left out of the pool, and how early
the outlook of a judging session says which pairs are separable. About two minutes.

Usage: python benchmarks/adjudication.py [--no-write] [--replicates N]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from measuring import ROOT, machine

from periti.cli.studies import open_study
from periti.evaluation import parse
from periti.evaluation.adjudication import report
from periti.evaluation.adjudication.left_out import leave_out
from periti.evaluation.adjudication.methods import METHODS
from periti.evaluation.adjudication.orders import Budget, follow, judged_grades, prefixes
from periti.evaluation.adjudication.outlook import View, look_ahead
from periti.evaluation.adjudication.pool import Pool, build_pool
from periti.evaluation.adjudication.scoring import Scorer
from periti.evaluation.adjudication.simulate import Design, simulate
from periti.evaluation.adjudication.summary import Row, Summary, summarise
from periti.evaluation.adjudication.verdicts import pairs, verdict
from periti.evaluation.correlation import kendall_tau_b

PAGE = ROOT / "docs" / "results" / "adjudication.md"
DESIGN = Design()
FOLLOWING = ("mtf", "hedge", "mm", "mm-ns", "ts", "ts-ns", "ucb", "egreedy", "egreedy-ns", "random-arm")
"""Methods that follow the judgements and take what is not judged for not relevant."""
EARLY = (0.03, 0.07, 0.15, 0.3)
EARLY_METHODS = ("depth", "rrf", "mtf", "hedge", "ts-ns", "random")


def pool_of(name: str) -> tuple[Pool, str, tuple[str, ...]]:
    study = open_study(name)
    return build_pool(study.runs, study.qrels, unjudged=study.unjudged), study.measure, study.notes


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def headline(summary: Summary) -> str:
    """One row a method: τ and AA under both tests at each budget, the largest of a column in bold."""
    header, columns = ["method"], []
    for budget in DESIGN.budgets:
        holm, hsd = summary.of("t+holm", budget), summary.of("hsd", budget)
        gold = summary.facts["gold_significant"]
        header += [f"{budget}: τ", f"AA t+Holm (of {gold['t+holm']})", "spurious", f"AA HSD (of {gold['hsd']})"]
        columns += [column(holm, "tau", 3), column(holm, "aa", 1), column(holm, "spurious", 1, bold=False)]
        columns.append(column(hsd, "aa", 1))
    return table(header, [[method, *cells] for method, *cells in zip(DESIGN.methods, *columns, strict=True)])


def column(rows: Sequence[Row], name: str, digits: int, *, bold: bool = True) -> list[str]:
    means = [row.values[name].mean for row in rows]
    highest = max(means)
    return [f"**{mean:.{digits}f}**" if bold and mean == highest else f"{mean:.{digits}f}" for mean in means]


def in_words(summary: Summary) -> str:
    """Which methods keep significance, and whether the ranking of runs tells."""
    said = []
    for budget in DESIGN.budgets:
        rows = summary.of("t+holm", budget)
        following = [row for row in rows if row.method in FOLLOWING]
        by_aa = sorted(rows, key=lambda row: -row.values["aa"].mean)
        tau = max(following, key=lambda row: row.values["tau"].mean)
        place = 1 + sum(row.values["aa"].mean > tau.values["aa"].mean for row in following)
        kept = ", ".join(f"{row.method} {100 * row.values['recall'].mean:.0f} %" for row in by_aa[:4])
        said.append(
            f"* {budget}: significant pairs are kept best by {kept} (t+Holm). Of the {len(FOLLOWING)} methods that "
            f"follow judgements, {tau.method} has the best τ ({tau.values['tau'].mean:.3f}) and place {place} by AA "
            f"({tau.values['aa'].mean:.1f})."
        )
    for budget in DESIGN.budgets:
        rows = summary.of("t+holm", budget)
        alike = kendall_tau_b(*([row.values[name].mean for row in rows] for name in ("tau", "aa")))
        said.append(f"* {budget}: Kendall's τ-b of the {len(rows)} methods by τ and by AA: {alike:.2f}.")
    return "\n".join(said) + "\n"


def study(name: str, title: str, replicates: int) -> tuple[str, Pool, Scorer]:
    """One collection's section."""
    began = time.perf_counter()
    pool, measure, notes = pool_of(name)
    read = time.perf_counter()
    found = simulate(pool, parse([measure])[0], DESIGN)
    simulated = time.perf_counter()
    summary = summarise(found, replicates=replicates)
    done = time.perf_counter()
    said = "\n".join(f"* {note}" for note in notes)
    seconds = (
        f"Reading {read - began:.1f} s; {len(DESIGN.methods)} methods × {len(DESIGN.budgets)} budgets × "
        f"{len(DESIGN.seeds)} seeds {simulated - read:.1f} s; {replicates} bootstrap draws of each "
        f"{done - simulated:.1f} s."
    )
    print(name, seconds)
    details = report.markdown(summary, heading="####")
    parts = [f"## {title}", in_words(summary), headline(summary), said, seconds, "### Intervals and shares", details]
    return "\n\n".join(parts), pool, Scorer(pool, parse([measure])[0])


def left_out(scorer: Scorer) -> str:
    """Bias against runs outside the pool, at 10 %."""
    began = time.perf_counter()
    found = leave_out(scorer, tuple(METHODS), budget=Budget(0.1))
    rows = [[one.method, f"{one.mean_change:+.4f}", f"{one.worst_change:+.4f}", str(one.most_places)] for one in found]
    header = ["method", f"mean change of {scorer.measure.name}", "largest loss", "deepest fall in places"]
    text = (
        "## A run outside the pool, CLEF TAR 2017, 10 %\n\nEvery run in turn is left out when documents are chosen, "
        "then scored by what the others had judged, against its score when it helps to choose (one seed; active "
        "without estimates).\n\n"
    )
    print(f"left out: {time.perf_counter() - began:.1f} s")
    return text + table(header, rows)


def early(pool: Pool) -> str:
    """How far the outlook of a session is right, against what the whole pool shows."""
    view = View(measure="AP", test="t+holm")
    gold = verdict(Scorer(pool, parse([view.measure])[0]).scores(pool.grades), view.test)
    first, second = pairs(len(pool.systems))
    differ = {
        (pool.systems[a], pool.systems[b]) if way > 0 else (pool.systems[b], pool.systems[a])
        for a, b, way, yes in zip(first, second, gold.direction, gold.significant, strict=True)
        if yes
    }
    rows = []
    for method in EARLY_METHODS:
        for share in EARLY:
            budget = Budget(share)
            orders = [follow(method, topic, seed=0, limit=budget.most(len(topic))) for topic in pool.topics]
            grades = judged_grades(pool, orders, prefixes(pool, orders, budget))
            plain = verdict(Scorer(pool, parse([view.measure])[0]).scores(grades), view.test)
            outlook = look_ahead(pool, grades, view)
            separable, inseparable = outlook.of("separable"), outlook.of("inseparable")
            right = sum((pair.better, pair.worse) in differ for pair in separable)
            wrong = sum(bool({(p.better, p.worse), (p.worse, p.better)} & differ) for p in inseparable)
            left = int(((pool.grades > 0) & (grades < 0)).sum())
            rows.append(
                [
                    *(method, str(budget), str(int(plain.significant.sum())), str(len(separable)), str(right)),
                    *(str(len(inseparable)), str(wrong), str(len(outlook.of("open")))),
                    *(f"{outlook.expected_relevant:.0f}", str(left)),
                ]
            )
    header = ["method", "judged", "significant as judged", "called separable", "of those right"]
    header += ["called inseparable", "of those wrong", "open", "relevant expected among the rest", "true"]
    text = (
        "## What a session can say early, CLEF TAR 2017\n\n`periti adjudicate status` completes the judgements many "
        "times by a model of relevance and calls a pair separable when it differs in 95 % of the completions. "
        f"{len(differ)} of {len(first)} pairs differ in the end (AP, t+Holm).\n\n"
    )
    return text + table(header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-write", action="store_true", help="print the page only")
    parser.add_argument("--replicates", type=int, default=200, metavar="N")
    arguments = parser.parse_args()
    clef, pool, scorer = study("clef-tar-2017", "CLEF TAR 2017, AP@1000, 15 runs", arguments.replicates)
    covid, _, _ = study("trec-covid-round1", "TREC-COVID round 1, nDCG@10, 143 runs", arguments.replicates)
    facts = machine()
    intro = (
        "# Cheap judging and the comparison of runs\n\nPrinted by `python benchmarks/adjudication.py`; one collection "
        "by `periti adjudicate simulate --dataset clef-tar-2017`. AA: pairs of runs that are significant under all "
        "judgements and under the cheap ones, in the same direction; spurious: under the cheap ones only. "
        f"Measured on {facts['processor']}, {facts['cores']} cores, Python {facts['python']}, NumPy "
        f"{facts['versions']['numpy']}, commit {facts['commit']}.\n\nAn earlier study of ours on CLEF TAR used 13 "
        "runs that were not recorded; these are the 15 that were available."
    )
    page = "\n\n".join([intro, clef, left_out(scorer), early(pool), covid]) + "\n"
    if arguments.no_write:
        print(page)
        return
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    Path(PAGE).write_text(page, encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
