"""BM25, dense and hybrid retrieval on every text collection: writes docs/results/first-table.md.

Builds each collection's indexes where they are not built yet (about 40 minutes on two cores for all), asks every query
of the default split, and evaluates the BM25 expert, the dense expert (all-MiniLM-L6-v2, exact search, cosine) and
their reciprocal-rank fusion. Nothing is tuned: k1 0.9, b 0.4, RRF k 60, 1,000 documents from each expert.

Usage: python benchmarks/first_table.py --indexes DIRECTORY [--only NAME ...] [--no-write]
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from measuring import ROOT, machine

from periti.datasets import load_dataset, names
from periti.datasets.dataset import Dataset
from periti.evaluation import evaluate, parse
from periti.indexers.build import BuildConfig, build_collection
from periti.indexers.lexical import LexicalConfig
from periti.pipeline import Pipeline, open_pipeline
from periti.progress import Terminal
from periti.types import Qrels, Queries, Run

SYSTEMS = ("bm25", "dense", "hybrid")
MEASURES = ("nDCG@10", "R@100")
PAGE = ROOT / "docs" / "results" / "first-table.md"
BATCH = 256


@dataclass(frozen=True)
class Row:
    """One collection and split, measured."""

    collection: str
    split: str
    domain: str
    language: str
    documents: int
    judged: int
    truncated: float
    reference: float | None
    values: dict[str, dict[str, float]]
    licence: str


def opened(dataset: Dataset, indexes: Path) -> Pipeline:
    """The collection's hybrid pipeline, built first where it is absent."""
    target = indexes / dataset.name
    if not (target / "periti.toml").is_file():
        config = BuildConfig(
            name=dataset.name,
            description=dataset.facts.title,
            lexical=LexicalConfig(analyser=dataset.facts.language),
            source={"dataset": dataset.name},
        )
        build_collection(dataset.documents(), target, config, progress=Terminal())
    return open_pipeline(target)


def runs(pipeline: Pipeline, queries: Queries) -> dict[str, Run]:
    """The run of each system, from one pass over the queries: the experts' answers are in the trace."""
    frames: dict[str, list[pl.DataFrame]] = {system: [] for system in SYSTEMS}
    for start in range(0, len(queries), BATCH):
        fused, trace = pipeline.explain(Queries(queries.frame.slice(start, BATCH)), 1000)
        frames["hybrid"].append(fused.frame)
        for expert in ("bm25", "dense"):
            output = trace.step(f"retrieve:{expert}").output
            if isinstance(output, Run):
                frames[expert].append(output.frame)
    return {system: Run(system, pl.concat(parts).sort("query_id", "rank")) for system, parts in frames.items()}


def measured(dataset: Dataset, split: str, pipeline: Pipeline, indexes: Path) -> Row:
    """All systems on one split."""
    facts = dataset.facts
    qrels: Qrels = dataset.qrels(split)
    measures = parse(MEASURES, facts.min_rel)
    values = {}
    for system, run in runs(pipeline, dataset.queries(split)).items():
        result = evaluate(run, qrels, measures).values
        values[system] = {name: float(value or 0) for name, value in zip(MEASURES, result.values(), strict=True)}
        judged = evaluate(run, qrels, measures).counts.judged
    dense = json.loads((indexes / dataset.name / "dense" / "manifest.json").read_text())["facts"]
    return Row(
        collection=dataset.name,
        split=split,
        domain=facts.domain,
        language=facts.language,
        documents=facts.documents or 0,
        judged=judged,
        truncated=dense["truncated_texts"] / max(1, dense["texts"]),
        reference=facts.bm25 if facts.bm25_split == split else None,
        values=values,
        licence=facts.licence,
    )


