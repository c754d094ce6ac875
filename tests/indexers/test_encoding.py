"""A corpus to vectors on disk, a window of texts at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from periti.errors import EncoderError, UnknownName
from periti.indexers.encoding import (
    WINDOW_CHARACTERS,
    WINDOW_DOCUMENTS,
    EncoderSource,
    encode_corpus,
    load_encoder,
)
from periti.progress import Silent
from periti.protocols import Encoded
from periti.types import Coverage, Document
from tests.tiny import IDENTITY


class Lengths:
    """An encoder whose vector of a text is (its length, 3): every vector can be foretold."""

    identity = replace(IDENTITY, dimension=2)

    def __init__(self) -> None:
        self.calls: list[int] = []

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        self.calls.append(len(texts))
        vectors = np.array([[len(text), 3.0] for text in texts], np.float32)
        return Encoded(vectors, Coverage(len(texts), sum(map(len, texts)), 1, 2))

    encode_queries = encode_documents

    def query_coverage(self, texts: Sequence[str]) -> Coverage:
        return self.encode_queries(texts).coverage


def test_vectors_are_written_in_order_and_empty_documents_are_left_out(tmp_path: Path) -> None:
    documents = [Document("a", "four"), Document("b", " "), Document("c", "", "T"), Document("d", "12345")]

    encoded = encode_corpus(documents, Lengths(), tmp_path / "x", cosine=False, progress=Silent())

    assert encoded.rows.tolist() == [0, 2, 3]
    assert encoded.all().tolist() == [[4, 3], [1, 3], [5, 3]]
    assert encoded.empty == 1
    assert encoded.largest_norm == pytest.approx(34**0.5)
    assert encoded.facts()["truncated_tokens"] == 2


def test_cosine_vectors_have_unit_length(tmp_path: Path) -> None:
    encoded = encode_corpus([Document("a", "four")], Lengths(), tmp_path / "x", cosine=True, progress=Silent())

    np.testing.assert_allclose(encoded.all(), [[0.8, 0.6]], rtol=1e-6)
    assert encoded.largest_norm == pytest.approx(1)


def test_blocks_together_are_all_vectors(tmp_path: Path) -> None:
    documents = [Document(str(i), "x" * (i + 1)) for i in range(25)]
    encoded = encode_corpus(documents, Lengths(), tmp_path / "x", cosine=False, progress=Silent())

    assert [len(block) for block in encoded.blocks(10)] == [10, 10, 5]
    np.testing.assert_array_equal(np.concatenate(list(encoded.blocks(10))), encoded.all())


def test_a_window_is_bounded_in_documents_and_in_characters(tmp_path: Path) -> None:
    encoder = Lengths()
    long = "x" * (WINDOW_CHARACTERS // 2)
    documents = [
        *(Document(str(i), "short") for i in range(WINDOW_DOCUMENTS + 3)),
        *(Document(c, long) for c in "abcd"),
    ]

    encoded = encode_corpus(documents, encoder, tmp_path / "x", cosine=False, progress=Silent())

    # 2,048 short ones; then 3 short ones and two long ones pass four million characters; then the last two.
    assert encoder.calls == [WINDOW_DOCUMENTS, 5, 2]
    assert encoded.coverage.texts == len(documents)
    assert encoded.coverage.truncated_texts == 3


def test_documents_are_taken_one_window_at_a_time(tmp_path: Path) -> None:
    encoder, taken = Lengths(), []

    def stream() -> Iterator[Document]:
        for i in range(3 * WINDOW_DOCUMENTS):
            taken.append(i)
            assert len(taken) - sum(encoder.calls) <= WINDOW_DOCUMENTS
            yield Document(str(i), "text")

    encode_corpus(stream(), encoder, tmp_path / "x", cosine=False, progress=Silent())

    assert encoder.calls == [WINDOW_DOCUMENTS] * 3


def test_a_corpus_without_text_gives_no_vectors(tmp_path: Path) -> None:
    encoded = encode_corpus([Document("a", "")], Lengths(), tmp_path / "x", cosine=False, progress=Silent())

    assert len(encoded.rows) == 0
    assert list(encoded.blocks()) == []


def test_an_encoder_that_is_not_registered_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="no encoders named 'minilmm'; did you mean 'minilm'"):
        load_encoder(EncoderSource("minilmm"))


def test_a_model_that_is_nowhere_is_refused() -> None:
    with pytest.raises(EncoderError, match="can not be loaded"):
        load_encoder(EncoderSource("sentence-transformers", {"model": "/no/such/folder"}))
