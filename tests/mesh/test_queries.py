"""Boolean queries to trees and back, in both notations."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.errors import FormatError
from periti.mesh import ovid, pubmed
from periti.mesh.syntax import (
    And,
    Near,
    Node,
    Not,
    Or,
    Term,
    conjunction,
    disjunction,
    for_pubmed,
    proximities,
    pubmed_text,
    terms,
    without_headings,
)

WORDS = st.lists(st.sampled_from(["heart", "attack*", "β-blocker", "x-ray", "65", "h1n1"]), min_size=1, max_size=3)
PHRASES = st.sampled_from(["Wounds and Injuries", "Lipoprotein(a)", "not this", "a [b] c", "heart attack"])
FIELDS = st.sampled_from(["", "tiab", "Mesh", "Mesh:noexp", "pt"])
TERMS = st.builds(Term, WORDS.map(" ".join), FIELDS.filter(bool)) | st.builds(
    Term, PHRASES, FIELDS, st.just(value=True)
)
TREES: st.SearchStrategy[Node] = st.recursive(
    TERMS,
    lambda inner: (
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: conjunction(*parts))
        | st.lists(inner, min_size=2, max_size=4).map(lambda parts: disjunction(*parts))
        | st.builds(Not, inner, inner)
    ),
    max_leaves=12,
)
A, B, C = Term("a"), Term("b"), Term("c")


@given(TREES)
@settings(max_examples=300, deadline=None)
def test_a_tree_written_and_read_is_the_same_tree(tree: Node) -> None:
    assert pubmed.parse(pubmed_text(tree)) == tree


@given(TREES)
@settings(max_examples=200, deadline=None)
def test_parentheses_balance_and_never_close_early(tree: Node) -> None:
    depth, quoted = 0, False
    for sign in pubmed_text(tree):
        quoted ^= sign == '"'
        depth += 0 if quoted else (sign == "(") - (sign == ")")
        assert depth >= 0
    assert depth == 0


@given(st.text(alphabet='ab ()[]"ANDORNOT*/', max_size=40))
@settings(max_examples=500, deadline=None)
def test_any_text_is_read_or_refused_in_one_sentence(text: str) -> None:
    for parse in (pubmed.parse, ovid.parse):
        try:
            tree = for_pubmed(parse(text))
        except FormatError:
            continue
        assert list(terms(tree))


def test_operators_are_read_from_left_to_right() -> None:
    assert pubmed.parse("a OR b AND c NOT d") == Not(And((Or((A, B)), C)), Term("d"))
    assert pubmed.parse("a OR (b and c)") == Or((A, And((B, C))))


def test_tags_phrases_and_truncation() -> None:
    tree = pubmed.parse('(heart attack[tiab] OR infarct* OR "Myocardial  Infarction"[Mesh]) "b"[ti] AND NOT c')

    assert tree == Not(
        And(
            (
                Or(
                    (
                        Term("heart attack", "tiab"),
                        Term("infarct*"),
                        Term("Myocardial Infarction", "Mesh", quoted=True),
                    )
                ),
                Term("b", "ti", quoted=True),
            )
        ),
        C,
    )


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "nothing in it"),
        ("(a OR b", "( at character 1 is never closed"),
        ("a OR (b AND (c)", "( at character 6 is never closed"),
        ("a OR b)", ") at character 7 closes nothing"),
        ("a OR", "missing at its end (character 4)"),
        ("OR a", "missing before OR at character 1"),
        ("a AND ()", "missing before ) at character 8"),
        ('a OR "b', '" at character 6 opens or closes no quote'),
        ("a[tiab", "[ at character 2 opens or closes no tag"),
        ("a[]", "tag at character 2 is empty"),
        ("[tiab]", "missing before [tiab] at character 1"),
        ("(a OR b)[tiab]", "follows a parenthesis"),
        ('""[tiab]', "quotes at character 1 hold nothing"),
        ("(" * 5000 + "a", "more than 100 parentheses are open at character 101"),
    ],
)
def test_a_mistake_is_told_with_its_place(query: str, told: str) -> None:
    with pytest.raises(FormatError) as caught:
        pubmed.parse(query)
    assert told in str(caught.value)


def test_ovid_lines_refer_to_earlier_ones() -> None:
    query = (
        "exp Myocardial Infarction/\n\n(heart attack$ or (myocardial adj3 infarct*)).ti,ab. [words]\n"
        "or/1-2\n*Aspirin/tu, ae [Therapeutic Use]\n3 and 4\nexp animals/ not humans.sh.\n5 not 6\n"
        'limit 7 to yr="2000 -Current"\nremove duplicates from 8\n'
    )
    infarct = Term("Myocardial Infarction", "Mesh", quoted=True)
    attack = Term("heart attack$", "tiab")
    near = Near(Term("myocardial", "tiab"), Term("infarct*", "tiab"), 3)
    core = And((Or((infarct, attack, near)), Term("Aspirin/tu, ae", "Majr", quoted=True)))

    assert ovid.parse(query) == Not(core, Not(Term("animals", "Mesh", quoted=True), Term("humans", "Mesh:noexp")))


def test_ovid_binds_adj_before_and_before_or() -> None:
    assert ovid.parse("a or b adj2 c and d") == Or((A, And((Near(B, C, 2), Term("d")))))


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("\n \n", "nothing in it"),
        ("a.ti.\n(b or c.tw.", "line 2: ( at character 1 is never closed"),
        ("a.ti.\nb)", "line 2: ) at character 2 closes nothing"),
        ("a/\n1 or 3", "line 2: it refers to line 3"),
        ("or/1-2", "line 1: it refers to line 1"),
        ("a.ti. (b", "line 1: ( at character 7 follows without an operator"),
        ("a or", "line 1: a term is missing at its end"),
        ("a/\nor/3-2", "line 2: or/3-2 at character 1 names no line"),
        ("[only a remark]", "only a remark"),
    ],
)
def test_a_mistake_in_a_line_is_told_with_its_place(query: str, told: str) -> None:
    with pytest.raises(FormatError) as caught:
        ovid.parse(query)
    assert told in str(caught.value)


def test_proximity_becomes_and_and_is_counted() -> None:
    tree = Or((Near(A, Near(B, C)), A))

    assert proximities(tree) == 2
    assert for_pubmed(tree) == Or((And((A, B, C)), A))


def test_headings_are_taken_out_and_exclusions_stay() -> None:
    heading = Term("Aspirin", "Mesh", quoted=True)
    tree = Not(Or((A, heading, And((B, heading)))), Or((heading, C)))

    assert without_headings(tree) == Not(Or((A, B)), Or((heading, C)))
    assert without_headings(And((heading, heading))) is None
    assert without_headings(Not(heading, A)) is None
    assert [term.text for term in terms(tree)] == ["a", "Aspirin", "b", "Aspirin"]
