"""`periti datasets`: which collections there are, what is in them, whether they are whole, and a BEIR copy of one."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from periti.datasets.catalog import Facts
    from periti.datasets.checks import CheckReport

EPILOG = """examples:
  periti datasets list                                  every collection, its size, and whether its files are here
  periti datasets show scifact                          one collection: licence, grades, splits, quirks
  periti datasets check scifact cacm                    counts, ids, coverage, texts and checksums against the catalog
  periti datasets check --all --json                    the same for all, for a machine
  periti datasets prepare scifact --out scifact-beir    a BEIR folder of it

The collections lie in PERITI_DATA (default ../shared/data) and are read in place. `irds:<id>` names any dataset of
ir_datasets. `check` exits with 0 if every deviation is declared in the catalog, else with 2."""


def add_parser(commands: Any) -> None:
    """Add `datasets` and its four commands."""
    raw = argparse.RawDescriptionHelpFormatter
    top = commands.add_parser(
        "datasets", help="list, show, check, prepare collections", epilog=EPILOG, formatter_class=raw
    )
    inner = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    one = inner.add_parser("list", help="every collection of the catalog")
    one.add_argument("--json", action="store_true", help="machine-readable")
    one.set_defaults(run=_list)

    one = inner.add_parser("show", help="the facts of one collection")
    one.add_argument("name", metavar="NAME")
    one.add_argument("--json", action="store_true", help="machine-readable")
    one.set_defaults(run=_show)

    one = inner.add_parser("check", help="compare collections with their catalog entries")
    one.add_argument("names", metavar="NAME", nargs="*")
    one.add_argument("--all", action="store_true", help="every collection of the catalog")
    one.add_argument("--json", action="store_true", help="machine-readable")
    one.set_defaults(run=_check)

    one = inner.add_parser("prepare", help="write a collection as a BEIR folder")
    one.add_argument("name", metavar="NAME")
    one.add_argument("--out", metavar="DIR", type=Path, required=True, help="must not exist yet")
    one.add_argument("--split", metavar="SPLIT", action="append", default=[], help="repeat for several; default all")
    one.set_defaults(run=_prepare)


def _list(arguments: argparse.Namespace) -> int:
    from periti.datasets.catalog import as_json, catalog

    here = {name: _is_here(name) for name in catalog()}
    if arguments.json:
        print(
            json.dumps(
                [{**as_json(facts), "here": here[name]} for name, facts in catalog().items()], ensure_ascii=False
            )
        )
        return 0
    print(f"{'name':24} {'language':8} {'documents':>9} {'queries':>7} {'judged':>7} {'here':4}  title")
    for name, facts in catalog().items():
        split = facts.splits[facts.default_split]
        counts = f"{_number(facts.documents):>9} {_number(split.queries):>7} {_number(split.qrels):>7}"
        print(f"{name:24} {facts.language:8} {counts} {'yes' if here[name] else 'no':4}  {facts.title}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from periti.datasets.catalog import as_json

    facts = _facts(arguments.name)
    if arguments.json:
        print(json.dumps({**as_json(facts), "here": _is_here(arguments.name)}, ensure_ascii=False, indent=2))
        return 0
    print(f"{facts.name}: {facts.title}")
    for label, value in (
        ("domain", facts.domain),
        ("language", facts.language),
        ("kind", facts.kind),
        ("licence", facts.licence),
        ("source", facts.source),
        ("documents", _number(facts.documents)),
        ("measures", ", ".join(facts.measures) or "not stated"),
        ("relevant from", f"grade {facts.min_rel} in binary measures"),
        ("plain BM25", f"nDCG@10 {facts.bm25} on {facts.bm25_split}" if facts.bm25 is not None else "not stated"),
    ):
        print(f"  {label:14} {value}")
    print("  grades")
    for grade, meaning in facts.grades.items():
        print(f"    {grade}  {meaning}")
    print(f"  splits (default {facts.default_split})")
    for name, split in facts.splits.items():
        absent = f", {split.absent} judged documents without text" if split.absent else ""
        counts = f"{_number(split.queries)} queries ({_number(split.judged)} judged), {_number(split.qrels)} judgements"
        print(f"    {name}: {counts}{absent}{f'; {split.note}' if split.note else ''}")
    for note in facts.notes:
        print(f"  note: {note}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from periti.datasets import load_dataset, names
    from periti.datasets.checks import check
    from periti.errors import InputError

    if bool(arguments.names) == arguments.all:
        raise InputError("datasets check needs names or --all, and not both; see periti datasets list")
    reports = []
    for name in names() if arguments.all else arguments.names:
        report = check(load_dataset(name))
        reports.append(report)
        if not arguments.json:
            _print_report(report)
    if arguments.json:
        print(json.dumps([{"ok": report.ok, **asdict(report)} for report in reports], ensure_ascii=False))
    return 0 if all(report.ok for report in reports) else 2


def _print_report(report: CheckReport) -> None:
    declared, failed = report.of("declared"), report.of("failed")
    counts = f"{len(report.findings)} checks, {len(declared)} declared deviations, {len(failed)} failed"
    print(f"{'ok    ' if report.ok else 'FAILED'} {report.dataset}: {counts}", flush=True)
    for finding in (*declared, *failed):
        print(f"       {finding.status:8} {finding.name}: {finding.sentence}")


def _prepare(arguments: argparse.Namespace) -> int:
    from periti.datasets import load_dataset
    from periti.datasets.export import export_beir

    dataset = load_dataset(arguments.name)
    count = export_beir(dataset, arguments.out, arguments.split)
    print(f"{arguments.out}: {count} documents of {dataset.name} in BEIR's layout; licence: {dataset.facts.licence}")
    return 0


def _facts(name: str) -> Facts:
    from periti.datasets import load_dataset
    from periti.datasets.catalog import facts_of
    from periti.datasets.dataset import IRDS

    return load_dataset(name).facts if name.startswith(IRDS) else facts_of(name)


def _is_here(name: str) -> bool:
    from periti.datasets import load_dataset
    from periti.errors import DatasetError

    try:
        load_dataset(name)
    except DatasetError:
        return False
    return True


def _number(value: int | None) -> str:
    return "unknown" if value is None else str(value)
