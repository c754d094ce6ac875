"""Is a collection what its catalog entry says? Counts, ids, coverage, texts and checksums, each as one finding.

The record rules are those of the reference on loaders (§1.0): what deviates must be declared in the catalog, with its
exact count, or the check fails.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import polars as pl

from periti.datasets.dataset import Dataset
from periti.datasets.reading import lines
from periti.errors import PeritiError
from periti.types import Qrels, Queries

Status = Literal["ok", "declared", "failed"]
SUMS = "SHA256SUMS"

# UTF-8 bytes that were read as Latin-1 or Windows-1252: a lead byte's letter followed by a continuation byte's.
# They are the code points 0x80 to 0xBF and what Windows-1252 shows for 0x80 to 0x9F.
_CONTINUATION = "".join(map(chr, range(0x80, 0xC0))) + bytes(
    code for code in range(0x80, 0xA0) if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
).decode("cp1252")
MOJIBAKE = re.compile(rf"\u00c3[{_CONTINUATION}]|\u00c2[\u0080-\u00bf]|\u00e2[\u0080\u20ac][{_CONTINUATION}]")


@dataclass(frozen=True)
class Finding:
    """One check: its name, how it ended, and one sentence of what was found."""

    name: str
    status: Status
    sentence: str


@dataclass(frozen=True)
class CheckReport:
    """All findings of one collection."""

    dataset: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed; declared deviations are fine."""
        return not self.of("failed")

    def of(self, status: Status) -> tuple[Finding, ...]:
        """The findings that ended so."""
        return tuple(finding for finding in self.findings if finding.status == status)


@dataclass
class _Texts:
    """Counts over one pass of the documents."""

    ids: set[str] = field(default_factory=set)
    documents: int = 0
    repeated: list[str] = field(default_factory=list)
    spaced: list[str] = field(default_factory=list)
    no_text: int = 0
    blank: int = 0
    replacement: int = 0
    mojibake: int = 0


def check(dataset: Dataset) -> CheckReport:
    """Read the whole collection once and compare it with its catalog entry; broken files become failed findings."""
    findings = list(_checksums(dataset.folder)) if dataset.folder else []
    dataset = replace(dataset, asserted=False)
    try:
        texts = _counted(dataset)
    except PeritiError as error:
        return CheckReport(dataset.name, (*findings, Finding("documents", "failed", str(error))))
    findings += _text_findings(dataset, texts)
    query_ids: set[str] = set()
    for split in dataset.splits:
        try:
            queries, qrels = dataset.queries(split), dataset.qrels(split)
        except PeritiError as error:
            findings.append(Finding(f"{split}: files", "failed", str(error)))
            continue
        query_ids.update(queries.ids)
        findings += _split_findings(dataset, split, queries, qrels, texts.ids)
    findings.append(_identical_ids(dataset, query_ids & texts.ids))
    return CheckReport(dataset.name, tuple(findings))


def _counted(dataset: Dataset) -> _Texts:
    texts = _Texts()
    for document in dataset.documents():
        texts.documents += 1
        if document.doc_id in texts.ids:
            texts.repeated.append(document.doc_id)
        if any(character.isspace() for character in document.doc_id):
            texts.spaced.append(document.doc_id)
        texts.ids.add(document.doc_id)
        whole = document.default_text()
        texts.no_text += not document.text.strip()
        texts.blank += not whole
        texts.replacement += "\ufffd" in whole
        texts.mojibake += MOJIBAKE.search(whole) is not None
    return texts


def _text_findings(dataset: Dataset, texts: _Texts) -> Iterator[Finding]:
    facts = dataset.facts
    yield _count("documents", "documents", texts.documents, facts.documents)
    repeated = f"document ids that occur again: {len(texts.repeated)}{_listed(texts.repeated)}"
    yield Finding("document ids", "failed" if texts.repeated else "ok", repeated)
    spaced = f"document ids with blanks, which no run file can carry: {len(texts.spaced)}{_listed(texts.spaced)}"
    yield Finding("blanks in ids", "failed" if texts.spaced else "ok", spaced)
    for name, what in (
        ("no_text", "documents with an empty text"),
        ("blank", "documents with neither text nor title"),
        ("replacement", "documents with U+FFFD, the mark of a lost character"),
        ("mojibake", "documents with mojibake (UTF-8 read as Latin-1)"),
    ):
        # Where the catalog does not know a collection, its texts are only counted.
        declared = getattr(facts.texts, name) if facts.documents is not None else getattr(texts, name)
        found = getattr(texts, name)
        yield _deviation(name.replace("_", " "), f"{what}: {found}", found, declared)


