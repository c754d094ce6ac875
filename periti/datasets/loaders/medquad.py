"""MedQuAD / LiveQA: consumer-health questions, answers judged by labels 1 (incorrect) to 4 (excellent).

168 pairs are judged twice, always differently: the higher label counts. Relevance is the label less one, 0 to 3.
The answers file repeats an answer once for every judgement, always with the same text; the first one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import polars as pl

from periti.datasets.reading import csv_records, lines, opened, tar_members
from periti.datasets.topics import located_queries
from periti.errors import FormatError
from periti.types import QRELS, Document, Qrels, Queries

QRELS_FILE = "All-qrels_LiveQAMed2017-TestQuestions_2479_Judged-Answers.txt.gz"
ANSWERS_FILE = "All-2479-Answers-retrieved-from-MedQuAD.csv.gz"
QUESTIONS_FILE = "TREC-2017-LiveQA-Medical-Test-Questions-w-summaries.xml.gz"
PAIRS_FILE = "MedQuAD-answered-sources.tar.gz"

_CELL = re.compile(r"Question:(.*?)\nURL:(.*?)\nAnswer:(.*)", re.DOTALL)
_LABEL = re.compile(r"([1-4])-[A-Z][a-z]+")


@dataclass(frozen=True)
class QuestionAnswer:
    """A question that MedQuAD answers; the id holds folder and file, for `qid` alone is not unique."""

    pair_id: str
    question: str
    answer: str
    question_type: str


@dataclass(frozen=True)
class MedQuAD:
    """The loader of `medquad-liveqa`."""

    folder: Path

    def documents(self) -> Iterator[Document]:
        """1935 judged answers: the MedQuAD question they answer is the title, the address is metadata."""
        path = self.folder / ANSWERS_FILE
        seen: set[str] = set()
        for number, record in csv_records(path):
            doc_id = record["AnswerID"]
            if doc_id in seen:
                continue
            seen.add(doc_id)
            parts = _CELL.fullmatch(record["Answer"])
            if parts is None:
                raise FormatError(
                    f"{path}:{number}: answer {doc_id!r} is not Question, URL, Answer; fetch the file again"
                )
            question, url, answer = (part.strip() for part in parts.groups())
            yield Document(doc_id, answer, question, {"url": url})

    def queries(self, split: str) -> Queries:  # noqa: ARG002  (one split)
        """104 questions as the National Library of Medicine summarised them; question N has the id TQN."""
        path = self.folder / QUESTIONS_FILE
        with opened(path) as stream:
            root = ET.parse(stream).getroot()  # noqa: S314  (expat has limited entity expansion since 2.4.1)
        found = (
            (0, question.get("qid", ""), " ".join((question.findtext("NLM-Summary") or "").split()))
            for question in root.iter("NLM-QUESTION")
        )
        return located_queries(found, path)

    def qrels(self, split: str) -> Qrels:  # noqa: ARG002  (one split)
        """2311 pairs out of 2479 lines; the highest label of a pair, less one."""
        path = self.folder / QRELS_FILE
        grades: dict[tuple[str, str], int] = {}
        for number, line in lines(path):
            fields = line.split()
            label = _LABEL.fullmatch(fields[1]) if len(fields) == 3 else None
            if label is None:
                raise FormatError(f"{path}:{number}: expected question, label, answer, found {line[:60]!r}")
            pair = f"TQ{fields[0]}", fields[2]
            grades[pair] = max(grades.get(pair, 0), int(label[1]) - 1)
        rows = [(*pair, grade) for pair, grade in grades.items()]
        return Qrels.of(pl.DataFrame(rows, schema=QRELS, orient="row"))


def question_answers(folder: Path) -> Iterator[QuestionAnswer]:
    """The 16407 question-answer pairs of MedQuAD itself, streamed; pairs without an answer are left out."""
    path = folder / PAIRS_FILE
    for name, content in tar_members(path):
        try:
            root = ET.fromstring(content)  # noqa: S314  (expat has limited entity expansion since 2.4.1)
        except ET.ParseError as error:
            raise FormatError(f"{path}: {name}:{error.position[0]}: not XML ({error}); fetch the file again") from error
        source = name.removesuffix(".xml")
        for pair in root.iter("QAPair"):
            answer = " ".join((pair.findtext("Answer") or "").split())
            question = pair.find("Question")
            if question is None or not answer:
                continue
            text = " ".join("".join(question.itertext()).split())
            yield QuestionAnswer(f"{source}/{pair.get('pid', '')}", text, answer, question.get("qtype", ""))
