"""A Boolean query to clauses, each with its keywords and headings, and clauses back to a query with other headings.

A clause is a part that the query's outermost ANDs join; what NOT takes away is no clause and is put back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from periti.mesh.syntax import And, Near, Node, Not, Term, conjunction, disjunction, terms, without_headings

TEXT_FIELDS = ("", "tiab", "tw", "ti", "ab", "ot", "all", "all fields", "title", "title/abstract", "text word")
"""Fields whose terms are keywords; those of publication types, dates and the like are not."""
MOST_PHRASES = 64
"""Phrases that words near each other make; where there were more, the words are keywords alone."""


@dataclass(frozen=True)
class Clause:
    """A part of a query.

    Attributes:
        node: as it is.
        bare: without its headings; None if it has nothing else.
        keywords: texts to search the vocabulary with, in order, each once; truncated words are marked by `*`.
        headings: texts of its headings, in order, each once.
        unjoined: groups of words near each other that would have made more than MOST_PHRASES phrases.
    """

    node: Node
    bare: Node | None
    keywords: tuple[str, ...]
    headings: tuple[str, ...]
    unjoined: int = 0

    @classmethod
    def of(cls, node: Node) -> Clause:
        """The clause of a part."""
        unjoined = [0]
        found = (text for text in _keywords(node, unjoined) if len(re.sub(r"\W", "", text)) > 1)
        return cls(
            node=node,
            bare=without_headings(node),
            keywords=tuple({text.casefold(): text for text in reversed([*found])}.values())[::-1],
            headings=tuple(dict.fromkeys(term.text for term in terms(node) if term.is_heading)),
            unjoined=unjoined[0],
        )


def clauses(query: Node) -> tuple[Clause, ...]:
    """The clauses of a query, left to right."""
    core, _ = _core(query)
    return tuple(Clause.of(part) for part in (core.parts if isinstance(core, And) else (core,)))


def rebuilt(query: Node, headings: Sequence[Sequence[str]]) -> Node:
    """The query with these headings in place of its own: `(M1[Mesh] OR M2[Mesh] OR clause) AND ...`.

    Args:
        query: the original.
        headings: for each of its `clauses`, headings; a clause that gets none keeps its words only, and its own
            headings if it has no words.
    """
    core, taken = _core(query)
    own = clauses(query)
    parts = [_with(clause, names) for clause, names in zip(own, headings, strict=True)]
    whole = conjunction(*parts) if isinstance(core, And) else parts[0]
    for right in taken:
        whole = Not(whole, right)
    return whole


def _with(clause: Clause, names: Sequence[str]) -> Node:
    parts: list[Node] = [Term(name, "Mesh", quoted=True) for name in names]
    if clause.bare:
        parts.append(clause.bare)
    return disjunction(*parts) if parts else clause.node


def _core(query: Node) -> tuple[Node, list[Node]]:
    """The query without what NOTs of its outermost parts take away, and that.

    `(a NOT x) AND b` finds what `(a AND b) NOT x` finds, and headings added to `a` shall not escape the NOT.
    """
    if isinstance(query, Not):
        core, taken = _core(query.left)
        return core, [*taken, query.right]
    if isinstance(query, And):
        found = [_core(part) for part in query.parts]
        return conjunction(*(core for core, _ in found)), [right for _, taken in found for right in taken]
    return query, []


def _keywords(node: Node, unjoined: list[int]) -> Iterator[str]:
    """Texts of the words; of words near each other, every phrase that takes one of each side."""
    if isinstance(node, Term):
        if not node.is_heading and node.field.casefold() in TEXT_FIELDS:
            yield _cleaned(node.text)
    elif isinstance(node, Near):
        left, right = list(_keywords(node.left, unjoined)), list(_keywords(node.right, unjoined))
        if len(left) * len(right) > MOST_PHRASES:
            unjoined[0] += 1
            yield from (*left, *right)
        else:
            yield from (f"{a} {b}" for a, b in product(left, right))
    elif isinstance(node, Not):
        yield from _keywords(node.left, unjoined)
    else:
        for part in node.parts:
            yield from _keywords(part, unjoined)


def _cleaned(text: str) -> str:
    """Ovid's `$` (also `$3`) as `*`, signs for one letter left out: `tumo?r$` is `tumor*`."""
    return " ".join(re.sub(r"[?#]", "", re.sub(r"[$*]\d*", "*", text)).split())


def completed(keyword: str, complete: Callable[[str], str]) -> str:
    """A keyword whose truncated words are completed: `ovar* cancer` is `ovarian cancer`."""
    return " ".join(complete(word.rstrip("*")) if word.endswith("*") else word for word in keyword.split()).replace(
        "*", ""
    )
