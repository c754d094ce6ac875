"""Queries to clauses, and back with other headings."""

from __future__ import annotations

from hypothesis import given, settings

from periti.mesh import ovid, pubmed
from periti.mesh.clauses import MOST_PHRASES, clauses, completed, rebuilt
from periti.mesh.syntax import Node, Not, pubmed_text, terms
from tests.mesh.test_queries import TREES


def test_a_query_is_taken_apart_at_its_outermost_ands() -> None:
    query = pubmed.parse(
        '(("Aspirin"[Mesh] OR aspirin[tiab] OR ASPIRIN[ti] OR trial[pt]) NOT dogs[tiab]) '
        'AND (pain* OR "Pain"[Mesh:noexp])'
    )
    found = clauses(query)

    assert [clause.keywords for clause in found] == [("aspirin",), ("pain*",)]
    assert [clause.headings for clause in found] == [("Aspirin",), ("Pain",)]
    assert [pubmed_text(clause.bare) for clause in found if clause.bare] == [
        "aspirin[tiab] OR ASPIRIN[ti] OR trial[pt]",
        "pain*",
    ]


def test_headings_are_put_before_the_words_and_exclusions_behind_all() -> None:
    query = pubmed.parse('((a[tiab] OR "Old"[Mesh]) NOT x) AND b[tiab] AND "Only"[Mesh]')

    text = pubmed_text(rebuilt(query, [["New", "Wounds and Injuries"], [], []]))

    assert text == ('(("New"[Mesh] OR "Wounds and Injuries"[Mesh] OR a[tiab]) AND b[tiab] AND "Only"[Mesh]) NOT x')


@given(TREES)
@settings(max_examples=200, deadline=None)
def test_a_rebuilt_query_is_read_as_it_was_meant(tree: Node) -> None:
    names = [["Suggested", "Wounds and Injuries"] for _ in clauses(tree)]
    built = rebuilt(tree, names)

    assert pubmed.parse(pubmed_text(built)) == built
    core = built
    while isinstance(core, Not):
        core = core.left
    found = [term.text for term in terms(core) if term.is_heading and term.text in names[0]]
    assert found.count("Suggested") == len(names)
    assert [clause.keywords for clause in clauses(built)] == [clause.keywords for clause in clauses(tree)]


def test_words_near_each_other_are_phrases_unless_they_are_too_many() -> None:
    near = clauses(ovid.parse("((ovar$ or tube?) adj5 (tumo?r* or cancer)).ti,ab."))[0]
    assert near.keywords == ("ovar* tumor*", "ovar* cancer", "tube tumor*", "tube cancer")
    assert near.unjoined == 0

    side = " or ".join(f"word{n}" for n in range(9))
    many = clauses(ovid.parse(f"(({side}) adj ({side.replace('word', 'other')})).ti,ab."))[0]
    assert MOST_PHRASES < 9 * 9
    assert len(many.keywords) == 18
    assert many.unjoined == 1


def test_what_has_less_than_two_letters_is_no_keyword() -> None:
    assert clauses(pubmed.parse("a[tiab] OR ?[tiab] OR ab[tiab] OR AB[tiab]"))[0].keywords == ("ab",)


def test_truncated_words_are_completed() -> None:
    assert completed("ovar* of a canc*er", {"ovar": "ovarian"}.__getitem__) == "ovarian of a cancer"
