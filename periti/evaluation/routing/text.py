"""A routing study for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from periti.evaluation.reports.markup import printable
from periti.evaluation.routing.cells import Table
from periti.evaluation.routing.results import RoutingStudy
from periti.evaluation.routing.tables import headline, lead, tables

WIDTH = 120
"""Characters after which a table goes on below itself, with the names again."""


def text(study: RoutingStudy) -> str:
    """Tables under their titles, the sentences below each, and where the numbers come from at the end."""
    parts = ["\n".join(_clean(line) for line in (lead(study), headline(study)) if line)]
    for table in tables(study):
        parts.append(_clean(table.title))
        parts += _aligned(table)
        if table.words:
            parts.append("\n".join(_clean(line) for line in table.words))
    if study.facts:
        parts.append("\n".join(f"{_clean(name)}: {_clean(sentence)}" for name, sentence in study.facts.items()))
    return "\n\n".join(parts) + "\n"


def _clean(words: str) -> str:
    """The words on one line, without what moves a cursor or changes a colour."""
    return " ".join(printable(words).split())


def _aligned(table: Table) -> list[str]:
    """Columns padded to their widest cell, words to the left, numbers to the right; several tables if it is wide."""
    cells = [[_clean(cell) for cell in row] for row in (table.head, *table.rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(table.head))]
    return [_lines(cells, widths, chosen, table.names) for chosen in _folds(widths, table.names)]


def _folds(widths: Sequence[int], names: int) -> list[list[int]]:
    """The columns of each part of a wide table: the words, and as many others as there is room for."""
    words = list(range(names))
    room = WIDTH - sum(widths[place] + 2 for place in words)
    parts: list[list[int]] = [[]]
    used = 0
    for place in range(names, len(widths)):
        if parts[-1] and used + widths[place] + 2 > room:
            parts.append([])
            used = 0
        parts[-1].append(place)
        used += widths[place] + 2
    return [words + part for part in parts]


def _lines(cells: Sequence[Sequence[str]], widths: Sequence[int], chosen: Sequence[int], names: int) -> str:
    """Some columns of a table."""
    lines = []
    for row in cells:
        padded = (row[at].ljust(widths[at]) if at < names else row[at].rjust(widths[at]) for at in chosen)
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)
