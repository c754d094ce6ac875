"""`periti judge`: pairs of a pool's texts labelled by criteria, by asking a model; what a rater is trained on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.errors import InputError

if TYPE_CHECKING:
    from periti.datasets.selection.quality.judging import Counts
    from periti.datasets.selection.quality.judgments import Judgments

EPILOG = """examples:
  periti judge --pool pool.jsonl --pairs 300 --judge-url http://localhost:8000/v1 --judge-model NAME --out judged.jsonl
  periti judge --pool pool.jsonl --criterion answerability expertise --judge-cache answers.sqlite \\
      --judge-url http://localhost:8000/v1 --judge-model NAME --out judged.jsonl
  periti train rater --pairs judged.jsonl --out rater

Each pair is asked about in both orders under each criterion: answerability, self-containedness, specificity and
expertise, unless --criteria names others. `p` is the mean of both orders. Answers that can not be read are counted, and
a pair is left out under a criterion where half or more of its answers are such. A judge that goes by position is
refused."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    from periti.cli.selecting.judge import add_judge_options

    parser = commands.add_parser(
        "judge",
        help="label pairs of texts by criteria of quality, by asking a model",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pool", type=Path, required=True, help="file or folder of texts to judge")
    parser.add_argument("--pairs", type=int, default=300, metavar="N", help="to judge, drawn by chance (default: 300)")
    parser.add_argument("--criteria", type=Path, metavar="FILE", help="JSONL of name and description (default: ours)")
    parser.add_argument("--criterion", nargs="+", metavar="NAME", help="only these (default: all)")
    parser.add_argument(
        "--text", nargs="+", default=[], metavar="COLUMN", help="what to read (default: the usual names)"
    )
    parser.add_argument("--skip-bad", action="store_true", help="pass over what can not be read")
    parser.add_argument("--seed", type=int, default=1, help="of the pairs (default: 1)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".jsonl, for `periti train rater`")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_judge_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Draw pairs, ask, write, tell."""
    from periti.cli.selecting.criteria import drawn_pairs
    from periti.cli.selecting.judge import judge_of
    from periti.datasets.selection.pool import Columns, open_pool
    from periti.datasets.selection.quality.judging import judge_pairs
    from periti.datasets.writing import check_writable, whole_file

    if arguments.pairs < 1 or arguments.seed < 0:
        raise InputError(
            f"--pairs is {arguments.pairs} and --seed {arguments.seed}; give 1 pair and the seed 0 or more"
        )
    if arguments.out.suffix != ".jsonl":
        raise InputError(f"{arguments.out}: the ending is not .jsonl; choose it")
    check_writable(arguments.out)
    criteria, judge = _criteria(arguments), judge_of(arguments)
    pool = open_pool(arguments.pool, Columns(tuple(arguments.text)), skip_bad=arguments.skip_bad)
    drawn = drawn_pairs(pool, arguments.pairs, arguments.seed)
    # Each text is in one pair, so a pair can be left out by itself.
    pairs = [replace(pair, group=f"pair {number}") for number, pair in enumerate(drawn, 1)]
    found = [judge_pairs(judge, criterion, pairs) for criterion in criteria]
    with whole_file(arguments.out) as stream:
        for judgments, _ in found:
            for record in _records(judgments):
                stream.write((json.dumps(record, ensure_ascii=False) + "\n").encode())
    report = _report(arguments.out, found, judge.session.notes)
    print(json.dumps(report) if arguments.json else "\n".join(_lines(report)))
    return 0


def _criteria(arguments: argparse.Namespace) -> Sequence[Any]:
    from periti.cli.selecting.criteria import knowledge
    from periti.errors import UnknownName
    from periti.registry import nearest

    criteria = {criterion.name: criterion for criterion in knowledge(arguments.criteria)}
    for name in arguments.criterion or ():
        if name not in criteria:
            raise UnknownName(f"no criterion {name!r}; {nearest(name, criteria)}, or give others by --criteria")
    return [criteria[name] for name in dict.fromkeys(arguments.criterion or criteria)]


def _records(judgments: Judgments) -> Iterator[Mapping[str, Any]]:
    columns = (judgments.first.tolist(), judgments.second.tolist(), judgments.p.tolist(), judgments.votes.tolist())
    for first, second, p, votes, group in zip(*columns, judgments.groups, strict=True):
        yield {
            "a": judgments.texts[first],
            "b": judgments.texts[second],
            "p": p,
            "votes": votes,
            "criterion": judgments.criterion,
            "group": group,
        }


def _report(out: Path, found: Sequence[tuple[Judgments, Counts]], notes: Mapping[str, int]) -> dict[str, Any]:
    return {
        "out": str(out),
        "criteria": {
            judgments.criterion: {
                **asdict(counts),
                "judged": len(judgments),
                "preferred": int((judgments.preference != 0).sum()),
                "sure": int((judgments.confidence >= 0.5).sum()),
            }
            for judgments, counts in found
        },
        "endpoint": dict(notes),
    }


def _lines(report: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, one in report["criteria"].items():
        lines.append(
            f"{name}: {one['judged']:,} of {one['pairs']:,} pairs judged, {one['sure']:,} with the same preference in "
            f"both orders; {one['unreadable']:,} of {one['answers']:,} answers could not be read; of {one['both']:,} "
            f"with a preference in each order {one['always_first']:,} went to whatever stood first, "
            f"{one['always_second']:,} to whatever stood second"
        )
    asked = ", ".join(f"{name} {count:,}" for name, count in report["endpoint"].items())
    return [*lines, f"endpoint: {asked}", f"written to {report['out']}; `periti train rater --pairs` reads it"]
