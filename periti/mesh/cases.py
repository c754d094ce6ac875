"""Clauses whose headings are known.

`clef_tar` takes the Boolean queries of CLEF eHealth TAR apart (2017 test and 2019 task 2 test): a clause that has words
and headings is a case, its words the input and its headings the answer, as in the papers. `bioasq` takes questions of a
BioASQ file for clauses and their MeSH concepts for the answer; it needs the text of the questions, and a vocabulary
with identifiers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from periti.datasets.reading import decoded, json_document, tar_members
from periti.errors import FormatError, InputError
from periti.mesh import ovid, pubmed
from periti.mesh.clauses import clauses
from periti.mesh.syntax import Node
from periti.mesh.vocabulary import Vocabulary

ARCHIVES = ("2017-test-topics.tar.gz", "2019-task2-testing.tar.gz")
PROSE = ("CD007431",)
"""Topics whose query is notes for a reader, with lines labelled 1a to 5 and no notation that can be read."""
_TOPIC = re.compile(r"\s*Topic:\s*(\S+)\s*\n.*?\nQuery:[ \t]*\n?(.*?)\n\s*Pids:", re.DOTALL)
_PUBMED = re.compile(r"\[(?:tiab|tw|mesh)\b", re.IGNORECASE)
_CONCEPT = re.compile(r"/mesh/.*[?&]term=(D\d+)|/MESH/(D\d+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """A clause: its topic, its number in the topic's query from 1, its keywords, and the headings that it had."""

    topic: str
    number: int
    keywords: tuple[str, ...]
    gold: tuple[str, ...]


@dataclass(frozen=True)
class Cases:
    """Cases in order, and what was left out, with the reason and how often."""

    cases: Sequence[Case]
    left_out: Sequence[tuple[str, int]]
    unreadable: Sequence[tuple[str, str]] = ()
    """Topics, with the message."""

    @property
    def topics(self) -> list[str]:
        """Topics with at least one case, in order."""
        return list(dict.fromkeys(case.topic for case in self.cases))


def clef_queries(folder: Path) -> Iterator[tuple[str, str]]:
    """Topic and text of every Boolean query in a folder of CLEF-TAR.

    Raises:
        FormatError: an archive is absent or damaged, or a topic is not `Topic: ... Query: ... Pids: ...`.
    """
    for archive in ARCHIVES:
        for name, raw in tar_members(folder / archive):
            if "topics" not in Path(name).parent.name:
                continue
            match = _TOPIC.match(decoded(raw, f"{folder / archive}:{name}"))
            if match is None:
                raise FormatError(f"{folder / archive}: {name} has no Topic, Query and Pids; fetch the archive again")
            yield match[1], match[2].strip("\n")


def read_query(text: str) -> Node:
    """The tree of a query in either notation: PubMed's if it has a tag of it in brackets or is one line, else Ovid's.

    Raises:
        FormatError: it can not be read.
    """
    written = [line for line in text.splitlines() if line.strip()]
    one_line = len(written) == 1 and not re.search(r"/(?:\s|\)|$)|\.(?:ti|ab|tw|mp)\b", text)
    return pubmed.parse(text) if _PUBMED.search(text) or one_line else ovid.parse(text)


def clef_tar(folder: Path, vocabulary: Vocabulary) -> Cases:
    """The cases of a folder of CLEF-TAR; raises FormatError as `clef_queries`."""
    found: dict[tuple[frozenset[str], frozenset[str]], Case] = {}
    unreadable: list[tuple[str, str]] = []
    count: Counter[str] = Counter()
    for topic, text in clef_queries(folder):
        if topic in PROSE:
            unreadable.append((topic, "notes for a reader, in no notation"))
            continue
        try:
            query = read_query(text)
        except FormatError as error:
            unreadable.append((topic, str(error)))
            continue
        for number, clause in enumerate(clauses(query), 1):
            named = [vocabulary.of_query(heading) for heading in clause.headings]
            gold = tuple(dict.fromkeys(name for name in named if name))
            count["headings that the vocabulary does not have"] += named.count(None)
            content = frozenset(clause.keywords), frozenset(gold)
            if not gold:
                count["clauses without a heading of the vocabulary"] += 1
            elif not clause.keywords:
                count["clauses of headings only"] += 1
            elif content in found:
                count["clauses that an earlier topic has too"] += 1
            else:
                found[content] = Case(topic, number, clause.keywords, gold)
    return Cases(list(found.values()), sorted(count.items()), unreadable)


def bioasq(path: Path, vocabulary: Vocabulary) -> Cases:
    """The cases of a BioASQ file (`questions[].id, body, concepts`); a concept is a MeSH address.

    Raises:
        FormatError: the file is no such JSON.
        InputError: no question has a text, or the vocabulary has no identifiers.
    """
    questions = _questions(path)
    with_text = [question for question in questions if str(question.get("body", "")).strip()]
    if not with_text:
        raise InputError(
            f"{path}: none of its {len(questions)} questions has a text (body), so there is nothing to suggest for; "
            "give a file of BioASQ's training set"
        )
    if not vocabulary.by_uid:
        raise InputError(
            f"{path} names headings by identifier and the vocabulary has none; index NLM's d20NN.bin, not mtrees"
        )
    found, unknown = [], 0
    for question in with_text:
        uids = list(dict.fromkeys(mesh_concepts(question)))
        gold = tuple(vocabulary.by_uid[uid] for uid in uids if uid in vocabulary.by_uid)
        unknown += len(uids) - len(gold)
        if gold:
            found.append(Case(str(question["id"]), 1, (str(question["body"]).strip(),), gold))
    left_out = [
        ("questions without a text", len(questions) - len(with_text)),
        ("questions without a heading of the vocabulary", len(with_text) - len(found)),
        ("headings that the vocabulary does not have", unknown),
    ]
    return Cases(found, left_out)


def concept_sets(path: Path) -> dict[str, frozenset[str]]:
    """Question -> the identifiers of its MeSH concepts, each once; raises FormatError."""
    return {str(question["id"]): frozenset(mesh_concepts(question)) for question in _questions(path)}


def mesh_concepts(question: dict[str, object]) -> list[str]:
    """The identifiers among a question's concepts that are addresses of MeSH, in order, as often as they stand."""
    concepts = question.get("concepts", [])
    matches = (_CONCEPT.search(str(concept)) for concept in (concepts if isinstance(concepts, list) else []))
    return [match[1] or match[2] for match in matches if match]


def _questions(path: Path) -> list[dict[str, object]]:
    document = json_document(path)
    questions = document.get("questions") if isinstance(document, dict) else None
    if not isinstance(questions, list) or not all(isinstance(q, dict) and "id" in q for q in questions):
        raise FormatError(f"{path}: expected an object with a list `questions`, each with an id; give a BioASQ file")
    return questions
