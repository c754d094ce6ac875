"""Token vectors: which tokens, which projection, what is cut; compared with sentence-transformers' own reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from periti.encoders.adapters import write_arrays
from periti.encoders.token_models import load_token_encoder, read_parts
from periti.encoders.tokens import TokenEncoder, TokenVectors
from periti.errors import EncoderError
from tests.encoders.colbert import DIMENSION, projection, save_colbert
from tests.tiny import save_bert

TEXTS = ["cat", "a dog, a cat.", "the quick brown fox jumps over a lazy dog", "", ",.,", "dog"]


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, with weights large enough that tokens differ."""
    return save_bert(tmp_path_factory.mktemp("tokens"), spread=0.5)


@pytest.fixture(scope="module")
def colbert(lively: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_colbert(lively, tmp_path_factory.mktemp("colbert") / "pylate")


def by_hand(folder: Path, text: str) -> Any:
    """Last hidden states (tokens, 16) of one text, straight from transformers."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    given = AutoTokenizer.from_pretrained(str(folder))(text, return_tensors="pt")
    with torch.inference_mode():
        return AutoModel.from_pretrained(str(folder)).eval()(**given).last_hidden_state[0].numpy()


def unit(x: Any) -> Any:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_a_plain_encoder_gives_unit_vectors_of_words_without_special_tokens(lively: Path) -> None:
    encoder = load_token_encoder(str(lively))

    found = encoder.encode_documents(["cat"])

    np.testing.assert_allclose(found.vectors[0], unit(by_hand(lively, "cat"))[1:-1], atol=1e-6)
    kept = load_token_encoder(str(lively), keep_special=True).encode_documents(["cat"])
    np.testing.assert_allclose(kept.vectors[0], unit(by_hand(lively, "cat")), atol=1e-6)


def test_vectors_do_not_depend_on_the_company_and_stay_in_order(lively: Path) -> None:
    encoder = load_token_encoder(str(lively))
    whole = encoder.encode_documents(TEXTS).vectors

    assert len(whole) == len(TEXTS)
    for row, text in enumerate(TEXTS):
        np.testing.assert_allclose(encoder.encode_documents([text]).vectors[0], whole[row], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(whole.values, axis=1), 1, atol=1e-5)
    assert whole[3].shape == (0, 16), "a text without words has no vectors once special tokens are dropped"


def test_a_loaded_sentence_encoder_gives_the_same_as_its_folder(lively: Path) -> None:
    from periti.encoders.sentence import load_sentence_transformer
    from periti.encoders.token_models import parts_of

    loaded, read = TokenEncoder(parts_of(load_sentence_transformer(str(lively)))), load_token_encoder(str(lively))

    np.testing.assert_array_equal(
        loaded.encode_queries(TEXTS).vectors.values, read.encode_queries(TEXTS).vectors.values
    )
    assert loaded.identity == read.identity


def test_budgets_cut_and_what_is_cut_is_counted(lively: Path) -> None:
    """One token a letter and two special ones: ten letters in a budget of eight lose four."""
    encoder = load_token_encoder(str(lively), max_length=8, query_budget=5)

    documents, queries = encoder.encode_documents(["abcdefghij", "abc"]), encoder.encode_queries(["abcdefghij", "abc"])

    assert documents.cut.tolist() == [4, 0]
    assert [len(documents.vectors[i]) for i in range(2)] == [6, 3]
    assert queries.cut.tolist() == [7, 0]
    assert [len(queries.vectors[i]) for i in range(2)] == [3, 3]


def test_the_projection_layer_is_not_skipped(colbert: Path) -> None:
    """A past release of a library skipped it: vectors of the transformer's own width, and wrong answers."""
    encoder = load_token_encoder(str(colbert))

    found = encoder.encode_documents(["cat"]).vectors[0]

    assert encoder.dimension == DIMENSION
    plain = by_hand(colbert, "[D] cat")  # the marker is one token of the vocabulary
    np.testing.assert_allclose(found, unit(plain @ projection().T), atol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"attend_to_expansion_tokens": True}, {"do_query_expansion": False}])
