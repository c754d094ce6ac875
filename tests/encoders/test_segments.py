"""The cross-encoder that starts from the likeness of its two segments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from periti.encoders import minilm_path
from periti.encoders.cross import (
    SEGMENTS_FILE,
    CrossEncoder,
    PairTokens,
    load_cross_encoder,
    save_cross_encoder,
    untrained_cross_encoder,
)
from periti.encoders.quantised import FILE, QuantisedCrossEncoder, quantise
from periti.errors import ConfigError, EncoderError
from periti.panels.ranking.config import read_ranker_config
from periti.rankers.cross_encoder import CrossEncoderRanker
from tests.tiny import save_bert

DOCUMENTS = ["law", "dogs and cats", "heart failure", "a contract " * 9, "aspirin"]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> CrossEncoder:
    return untrained_cross_encoder(
        save_bert(tmp_path_factory.mktemp("bert"), spread=0.5), 1, query_budget=16, head="segments"
    )


def tokens(model: CrossEncoder) -> list[PairTokens]:
    return model.tokenise(["cat law"] * len(DOCUMENTS), DOCUMENTS)


def test_its_first_logits_are_scaled_cosines_of_the_segments_means(start: CrossEncoder) -> None:
    import torch

    pair = tokens(start)[1]
    with torch.inference_mode():
        states = start.model.encoder(
            input_ids=torch.tensor([pair.ids]), attention_mask=torch.ones(1, len(pair.ids), dtype=torch.long)
        ).last_hidden_state[0].numpy().astype(np.float64)  # fmt: skip
    query, document = states[: pair.second].mean(axis=0), states[pair.second :].mean(axis=0)
    cosine = query @ document / np.linalg.norm(query) / np.linalg.norm(document)

    assert float(start.logits(tokens(start))[1]) == pytest.approx(20 * cosine, abs=1e-4)


def test_logits_do_not_depend_on_the_batch(start: CrossEncoder) -> None:
    whole = start.logits(tokens(start))
    alone = [float(start.logits(start.tokenise(["cat law"], [text]))[0]) for text in DOCUMENTS]

    np.testing.assert_allclose(alone, whole, atol=1e-5)
    assert np.std(whole) > 1e-3


def test_it_comes_back_from_its_folder_with_its_head(start: CrossEncoder, tmp_path: Path) -> None:
    import torch

    with torch.no_grad():
        start.model.weight += 0.25
        start.model.bias += 1
    save_cross_encoder(start, tmp_path)
    again = load_cross_encoder(tmp_path, query_budget=16)

    assert again.logits(tokens(again)).tolist() == start.logits(tokens(start)).tolist()
    assert again.identity["weights_sha256"] == start.identity["weights_sha256"]
    ranker = CrossEncoderRanker.open(CrossEncoderRanker.Options(str(tmp_path), query_budget=16))
    assert ranker.identity["weights_sha256"] == start.identity["weights_sha256"]
    (tmp_path / SEGMENTS_FILE).write_bytes(b"nothing")
    with pytest.raises(EncoderError, match=SEGMENTS_FILE):
        load_cross_encoder(tmp_path, query_budget=16)


def test_it_can_be_quantised(start: CrossEncoder, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="int8 graphs are written by the extra 'onnx'")
    quantise(start, tmp_path / FILE)
    small = QuantisedCrossEncoder(start, tmp_path / FILE)

    exact, close = start.logits(tokens(start)), small.logits(tokens(start))
    assert np.corrcoef(exact, close)[0, 1] > 0.95


def test_over_a_text_encoder_it_ranks_before_any_training() -> None:
    model = untrained_cross_encoder(minilm_path(), 1, max_length=64, query_budget=32, head="segments")
    found = model.logits(
        model.tokenise(["heart attack"] * 3, ["damage of the heart muscle", "law of contracts", "cats and dogs"])
    )
    assert int(np.argmax(found)) == 0


def test_a_file_may_ask_for_it_and_for_nothing_else(tmp_path: Path) -> None:
    text = 'name = "x"\nhead = "{}"\n[collections.scifact]\ndataset = "scifact"\ntrain = "train"\n'
    (tmp_path / "good.toml").write_text(text.format("segments"))
    (tmp_path / "bad.toml").write_text(text.format("heads"))

    assert read_ranker_config(tmp_path / "good.toml").head == "segments"
    with pytest.raises(ConfigError, match="no head 'heads'; known: classifier, segments"):
        read_ranker_config(tmp_path / "bad.toml")
