"""How fast is evaluation, and are the results equal to the peers'?

Measures beside pytrec_eval (1,000 queries of 1,000 hits, 4 measures, interleaved; parsing a run file told apart), the
first evaluation of a new process, and the adjudication study of CLEF TAR 2017 (16 methods, 3 budgets, 5 seeds).
`benchmarks/significance_speed.py` measures the permutation test beside SciPy, and runs as part of this.

Usage: python -m benchmarks.evaluation [--rounds 7] [--skip-significance]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent))
from measuring import interleaved, record, summary

QUERIES, HITS = 1_000, 1_000
MEASURES = {"nDCG@10": "ndcg_cut_10", "AP@1000": "map_cut_1000", "R@1000": "recall_1000", "P@5": "P_5"}
ASKED = {"ndcg_cut.10", "map_cut.1000", "recall.1000", "P.5"}
FIRST = """
import json, sys, time
from periti.datasets.trec import read_qrels, read_run
run, qrels = read_run(sys.argv[1]), read_qrels(sys.argv[2])
from periti.evaluation import evaluate, parse
began = time.perf_counter()
values = evaluate(run, qrels, parse(["nDCG@10", "AP@1000", "R@1000", "P@5"])).values
print(json.dumps({"first_call_s": time.perf_counter() - began, "nDCG@10": values["nDCG@10"]}))
"""


def synthetic(seed: int) -> tuple[Any, Any]:
    """A run of 1,000 x 1,000 and qrels of about 100 judgements a query, half of them retrieved."""
    from periti.types import Qrels, Run

    rng = np.random.default_rng(seed)
    queries = np.repeat(np.arange(QUERIES), HITS)
    documents = np.concatenate([rng.choice(1_000_000, HITS, replace=False) for _ in range(QUERIES)])
    scored = pl.DataFrame({"query_id": queries, "doc_id": documents, "score": rng.random(QUERIES * HITS)})
    scored = scored.with_columns(
        query_id="q" + pl.col("query_id").cast(pl.String), doc_id="d" + pl.col("doc_id").cast(pl.String)
    )
    run = Run.of(scored, "synthetic")
    retrieved = run.frame.sample(50_000, seed=seed).select("query_id", "doc_id")
    missed = pl.DataFrame(
        {
            "query_id": [f"q{i}" for i in rng.integers(0, QUERIES, 50_000)],
            "doc_id": [f"x{i}" for i in range(50_000)],
        }
    )
    judged = pl.concat([retrieved, missed]).unique(maintain_order=True)
    return run, Qrels.of(judged.with_columns(relevance=pl.Series(rng.integers(0, 4, judged.height))))


def dictionaries(run: Any, qrels: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run and qrels as pytrec_eval takes them."""
    scores: dict[str, dict[str, float]] = {}
    for query_id, doc_id, score in run.frame.select("query_id", "doc_id", "score").iter_rows():
        scores.setdefault(query_id, {})[doc_id] = score
    grades: dict[str, dict[str, int]] = {}
    for query_id, doc_id, grade in qrels.frame.iter_rows():
        grades.setdefault(query_id, {})[doc_id] = grade
    return scores, grades


def measures(rounds: int) -> dict[str, Any]:
    """Timings beside pytrec_eval; the values of every query must be equal."""
    import pytrec_eval

    from periti.evaluation import evaluate, parse

    run, qrels = synthetic(1)
    scores, grades = dictionaries(run, qrels)
    asked = parse(list(MEASURES))
    theirs = pytrec_eval.RelevanceEvaluator(grades, ASKED).evaluate(scores)
    ours = evaluate(run, qrels, asked).per_query
    differences = [abs(value - theirs[query_id][MEASURES[measure]]) for query_id, measure, value in ours.iter_rows()]
    contestants = {
        "periti": lambda: evaluate(run, qrels, asked),
        "pytrec_eval": lambda: pytrec_eval.RelevanceEvaluator(grades, ASKED).evaluate(scores),
        "pytrec_eval_from_frames": lambda: pytrec_eval.RelevanceEvaluator(dictionaries(run, qrels)[1], ASKED).evaluate(
            dictionaries(run, qrels)[0]
        ),
    }
    seconds = {name: summary(values) for name, values in interleaved(contestants, rounds, warm=1).items()}
    ratio = seconds["pytrec_eval"]["p50_ms"] / seconds["periti"]["p50_ms"]
    return {
        "compared_values": len(differences),
        "largest_difference": max(differences),
        **seconds,
        "times_as_fast_as_pytrec_eval": round(ratio, 2),
    }


def files() -> dict[str, Any]:
    """Parsing a run file of a million lines, and the first evaluation of a new process."""
    from periti.datasets.trec import read_run, write_qrels, write_run

    run, qrels = synthetic(2)
    with tempfile.TemporaryDirectory() as folder:
        run_file, qrels_file = Path(folder) / "run.txt", Path(folder) / "qrels.txt"
        write_run(run, run_file)
        write_qrels(qrels, qrels_file)
        began = time.perf_counter()
        read_run(run_file)
        parse_s = time.perf_counter() - began
        done = subprocess.run(
            [sys.executable, "-c", FIRST, str(run_file), str(qrels_file)], capture_output=True, text=True, check=True
        )
    return {"parse_1m_lines_s": round(parse_s, 3), **json.loads(done.stdout)}


def adjudication() -> dict[str, Any]:
    """The whole study of CLEF TAR 2017; needs PERITI_DATA."""
    from adjudication import pool_of

    from periti.evaluation import parse
    from periti.evaluation.adjudication.simulate import Design, simulate

    pool, measure, _ = pool_of("clef-tar-2017")
    design = Design()
    began = time.perf_counter()
    simulate(pool, parse([measure])[0], design)
    return {
        "methods": len(design.methods),
        "budgets": len(design.budgets),
        "seconds": round(time.perf_counter() - began, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--skip-significance", action="store_true")
    arguments = parser.parse_args()
    results = {"measures": measures(arguments.rounds), "files": files(), "adjudication": adjudication()}
    record("evaluation", results)
    if not arguments.skip_significance:
        subprocess.run([sys.executable, str(Path(__file__).parent / "significance_speed.py")], check=True)


if __name__ == "__main__":
    main()
