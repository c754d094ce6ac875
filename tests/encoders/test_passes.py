"""Without padding: the vectors of the model itself, bit-equal in any company in both precisions; or float64 instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.encoders import SentenceEncoder, load_sentence_transformer, minilm, passes
from periti.encoders.passes import BATCH_TEXTS, BATCH_TOKENS, PRECISIONS, Padded, Tokens, Unpadded, batches
from periti.errors import EncoderError
from tests.tiny import DOCUMENTS, QUERIES

TEXTS = [*QUERIES.texts, *(document.default_text() for document in DOCUMENTS if document.default_text())][:16]


@pytest.fixture(scope="module")
def single() -> SentenceEncoder:
    return minilm(precision="float32")


@pytest.fixture
def small(bert: Path) -> SentenceEncoder:
    return load_sentence_transformer(str(bert))


def model_of(bert: Path) -> Any:
    return load_sentence_transformer(str(bert)).model


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_without_padding_the_vectors_are_those_of_the_model(bert: Path, pooling: str) -> None:
    import torch

    model = model_of(bert).double()
    model[1].pooling_mode = pooling
    texts = [Tokens(place, list(range(5, 5 + length)), 0) for place, length in enumerate((17, 9, 9, 9, 2, 1))]

    with torch.inference_mode():
        np.testing.assert_allclose(Unpadded(model)(texts).numpy(), Padded(model)(texts).numpy(), atol=1e-12)


def test_in_float32_a_query_has_one_vector_in_any_batch_order_and_number_of_threads(single: SentenceEncoder) -> None:
    import torch

    if single.precision != "float32":
        pytest.skip("float32 is not steady on this machine, which is what falling back is for")
    whole = single.encode_queries(TEXTS).vectors
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            alone = np.concatenate([single.encode_queries([text]).vectors for text in TEXTS])
            np.testing.assert_array_equal(alone, whole)
            np.testing.assert_array_equal(single.encode_queries(TEXTS[::-2]).vectors, whole[::-2])
    finally:
        torch.set_num_threads(before)


def test_float32_is_within_a_millionth_of_float64_and_is_the_same_encoder_to_an_index(single: SentenceEncoder) -> None:
    double = minilm()

    assert double.precision == "float64"
    assert single.identity == double.identity
    np.testing.assert_allclose(
        single.encode_queries(TEXTS).vectors, double.encode_queries(TEXTS).vectors, rtol=0, atol=1e-6
    )


def test_float32_shares_the_weights_of_the_model_but_not_its_modules(bert: Path) -> None:
    """Adapters are hung into the copy; whoever trains copies the model, which must stay free of them."""
    encoder = load_sentence_transformer(str(bert), precision="float32")
    assert encoder.precision == "float32"

    own, copied = encoder.model, encoder.queries.model
    for mine, shared in zip(own.parameters(), copied.parameters(), strict=True):
        assert mine.data_ptr() == shared.data_ptr()
    assert not {id(module) for module in own.modules()} & {id(module) for module in copied.modules()}


def test_where_float32_is_not_steady_queries_are_computed_in_float64(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose matrix products depend on the number of rows, made by adding it as rounding would."""
    whole = passes.embedded
    monkeypatch.setattr(
        passes, "embedded", lambda bert, batch: whole(bert, batch) * (1 + 1e-6 * sum(len(text.ids) for text in batch))
    )
    encoder = load_sentence_transformer(str(bert), precision="float32")

    assert encoder.precision == "float64"


def test_a_model_that_is_not_bert_and_pooling_goes_its_own_way(bert: Path) -> None:
    model = model_of(bert)
    model[1].pooling_mode = "max"

    assert not Unpadded.fits(model)
    assert load_sentence_transformer(str(bert)).queries.padded is False
    assert SentenceEncoder(model, load_sentence_transformer(str(bert)).identity, "float32").queries.padded
    assert SentenceEncoder(model, load_sentence_transformer(str(bert)).identity, "float32").precision == "float64"


def test_an_unknown_precision_is_refused(bert: Path) -> None:
    with pytest.raises(EncoderError, match="precision is 'half'; queries are computed in float64 or float32"):
        load_sentence_transformer(str(bert), precision="half")


@given(st.lists(st.integers(1, 600), max_size=300), st.booleans())
@settings(max_examples=50, deadline=None)
def test_batches_hold_every_text_once_longest_first_within_the_budget(lengths: list[int], padded: bool) -> None:
    parts = list(batches([Tokens(place, [0] * n, 0) for place, n in enumerate(lengths)], padded=padded))

    flat = [text for part in parts for text in part]
    assert sorted(text.place for text in flat) == list(range(len(lengths)))
    assert [len(text.ids) for text in flat] == sorted(lengths, reverse=True)
    for part in parts:
        cost = len(part) * len(part[0].ids) if padded else sum(len(text.ids) for text in part)
        assert cost <= BATCH_TOKENS
        assert len(part) <= BATCH_TEXTS


@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_that_give_nan_spoil_no_other_text_of_the_batch(
    small: SentenceEncoder, bert: Path, precision: str
) -> None:
    import torch

    spoiled = load_sentence_transformer(str(bert), precision=precision)
    with torch.no_grad():
        ids = spoiled.query_tokens(["x"])[0].ids
        spoiled.model[0].auto_model.embeddings.word_embeddings.weight[ids[1]] = float("nan")

    tokens = spoiled.query_tokens(["abc", "b x", "abd"])
    found = spoiled.finished(tokens, spoiled.queries)
    assert np.isfinite(found).all(axis=1).tolist() == [True, False, True]
    np.testing.assert_allclose(found[[0, 2]], small.encode_queries(["abc", "abd"]).vectors, atol=1e-5)
    with pytest.raises(EncoderError, match="not finite for the text 'b x'"):
        spoiled.encode_queries(["abc", "b x"])
