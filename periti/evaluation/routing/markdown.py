"""A routing study as Markdown, for a page of results under version control."""

from __future__ import annotations

import re

from periti.evaluation.reports.markup import printable
from periti.evaluation.routing.cells import Table
from periti.evaluation.routing.results import RoutingStudy
from periti.evaluation.routing.tables import headline, lead, tables

_SIGNS = re.compile(r"[\\`*\[\]<>&$~|]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown reads as more than a sign; an underscore within a word is none."""


def markdown(study: RoutingStudy) -> str:
    """The tables of `text` under headings of the second level; the best system of a column is bold, oracles apart."""
    parts = [escaped(line) for line in (lead(study), headline(study)) if line]
    for table in tables(study):
        parts += [f"## {escaped(table.title)}", _piped(table)]
        if table.words:
            parts.append("\n".join(f"- {escaped(line)}" for line in table.words))
    if study.facts:
        told = [f"- {escaped(name)}: {escaped(sentence)}" for name, sentence in study.facts.items()]
        parts += ["## How these numbers came about", "\n".join(told)]
    return "\n\n".join(parts) + "\n"


def escaped(words: str) -> str:
    """The words on one line, none of them read as markup or mathematics."""
    return _SIGNS.sub(r"\\\g<0>", " ".join(printable(words).split()))


def _piped(table: Table) -> str:
    """A table with words to the left and numbers to the right."""
    ruler = ["---" if place < table.names else "---:" for place in range(len(table.head))]
    lines = [[escaped(cell) for cell in table.head], ruler]
    for number, row in enumerate(table.rows):
        # Columns of numbers are ours: an interval keeps its brackets.
        cells = [escaped(cell) if place < table.names else cell for place, cell in enumerate(row)]
        cells = [cell.replace("*", r"\*") if cell == "*" else cell for cell in cells]
        lines.append([f"**{cell}**" if (number, place) in table.best else cell for place, cell in enumerate(cells)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
