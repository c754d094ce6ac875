"""`periti calibrate`: bring the scores of a panel's experts to one scale, on held-out queries."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.errors import ConfigError, InputError, StorageError

if TYPE_CHECKING:
    from periti.pipeline import Pipeline
    from periti.progress import Progress
    from periti.rankers.calibration import Calibration
    from periti.rankers.calibration.calibration import Judged
    from periti.types import Queries, Run

EPILOG = """examples:
  periti calibrate indexes/scifact --dataset scifact --split train --use
  periti calibrate indexes/scifact --dataset scifact --split train --method platt
  periti calibrate my/collection --dataset my/beir-folder --split dev --method isotonic --min-rel 2
  periti calibrate my/collection --queries topics.tsv                    # quantile needs no judgements
  periti calibrate my/collection --queries topics.tsv --qrels dev.qrels --method isotonic --use

  quantile  a score becomes the share of retrieved scores below it; needs queries only
  platt     a score becomes a chance of relevance, by logistic regression
  isotonic  the same by monotone regression, which follows any rising shape but wants many relevant documents

The curves are written beside periti.toml with digests of models, indexes and queries: a panel whose expert, index,
depth or adapter has changed since refuses them. A test split is refused. --use writes the [fusion] table of
periti.toml, so that search, run and the service fuse calibrated scores."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "calibrate",
        help="bring the scores of a panel's experts to one scale",
        description="Fit one rising curve an expert, so that scores of different encoders can be added.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("config", type=Path, help="a collection's directory or a pipeline's TOML file")
    command.add_argument(
        "--dataset", metavar="NAME|FOLDER", help="the collection whose queries and judgements are used"
    )
    command.add_argument("--split", metavar="NAME", help="its split: dev, train ...; never test")
    command.add_argument("--queries", metavar="FILE", help="queries of your own, instead of --dataset")
    command.add_argument("--qrels", metavar="FILE", help="their judgements, for platt and isotonic")
    command.add_argument("--method", default="quantile", help="quantile, platt or isotonic (default: quantile)")
    command.add_argument(
        "--min-rel", type=int, metavar="N", help="lowest relevant grade; default: the collection's, or 1"
    )
    command.add_argument("--out", type=Path, metavar="FILE", help="default: calibration.json beside periti.toml")
    command.add_argument("--use", action="store_true", help="let periti.toml fuse by this calibration")
    command.add_argument("--rule", default="sum", help="with --use: sum, mnz or max (default: sum)")
    command.add_argument("--missing", default="zero", help="with --use: zero or list_min (default: zero)")
    command.add_argument("--json", action="store_true", help="print a summary as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask every expert, fit, write, and say what came of it."""
    from periti.cli.held_out import source_of
    from periti.progress import Terminal
    from periti.rankers.calibration.calibration import fit
    from periti.rankers.calibration.fused import CalibratedOptions
    from periti.retrievers.fingerprints import fingerprint

    file = arguments.config / "periti.toml" if arguments.config.is_dir() else arguments.config
    out = arguments.out or file.parent / "calibration.json"
    CalibratedOptions(out, arguments.rule, arguments.missing)
    queries, judged, ref = _material(arguments)
    source = source_of(ref, arguments.split, None if judged is None else judged.qrels, queries)
    pipeline = _uncalibrated(file)
    runs = _answers(pipeline, queries, Terminal())
    prints = {name: fingerprint(expert) for name, expert in pipeline.experts.items()}
    calibration = fit(arguments.method, runs, prints, source, judged)
    calibration.write(out)
    table = _fusion_table(file, out, arguments)
    if arguments.use:
        _use(file, table)
    _tell(calibration, runs, judged, out, arguments)
    if not (arguments.use or arguments.json):
        print(f"to fuse by it, put this into {file} (or run again with --use):\n\n{table}", end="")
    return 0


def _material(arguments: argparse.Namespace) -> tuple[Queries, Judged | None, str]:
    """The held-out queries, their judgements where they are needed, and the reference that names them."""
    from periti.cli.held_out import level_of, split_of
    from periti.datasets.references import open_qrels, open_queries
    from periti.rankers.calibration.calibration import Judged

    if (arguments.dataset is None) == (arguments.queries is None):
        raise InputError("calibrate needs held-out queries: give --dataset with --split, or --queries FILE")
    if arguments.dataset is None:
        queries, ref = open_queries(arguments.queries), arguments.queries
        split_of(ref, arguments.split)
        qrels = None if arguments.qrels is None else open_qrels(arguments.qrels)
    else:
        if arguments.qrels is not None:
            raise InputError("--qrels goes with --queries; --dataset brings its own judgements")
        ref, split = split_of(arguments.dataset, arguments.split)
        queries, qrels = open_queries(ref, split=split), None
        qrels = open_qrels(ref, split=split) if arguments.method != "quantile" else None
    return queries, None if qrels is None else Judged(qrels, level_of(ref, arguments.min_rel)), ref


def _uncalibrated(file: Path) -> Pipeline:
    """The pipeline without its fusion, which may wait for the very calibration that is made here."""
    from dataclasses import replace

    from periti.config import ComponentConfig, read_pipeline_config
    from periti.pipeline import open_pipeline
    from periti.rankers.fusion import RrfOptions

    return open_pipeline(replace(read_pipeline_config(file), fusion=ComponentConfig("rrf", RrfOptions())))


def _answers(pipeline: Pipeline, queries: Queries, progress: Progress) -> Mapping[str, Run]:
    """What each expert retrieves for all queries, at its own depth."""
    import polars as pl

    from periti.batches import BATCH
    from periti.types import Queries, Run

    runs = {}
    for name, expert in pipeline.experts.items():
        progress.start(f"asking {name}", len(queries))
        frames = []
        for start in range(0, len(queries), BATCH):
            part = Queries(queries.frame.slice(start, BATCH))
            frames.append(expert.retriever.retrieve(part, expert.depth).frame)
            progress.advance(len(part))
        progress.finish()
        runs[name] = Run(name, pl.concat(frames))
    return runs


def _fusion_table(file: Path, out: Path, arguments: argparse.Namespace) -> str:
    """The [fusion] table that uses the calibration; its path is relative to periti.toml where it lies below."""
    place = out.resolve()
    here = file.parent.resolve()
    path = place.relative_to(here).as_posix() if place.is_relative_to(here) else place.as_posix()
    lines = ["[fusion]", 'name = "calibrated"', f"calibration = {json.dumps(path, ensure_ascii=False)}"]
    lines += [f'rule = "{arguments.rule}"', f'missing = "{arguments.missing}"']
    return "\n".join(lines) + "\n"


def _use(file: Path, table: str) -> None:
    """Put the table in the place of periti.toml's [fusion], every other line as it was.

    Raises:
        ConfigError: the file says `fusion` in another way than as a table.
        StorageError: it can not be written; it is then as it was.
    """
    from periti.config import read_pipeline_config

    text = file.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    begin = next((n for n, line in enumerate(lines) if re.match(r"\s*\[fusion\]", line)), None)
    if begin is None and re.search(r"(?m)^\s*(\[\s*)?fusion\s*[.=\]]", text):
        raise ConfigError(f"{file}: fusion is not written as a table [fusion]; set it by hand:\n{table}")
    if begin is None:
        written = f"{text.rstrip()}\n\n{table}"
    else:
        end = next((n for n in range(begin + 1, len(lines)) if lines[n].lstrip().startswith("[")), len(lines))
        while end < len(lines) and re.match(r"\s*(#|$)", lines[end - 1]):
            end -= 1  # blank lines and comments before the next table belong to it
        written = "".join([*lines[:begin], table, *lines[end:]])
    beside = file.with_name(f".{file.name}.new")
    try:
        beside.write_text(written, encoding="utf-8")
        read_pipeline_config(beside)
        beside.replace(file)
    except OSError as error:
        raise StorageError(f"can not write {file}: {error.strerror or error}; it is as it was") from error
    finally:
        beside.unlink(missing_ok=True)


def _tell(
    calibration: Calibration, runs: Mapping[str, Run], judged: Judged | None, out: Path, arguments: argparse.Namespace
) -> None:
    """What was fitted: counts and ranges of every expert."""
    source = calibration.source
    facts = {
        name: {
            "queries": len(run.query_ids),
            "documents": run.frame.height,
            "relevant": None if judged is None else int(judged.relevant(run).sum()),
            "lowest": float(run.frame["score"].min()),  # type: ignore[arg-type]
            "highest": float(run.frame["score"].max()),  # type: ignore[arg-type]
        }
        for name, run in sorted(runs.items())
    }
    whence = f"{source.dataset}:{source.split}" if source.split else source.dataset
    if arguments.json:
        print(json.dumps({"file": str(out), "method": calibration.method, "source": whence, "experts": facts}))
        return
    print(f"{out}: {calibration.method}, {source.queries:,} queries of {whence}")
    for name, own in facts.items():
        relevant = "" if own["relevant"] is None else f", {own['relevant']:,} relevant"
        print(
            f"  {name}: {own['documents']:,} documents of {own['queries']:,} queries{relevant}, "
            f"scores {own['lowest']:.4g} to {own['highest']:.4g}"
        )