def page(rows: list[Row], facts: dict[str, Any]) -> str:
    """The table and what is needed to read it, as Markdown."""
    head = "| collection (split) | lang | documents | queries | cut | plain BM25 | " + " | ".join(
        f"{system} {measure}" for measure in MEASURES for system in SYSTEMS
    )
    lines = [
        "# First table: BM25, dense, hybrid on every text collection",
        "",
        "Printed by `python benchmarks/first_table.py --indexes DIRECTORY`; the figures are also in",
        "`benchmarks/results/first_table.json`. Nothing is tuned and no significance is claimed here.",
        "",
        f"{head} |",
        "|---|---|" + "---:|" * (4 + len(SYSTEMS) * len(MEASURES)),
    ]
    for row in rows:
        cells = [f"{row.values[system][measure]:.4f}" for measure in MEASURES for system in SYSTEMS]
        reference = "" if row.reference is None else f"{row.reference:.2f}"
        name = f"`{row.collection}` ({row.split})"
        lines.append(
            f"| {name} | {row.language} | {row.documents:,} | {row.judged:,} | {row.truncated:.0%} | {reference} | "
            + " | ".join(cells)
            + " |"
        )
    lines += [macro("macro mean, all", rows), macro("macro mean, English", [r for r in rows if r.language == "en"])]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    lines += [
        "",
        verdict("all collections", rows),
        verdict("the English collections", [r for r in rows if r.language == "en"]),
        "",
        *NOTES,
        "",
        f"Machine: {facts['processor']}, {facts['cores']} cores; {versions}; commit {facts['commit']}.",
        "",
        "## Collections",
        "",
        "| collection | domain | licence |",
        "|---|---|---|",
        *(f"| `{row.collection}` ({row.split}) | {row.domain} | {row.licence} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def verdict(label: str, rows: list[Row]) -> str:
    """Whether the fusion is worth more than its parts, in a sentence."""
    means = {system: values["nDCG@10"] for system, values in macro_values(rows).items()}
    parts = max(means["bm25"], means["dense"])
    word = "beats both its parts" if means["hybrid"] > parts else "does not beat both its parts"
    figures = ", ".join(f"{system} {means[system]:.4f}" for system in SYSTEMS)
    return f"On the macro mean of nDCG@10 over {label} the hybrid {word} ({figures})."


NOTES = (
    "* *cut*: share of documents of which the dense encoder reads only the first 256 tokens; BM25 reads all of them.",
    "* *plain BM25*: the join check of the data folder's README (no stemming, no stop words), where its split is ours.",
    "* Every judged query counts; one without an answer, or without a relevant document, counts as 0.",
    "* all-MiniLM-L6-v2 reads English: its rows on Chinese collections (zh) show what a wrong encoder does.",
    "* `msmarco-dl19-dl20-pool` holds the pooled passages of five systems: R@100 there is not recall over MS MARCO.",
    "* `demo` was tuned against BM25 while it was written; it is no benchmark.",
)


def macro_values(rows: list[Row]) -> dict[str, dict[str, float]]:
    """Mean over collections; the two splits of one collection count as two."""
    return {
        system: {measure: statistics.mean(row.values[system][measure] for row in rows) for measure in MEASURES}
        for system in SYSTEMS
    }


def macro(label: str, rows: list[Row]) -> str:
    """A row of means."""
    means = macro_values(rows)
    cells = " | ".join(f"**{means[system][measure]:.4f}**" for measure in MEASURES for system in SYSTEMS)
    return f"| {label} | | | | | | {cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--indexes", type=Path, required=True)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--no-write", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.only or names():
        dataset = load_dataset(name)
        pipeline = opened(dataset, arguments.indexes)
        splits = ("dl19", "dl20") if name == "msmarco-dl19-dl20-pool" else (dataset.facts.default_split,)
        rows += [measured(dataset, split, pipeline, arguments.indexes) for split in splits]
        print(rows[-1], flush=True)
    text = page(rows, machine())
    print(text)
    if not arguments.no_write:
        PAGE.write_text(text)
        table = [{**row.__dict__} for row in rows]
        results = {"machine": machine(), "rows": table, "macro": macro_values(rows)}
        (ROOT / "benchmarks" / "results" / "first_table.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
