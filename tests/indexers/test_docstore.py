"""Texts by row number and by id."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.errors import SchemaError, UnknownName
from periti.indexers.docstore import Docstore, record, write_docstore
from periti.indexers.manifest import Manifest
from periti.protocols import Corpus
from periti.types import Document

CHARACTER = st.characters(codec="utf-8")
DOC_ID = st.text(CHARACTER, min_size=1, max_size=4).filter(lambda text: not any(c.isspace() for c in text))
DOCUMENT = st.builds(
    Document,
    doc_id=DOC_ID,
    text=st.text(CHARACTER, max_size=20),
    title=st.text(CHARACTER, max_size=5),
    metadata=st.dictionaries(st.text(CHARACTER, max_size=3), st.one_of(st.integers(), st.text(CHARACTER)), max_size=2),
)


def written(documents: list[Document], folder: Path) -> Manifest:
    folder.mkdir(exist_ok=True)
    return write_docstore(documents, folder, {"made": "here"})


def opened(documents: list[Document], folder: Path) -> Docstore:
    written(documents, folder)
    return Docstore.open(folder)


THREE = [
    Document("b", "second letter", "Bee", {"year": 1999, "tags": ["x", "y"]}),
    Document("a", 'line one\nline two\ttabbed "quoted" \u2028 \x00 end'),
    Document("ä", ""),
]


def test_documents_come_back_whole_and_in_order(tmp_path: Path) -> None:
    store = opened(THREE, tmp_path)

    assert list(store) == [doc._replace(metadata=dict(doc.metadata)) for doc in THREE]
    assert [store.at(1), len(store)] == [THREE[1], 3]
    assert isinstance(store, Corpus)


def test_documents_are_found_by_id_in_the_order_asked(tmp_path: Path) -> None:
    store = opened(THREE, tmp_path)

    assert [doc.doc_id for doc in store.get(["ä", "b", "ä"])] == ["ä", "b", "ä"]
    assert store.get([]) == []


@pytest.mark.parametrize("absent", ["c", "", "aa", "zzzz", "A", "a ", "\U0010ffff"])
def test_an_id_that_no_document_has_is_unknown(tmp_path: Path, absent: str) -> None:
    store = opened(THREE, tmp_path)

    with pytest.raises(UnknownName, match="in this collection of 3"):
        store.get(["a", absent])


@settings(deadline=None, max_examples=60)
@given(documents=st.lists(DOCUMENT, min_size=1, max_size=8, unique_by=lambda document: document.doc_id))
def test_any_unicode_comes_back_by_ordinal_and_by_id(documents: list[Document]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = opened(documents, Path(folder) / "docstore")

        assert list(store) == documents
        assert store.get([doc.doc_id for doc in reversed(documents)]) == documents[::-1]


@settings(deadline=None, max_examples=60)
@given(ids=st.lists(DOC_ID, min_size=1, max_size=8, unique=True))
def test_ties_are_ranked_by_descending_bytes_of_the_id(ids: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = opened([Document(doc_id, "t") for doc_id in ids], Path(folder) / "docstore")

        by_rank = store.ids.take(np.argsort(store.ids.tie_rank)).to_list()
        assert by_rank == sorted(ids, key=str.encode, reverse=True)
        assert [store.ids.ordinal(doc_id) for doc_id in ids] == list(range(len(ids)))


def test_the_corpus_digest_is_the_sha256_of_the_records(tmp_path: Path) -> None:
    store = opened([Document("a", "é", "T", {"z": 1, "b": 2})], tmp_path)

    line = '["a","T","é",{"b":2,"z":1}]\n'
    assert record(store.at(0)).decode() == line
    assert store.corpus_digest == hashlib.sha256(line.encode()).hexdigest()


def test_the_same_documents_give_the_same_digest_and_others_another(tmp_path: Path) -> None:
    first = opened(THREE, tmp_path / "1").corpus_digest

    assert opened(list(THREE), tmp_path / "2").corpus_digest == first
    assert opened(THREE[::-1], tmp_path / "3").corpus_digest != first
    assert opened([*THREE[:2], Document("ä", ".")], tmp_path / "4").corpus_digest != first
    assert opened([*THREE[:2], Document("ä", "", metadata={"a": 1})], tmp_path / "5").corpus_digest != first


def test_documents_without_text_are_kept_and_counted(tmp_path: Path) -> None:
    manifest = written(
        [Document("a", ""), Document("b", "  "), Document("c", "", "Title"), Document("d", "t")], tmp_path
    )

    assert manifest.facts == {"empty_documents": 2}
    assert manifest.documents == 4
    assert Docstore.open(tmp_path).at(0) == Document("a", "")


@pytest.mark.parametrize("ids", [["a", "b", "a"], ["x", "x"], ["é", "e", "é"]])
def test_an_id_that_occurs_twice_is_refused_by_name(tmp_path: Path, ids: list[str]) -> None:
    with pytest.raises(SchemaError, match=f"the document id '{ids[0]}' occurs more than once"):
        written([Document(doc_id, str(i)) for i, doc_id in enumerate(ids)], tmp_path)


def test_ids_that_differ_only_in_unicode_composition_are_two(tmp_path: Path) -> None:
    assert len(opened([Document("\u00e9", "x"), Document("e\u0301", "y")], tmp_path)) == 2


@pytest.mark.parametrize("bad", ["", " ", "a b", "a\tb", "a\n", "\u00a0", "a\u3000b"])
def test_an_id_that_a_run_file_could_not_hold_is_refused_with_its_position(tmp_path: Path, bad: str) -> None:
    with pytest.raises(SchemaError, match=r"document 1 has the id .* must not be empty or hold white space"):
        written([Document("ok", "x"), Document(bad, "y")], tmp_path)


@pytest.mark.parametrize(
    "document",
    [Document("a", "half \ud800 a character"), Document("a", "x", "\udfff"), Document("a", "x", "", {"k": "\ud83d"})],
)
def test_half_a_character_is_refused_with_the_id(tmp_path: Path, document: Document) -> None:
    with pytest.raises(SchemaError, match=r"document 'a' holds half a character \(a lone surrogate\)"):
        written([document], tmp_path)


def test_half_a_character_in_an_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="lone surrogate"):
        written([Document("a\ud800", "x")], tmp_path)


def test_a_corpus_without_documents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="the corpus has no documents"):
        written([], tmp_path)


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"bytes"])
def test_metadata_that_json_can_not_hold_is_refused_with_the_id(tmp_path: Path, value: object) -> None:
    with pytest.raises(SchemaError, match="document 'a'"):
        written([Document("a", "x", "", {"k": value})], tmp_path)


def test_documents_are_read_once_and_never_held_together(tmp_path: Path) -> None:
    alive: list[int] = []

    class Text(str):
        __slots__ = ()

        def __del__(self) -> None:
            alive.append(-1)

    def stream() -> object:
        for i in range(500):
            alive.append(1)
            assert sum(alive) < 10, "texts pile up"
            yield Document(f"d{i}", Text(f"text {i}"))

    assert len(opened(stream(), tmp_path)) == 500  # type: ignore[arg-type]
