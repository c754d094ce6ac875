"""PubMed's notation to a tree.

    (heart attack[tiab] OR infarct*[tiab] OR "Myocardial Infarction"[Mesh]) AND aspirin NOT animals[Mesh:noexp]

Operators are read from left to right without precedence, as PubMed does, in any case; terms that follow one another
without an operator are joined by AND; a tag belongs to the words directly before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from periti.errors import FormatError
from periti.mesh.syntax import DEEPEST, Node, Term, joined

_TOKEN = re.compile(
    r"""(?P<open>\()|(?P<close>\))|(?P<quote>["“”][^"“”]*["“”])|(?P<tag>\[[^\[\]()]*\])|(?P<lone>["“”\[\]])|(?P<word>[^\s()\[\]"“”]+)"""
)


@dataclass(frozen=True)
class Token:
    """A piece of a query: kind (open, close, quote, tag, word, operator), text, and where it begins, from 1."""

    kind: str
    text: str
    position: int


def parse(query: str) -> Node:
    """The tree of a query.

    Raises:
        FormatError: it is empty, parentheses or quotes do not match, or an operator or tag stands alone; names the
            character, from 1.
    """
    return _Parser(_tokens(query), len(query)).whole()


def _tokens(query: str) -> list[Token]:
    found = []
    for match in _TOKEN.finditer(query):
        kind, text = str(match.lastgroup), match[0]
        if kind == "lone":
            what = "tag" if text in "[]" else "quote"
            raise wrong(f"{text} at character {match.start() + 1} opens or closes no {what}; write its other half")
        if kind == "word" and text.casefold() in ("and", "or", "not"):
            kind, text = "operator", text.casefold()
        found.append(Token(kind, text, match.start() + 1))
    return found


def wrong(what: str) -> FormatError:
    """The error of a query that can not be read."""
    return FormatError(f"Boolean query: {what}")


class _Parser:
    def __init__(self, tokens: list[Token], length: int) -> None:
        self.tokens, self.length, self.place, self.depth = tokens, length, 0, 0

    def whole(self) -> Node:
        if not self.tokens:
            raise wrong("there is nothing in it; write at least one term")
        node = self._expression()
        if left := self._peek():
            raise wrong(f") at character {left.position} closes nothing; remove it or open it before")
        return node

    def _peek(self) -> Token | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def _expression(self) -> Node:
        node = self._operand()
        while (token := self._peek()) and token.kind != "close":
            operator = "and"
            if token.kind == "operator":
                self.place += 1
                operator = token.text
                following = self._peek()
                if operator == "and" and following and following.text == "not" and following.kind == "operator":
                    self.place += 1
                    operator = "not"
            node = joined(node, operator, self._operand())
        return node

    def _operand(self) -> Node:
        token = self._peek()
        if token is None:
            raise wrong(f"a term is missing at its end (character {self.length}); write one or remove the operator")
        if token.kind == "open":
            return self._group(token)
        if token.kind in ("close", "operator", "tag"):
            shown = token.text.upper() if token.kind == "operator" else token.text
            raise wrong(f"a term is missing before {shown} at character {token.position}; write one or remove it")
        return self._term()

    def _group(self, opening: Token) -> Node:
        self.place += 1
        self.depth += 1
        if self.depth > DEEPEST:
            raise wrong(f"more than {DEEPEST} parentheses are open at character {opening.position}; simplify it")
        node = self._expression()
        if self._peek() is None:
            raise wrong(f"( at character {opening.position} is never closed; add a ) or remove it")
        self.place += 1
        self.depth -= 1
        if (token := self._peek()) and token.kind == "tag":
            raise wrong(f"the tag {token.text} at character {token.position} follows a parenthesis; tag each term")
        return node

    def _term(self) -> Term:
        """Words up to a tag, or one phrase in quotes with its tag."""
        first = self.tokens[self.place]
        self.place += 1
        words = [first.text]
        if first.kind == "word":
            while (token := self._peek()) and token.kind == "word":
                words.append(token.text)
                self.place += 1
        text = " ".join(words) if first.kind == "word" else first.text[1:-1]
        if not text.strip():
            raise wrong(f"the quotes at character {first.position} hold nothing; write a phrase or remove them")
        field = ""
        if (token := self._peek()) and token.kind == "tag":
            self.place += 1
            field = token.text[1:-1].strip()
            if not field:
                raise wrong(f"the tag at character {token.position} is empty; name a field, e.g. [tiab]")
        return Term(" ".join(text.split()), field, quoted=first.kind == "quote")