def test_a_pylate_folder_is_read_as_sentence_transformers_reads_it(
    lively: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    from sentence_transformers.multi_vector_encoder import MultiVectorEncoder

    folder = save_colbert(lively, tmp_path / "model", **changes)
    # A reader that appends markers to the text can not put one before nothing; such a text is left out here.
    texts = [text for text in TEXTS if text]

    encoder, peer = load_token_encoder(str(folder)), MultiVectorEncoder(str(folder), device="cpu")

    for ours, theirs in (
        (encoder.encode_documents(texts), peer.encode_document(texts, convert_to_numpy=True)),
        (encoder.encode_queries(texts[:2]), peer.encode_query(texts[:2], convert_to_numpy=True)),
    ):
        for row, matrix in enumerate(theirs):
            np.testing.assert_allclose(ours.vectors[row], matrix, atol=1e-5)


def test_a_query_is_filled_with_masks_up_to_its_budget(colbert: Path) -> None:
    found = load_token_encoder(str(colbert)).encode_queries(["cat", "abcdefghijklmnop"])

    assert [len(found.vectors[i]) for i in range(2)] == [12, 12]
    assert found.cut.tolist() == [0, 7], "[CLS], [Q], [SEP] and nine of sixteen letters"


def test_points_of_documents_are_skipped_and_those_of_queries_are_not(colbert: Path) -> None:
    encoder = load_token_encoder(str(colbert))

    assert len(encoder.encode_documents(["a, b."]).vectors[0]) == 5, "[CLS], [D], a, b, [SEP]"
    assert len(load_token_encoder(str(colbert), skip=()).encode_documents(["a, b."]).vectors[0]) == 7


def edited(folder: Path, file: str, **changes: Any) -> None:
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_layers_may_have_bias_activation_and_shortcut(lively: Path, tmp_path: Path) -> None:
    folder = save_colbert(lively, tmp_path / "model")
    rng = np.random.default_rng(0)
    bias, shortcut = rng.normal(size=DIMENSION).astype(np.float32), rng.normal(size=(DIMENSION, 16)).astype(np.float32)
    edited(folder, "1_Dense/config.json", activation_function="torch.nn.modules.activation.Tanh", use_residual=True)
    arrays = {"linear.weight": projection(), "linear.bias": bias, "residual.weight": shortcut}
    write_arrays(folder / "1_Dense" / "model.safetensors", arrays, {"format": "pt"})

    found = load_token_encoder(str(folder)).encode_documents(["cat"]).vectors[0]

    x = by_hand(folder, "[D] cat")
    np.testing.assert_allclose(found, unit(np.tanh(x @ projection().T + bias) + x @ shortcut.T), atol=1e-5)


def test_identity_follows_weights_of_the_projection_and_settings(lively: Path, tmp_path: Path) -> None:
    folder = save_colbert(lively, tmp_path / "model")
    before = load_token_encoder(str(folder)).identity
    write_arrays(folder / "1_Dense" / "model.safetensors", {"linear.weight": projection() + 1}, {"format": "pt"})

    assert load_token_encoder(str(folder)).identity["weights_sha256"] != before["weights_sha256"]
    assert load_token_encoder(str(folder), skip=()).identity["skip"] == []
    json.dumps(before)


def test_a_module_that_is_not_known_is_refused_and_never_left_out(lively: Path, tmp_path: Path) -> None:
    folder = save_colbert(lively, tmp_path / "model")
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "sentence_transformers.models.LSTM"
    (folder / "modules.json").write_text(json.dumps(modules))

    with pytest.raises(EncoderError, match="a module LSTM behind its transformer"):
        read_parts(folder)


def test_a_colbert_without_its_projection_is_refused(lively: Path, tmp_path: Path) -> None:
    folder = save_colbert(lively, tmp_path / "model")
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:1]))

    with pytest.raises(EncoderError, match="without its projection"):
        read_parts(folder)
    (folder / "modules.json").unlink()
    with pytest.raises(EncoderError, match="has no modules"):
        read_parts(folder)


def test_a_checkpoint_of_stanford_s_is_refused(lively: Path, tmp_path: Path) -> None:
    folder = save_colbert(lively, tmp_path / "model")
    edited(folder, "config.json", architectures=["HF_ColBERT"])

    with pytest.raises(EncoderError, match="convert it with PyLate"):
        read_parts(folder)


@pytest.mark.parametrize(
    ("weights", "activation", "said"),
    [
        ({"linear.weight": np.ones((8, 5), np.float32)}, "torch.nn.modules.linear.Identity", "do not belong together"),
        ({"other": np.ones((8, 16), np.float32)}, "torch.nn.modules.linear.Identity", "known are"),
        ({"linear.weight": np.ones((8, 16), np.float32)}, "os.system", "known are"),
    ],
)
def test_damaged_projections_are_told(
    lively: Path, tmp_path: Path, weights: dict[str, Any], activation: str, said: str
) -> None:
    folder = save_colbert(lively, tmp_path / "model")
    edited(folder, "1_Dense/config.json", activation_function=activation)
    write_arrays(folder / "1_Dense" / "model.safetensors", weights, {})

    with pytest.raises(EncoderError, match=said):
        load_token_encoder(str(folder))


def test_vectors_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    spoilt = load_token_encoder(str(save_bert(tmp_path, spoil=True)))

    spoilt.encode_documents(["cat"])
    with pytest.raises(EncoderError, match="not finite"):
        spoilt.encode_documents(["cat", "x"])


@pytest.mark.parametrize("budget", [{"max_length": 2}, {"query_budget": 2}, {"query_budget": 500}])
def test_a_budget_that_makes_no_sense_is_refused(lively: Path, budget: dict[str, Any]) -> None:
    with pytest.raises(EncoderError, match=next(iter(budget))):
        load_token_encoder(str(lively), **budget)


def test_joined_matrices_come_apart_again() -> None:
    parts = [np.ones((2, 3), np.float32), np.empty((0, 3), np.float32), np.full((1, 3), 2, np.float32)]
    joined = TokenVectors.of(parts, 3)

    assert joined.offsets.tolist() == [0, 2, 2, 3]
    for row, part in enumerate(parts):
        np.testing.assert_array_equal(joined[row], part)
    assert len(TokenVectors.of([], 3)) == 0
    taken = joined.take(np.array([2, 1, 0]))
    assert taken.offsets.tolist() == [0, 1, 1, 3]
    np.testing.assert_array_equal(taken[2], parts[0])
