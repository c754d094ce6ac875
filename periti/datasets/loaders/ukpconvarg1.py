"""UKPConvArg1 (Habernal and Gurevych 2016): which of two arguments is more convincing, about five votes a pair.

The sides of a pair are random: a1 wins 6,398 times and a2 6,394 times. Texts of the two sides of one debate share their
subject, so a debate is one group. Length alone decides three of four pairs: any rater has to be measured beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from periti.datasets.reading import decoded, json_lines, lines, tar_members
from periti.datasets.selection.quality.judgments import Judgments, Verdict
from periti.errors import DatasetError, FormatError

PAIRS, ARGUMENTS, STRICT = 16_927, 1_052, 11_650
_COLUMNS = ("topic", "pair_id", "arg1_id", "arg2_id", "votes_a1", "votes_a2", "votes_equal", "gold")


@dataclass(frozen=True)
class ConvincingArguments:
    """The judged pairs.

    Attributes:
        judgments: the 16,927 pairs, without those of two arguments with the same text; p counts votes for "equal" half
            for each.
        strict: pairs of the paper's strict subset, bool (m,).
        gold: estimate of the better one by the authors: 1 the first, -1 the second, 0 neither or none, int8 (m,).
        same: pairs that were left out, since their texts are the same.
    """

    judgments: Judgments
    strict: NDArray[np.bool_]
    gold: NDArray[np.int8]
    same: int


def read_ukpconvarg1(folder: Path) -> ConvincingArguments:
    """The collection in its folder.

    Raises:
        FormatError: a file is missing or can not be read; names file and line.
        DatasetError: there are more or fewer pairs or arguments than published.
    """
    arguments = folder / "arguments.jsonl.gz"
    texts = {str(record["id"]): str(record["text"]) for _, record in json_lines(arguments)}
    verdicts, pairs, gold = list[Verdict](), list[str](), list[int]()
    for where, cells in _rows(folder / "votes-all-pairs.tsv.gz"):
        first, second, equal = (_votes(cells[name], where) for name in _COLUMNS[4:7])
        total = first + second + equal
        if not total:
            raise FormatError(f"{where}: the pair has no vote; fetch the file again")
        try:
            a, b = texts[cells["arg1_id"]], texts[cells["arg2_id"]]
        except KeyError as error:
            raise FormatError(f"{where}: no argument {error} in {arguments.name}; fetch the files again") from error
        verdicts.append(Verdict(a, b, (first + equal / 2) / total, total, cells["topic"].partition("_")[0]))
        pairs.append(cells["pair_id"])
        gold.append({"a1": 1, "a2": -1}.get(cells["gold"], 0))
    strict = _strict(folder / "UKPConvArg1Strict-CSV.tar.gz")
    in_strict = np.array([pair in strict for pair in pairs], bool)
    for what, number, stated in (
        ("pairs", len(pairs), PAIRS),
        ("arguments", len(texts), ARGUMENTS),
        ("pairs of the strict subset", int(in_strict.sum()), STRICT),
    ):
        if number != stated:
            raise DatasetError(f"ukpconvarg1: {number:,} {what}, published are {stated:,}; fetch the files again")
    differ = np.array([verdict.first != verdict.second for verdict in verdicts], bool)
    kept = [verdict for verdict, kept in zip(verdicts, differ.tolist(), strict=True) if kept]
    judgments = Judgments.of(kept, "convincingness")
    return ConvincingArguments(judgments, in_strict[differ], np.array(gold, np.int8)[differ], int((~differ).sum()))


def _rows(path: Path) -> list[tuple[str, Mapping[str, str]]]:
    rows = [(f"{path}:{number}", line.split("\t")) for number, line in lines(path)]
    if not rows or tuple(rows[0][1]) != _COLUMNS:
        raise FormatError(f"{path}: the first line does not name {', '.join(_COLUMNS)}; fetch the file again")
    for where, cells in rows:
        if len(cells) != len(_COLUMNS):
            raise FormatError(f"{where}: expected {len(_COLUMNS)} cells, found {len(cells)}; fetch the file again")
    return [(where, dict(zip(_COLUMNS, cells, strict=True))) for where, cells in rows[1:]]


def _votes(cell: str, where: str) -> int:
    if not cell.isdecimal():
        raise FormatError(f"{where}: {cell!r} is no number of votes; fetch the file again")
    return int(cell)


def _strict(path: Path) -> set[str]:
    """Ids of the pairs whose votes the authors found to be clear."""
    found = set[str]()
    for name, raw in tar_members(path):
        for line in decoded(raw, f"{path}:{name}").split("\n"):
            if line and not line.startswith("#"):
                found.add(line.partition("\t")[0])
    return found
