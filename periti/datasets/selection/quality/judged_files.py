"""Files of judgments by people or models: JSONL, CSV, TSV or Parquet with columns a, b and an answer."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from periti.datasets.selection.blocks import Bad, file_blocks
from periti.datasets.selection.quality.judging import USUAL, Answer, Asked, Candidate, Counts, Judging, concluded
from periti.datasets.selection.quality.judgments import Judgments
from periti.errors import FormatError, InputError

PROBABILITY, ANSWER, GROUP = ("p", "probability"), ("answer", "label", "preference"), ("group", "topic")
SPELLINGS: Mapping[str, float] = {
    **dict.fromkeys(("a", "a1", "first", "1"), 1.0),
    **dict.fromkeys(("b", "a2", "second", "0", "2"), 0.0),
    **dict.fromkeys(("tie", "equal", "="), 0.5),
}
"""What an answer may be, in any case."""


@dataclass(frozen=True)
class JudgedFile:
    """What a file of judgments holds.

    Attributes:
        judgments: by criterion, in the file's order.
        counts: by criterion, how its answers were.
    """

    judgments: Mapping[str, Judgments]
    counts: Mapping[str, Counts]


@dataclass(frozen=True)
class _Row:
    first: str
    second: str
    group: str
    criterion: str
    answer: Answer
    votes: int


def read_judged(path: Path, judging: Judging = USUAL) -> JudgedFile:
    """The judgments of a file.

    Columns: `a` and `b` are the texts; `p` or `probability` that a is better, or `answer` (a, b or tie); optional
    `group` or `topic`, `votes` (what the row counts for) and `criterion`. Rows of one pair are put together: the mean
    of each order, then of both.

    Raises:
        FormatError: a column is missing, a record can not be read, or a number is none.
        InputError: no pair, answers that can not be read, or answers that go by position where both orders are there.
    """
    rows = list(_rows(path))
    if not rows:
        raise InputError(f"{path}: there is no judgment in it; give at least one pair")
    judgments, counts = dict[str, Judgments](), dict[str, Counts]()
    for criterion in dict.fromkeys(row.criterion for row in rows):
        pairs = _by_pair([row for row in rows if row.criterion == criterion])
        try:
            judgments[criterion], counts[criterion] = concluded(list(pairs), list(pairs.values()), criterion, judging)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    return JudgedFile(judgments, counts)


def _by_pair(rows: list[_Row]) -> dict[Candidate, Asked]:
    """The answers about each pair, in the order in which it first stands in the file."""
    forward, backward = defaultdict[Candidate, list[Answer]](list), defaultdict[Candidate, list[Answer]](list)
    pairs: dict[Candidate, None] = {}
    for row in rows:
        pair, turned = Candidate(row.first, row.second, row.group), Candidate(row.second, row.first, row.group)
        if turned in pairs:
            answer = None if row.answer is None else 1 - row.answer
            backward[turned] += [answer] * row.votes
        else:
            pairs[pair] = None
            forward[pair] += [row.answer] * row.votes
    return {pair: Asked(tuple(forward[pair]), tuple(backward[pair])) for pair in pairs}


def _rows(path: Path) -> Iterator[_Row]:
    for block in file_blocks(path):
        for item in block.records():
            if isinstance(item, Bad):
                raise FormatError(f"{item.where}: {item.why}")
            number, record = item
            yield _row(record, f"{path}:{number}")


def _row(record: Mapping[str, Any], where: str) -> _Row:
    for name in ("a", "b"):
        if not isinstance(record.get(name), str) or not record[name].strip():
            raise FormatError(
                f"{where}: no text under {name!r}, found {', '.join(record)}; give the two texts as a and b"
            )
    probability, answer = _found(record, PROBABILITY), _found(record, ANSWER)
    if probability is None and answer is None:
        raise FormatError(f"{where}: neither p nor answer, found {', '.join(record)}; say which text is better")
    group = _found(record, GROUP)
    return _Row(
        record["a"],
        record["b"],
        "" if group is None else str(group),
        str(record.get("criterion") or "quality"),
        _probability(probability, where) if probability is not None else SPELLINGS.get(str(answer).strip().lower()),
        _votes(record.get("votes", 1), where),
    )


def _found(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((record[name] for name in names if name in record), None)


def _probability(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise FormatError(f"{where}: the probability is {value!r}; give a number from 0 to 1") from error
    if not 0 <= number <= 1:  # also NaN
        raise FormatError(f"{where}: the probability is {value!r}; give a number from 0 to 1")
    return number


def _votes(value: Any, where: str) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise FormatError(f"{where}: votes is {value!r}; give a whole number, 1 or more") from error
    if not math.isfinite(number) or number != int(number) or not 1 <= number <= 1000:
        raise FormatError(f"{where}: votes is {value!r}; give a whole number from 1 to 1000")
    return int(number)