def _split_findings(
    dataset: Dataset, split: str, queries: Queries, qrels: Qrels, doc_ids: set[str]
) -> Iterator[Finding]:
    facts = dataset.facts.splits[split]
    judged = qrels.frame["query_id"].unique()
    yield _count(f"{split}: queries", "queries", len(queries), facts.queries)
    yield _count(f"{split}: judgements", "judgements", qrels.frame.height, facts.qrels)
    yield _count(f"{split}: judged queries", "judged queries", len(judged), facts.judged)
    unjudged = sorted(set(queries.ids) - set(judged))
    declared = len(unjudged) if facts.queries is None or facts.judged is None else facts.queries - facts.judged
    sentence = f"queries without judgement: {len(unjudged)}{_listed(unjudged)}"
    yield _deviation(f"{split}: unjudged queries", sentence, len(unjudged), declared)
    unasked = sorted(set(judged) - set(queries.ids))
    sentence = f"judged queries without text: {len(unasked)}{_listed(unasked)}"
    yield _deviation(f"{split}: judged without text", sentence, len(unasked), 0)
    yield _coverage(split, qrels, doc_ids, (facts.absent, facts.absent_pairs))
    # A negative relevance means "pooled, not judged" (trec_eval), whatever the collection.
    grades = set(qrels.frame["relevance"].unique())
    strange = sorted(grade for grade in grades - set(dataset.facts.grades) if grade >= 0)
    known = bool(dataset.facts.grades)
    yield Finding(
        f"{split}: grades",
        "failed" if strange and known else "ok",
        f"grades {sorted(grades)}" + (f", of which the catalog does not explain {strange}" if strange else ""),
    )


def _coverage(split: str, qrels: Qrels, doc_ids: set[str], declared: tuple[int, int]) -> Finding:
    judged = qrels.frame["doc_id"].unique()
    absent = [doc_id for doc_id in judged if doc_id not in doc_ids]
    pairs = qrels.frame.filter(pl.col("doc_id").is_in(absent)).height
    share = 100 * (1 - len(absent) / len(judged))
    sentence = (
        f"{share:.2f} % of {len(judged)} judged documents have a text; {len(absent)}, in {pairs} judgements, have none"
        f"{_listed(sorted(absent))}"
    )
    if (len(absent), pairs) != declared:
        return Finding(
            f"{split}: coverage", "failed", f"{sentence}; the catalog declares {declared[0]} ({declared[1]})"
        )
    return Finding(f"{split}: coverage", "declared" if absent else "ok", sentence)


def _identical_ids(dataset: Dataset, shared: set[str]) -> Finding:
    keep = dataset.facts.identical_ids == "keep"
    sentence = f"ids of both a query and a document: {len(shared)}{_listed(sorted(shared))}"
    if shared and keep:
        return Finding("identical ids", "declared", f"{sentence}; they are unrelated and nothing is dropped")
    return Finding("identical ids", "failed" if shared else "ok", sentence)


def _checksums(folder: Path) -> Iterator[Finding]:
    sums = folder / SUMS
    if not sums.is_file():
        yield Finding("checksums", "ok", f"no {SUMS} to compare with")
        return
    try:
        wrong = []
        listed = [line.split(maxsplit=1) for _, line in lines(sums)]
        for expected, name in listed:
            path = folder / name.lstrip("*")
            if not path.is_file():
                wrong.append(f"{name} is missing")
            elif _sha256(path) != expected:
                wrong.append(f"{name} was altered")
    except (PeritiError, ValueError, OSError) as error:
        yield Finding("checksums", "failed", f"{sums} can not be checked ({error})")
        return
    if wrong:
        yield Finding(
            "checksums", "failed", f"{len(wrong)} of {len(listed)} files differ{_listed(wrong)}; fetch them again"
        )
    else:
        yield Finding("checksums", "ok", f"{len(listed)} files as listed in {SUMS}")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _count(name: str, what: str, found: int, expected: int | None) -> Finding:
    if expected is None:
        return Finding(name, "ok", f"{found} {what}; the catalog states no number")
    if found != expected:
        return Finding(
            name, "failed", f"{found} {what}, the catalog states {expected}; compare the files with their source"
        )
    return Finding(name, "ok", f"{found} {what}")


def _deviation(name: str, sentence: str, found: int, declared: int) -> Finding:
    if found != declared:
        return Finding(name, "failed", f"{sentence}; the catalog declares {declared}")
    return Finding(name, "declared" if found else "ok", sentence)


def _listed(things: list[str]) -> str:
    """The first three in parentheses, with how many more there are; nothing for none."""
    if not things:
        return ""
    more = f" and {len(things) - 3} more" if len(things) > 3 else ""
    return f" ({', '.join(things[:3])}{more})"
