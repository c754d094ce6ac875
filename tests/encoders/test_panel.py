"""Many experts over one base: the same vectors alone and mixed, as PEFT computes them; what does not fit is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from periti.encoders import SentenceEncoder, load_sentence_transformer
from periti.encoders.adapters import CARD, LINEAR, WEIGHTS, Adapter, Matrix, read_adapter, write_adapter
from periti.encoders.panel import PanelEncoder
from periti.encoders.passes import PRECISIONS, Padded, Tokens
from periti.errors import EncoderError

if TYPE_CHECKING:
    from torch import Tensor

TEXTS = [
    "a heart attack",
    "breach of contract",
    "cats",
    "the same story of four twins and a dog in a house",
    "vitamin d",
]
LAYERS = [f"encoder.layer.{i}.attention.self.{part}" for i in (0, 1) for part in ("query", "value")]


@pytest.fixture(params=PRECISIONS)
def base(bert: Path, request: pytest.FixtureRequest) -> SentenceEncoder:
    return load_sentence_transformer(str(bert), precision=request.param)


def lora(
    base: SentenceEncoder, seed: int, *, rank: int = 2, width: int = 16, layers: list[str] | None = None
) -> Adapter:
    rng = np.random.default_rng(seed)
    tensors: dict[str, Matrix] = {}
    for layer in layers or LAYERS:
        tensors[f"base_model.model.{layer}.lora_A.weight"] = rng.normal(size=(rank, width)).astype(np.float32)
        tensors[f"base_model.model.{layer}.lora_B.weight"] = rng.normal(size=(width, rank)).astype(np.float32)
    weights = base.identity.weights_sha256
    return Adapter.of_tensors(tensors, kind="lora", base=weights, scale=4.0, name=f"expert-{seed}")


def linear(base: SentenceEncoder, seed: int, width: int = 16) -> Adapter:
    matrix = np.random.default_rng(seed).normal(size=(width, width)).astype(np.float32)
    return Adapter.of_tensors(
        {LINEAR: matrix}, kind="linear", base=base.identity.weights_sha256, scale=1.0, name="line"
    )


def passes_of(base: SentenceEncoder) -> list[int]:
    """How many texts go into each batch from now on."""
    inner, sizes = base.queries, []

    class Counted:
        model, padded, owners = inner.model, inner.padded, inner.owners

        def __call__(self, batch: Sequence[Tokens]) -> Tensor:
            sizes.append(len(batch))
            return inner(batch)

    base.__dict__["queries"] = Counted()
    return sizes


def test_without_adapters_the_panel_gives_the_vectors_of_its_base_bit_for_bit(base: SentenceEncoder) -> None:
    before = base.encode_queries(TEXTS).vectors
    panel = PanelEncoder(base)
    panel.add(lora(base, 1))

    np.testing.assert_array_equal(panel.encode(TEXTS, [None] * 5).vectors, before)
    np.testing.assert_array_equal(base.encode_queries(TEXTS).vectors, before)


def test_a_mixed_batch_gives_each_query_the_vector_it_has_alone(base: SentenceEncoder) -> None:
    panel = PanelEncoder(base)
    one, two, three = panel.add(lora(base, 1)), panel.add(lora(base, 2, rank=3)), panel.add(linear(base, 3))
    adapters = [one, None, two, three, one]

    mixed = panel.encode(TEXTS, adapters).vectors
    alone = np.concatenate([panel.encode([t], [a]).vectors for t, a in zip(TEXTS, adapters, strict=True)])
    by_expert = np.stack([panel.encode(TEXTS, [a] * 5).vectors[i] for i, a in enumerate(adapters)])

    np.testing.assert_array_equal(mixed, alone)
    np.testing.assert_array_equal(mixed, by_expert)
    assert not np.allclose(mixed[0], base.encode_queries(TEXTS).vectors[0], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(mixed, axis=1), 1, atol=1e-6)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT's own call
def test_a_written_adapter_is_read_back_whole_and_peft_computes_the_same_with_it(
    base: SentenceEncoder, bert: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import BertModel

    adapter = lora(base, 7)
    write_adapter(adapter, tmp_path)
    again = read_adapter(tmp_path)
    assert again.digest == adapter.digest
    assert again.card["name"] == "expert-7"

    panel = PanelEncoder(base)
    ours = panel.encode(TEXTS, [panel.add(again)] * 5).vectors

    model = PeftModel.from_pretrained(BertModel.from_pretrained(bert), str(tmp_path)).eval()
    features = base.features(base.tokenise(TEXTS))
    with torch.inference_mode():
        hidden = model(**features).last_hidden_state
    mask = features["attention_mask"].unsqueeze(2)
    pooled = (hidden * mask).sum(1) / mask.sum(1)
    theirs = torch.nn.functional.normalize(pooled, dim=1).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_linear_adapter_moves_the_finished_vector(base: SentenceEncoder) -> None:
    panel, adapter = PanelEncoder(base), linear(base, 5)
    plain = base.encode_queries(TEXTS).vectors.astype(np.float64)
    assert adapter.matrix is not None
    moved = plain + plain @ adapter.matrix.astype(np.float64).T
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)

    np.testing.assert_allclose(panel.encode(TEXTS, [panel.add(adapter)] * 5).vectors, moved, atol=1e-6)


def test_experts_that_share_the_models_output_share_its_pass(base: SentenceEncoder) -> None:
    """A text costs one pass for the base and all linear experts, and one for each LoRA expert; asked again, none."""
    panel = PanelEncoder(base)
    first, second, deep = panel.add(linear(base, 1)), panel.add(linear(base, 2)), panel.add(lora(base, 3))
    passed = passes_of(base)

    panel.encode(["cats", "cats", "cats", "dog", "cats"], [first, second, None, second, deep])
    assert passed == [3], "cats by the base, dog by the base, cats by the LoRA"
    panel.encode_base(["cats", "dog"])
    panel.encode(["dog", "cats", "dog"], [first, first, None])
    assert passed == [3]
    panel.forget()
    panel.encode_base(["cats", "dog"])
    assert passed == [3, 2]


def test_what_is_cut_is_counted_for_every_query_though_the_text_is_encoded_once(base: SentenceEncoder) -> None:
    panel = PanelEncoder(base)
    texts = ["a " * 40, "b", "a " * 40]

    found = panel.encode(texts, [None, panel.add(linear(base, 1)), panel.add(lora(base, 1))])
    assert found.coverage == base.query_coverage(texts)
    assert (found.coverage.texts, found.coverage.truncated_texts) == (3, 2)


def test_the_company_of_an_expert_of_higher_rank_changes_no_bit(base: SentenceEncoder) -> None:
    panel, one = PanelEncoder(base), lora(base, 1, rank=1)
    digest = panel.add(one)
    before = panel.encode(TEXTS, [digest] * 5).vectors

    panel.add(lora(base, 2, rank=9))
    np.testing.assert_array_equal(panel.encode(TEXTS, [digest] * 5).vectors, before)


def test_a_model_that_is_padded_mixes_adapters_all_the_same(base: SentenceEncoder) -> None:
    panel = PanelEncoder(base)
    adapters = [panel.add(lora(base, 1)), None, panel.add(lora(base, 2, rank=3)), panel.add(linear(base, 3)), None]
    expected = panel.encode(TEXTS, adapters).vectors

    panel.forget()
    base.__dict__["queries"] = Padded(base.queries.model)
    np.testing.assert_allclose(panel.encode(TEXTS, adapters).vectors, expected, atol=1e-6)


def test_experts_come_and_go_without_changing_the_others(base: SentenceEncoder) -> None:
    panel = PanelEncoder(base)
    one, two = panel.add(lora(base, 1)), panel.add(lora(base, 2))
    before = panel.encode(TEXTS, [two] * 5).vectors

    panel.remove(one)
    assert panel.adapters == (two,)
    np.testing.assert_array_equal(panel.encode(TEXTS, [two] * 5).vectors, before)
    with pytest.raises(EncoderError, match=r"no adapter .* is resident"):
        panel.encode(TEXTS, [one] * 5)
    with pytest.raises(EncoderError, match="no adapter"):
        panel.remove(one)
    assert panel.add(lora(base, 2)) == two
    assert panel.adapters == (two,)


def test_searches_of_many_threads_are_undisturbed_while_experts_are_added(base: SentenceEncoder) -> None:
    panel = PanelEncoder(base)
    first = panel.add(lora(base, 1))
    expected = panel.encode(TEXTS, [first, None, first, None, first]).vectors
    wrong: list[int] = []

    def ask() -> None:
        answers = [panel.encode(TEXTS, [first, None, first, None, first]).vectors for _ in range(10)]
        wrong.extend(turn for turn, answer in enumerate(answers) if not np.array_equal(answer, expected))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for seed in range(2, 8):
        panel.add(lora(base, seed))
    for thread in threads:
        thread.join()

    assert not wrong


@pytest.mark.parametrize("spoil", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(base: SentenceEncoder, spoil: float) -> None:
    tensors = {LINEAR: np.full((16, 16), spoil, np.float32)}

    with pytest.raises(EncoderError, match="hold NaN or infinity; train it again"):
        Adapter.of_tensors(tensors, kind="linear", base=base.identity.weights_sha256, scale=1.0)


def test_an_adapter_that_does_not_fit_the_base_is_refused_and_leaves_the_panel_as_it_was(base: SentenceEncoder) -> None:
    panel = PanelEncoder(base)
    kept = panel.add(lora(base, 1))
    before = panel.encode(TEXTS, [kept] * 5).vectors

    with pytest.raises(EncoderError, match="was trained on a base with weights 0000"):
        panel.add(Adapter.of_tensors({LINEAR: np.eye(16, dtype=np.float32)}, kind="linear", base="0" * 64, scale=1.0))
    with pytest.raises(EncoderError, match="does not fit the base's layer"):
        panel.add(lora(base, 2, width=8))
    with pytest.raises(EncoderError, match="no layer 'encoder"):
        panel.add(lora(base, 2, layers=["encoder.layer.9.attention.self.query"]))
    with pytest.raises(EncoderError, match="maps 8 dimensions, the base has 16"):
        panel.add(linear(base, 2, width=8))
    assert panel.adapters == (kept,)
    np.testing.assert_array_equal(panel.encode(TEXTS, [kept] * 5).vectors, before)


def test_a_damaged_file_is_refused_in_one_sentence(base: SentenceEncoder, tmp_path: Path) -> None:
    write_adapter(lora(base, 1), tmp_path)
    whole = (tmp_path / WEIGHTS).read_bytes()

    (tmp_path / WEIGHTS).write_bytes(whole[:-10])
    with pytest.raises(EncoderError, match="is truncated or was altered"):
        read_adapter(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(whole)
    (tmp_path / CARD).write_text("{", encoding="utf-8")
    with pytest.raises(EncoderError, match="is not the card of an adapter"):
        read_adapter(tmp_path)
    (tmp_path / CARD).unlink()
    with pytest.raises(EncoderError, match=r"card.json is missing\); train it"):
        read_adapter(tmp_path)


def test_tensors_of_something_else_are_refused(base: SentenceEncoder, tmp_path: Path) -> None:
    matrix = np.ones((2, 16), np.float32)
    half = {f"base_model.model.{LAYERS[0]}.lora_A.weight": matrix}
    for tensors, kind, says in (
        ({"classifier.weight": matrix}, "lora", "belongs to no LoRA adapter"),
        (half, "lora", "do not belong together"),
        ({}, "lora", "holds no LoRA matrices"),
        ({}, "linear", "needs one square matrix"),
        ({}, "prefix", "no kind 'prefix'; known: lora, linear"),
    ):
        with pytest.raises(EncoderError, match=says):
            Adapter.of_tensors(tensors, kind=kind, base="0" * 64, scale=1.0)
    write_adapter(lora(base, 1), tmp_path)
    assert json.loads((tmp_path / CARD).read_text())["kind"] == "lora"
