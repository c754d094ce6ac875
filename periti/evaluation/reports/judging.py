"""A simulation of cheap judging as one HTML page: curves by budget, every table, bias of runs left out, rules."""

from __future__ import annotations

from collections.abc import Sequence

from periti.evaluation.adjudication.curves import curves
from periti.evaluation.adjudication.left_out import LeftOut
from periti.evaluation.adjudication.report import left_out_rows, notes, tables
from periti.evaluation.adjudication.summary import Summary
from periti.evaluation.reports.markup import Html, element, join, table
from periti.evaluation.reports.page import whole
from periti.evaluation.reports.provenance import Provenance
from periti.evaluation.reports.sections import adjudication


def judging_html(
    summary: Summary,
    *,
    heading: str = "Cheap judging",
    left_out: Sequence[LeftOut] = (),
    said: Sequence[str] = (),
    provenance: Provenance | None = None,
) -> str:
    """A page that is whole by itself; the same summary and provenance give the same bytes.

    Args:
        summary: what was simulated.
        heading: of the page.
        left_out: what runs lose that are not pooled, where that was simulated too.
        said: sentences about the runs.
        provenance: command, digests and versions for the footer; the versions of now if absent.
    """
    body = [
        element("header", element("h1", heading), element("p", notes(summary)[0], class_="soft")),
        element("main", adjudication(curves(summary)), *_tables(summary), *_left_out(left_out)),
        _footer(summary, said, provenance or Provenance()),
    ]
    return whole(heading, body)


def _tables(summary: Summary) -> list[Html]:
    """Every test and budget, a row a method."""
    return [
        element("section", element("h2", title), table(rows[0], rows[1:]), class_="systems")
        for title, rows in tables(summary)
    ]


def _left_out(left_out: Sequence[LeftOut]) -> list[Html]:
    """The bias against runs outside the pool."""
    if not left_out:
        return []
    head, *rows = left_out_rows(left_out)
    words = (
        "Every run in turn does not help to choose documents and is then scored by what the others had judged; its "
        "score then less its score when it helps. One seed; active without estimates."
    )
    return [
        element(
            "section", element("h2", "Runs outside the pool"), table(head, rows), element("p", words, class_="soft")
        )
    ]


def _footer(summary: Summary, said: Sequence[str], provenance: Provenance) -> Html:
    """Rules, seeds, digests and versions."""
    facts = summary.facts
    lines: list[Html] = []
    told = {
        "measure": str(facts["measure"]),
        "tests": "; ".join(f"{test}: {words}" for test, words in facts["tests"].items()),
        "alpha": f"{facts['alpha']:g}",
        "seeds": ", ".join(map(str, facts["seeds"])),
        "bootstrap": f"{facts['replicates']} draws of queries and seed, seed {facts['bootstrap_seed']}",
    } | provenance.sentences
    for name, words in told.items():
        code = name == "command" or words.startswith("sha256 ")
        lines += [element("dt", name), element("dd", words, class_="code" if code else "")]
    rules = element("ul", *(element("li", line) for line in (*notes(summary), *said)))
    return element("footer", element("h2", "How these numbers came about"), join([rules, element("dl", *lines)]))
