"""Ovid's notation (MEDLINE) to a tree: numbered lines that refer to earlier ones; the last is the query.

    exp Myocardial Infarction/
    (heart attack* or (myocardial adj3 infarct*)).ti,ab.
    or/1-2

Lines count from 1 without blank ones. Precedence is adj, then and and not, then or. `exp X/` is [Mesh], `X/` is
[Mesh:noexp], `*X/` is [Majr]; `.ti,ab.` and `.tw.` are [tiab]. Limits and `remove duplicates` are passed through, for a
tree of words has no place for them; remarks in brackets are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from periti.errors import FormatError
from periti.mesh.syntax import DEEPEST, And, Near, Node, Not, Or, Term, conjunction, disjunction, joined

_CODES = "ti|ab|tw|mp|kw|kf|ot|hw|sh|pt|fs|rn|af|jn|ed|nm|tx|px|rs|nw|id|yr|la|in|au|so|cs|ec|dt|dp|ui|mx|fx"
FIELDS = {"sh": "Mesh:noexp", "pt": "pt", "fs": "sh", "rn": "rn", "ed": "edat", "nm": "nm", "jn": "ta", "yr": "dp"}
"""Ovid's code -> PubMed's tag; all codes of text become tiab, `af` and `mp` among them."""
_TOKEN = re.compile(
    rf"""(?P<open>\()|(?P<close>\))|(?P<quote>["“”][^"“”]*["“”])
    |(?P<set>\b(?:or|and)/\s*\d+(?:\s*[-,]\s*\d+)*)
    |(?P<field>\.\s*(?:{_CODES})(?:\s*[,.]\s*(?:{_CODES}))*(?:\s*\.)?(?=[\s()]|$))
    |(?P<slash>/(?:(?!or\b|and\b)[a-z]{{2}}(?:\s*,\s*[a-z]{{2}})*(?=[\s)]|$))?(?=[\s)]|$|or\b))
    |(?P<adj>\badj\d*(?=[\s(]))
    |(?P<operator>\b(?:and|or|not)(?=[\s()"“]|$))
    |(?P<word>(?:(?!\.\s*(?:{_CODES})(?:\s*[,.]\s*(?:{_CODES}))*(?:\s*\.)?(?:[\s()]|$)|/[a-z]{{2}}[\s),]|/[\s)]|/$)[^\s()"“”])+)
    |(?P<lone>\S)""",
    re.IGNORECASE | re.VERBOSE,
)
_LIMIT = re.compile(r"\s*limit\s+(\d+)\s+to\b.*|\s*remove\s+duplicates\s+from\s+(\d+)\s*", re.IGNORECASE)
_REMARK = re.compile(r"\[[^\[\]]*\]")


def parse(query: str) -> Node:
    """The tree of the last line, what it refers to in place.

    Raises:
        FormatError: a line can not be read or refers to none before it; names line and character, from 1.
    """
    lines = [line for line in query.splitlines() if line.strip()]
    if not lines:
        raise FormatError("Boolean query: there is nothing in it; write at least one line")
    read: list[Node] = []
    for number, line in enumerate(lines, 1):
        if limit := _LIMIT.fullmatch(line):
            read.append(_earlier(int(limit[1] or limit[2]), read, number))
        else:
            read.append(_Line(line, number, read).whole())
    return read[-1]


def limits(query: str) -> list[str]:
    """The lines that the tree has no place for."""
    return [line.strip() for line in query.splitlines() if _LIMIT.fullmatch(line)]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


def _earlier(reference: int, read: list[Node], number: int) -> Node:
    if not 1 <= reference <= len(read):
        raise _wrong(number, f"it refers to line {reference}, which is not before it; there are {len(read)} before it")
    return read[reference - 1]


def _wrong(number: int, what: str) -> FormatError:
    return FormatError(f"Boolean query, line {number}: {what}")


class _Line:
    def __init__(self, line: str, number: int, read: list[Node]) -> None:
        # Remarks keep their width, so that positions stay true.
        bare = _REMARK.sub(lambda match: " " * len(match[0]), line)
        self.number, self.read, self.length, self.place, self.depth = number, read, len(line), 0, 0
        self.tokens = [_Token(str(m.lastgroup), m[0], m.start() + 1) for m in _TOKEN.finditer(bare)]

    def whole(self) -> Node:
        if not self.tokens:
            raise _wrong(self.number, "there is only a remark; remove it, or lines are counted wrongly")
        node = self._any()
        if left := self._peek():
            what = "closes nothing; remove it" if left.kind == "close" else "follows without an operator; add one"
            raise _wrong(self.number, f"{left.text} at character {left.position} {what}")
        return node

    def _peek(self) -> _Token | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def _taken(self, *kinds: str) -> _Token | None:
        token = self._peek()
        if token is None or token.kind not in kinds:
            return None
        self.place += 1
        return token

    def _any(self) -> Node:
        node = self._all()
        while (token := self._peek()) and token.kind == "operator" and token.text.casefold() == "or":
            self.place += 1
            node = disjunction(node, self._all())
        return node

    def _all(self) -> Node:
        node = self._near()
        while (token := self._peek()) and token.kind == "operator" and token.text.casefold() != "or":
            self.place += 1
            node = joined(node, token.text.casefold(), self._near())
        return node

    def _near(self) -> Node:
        node = self._operand()
        while token := self._taken("adj"):
            node = Near(node, self._operand(), int(token.text[3:] or 1))
        return node

    def _operand(self) -> Node:
        token = self._peek()
        if token is None:
            raise _wrong(self.number, f"a term is missing at its end (character {self.length}); write one")
        if token.kind == "open":
            return self._group(token)
        if token.kind == "set":
            self.place += 1
            return self._set(token)
        if token.kind not in ("quote", "word"):
            raise _wrong(self.number, f"a term is missing before {token.text} at character {token.position}; write one")
        return self._term()

    def _group(self, opening: _Token) -> Node:
        self.place += 1
        self.depth += 1
        if self.depth > DEEPEST:
            raise _wrong(self.number, f"more than {DEEPEST} parentheses are open; simplify it")
        node = self._any()
        if self._taken("close") is None:
            found = self._peek()
            if found:
                raise _wrong(
                    self.number, f"{found.text} at character {found.position} follows without an operator; add one"
                )
            raise _wrong(self.number, f"( at character {opening.position} is never closed; add a ) or remove it")
        self.depth -= 1
        field = self._taken("field")
        return _tagged(node, _tag(field.text)) if field else node

    def _set(self, token: _Token) -> Node:
        """`or/1-6`, `and/2,4`: lines joined."""
        operator, _, listed = token.text.partition("/")
        found: list[Node] = []
        for part in listed.split(","):
            first, _, last = part.partition("-")
            numbers = range(int(first), int(last or first) + 1)
            found += [_earlier(number, self.read, self.number) for number in numbers]
        if not found:
            raise _wrong(
                self.number, f"{token.text} at character {token.position} names no line; write the lower first"
            )
        return (disjunction if operator.casefold() == "or" else conjunction)(*found)

    def _term(self) -> Node:
        """Words and phrases up to a field, a slash or an operator; a number alone is a line."""
        begun, pieces = self.place, []
        while token := self._taken("word", "quote"):
            pieces.append(token)
        text = " ".join(piece.text.strip('"“”') for piece in pieces)
        field, slash = self._taken("field"), None
        if field is None:
            slash = self._taken("slash")
        # A line of typing mistakes such as `Visual Fields/.ti` is searched as a heading.
        text = " ".join(text.split())
        if not text:
            raise _wrong(
                self.number, f"the quotes at character {self.tokens[begun].position} hold nothing; write a phrase"
            )
        if slash:
            return _heading(text, slash.text[1:])
        if field is None and len(pieces) == 1 and pieces[0].kind == "word" and text.isdecimal():
            return _earlier(int(text), self.read, self.number)
        quoted = len(pieces) == 1 and pieces[0].kind == "quote"
        return Term(text, _tag(field.text) if field else "", quoted=quoted)


def _heading(text: str, qualifiers: str) -> Term:
    exploded = re.match(r"exp\s+", text, re.IGNORECASE)
    name = text[exploded.end() :] if exploded else text
    tag = "Mesh" if exploded else "Mesh:noexp"
    if name.startswith("*"):
        name, tag = name[1:].strip(), "Majr"
    return Term(f"{name}/{qualifiers.strip()}" if qualifiers.strip() else name, tag, quoted=True)


def _tag(codes: str) -> str:
    """The tag of a list of codes; text fields prevail, for they find more."""
    found = [code.casefold() for code in re.findall(r"[a-zA-Z]{2}", codes)]
    tags = {FIELDS.get(code, "tiab") for code in found}
    return "tiab" if "tiab" in tags else FIELDS[found[0]]


def _tagged(node: Node, tag: str) -> Node:
    """The field of a parenthesis, given to the terms in it that have none."""
    if isinstance(node, Term):
        return Term(node.text, node.field or tag, node.quoted)
    if isinstance(node, Near):
        return Near(_tagged(node.left, tag), _tagged(node.right, tag), node.distance)
    if isinstance(node, Not):
        return Not(_tagged(node.left, tag), _tagged(node.right, tag))
    parts = tuple(_tagged(part, tag) for part in node.parts)
    return And(parts) if isinstance(node, And) else Or(parts)
