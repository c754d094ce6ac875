"""A study as one HTML page: no script, no network, light and dark, fit to print."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

import polars as pl

from periti.evaluation.reports.markup import Html, element, join, safe
from periti.evaluation.reports.provenance import Provenance, facts, title
from periti.evaluation.reports.sections import adjudication, over_collections, section
from periti.evaluation.significance.results import Study

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""What the page may do: nothing but show itself, whatever a run is named."""


def html(
    study: Study,
    *,
    heading: str = "Comparison of systems",
    provenance: Provenance | None = None,
    curves: pl.DataFrame | None = None,
) -> str:
    """A page that is whole by itself; the same study and provenance give the same bytes.

    Args:
        study: what was compared.
        heading: of the page.
        provenance: command, digests and versions for the footer; the versions of now if absent.
        curves: adjudication curves: budget, method, value; and if known quantity, low, high.

    Raises:
        InputError: the frame of curves lacks a column or a value.
    """
    body = [
        element("header", element("h1", heading), *_lead(study), _cautions(study), _contents(study, curves)),
        element(
            "main",
            *(section(study, table, number) for number, table in enumerate(study.tables, 1)),
            *(over_collections(over) for over in study.over_collections),
            *([] if curves is None else [adjudication(curves)]),
        ),
        _footer(study, provenance or Provenance()),
    ]
    return whole(heading, body)


def whole(heading: str, body: Sequence[str]) -> str:
    """A document of these parts with its style inside, which may do nothing but show itself."""
    style = files("periti.evaluation.reports").joinpath("page.css").read_text(encoding="utf-8")
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{safe(heading)}</title><link rel="icon" href="data:,"><style>\n{style}</style>'
    )
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{join(body)}\n</body>\n</html>\n'


def _lead(study: Study) -> list[Html]:
    """How it was tested, in a line."""
    said = study.sentences
    words = f"{said['test']}, {said['sides']}; {said['correction']}; alpha {said['alpha']}; {said['family']}."
    return [element("p", words[0].upper() + words[1:], class_="soft")]


def _cautions(study: Study) -> Html:
    """Warnings of all tables in words; a sentence that holds for several is said once."""
    about: dict[tuple[str, str], list[str]] = {}
    for table in study.tables:
        for caution in table.cautions:
            about.setdefault((caution.kind, caution.sentence), []).append(title(table))
    if not about:
        return Html("")
    items = []
    for (kind, sentence), tables in about.items():
        where = "" if len(tables) == len(study.tables) else f"{', '.join(tables)}: "
        items.append(element("li", element("b", kind), f" — {where}{sentence}"))
    return element(
        "section", element("h2", "Before you read on"), element("ul", *items), class_="cautions", id="cautions"
    )


def _contents(study: Study, curves: pl.DataFrame | None) -> Html:
    """Links to the sections, if there are several."""
    links = [element("a", title(table), href=f"#table-{n}") for n, table in enumerate(study.tables, 1)]
    if curves is not None:
        links.append(element("a", "Cheap judgements", href="#adjudication"))
    if len(links) == 1:
        return Html("")
    return element("nav", element("ul", *(element("li", link) for link in links)))


def _footer(study: Study, provenance: Provenance) -> Html:
    """Everything that was decided, and where it comes from."""
    lines = []
    for name, sentence in facts(study, provenance).items():
        code = name == "command" or sentence.startswith("sha256 ")
        lines += [element("dt", name), element("dd", sentence, class_="code" if code else "")]
    return element("footer", element("h2", "How these numbers came about"), element("dl", *lines))
