"""Headings for the keywords of a clause.

    atm        a keyword's longest runs of words that are a name of a heading, as PubMed's automatic term mapping does
    atomic     one search a keyword, its first heading
    semantic   keywords of cosine distance <= .2 are one group, one search a group, its first heading
    fragment   one search a keyword, the first 20 headings of each; lists min-max scaled and added (CombSUM)

A search goes to the index of vectors, or of words, which for `atomic` is the string search that the literature calls
UMLS; `fragment` may add the lists of both. Groups are those of our encoder where the paper has word2vec, and are closed
under chains of near keywords, so that they do not depend on the order of keywords.

Source: Wang et al., ADCS 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from periti.errors import ConfigError, InputError
from periti.mesh.clauses import completed
from periti.mesh.index import MeshIndex
from periti.mesh.vocabulary import Vocabulary, normal_form
from periti.protocols import Vectors
from periti.rankers.fusion.scores import CombSum
from periti.registry import nearest
from periti.types import MAX_K, Plan, Queries, Run

METHODS = ("atm", "atomic", "semantic", "fragment")
SOURCES = ("vectors", "words", "both")
DISTANCE = 0.2
"""Cosine distance up to which two keywords are of one group."""
LIST = 20
"""Headings of each list that `fragment` adds."""
TIE = 1e-5
"""Scores this near in relation are equal at the cut: our fusion sets ties apart by a few units in the last place."""

Hits = Sequence[tuple[str, float]]
"""Headings with scores, best first."""


@dataclass(frozen=True)
class Method:
    """How headings are found; the name as people write it is `fragment`, or `fragment:words`.

    Raises:
        ConfigError: there is no such method or source, or they do not go together.
    """

    name: str = "fragment"
    source: str = "vectors"

    def __post_init__(self) -> None:
        for value, known, what in ((self.name, METHODS, "method"), (self.source, SOURCES, "source")):
            if value not in known:
                raise ConfigError(f"MeSH suggestion: no {what} {value!r}; {nearest(value, known)}")
        if self.source == "both" and self.name != "fragment":
            raise ConfigError(f"MeSH suggestion: only fragment adds lists; give {self.name} vectors or words")

    @classmethod
    def of(cls, text: str) -> Method:
        """The method of its written form."""
        name, _, source = text.partition(":")
        return cls(name, source or "vectors")

    def __str__(self) -> str:
        return self.name if self.name == "atm" else f"{self.name}:{self.source}"


class Suggester:
    """Clauses to headings over one index; searches are remembered, so that methods share them."""

    def __init__(self, index: MeshIndex) -> None:
        self.index = index
        self._lists: dict[tuple[str, str], Hits] = {}
        self._vectors: dict[str, NDArray[np.float32]] = {}

    def suggest(self, clauses: Sequence[Sequence[str]], method: Method, k: int) -> list[Hits]:
        """Headings of each clause, best first.

        Args:
            clauses: keywords of each; truncated words (`ovar*`) are completed from the vocabulary.
            method: how.
            k: 1..10,000 headings; `fragment` gives more if the k-th is tied with later ones.

        Raises:
            InputError: k is out of range; ConfigError: the index has no vectors.
        """
        if not 1 <= k <= MAX_K:
            raise InputError(f"k is {k}; it must be between 1 and {MAX_K:,}")
        complete = self.index.vocabulary.completed
        own = [list(dict.fromkeys(completed(keyword, complete) for keyword in clause)) for clause in clauses]
        own = [[keyword for keyword in clause if keyword.strip()] for clause in own]
        if method.name == "atm":
            return [term_mapping(clause, self.index.vocabulary)[:k] for clause in own]
        if method.name == "semantic":
            vectors = self._encoded(own)
            own = [[" ".join(group) for group in semantic_groups(clause, vectors)] for clause in own]
        sources = ("vectors", "words") if method.source == "both" else (method.source,)
        for source in sources:
            self._search(source, own)
        if method.name == "fragment":
            return [fragment([self._lists[s, text] for s in sources for text in clause], k) for clause in own]
        return [firsts([self._lists[sources[0], text] for text in clause])[:k] for clause in own]

    def _search(self, source: str, clauses: Sequence[Sequence[str]]) -> None:
        search = self.index.words if source == "words" else self.index.vectors
        if search is None:
            raise _no_vectors()
        texts = [text for text in _distinct(clauses) if (source, text) not in self._lists]
        for text, hits in zip(texts, search.search(texts, LIST) if texts else [], strict=True):
            self._lists[source, text] = hits

    def _encoded(self, clauses: Sequence[Sequence[str]]) -> Mapping[str, NDArray[np.float32]]:
        if self.index.encoder is None:
            raise _no_vectors()
        texts = [text for text in _distinct(clauses) if text not in self._vectors]
        if texts:
            self._vectors.update(zip(texts, self.index.encoder.encoder.encode_queries(texts).vectors, strict=True))
        return self._vectors


def _no_vectors() -> ConfigError:
    return ConfigError("MeSH suggestion: this vocabulary was indexed without vectors; ask by words, or index it again")


def _distinct(clauses: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(text for clause in clauses for text in clause))


def term_mapping(keywords: Sequence[str], vocabulary: Vocabulary) -> list[tuple[str, float]]:
    """Headings of exact names in the keywords, with how many keywords hold them; of equals the first found first.

    A keyword that is no name is read from the left: the longest run of its words that is one is taken, then on behind
    it; a word that begins none is passed over. PubMed's mapping, after its documentation, without journals and authors.
    """
    count: dict[str, int] = {}
    for keyword in keywords:
        for heading in dict.fromkeys(_mapped(keyword.split(), vocabulary)):
            count[heading] = count.get(heading, 0) + 1
    return sorted(((heading, float(n)) for heading, n in count.items()), key=lambda hit: -hit[1])


def _mapped(words: Sequence[str], vocabulary: Vocabulary) -> list[str]:
    found, start = [], 0
    while start < len(words):
        for end in range(len(words), start, -1):
            text = " ".join(words[start:end])
            heading = vocabulary.find(text) if normal_form(text) else None
            if heading:
                found.append(heading)
                start = end
                break
        else:
            start += 1
    return found


def semantic_groups(keywords: Sequence[str], vectors: Mapping[str, Vectors]) -> list[list[str]]:
    """Keywords joined by chains of cosine distance <= DISTANCE, in the order of their first members.

    Args:
        keywords: n different texts.
        vectors: float32 (d,) of each.
    """
    if not keywords:
        return []
    wide = np.stack([vectors[keyword] for keyword in keywords]).astype(np.float64)
    wide /= np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    near = wide @ wide.T >= 1 - DISTANCE
    group = list(range(len(keywords)))
    for one, other in np.argwhere(np.triu(near, 1)).tolist():
        low, high = sorted((group[one], group[other]))
        group = [low if number == high else number for number in group]
    return [[keywords[i] for i, g in enumerate(group) if g == number] for number in sorted(set(group))]


def firsts(lists: Sequence[Hits]) -> list[tuple[str, float]]:
    """The first heading of each list, once, with its best score; best first, equal ones by name."""
    best: dict[str, float] = {}
    for hits in lists:
        for heading, score in hits[:1]:
            best[heading] = max(score, best.get(heading, -np.inf))
    return sorted(best.items(), key=lambda hit: (-hit[1], hit[0]))


def fragment(lists: Sequence[Hits], k: int) -> list[tuple[str, float]]:
    """CombSUM of min-max scaled lists, cut at k; headings tied with the k-th stay.

    A list whose scores are all equal gives 1 to each heading (`periti.rankers.fusion.scaling`), where min-max itself
    divides by zero.
    """
    runs: dict[str, Run] = {}
    for number, hits in enumerate(lists):
        if hits:
            frame = pl.DataFrame(list(hits), schema={"doc_id": pl.String, "score": pl.Float32}, orient="row")
            runs[f"{number:06d}"] = Run.of(frame.with_columns(query_id=pl.lit("clause")), "list")
    if not runs:
        return []
    asked = pl.DataFrame({"query_id": "clause", "expert": list(runs), "weight": 1.0})
    plan = Plan.of(asked, Queries.from_pairs([("clause", "clause")]))
    ranked = list(CombSum().fuse(runs, plan).frame.select("doc_id", "score").iter_rows())
    last = ranked[min(k, len(ranked)) - 1][1]
    return [hit for place, hit in enumerate(ranked) if place < k or hit[1] >= last - TIE * abs(last)]
