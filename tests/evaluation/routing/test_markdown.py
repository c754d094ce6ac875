"""A routing study as Markdown: the same numbers, the best bold, and names that no renderer reads."""

from __future__ import annotations

import pytest

from periti.evaluation.routing.markdown import escaped, markdown
from tests.evaluation.routing.small import BARE, HOSTILE, LONG, STUDY, renamed

OVERALL = """\
## Systems over collections

| # | system | kind | seen | unseen | all | gap closed (95 %) | regret | cost |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
| 1 | base | base | 0.4000 | 0.4000 | 0.4000 | - | 0.0600 | 1.00 |
| 2 | lex | expert | 0.4250 | 0.3500 | 0.4000 | 25 % [-10, 60] | 0.0500 | 1.00 |
| 3 | med | expert | 0.4250 | 0.3000 | 0.3833 | - | 0.0500 | 1.00 |
| 4 | all domains | control | 0.4500 | 0.4000 | 0.4333 | 50 % [20, 80] | 0.0400 | 1.00 |
| 5 | argmax | router | **0.4900** | 0.4000 | 0.4600 | 90 % [70, 110] | 0.0200 | 1.02 |
| 6 | top-2 | router | **0.4900** | **0.4100** | **0.4633** | 90 % [65, 115] | 0.0000 | 2.02 |
| 7 | oracle | oracle | 0.5000 | 0.4100 | 0.4700 | - | - | 1.00 |
"""


def test_the_table_of_systems_with_the_best_bold() -> None:
    assert OVERALL in markdown(STUDY)


def test_who_is_asked_and_what_is_significant() -> None:
    lines = markdown(STUDY).splitlines()
    assert "| news | - | 25.0 | 25.0 | 50.0 |" in lines
    assert r"| law: router | base - argmax | -0.1500 | 0.0156 | \* | [-0.1947, -0.1053] | 0/0/8 |" in lines
    assert "- table tie rate: 12 %" in lines


def test_every_table_has_cells_for_its_head() -> None:
    for part in markdown(STUDY).split("\n\n"):
        if part.startswith("|"):
            assert len({line.replace(r"\|", "").count("|") for line in part.splitlines()}) == 1


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("<b>bold</b>", r"\<b\>bold\</b\>"),
        ("$x_1$", r"\$x_1\$"),
        ("_soft_ snake_case", r"\_soft\_ snake_case"),
        ("a|b\nc", r"a\|b c"),
        ("**`[x](y)`**", r"\*\*\`\[x\](y)\`\*\*"),
        ("&amp; ~~no~~ \\", r"\&amp; \~\~no\~\~ \\"),
        ("\x1b[1m", "\ufffd\\[1m"),
    ],
)
def test_names_stay_names(name: str, written: str) -> None:
    assert escaped(name) == written


def test_hostile_names_are_written_whole_in_every_table() -> None:
    page = markdown(renamed(*HOSTILE))
    assert "<b>" not in page
    assert page.count(r"\<b\>bold\</b\>") >= 4
    assert page.count(r"\$x_1\$") >= 4
    assert "$x" not in page.replace(r"\$x", "")
    assert LONG in page


def test_a_bare_study_has_no_empty_headings() -> None:
    page = markdown(BARE)
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## Systems over collections",
        "## Seen collections: nDCG@10",
        "## Unseen collections: nDCG@10",
        "## Collections",
        "## Who is asked by argmax, in % of each collection's queries",
    ]
