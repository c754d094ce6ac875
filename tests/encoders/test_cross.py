"""The cross-encoder: what it reads of a pair, that batches change nothing, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from periti.encoders import cross, unpadded_pairs
from periti.encoders.cross import CrossEncoder, load_cross_encoder, save_cross_encoder, untrained_cross_encoder
from periti.errors import EncoderError
from periti.rankers.cross_encoder import CrossEncoderRanker, CrossEncoderScorer
from periti.rankers.reranking import PairRanker
from periti.types import Document, Queries, Run
from tests.rankers.test_reranking import Shelf, run
from tests.tiny import save_bert, save_cross

WORDS = ["heart", "cat", "law", "aspirin and dogs", "a" * 90, "breach of a contract by the seller of it", "", "heart"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights that tell words apart."""
    return save_cross(save_bert(tmp_path_factory.mktemp("cross"), spread=0.5))


@pytest.fixture(scope="module")
def model(folder: Path) -> CrossEncoder:
    return load_cross_encoder(folder, query_budget=16)


def test_a_pair_is_joined_and_cut_as_its_tokenizer_would_with_only_second(model: CrossEncoder) -> None:
    for query in ("cat", "law of cats"):
        for document in WORDS:
            ours = model.tokenise([query], [document])[0]
            theirs = model.tokenizer([query], [document], truncation="only_second", max_length=model.max_length)
            types = [int(place >= ours.second) for place in range(len(ours.ids))]
            assert ours.ids == theirs["input_ids"][0]
            assert types == theirs["token_type_ids"][0]


def test_a_long_query_keeps_its_budget_and_the_cut_is_counted(model: CrossEncoder) -> None:
    pair = model.tokenise(["q" * 40], ["d" * 10])[0]

    assert pair.query_cut == 40 - 16
    assert pair.cut == 0
    assert len(pair.ids) == 16 + 10 + 3
    longer = model.tokenise(["q" * 40], ["d" * 90])[0]
    assert (longer.cut, len(longer.ids)) == (90 - (32 - 16 - 3), 32)


def test_logits_do_not_depend_on_the_batch_or_its_order(model: CrossEncoder) -> None:
    queries, documents = ["cat law"] * len(WORDS), WORDS
    whole = model.logits(model.tokenise(queries, documents))
    alone = [float(model.logits(model.tokenise(["cat law"], [text]))[0]) for text in WORDS]
    turned = model.logits(model.tokenise(queries, documents[::-1]))[::-1]

    np.testing.assert_allclose(alone, whole, atol=1e-5)
    np.testing.assert_allclose(turned, whole, atol=1e-5)
    assert np.std(whole) > 1e-3  # else the comparison says nothing
    assert whole[0] == whole[-1]  # the same text


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_without_padding_the_logits_are_those_of_the_model(folder: Path, activation: str) -> None:
    import torch
    from transformers.activations import ACT2FN

    model = load_cross_encoder(folder, query_budget=16)
    model.model.double()
    for layer in model.model.bert.encoder.layer:
        layer.intermediate.intermediate_act_fn = ACT2FN[activation]
    pairs = model.tokenise(["cat law"] * len(WORDS), WORDS)
    with torch.inference_mode():
        found = model.forward(pairs).numpy()
        padded = model.scores(model.model(**model.features(pairs)).logits).numpy()

    assert unpadded_pairs.fits(model.model)
    np.testing.assert_allclose(found, padded, rtol=0, atol=1e-12)
    assert np.std(found) > 1e-3  # else the comparison says nothing


def test_learning_goes_through_the_model_as_it_stands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(cross, "unpadded_logits", None)  # fails if called
    model = load_cross_encoder(folder, query_budget=16)
    pairs = model.tokenise(["cat law"], ["cat"])
    model.forward(pairs).sum().backward()

    assert all(weight.grad is not None for weight in model.model.parameters())
    model.model.train()  # dropout
    with torch.no_grad():
        assert model.forward(pairs).shape == (1,)
    model.model.eval()
    with torch.no_grad(), pytest.raises(TypeError):
        model.forward(pairs)


def test_other_models_are_read_as_they_are() -> None:
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    config = DistilBertConfig(dim=8, hidden_dim=8, n_heads=1, n_layers=1)
    assert not unpadded_pairs.fits(DistilBertForSequenceClassification(config))


def test_products_in_bfloat16_give_nearly_the_same_logits_and_keep_texts_apart(folder: Path) -> None:
    documents = [f"{first} {second}" for first in WORDS for second in ("law", "dogs and cats", "heart failure")]
    exact, rough = (load_cross_encoder(folder, query_budget=16, precision=how) for how in ("float32", "bfloat16"))
    whole, close = (one.logits(one.tokenise(["cat law"] * len(documents), documents)) for one in (exact, rough))

    assert 0 < np.abs(close - whole).max() < 0.1 * np.std(whole)
    assert len(set(close.tolist())) == len(set(whole.tolist())), "logits are whole numbers of float32, not of 8 bits"
    assert np.corrcoef(close, whole)[0, 1] > 0.999
    assert rough.identity["products"] == "bfloat16"
    assert "products" not in exact.identity


