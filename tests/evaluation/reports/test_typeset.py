from __future__ import annotations

import numpy as np
import pytest

from periti.evaluation.reports import Provenance, latex
from periti.evaluation.reports.typeset import escaped
from periti.evaluation.significance import Design, compare
from tests.evaluation.significance.toy import table, toy


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("bm25_k1=.9", r"bm25\_k1=.9"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("50% & $5 #1 ~ ^", r"50\% \& \$5 \#1 \textasciitilde{} \textasciicircum{}"),
        ("a\nb\\", r"a b\textbackslash{}"),
    ],
)
def test_names_print_as_they_are(name: str, printed: str) -> None:
    assert escaped(name) == printed


def test_tables_use_booktabs_and_carry_superscripts() -> None:
    written = latex(compare([toy()], Design(bootstrap=0)), provenance=Provenance(command="periti\ncompare"))
    lines = written.splitlines()
    assert r"{}1 & A & 0.4037\textsuperscript{3} & 1--2 & a \\" in lines
    assert written.count(r"\toprule") == written.count(r"\bottomrule") == 2
    assert "% command: periti compare" in lines
    assert any(line.startswith("% correction: Holm") for line in lines)


def test_no_name_ends_a_comment_or_a_row() -> None:
    names = {"x\n\\end{document}": [0.1, 0.2, 0.4], "y & z \\\\": [0.2, 0.1, 0.5]}
    written = latex(compare([table(**{k: np.array(v) for k, v in names.items()})], Design(bootstrap=0)))
    assert r"\end{document}" not in written
    rows = [line for line in written.splitlines() if line.startswith("{}")]
    assert len(rows) == 3
    assert [row.replace(r"\&", "").count(" & ") for row in rows] == [4, 4, 5]
