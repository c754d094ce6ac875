"""`periti train rater`: what makes a text better, from judged pairs; and how well that holds on topics left out."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.cli.selecting.embedding import add_encoder_option, embed_of
from periti.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from periti.datasets.selection.quality.comparison import Comparison, Protocol
    from periti.datasets.selection.quality.features import FeatureOptions
    from periti.datasets.selection.quality.held_out import HeldOut
    from periti.datasets.selection.quality.judgments import Judgments
    from periti.datasets.selection.selector import Embed

UKP, ONESTOP = "ukpconvarg1", "onestop-english"
KINDS, LENGTHS = ("hashed", "encoder", "surface", "length"), ("kept", "normalised", "removed")
"""As periti.datasets.selection.quality.features has them, which help does not wait for."""

EPILOG = """examples:
  periti train rater --pairs ukpconvarg1 --json
  periti train rater --pairs ukpconvarg1 --features encoder hashed --seed 1 --out rater
  periti train rater --pairs judged.jsonl --criterion answerability --out rater
  periti train rater --pairs onestop-english --features surface hashed

Pairs are a collection of that name, or a file (JSONL, CSV, TSV, Parquet) with the columns a and b, the texts; p, the
probability that a is better, or answer (a, b, tie); and perhaps topic or group, votes and criterion. Which text stands
first means nothing. Raters are judged on topics left out, beside one that knows the length of a text only.
"""


@dataclass(frozen=True)
class Source:
    """Judged pairs, and what is known of them.

    Attributes:
        judged: by criterion.
        subsets: of the pairs of the only criterion, by name.
        triples: whether each group is a text at three levels.
        notes: what to tell, plain values.
    """

    judged: Mapping[str, Judgments]
    subsets: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    triples: bool = False
    notes: Mapping[str, Any] = field(default_factory=dict)


def add_parser(kinds: Any) -> None:
    """Add the kind `rater` to the kinds of training."""
    parser = kinds.add_parser(
        "rater",
        help="a number for the quality of any text, from judged pairs",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pairs", required=True, metavar="NAME|FILE", help=f"{UKP}, {ONESTOP}, or a file")
    parser.add_argument(
        "--features", nargs="+", choices=KINDS, default=["hashed"], metavar="KIND", help=", ".join(KINDS)
    )
    parser.add_argument("--length", choices=LENGTHS, default="normalised", help="what becomes of the length of texts")
    parser.add_argument("--criterion", nargs="+", metavar="NAME", help="only these criteria of a file (default: all)")
    parser.add_argument("--confidence", type=float, default=0.5, metavar="C", help="least |2p-1| to learn from (0.5)")
    parser.add_argument("--penalty", type=float, default=1e-3, help="of squared weights (default: 0.001)")
    parser.add_argument("--hard", action="store_true", help="learn who is preferred, not how probably")
    parser.add_argument("--folds", type=int, default=16, help="of topics, at most (default: 16)")
    parser.add_argument("--rounds", type=int, default=2000, help="of the bootstrap (default: 2000)")
    parser.add_argument("--no-encoder", action="store_true", help="compare no systems that need an encoder")
    parser.add_argument("--no-comparison", action="store_true", help="train only")
    parser.add_argument("--seed", type=int, default=1, help="of folds and bootstrap (default: 1)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write the rater (default: nowhere)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_encoder_option(parser)
    parser.set_defaults(run=train)


def train(arguments: argparse.Namespace) -> int:
    """Compare on topics left out, train on everything, write, print."""
    from periti.datasets.selection.quality.features import FeatureOptions, remembering

    if arguments.seed < 0:
        raise InputError(f"--seed is {arguments.seed}; it must be 0 or larger")
    if arguments.out and arguments.out.exists():
        raise InputError(f"{arguments.out} exists already; choose another folder or remove it first")
    options = FeatureOptions(tuple(arguments.features), arguments.length)
    source, embed = _source(arguments), remembering(embed_of(arguments))
    found: dict[str, Any] = {"pairs": arguments.pairs, "seed": arguments.seed, **source.notes, "criteria": []}
    if not arguments.no_comparison:
        for judgments in source.judged.values():
            found["criteria"].append(_comparison(arguments, source, judgments, options, embed))
    if arguments.out:
        found["rater"] = _written(arguments, source, options, embed)
    print(json.dumps(found) if arguments.json else "\n".join(_lines(found)))
    return 0


def _protocol(arguments: argparse.Namespace) -> Protocol:
    from periti.datasets.selection.quality.bradley_terry import Fit
    from periti.datasets.selection.quality.comparison import Protocol

    fit = Fit(arguments.confidence, not arguments.hard, arguments.penalty)
    return Protocol(arguments.folds, arguments.rounds, arguments.seed, fit)


def _comparison(
    arguments: argparse.Namespace, source: Source, judgments: Judgments, options: FeatureOptions, embed: Embed
) -> dict[str, Any]:
    from periti.datasets.selection.quality.comparison import compared, cross_validated
    from periti.datasets.selection.quality.features import ENCODER
    from periti.datasets.selection.quality.held_out import SYSTEMS
    from periti.progress import Terminal

    systems = {name: one for name, one in SYSTEMS.items() if not (arguments.no_encoder and ENCODER in one.kinds)}
    if options not in systems.values():
        systems["the one trained"] = options
    protocol = _protocol(arguments)
    ratings = cross_validated(judgments, systems, protocol, Terminal(), embed)
    made: Comparison = compared(judgments, ratings, protocol, source.subsets)
    found = asdict(made)
    if source.triples:
        found["triples"] = {name: _triples(judgments, one, protocol) for name, one in ratings.items()}
    return found


def _triples(judgments: Judgments, ratings: HeldOut, protocol: Protocol) -> dict[str, Any]:
    from periti.datasets.selection.quality.held_out import interval, resampled_means
    from periti.datasets.selection.quality.triples import recovered

    whole, groups = recovered(judgments, ratings)
    means = resampled_means(whole, groups, protocol.rounds, protocol.seed)
    return {"recovered": float(whole.mean()), "interval": interval(means), "triples": len(groups)}


def _written(arguments: argparse.Namespace, source: Source, options: FeatureOptions, embed: Embed) -> dict[str, Any]:
    from periti.datasets.selection.quality.features import ENCODER
    from periti.datasets.selection.quality.rater import train_rater
    from periti.datasets.selection.quality.rater_files import write_rater

    fit = _protocol(arguments).fit
    card = {
        # Without folders, which are this machine's.
        "pairs": Path(arguments.pairs).name,
        "judged": {name: len(one) for name, one in source.judged.items()},
        "learned_from": {name: int(fit.learned_from(one).sum()) for name, one in source.judged.items()},
        "fit": asdict(fit),
        "encoder": arguments.encoder if ENCODER in options.kinds else "",
    }
    rater = train_rater(list(source.judged.values()), options, fit, embed, card)
    write_rater(rater, arguments.out)
    return {"folder": str(arguments.out), "criteria": rater.criteria, **card}


def _source(arguments: argparse.Namespace) -> Source:
    """The pairs that the command line names."""
    from periti.datasets.dataset import data_folder

    path = Path(arguments.pairs)
    if path.exists() or arguments.pairs not in (UKP, ONESTOP):
        return _of_file(path, arguments.criterion)
    if arguments.criterion:
        raise InputError(f"{arguments.pairs} has one criterion only; leave --criterion out")
    if arguments.pairs == ONESTOP:
        from periti.datasets.loaders.onestop_english import difficulty, read_onestop_english

        judgments = difficulty(read_onestop_english(data_folder() / ONESTOP))
        return Source({judgments.criterion: judgments}, triples=True)
    from periti.datasets.loaders.ukpconvarg1 import read_ukpconvarg1

    found = read_ukpconvarg1(data_folder() / UKP)
    subsets = {"gold": found.gold != 0, "strict": found.strict}
    return Source({found.judgments.criterion: found.judgments}, subsets, notes={"left_out_same_text": found.same})


def _of_file(path: Path, criteria: list[str] | None) -> Source:
    from periti.datasets.selection.quality.judged_files import read_judged
    from periti.errors import UnknownName
    from periti.registry import nearest

    if not path.suffix and not path.exists():
        raise UnknownName(f"no judged pairs named {str(path)!r}; {nearest(str(path), (UKP, ONESTOP))}, or give a file")
    found = read_judged(path)
    for name in criteria or ():
        if name not in found.judgments:
            raise UnknownName(f"{path}: no criterion {name!r}; {nearest(name, found.judgments)}")
    judged = {name: one for name, one in found.judgments.items() if not criteria or name in criteria}
    return Source(judged, notes={"answers": {name: asdict(found.counts[name]) for name in judged}})


def _lines(found: Mapping[str, Any]) -> list[str]:
    made = list[str]()
    for one in found["criteria"]:
        made.append(
            f"{one['criterion']}: {one['pairs']:,} pairs over {one['texts']:,} texts in {one['groups']:,} groups; "
            f"{one['preferred']:,} with a preference, {one['alike']:,} of them of texts alike in length"
        )
        made.append(f"  held out in {one['folds']} folds of groups; 95 % intervals over groups and pairs")
        subsets = list(next(iter(one["systems"].values()))["subsets"])
        triples = one.get("triples", {})
        head = ["accuracy", "interval", "over length", "interval", "alike", *subsets, "with length"]
        made.append(_row("", [*head, *(["triples"] if triples else [])]))
        for name, system in one["systems"].items():
            cells = [
                f"{system['accuracy']:.4f}",
                _between(system["interval"]),
                f"{system['over_length']:+.4f}",
                _between(system["over_length_interval"]),
                "-" if system["alike"] is None else f"{system['alike']:.4f}",
                *(f"{system['subsets'][subset]:.4f}" for subset in subsets),
                f"{system['length_correlation']:+.2f}",
            ]
            made.append(_row(name, [*cells, *([f"{triples[name]['recovered']:.4f}"] if triples else [])]))
    if "rater" in found:
        rater = found["rater"]
        made.append(f"{rater['folder']}: a rater of {', '.join(rater['criteria'])}")
    return made


def _row(name: str, cells: list[str]) -> str:
    return f"  {name:<34}" + "".join(
        f"{cell:>18}" if "to" in cell or cell == "interval" else f"{cell:>12}" for cell in cells
    )


def _between(bounds: tuple[float, float]) -> str:
    return f"{bounds[0]:.3f} to {bounds[1]:.3f}"
