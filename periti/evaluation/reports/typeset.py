"""A study as LaTeX tables for a paper (booktabs, no other package)."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from periti.evaluation.reports.excerpt import listed
from periti.evaluation.reports.provenance import Provenance, facts, title
from periti.evaluation.significance.results import Comparison, ComparisonTable, Study
from periti.evaluation.significance.superscripts import BETTER, WORSE, groups, legend, superscripts
from periti.evaluation.significance.text import p_text

DECIMALS = 4
ESCAPES: Mapping[str, str] = MappingProxyType(
    {
        "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
        "|": r"\textbar{}", '"': r"\char34{}", "–": "--", "−": "$-$", BETTER: r"$\blacktriangle$",
        WORSE: r"$\blacktriangledown$",
    }
)  # fmt: skip


def latex(study: Study, *, provenance: Provenance | None = None, decimals: int = DECIMALS) -> str:
    """Two tables a measure and collection, systems and comparisons; what was decided stands in comments and captions.

    The text compiles with booktabs and amssymb. Every name is escaped.
    """
    parts = [r"% needs \usepackage{booktabs} and \usepackage{amssymb}"]
    parts += [
        f"% {_line(f'{name}: {sentence}')}" for name, sentence in facts(study, provenance or Provenance()).items()
    ]
    for table in study.tables:
        parts += [f"% warning: {_line(caution.sentence)}" for caution in table.cautions]
        parts += [_systems(study, table, decimals), _comparisons(study, table, decimals)]
    return "\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """The text as LaTeX prints it, character by character."""
    return "".join(ESCAPES.get(c, c) for c in _line(text))


def _line(text: str) -> str:
    """The text on one line: a line break would end a comment or a row."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in text)


def _systems(study: Study, table: ComparisonTable, decimals: int) -> str:
    """The table of systems with superscripts and places."""
    beside = superscripts(table)
    pairs = table.standings[0].best is not None
    head = ["#", "System", table.measure] + ["Place", "Groups"] * pairs
    rows = []
    for number, standing in enumerate(table.standings, 1):
        mean = f"{standing.mean:.{decimals}f}"
        if beside[standing.system]:
            mean += rf"\textsuperscript{{{escaped(beside[standing.system])}}}"
        places = [escaped(standing.place.replace("-", "–")), escaped(groups(standing.groups))] * pairs
        rows.append([str(number), escaped(standing.system), mean, *places])
    caption = f"{title(table)}: {table.topics} topics. {_design(study)} {legend(table)}"
    return _table(caption, "rllll" if pairs else "rll", [escaped(name) for name in head], rows)


def _comparisons(study: Study, table: ComparisonTable, decimals: int) -> str:
    """The table of comparisons."""
    excerpt = listed(table)
    level = f"{100 * (1 - study.design.alpha):g} % interval"
    head = ["Comparison", "Difference", level, "p", "d_z", "Won/tied/lost"]
    rows = [_row(one, decimals) for one in excerpt.comparisons]
    interval = "BCa" if study.design.bootstrap else "t"
    caption = (
        f"{title(table)}: differences. {excerpt.sentence} {_design(study)} Intervals: {interval}, each by itself. "
        "* significant after correction; p is corrected."
    )
    return _table(caption, "lrrrrr", [escaped(name) for name in head], rows)


def _row(one: Comparison, decimals: int) -> list[str]:
    interval = one.interval("bca") or one.interval("t")
    span = "-" if interval is None else f"[{interval.low:+.{decimals}f}, {interval.high:+.{decimals}f}]"
    d_z = "-" if one.effect.d_z is None else f"{one.effect.d_z:.3f}"
    cells = [f"{one.difference:+.{decimals}f}", span, p_text(one.adjusted) + "*" * one.significant, d_z]
    cells.append(f"{one.wins}/{one.ties}/{one.losses}")
    return [escaped(f"{one.a} − {one.b}"), *(_signed(escaped(cell)) for cell in cells)]


def _signed(cell: str) -> str:
    """A number's hyphen as a minus sign."""
    return cell if cell == "-" else cell.replace("-", "$-$")


def _design(study: Study) -> str:
    said = study.sentences
    return f"Test: {said['test']}, {said['sides']}; correction: {said['correction']}; alpha {said['alpha']}."


def _table(caption: str, columns: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """One floating table."""
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(head) + r" \\",
        r"\midrule",
        # A row that began with a bracket would be read as the optional argument of the line break before it.
        *(" & ".join(["{}" + row[0], *row[1:]]) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)
