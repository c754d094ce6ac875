"""`periti select criteria`: criteria that agree with people, found by asking a model; their vote trains a rater."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from periti.cli.selecting.judge import EndpointJudge, EndpointRewriter, add_judge_options, judge_of
from periti.errors import FormatError, InputError

if TYPE_CHECKING:
    from periti.datasets.selection.pool import Pool
    from periti.datasets.selection.quality.critiq import Mine
    from periti.datasets.selection.quality.judging import Candidate, Criterion
    from periti.datasets.selection.quality.judgments import Judgments
    from periti.datasets.selection.selector import Selector

HELP = "texts that criteria, found to agree with people, vote for"
EPILOG = """examples:
  periti select criteria --pairs judged.jsonl --judge-url http://localhost:8000/v1 --judge-model NAME \\
      --pool pool.jsonl --budget 5% --seed 1 --out chosen.parquet
  periti select criteria --pairs judged.jsonl --criteria criteria.jsonl --ask 400 --judge-cache answers.sqlite \\
      --judge-url http://localhost:8000/v1 --judge-model NAME --pool pool.jsonl --budget 5% --out chosen.parquet

  periti select criteria --pairs judged.jsonl --rewrite 2 --write-criteria mined.jsonl --judge-model NAME \\
      --judge-url http://localhost:8000/v1 --pool pool.jsonl --budget 5% --out chosen.parquet

People's pairs (columns a, b, and p or answer) say what is better. Each criterion is tried on half of them and has to be
better than chance on the other half. The criteria that are kept judge pairs of the pool by majority, a rater learns
from their vote, and it rates the pool. Without --criteria those for retrieval are tried: answerability,
self-containedness, specificity, expertise. With --rewrite the model gives those in between another description, from
pairs that they got wrong; what is kept is still confirmed on pairs that changed nothing."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add people's pairs, the knowledge base, thresholds and the endpoint."""
    parser.add_argument("--pairs", type=Path, required=True, metavar="FILE", help="pairs that people judged")
    parser.add_argument("--criteria", type=Path, metavar="FILE", help="JSONL of name and description (default: ours)")
    parser.add_argument("--keep", type=float, default=0.75, help="accuracy from which a criterion is kept (0.75)")
    parser.add_argument("--ban", type=float, default=0.5, help="accuracy up to which it is banned (0.5)")
    parser.add_argument(
        "--confirming", type=float, default=0.5, metavar="S", help="share of the pairs that must confirm (0.5)"
    )
    parser.add_argument("--ask", type=int, default=300, metavar="N", help="pairs of the pool to judge (default: 300)")
    parser.add_argument(
        "--rewrite", type=int, default=0, metavar="ROUNDS", help="of rewriting criteria in between (default: 0)"
    )
    parser.add_argument(
        "--write-criteria", type=Path, metavar="FILE", help="write the criteria that are kept, for --criteria (JSONL)"
    )
    add_judge_options(parser)


def build(arguments: argparse.Namespace, pool: Pool) -> Selector:
    """Mine criteria, let them judge pairs of the pool, train a rater on their vote."""
    from periti.datasets.selection.quality.judged_files import read_judged
    from periti.datasets.selection.quality.rater import train_rater
    from periti.datasets.selection.quality.selector import QualitySelector
    from periti.datasets.selection.quality.voting import judged_by_vote, votes

    if arguments.ask < 1:
        raise InputError(f"--ask is {arguments.ask}; judge one pair of the pool at least")
    found = read_judged(arguments.pairs).judgments
    if len(found) > 1:
        raise InputError(f"{arguments.pairs}: it judges {', '.join(found)}; give a file of one criterion")
    judge = judge_of(arguments)
    mine = _mined(arguments, judge, next(iter(found.values())))
    if not mine.kept:
        raise InputError(
            f"none of the {len(mine.tried)} criteria agrees with the people of {arguments.pairs}; give others by "
            "--criteria, or judge more pairs"
        )
    candidates = drawn_pairs(pool, arguments.ask, arguments.seed)
    vote = votes(judge, [one.criterion for one in mine.kept], candidates)
    judgments, left_out = judged_by_vote(candidates, vote, "criteria")
    _tell([f"{len(judgments)} pairs of the pool judged, {left_out} left out since all criteria abstained"])
    return QualitySelector((train_rater([judgments]),))


def _mined(arguments: argparse.Namespace, judge: EndpointJudge, people: Judgments) -> Mine:
    """Criteria that agree with people, told of and written if asked for."""
    from periti.datasets.selection.quality.critiq import CriteriaMiner, Mining

    rewriter = EndpointRewriter(judge)
    mining = Mining(arguments.keep, arguments.ban, arguments.rewrite, arguments.confirming, seed=arguments.seed)
    miner = CriteriaMiner(judge, rewriter if arguments.rewrite else None, mining)
    mine = miner.mine(knowledge(arguments.criteria), people)
    _tell(_lines(mine))
    if rewriter.unreadable:
        _tell([f"{rewriter.unreadable} answers had no description in them; those criteria stayed as they were"])
    if arguments.write_criteria:
        _write(arguments.write_criteria, mine)
    return mine


def _write(path: Path, mine: Mine) -> None:
    """The kept criteria as a file of the kind that is read."""
    from periti.datasets.writing import whole_file

    with whole_file(path) as stream:
        for one in mine.kept:
            record = {"name": one.criterion.name, "description": one.criterion.description}
            stream.write((json.dumps(record, ensure_ascii=False) + "\n").encode())


def knowledge(path: Path | None) -> Sequence[Criterion]:
    """The criteria of a file, or ours for retrieval.

    Raises:
        FormatError: a record has no name or no description.
    """
    from periti.datasets.reading import json_lines
    from periti.datasets.selection.quality.judging import Criterion
    from periti.datasets.selection.quality.prompts import RETRIEVAL

    if path is None:
        return RETRIEVAL
    found = []
    for number, record in json_lines(path):
        name, description = record.get("name"), record.get("description")
        if not isinstance(name, str) or not isinstance(description, str):
            raise FormatError(f"{path}:{number}: no name and description, found {', '.join(record)}; give both")
        found.append(Criterion(name, description))
    return found


def drawn_pairs(pool: Pool, pairs: int, seed: int) -> Sequence[Candidate]:
    """Pairs of different texts of the pool, each text in one pair.

    Raises:
        InputError: there are no two different texts.
    """
    from periti.datasets.selection.quality.judging import Candidate
    from periti.datasets.selection.quality.selector import sampled

    texts = [text for text in dict.fromkeys(sampled(pool.texts, 2 * pairs, seed)) if text.strip()]
    if len(texts) < 2:
        raise InputError("the pool has fewer than two different texts; there is no pair to judge")
    return [Candidate(first, second) for first, second in zip(texts[0::2], texts[1::2], strict=False)]


def _lines(mine: Mine) -> list[str]:
    choosing, confirming = mine.pairs
    made = [f"{choosing} pairs chose, {confirming} confirmed"]
    for one in mine.tried:
        trial = one.confirmed or one.trial
        made.append(
            f"  {one.criterion.name}: {one.state}; right {trial.right}, wrong {trial.wrong}, abstained "
            f"{trial.abstained}; accuracy {trial.accuracy:.3f}, 95% {trial.interval[0]:.3f} to {trial.interval[1]:.3f}"
            f"; {one.criterion.description}"
        )
    return made


def _tell(lines: Sequence[str]) -> None:
    # What was chosen goes to standard output, perhaps as JSON.
    print("\n".join(lines), file=sys.stderr, flush=True)