def test_it_gives_what_sentence_transformers_gives(model: CrossEncoder, folder: Path) -> None:
    from sentence_transformers import CrossEncoder as Peer
    from torch import nn

    pairs = [("cat law", text) for text in WORDS]
    theirs = Peer(str(folder), device="cpu").predict(pairs, activation_fn=nn.Identity())

    np.testing.assert_allclose(model.logits(model.tokenise(*zip(*pairs, strict=True))), theirs, atol=1e-5)


def test_the_head_is_drawn_by_the_seed(tmp_path: Path) -> None:
    bert = save_bert(tmp_path)
    one, again, other = (untrained_cross_encoder(bert, seed, query_budget=16).identity for seed in (1, 1, 2))

    assert one == again
    assert one["weights_sha256"] != other["weights_sha256"]


def test_a_ranker_counts_what_it_cut(model: CrossEncoder) -> None:
    first = run(("q1", "short", 2.0), ("q1", "x" * 80, 1.0), ("q2", "short", 1.0))
    queries = Queries.from_pairs([("q1", "long " * 20), ("q2", "cat")])

    found = PairRanker(CrossEncoderScorer(model), depth=9).reranked(queries, first, Shelf("short", "x" * 80))

    assert found.notes == {"truncated_pairs": 1, "truncated_queries": 1}


def test_hard_candidates_are_ranked(model: CrossEncoder) -> None:
    """An empty document, one of 10,000 tokens, and two of one text in first-stage order."""
    scorer = CrossEncoderScorer(model)
    documents = [Document("e", ""), Document("long", "z " * 10_000), Document("b", "cat"), Document("a", "cat")]

    scored = scorer.score(["cat"] * 4, documents)

    assert np.isfinite(scored.logits).all()
    assert scored.notes == {"truncated_pairs": 1}
    assert scored.logits[2] == scored.logits[3]


def test_weights_with_nan_are_named_and_never_ranked(folder: Path) -> None:
    import torch

    spoilt = load_cross_encoder(folder, query_budget=16)
    with torch.no_grad():
        spoilt.model.classifier.weight[0, 0] = float("nan")
    queries, first = Queries.from_pairs([("q1", "cat")]), run(("q1", "dog", 1.0))

    with pytest.raises(EncoderError, match="gave nan for query 'q1' and document 'dog'"):
        PairRanker(CrossEncoderScorer(spoilt), depth=1).rerank(queries, first, Shelf("dog"))


def test_two_labels_need_to_be_told_which_is_relevant(folder: Path, tmp_path: Path) -> None:
    import torch

    two = load_cross_encoder(folder, query_budget=16)
    two.model.classifier = torch.nn.Linear(16, 2)
    two.model.config.num_labels = 2
    save_cross_encoder(two, tmp_path / "two")

    with pytest.raises(EncoderError, match=r"2 labels.*relevant_label = 0 or 1"):
        load_cross_encoder(tmp_path / "two", query_budget=16)
    as_one, as_zero = (load_cross_encoder(tmp_path / "two", query_budget=16, relevant_label=r) for r in (1, 0))
    pairs = as_one.tokenise(["cat"] * 2, ["dog", "law"])
    np.testing.assert_allclose(as_one.logits(pairs), -as_zero.logits(pairs), atol=1e-6)


@pytest.mark.parametrize(("length", "budget"), [(20, 17), (8, 64), (32, 0)])
def test_a_budget_without_room_for_a_document_is_refused(folder: Path, length: int, budget: int) -> None:
    with pytest.raises(EncoderError, match="leaves no room for a document"):
        load_cross_encoder(folder, max_length=length, query_budget=budget)


def test_a_folder_without_a_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="can not be loaded"):
        load_cross_encoder(tmp_path)


def test_the_ranker_records_what_its_order_depends_on(folder: Path) -> None:
    options = CrossEncoderRanker.Options(model=str(folder), depth=7, max_length=30, query_budget=16)
    identity = CrossEncoderRanker.open(options).identity

    assert identity["depth"] == 7
    assert identity["max_length"] == 30
    assert identity["dtype"] == "float32"
    assert len(identity["weights_sha256"]) == 64
    assert CrossEncoderRanker.open(replace(options, max_length=25)).identity != identity


def test_a_run_without_documents_stays_so(model: CrossEncoder) -> None:
    ranker = PairRanker(CrossEncoderScorer(model), depth=3)

    assert ranker.rerank(Queries.from_pairs([("q1", "cat")]), Run.empty("none"), Shelf()).frame.height == 0
