"""Reports of a comparison: one HTML page that needs no network, LaTeX tables, Parquet frames.

    study = compare(tables, Design(seed=1), evidence)
    Path("report.html").write_text(html(study, provenance=Provenance(command="periti compare ...")), encoding="utf-8")

`page`, `sections` and `markup` make the page, `figures` draws (the only module that knows Matplotlib) in the colours
of `palette`, `excerpt` decides what is drawn of many comparisons, `typeset` and `frames` are LaTeX and Parquet,
`provenance` is the footer. `judging` is the page of a simulation of cheap judging.
"""

from periti.evaluation.reports.frames import frames, parquet
from periti.evaluation.reports.judging import judging_html
from periti.evaluation.reports.page import html
from periti.evaluation.reports.provenance import Provenance
from periti.evaluation.reports.typeset import latex

__all__ = ["Provenance", "frames", "html", "judging_html", "latex", "parquet"]
