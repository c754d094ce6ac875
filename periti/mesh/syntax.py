"""The tree of a Boolean query, and its text in PubMed's notation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

MESH = ("mesh", "mh", "mesh terms", "majr", "mesh major topic")
"""PubMed's tags of headings; each may be followed by `:noexp`."""
DEEPEST = 100
"""Parentheses within parentheses that are read."""
_PLAIN = re.compile(r'[^\s()\[\]"“”]+(?: [^\s()\[\]"“”]+)*')
_OPERATOR = re.compile(r"(?:^| )(?:and|or|not)(?: |$)", re.IGNORECASE)


@dataclass(frozen=True)
class Term:
    """Words, or a heading, searched in one field.

    Attributes:
        text: the words, without quotes; `*` truncates.
        field: PubMed's tag, e.g. "tiab" or "Mesh"; empty for all fields.
        quoted: whether the words are a phrase in quotes.
    """

    text: str
    field: str = ""
    quoted: bool = False

    @property
    def is_heading(self) -> bool:
        """Whether it names a MeSH heading."""
        return self.field.casefold().removesuffix(":noexp") in MESH


@dataclass(frozen=True)
class Near:
    """Left and right within `distance` words of each other, in either order; an operator of Ovid (adj)."""

    left: Node
    right: Node
    distance: int = 1


@dataclass(frozen=True)
class And:
    """All of two or more parts, none of them an And."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    """Any of two or more parts, none of them an Or."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    """Left without right."""

    left: Node
    right: Node


Node = Term | Near | And | Or | Not


def conjunction(*parts: Node) -> Node:
    """The parts joined by AND; parts that are Ands are opened, one part is itself."""
    flat = tuple(one for part in parts for one in (part.parts if isinstance(part, And) else (part,)))
    return flat[0] if len(flat) == 1 else And(flat)


def disjunction(*parts: Node) -> Node:
    """The parts joined by OR; parts that are Ors are opened, one part is itself."""
    flat = tuple(one for part in parts for one in (part.parts if isinstance(part, Or) else (part,)))
    return flat[0] if len(flat) == 1 else Or(flat)


def terms(node: Node) -> Iterator[Term]:
    """The terms that are searched for, left to right: those that NOT takes away are left out."""
    if isinstance(node, Term):
        yield node
    elif isinstance(node, Not):
        yield from terms(node.left)
    else:
        for part in _parts(node):
            yield from terms(part)


def without_headings(node: Node) -> Node | None:
    """The query without its headings, None if nothing is left; what NOT takes away stays as it is.

    Where an AND demanded a heading, that is demanded no more.
    """
    if isinstance(node, Term):
        return None if node.is_heading else node
    if isinstance(node, Not):
        left = without_headings(node.left)
        return Not(left, node.right) if left else None
    left_over = [part for part in map(without_headings, _parts(node)) if part]
    if isinstance(node, Near):
        if len(left_over) == 2:
            return replace(node, left=left_over[0], right=left_over[1])
        return left_over[0] if left_over else None
    join = conjunction if isinstance(node, And) else disjunction
    return join(*left_over) if left_over else None


def proximities(node: Node) -> int:
    """How many Near the query holds."""
    return 0 if isinstance(node, Term) else isinstance(node, Near) + sum(map(proximities, _parts(node)))


def for_pubmed(node: Node) -> Node:
    """The query in operators that PubMed has: Near becomes And, which finds no less (`proximities` counts them)."""
    if isinstance(node, Term):
        return node
    parts = [for_pubmed(part) for part in _parts(node)]
    if isinstance(node, Not):
        return Not(parts[0], parts[1])
    return disjunction(*parts) if isinstance(node, Or) else conjunction(*parts)


def pubmed_text(node: Node) -> str:
    """The query as PubMed reads it; every operation within another stands in parentheses.

    `pubmed.parse` of it gives the same tree, if there is no Near in it, which PubMed does not have and which is
    written as AND.
    """
    if isinstance(node, Term):
        return _term(node)
    if isinstance(node, Not):
        return f"{_inner(node.left)} NOT {_inner(node.right)}"
    return (" OR " if isinstance(node, Or) else " AND ").join(_inner(part) for part in _parts(node))


def _inner(node: Node) -> str:
    return pubmed_text(node) if isinstance(node, Term) else f"({pubmed_text(node)})"


def _term(term: Term) -> str:
    tag = f"[{term.field}]" if term.field else ""
    # A heading such as "Wounds and Injuries" would be read as two terms.
    plain = _PLAIN.fullmatch(term.text) and not _OPERATOR.search(term.text)
    return f'"{term.text}"{tag}' if term.quoted or not plain else f"{term.text}{tag}"


def _parts(node: Near | And | Or | Not) -> tuple[Node, ...]:
    return node.parts if isinstance(node, And | Or) else (node.left, node.right)


def joined(left: Node, operator: str, right: Node) -> Node:
    """Left and right under "and", "or" or "not"."""
    if operator == "not":
        return Not(left, right)
    return conjunction(left, right) if operator == "and" else disjunction(left, right)
