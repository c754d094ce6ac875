"""The cross-encoder whose lower layers read query and document apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from periti.encoders import minilm, minilm_path
from periti.encoders.cross import (
    LATE_JOIN_FILE,
    CrossEncoder,
    Joint,
    PairTokens,
    load_cross_encoder,
    save_cross_encoder,
    untrained_cross_encoder,
)
from periti.encoders.late_join import LateJoinEncoder
from periti.encoders.quantised import FILE, quantise
from periti.encoders.states import Read, States
from periti.errors import ConfigError, EncoderError
from periti.panels.ranking.config import read_ranker_config
from periti.rankers.cross_encoder import CrossEncoderRanker
from periti.types import Document
from tests.tiny import save_bert

DOCUMENTS = ["law", "dogs and cats", "heart failure", "a contract " * 9, "aspirin", "law"]


def started(folder: Path, joint: Joint) -> LateJoinEncoder:
    found = untrained_cross_encoder(save_bert(folder, spread=0.5), 1, query_budget=16, head="late-join", joint=joint)
    assert isinstance(found, LateJoinEncoder)
    return found


@pytest.fixture
def start(tmp_path: Path) -> LateJoinEncoder:
    return started(tmp_path / "bert", Joint(apart=1))


def tokens(model: CrossEncoder) -> list[PairTokens]:
    return model.tokenise(["cat law"] * len(DOCUMENTS), DOCUMENTS)


def test_states_computed_apart_give_the_logits_of_one_pass_over_the_pair(start: LateJoinEncoder) -> None:
    import torch

    pairs = tokens(start)
    with torch.inference_mode():
        whole = CrossEncoder.forward(start, pairs).numpy()

    np.testing.assert_allclose(start.logits(pairs), whole, atol=1e-5)
    assert np.std(whole) > 1e-3


def test_each_text_has_its_own_special_tokens(start: LateJoinEncoder) -> None:
    pair = tokens(start)[0]
    first, last = start.tokenizer.cls_token_id, start.tokenizer.sep_token_id

    for text in (pair.ids[: pair.second], pair.ids[pair.second :]):
        assert (text[0], text[-1]) == (first, last)
        assert text.count(first) == text.count(last) == 1


def test_logits_do_not_depend_on_the_batch_nor_on_what_is_remembered(start: LateJoinEncoder) -> None:
    whole = start.logits(tokens(start))
    start.states.budget = 0
    alone = [float(start.logits(start.tokenise(["cat law"], [text]))[0]) for text in DOCUMENTS]

    np.testing.assert_allclose(alone, whole, atol=1e-5)


def test_a_text_is_read_once_however_many_pairs_it_is_in(start: LateJoinEncoder) -> None:
    read: list[tuple[int, ...]] = []

    def lower(texts: Sequence[tuple[int, ...]]) -> list[Read]:
        read.extend(texts)
        return start._lower(texts)

    start.states = States(lower, 1 << 20)
    start.logits(start.tokenise(["cat"] * 3 + ["law"] * 3, DOCUMENTS[:3] * 2))

    assert len(read) == len(set(read)) == 4  # "law" is a query and a document


def test_states_keep_to_their_budget_and_forget_the_oldest() -> None:
    import torch

    asked: list[tuple[int, ...]] = []

    def compute(texts: Sequence[tuple[int, ...]]) -> list[Read]:
        asked.extend(texts)
        return [Read(torch.zeros(2, 4), torch.zeros(2, 4)) for _ in texts]

    states = States(compute, budget=2 * 64)
    states.of([(1,), (2,)])
    states.of([(1,)])
    states.of([(3,)])  # (2,) was asked for longest ago
    states.of([(1,), (3,)])
    assert asked == [(1,), (2,), (3,)]
    states.of([(2,)])
    assert asked[-1] == (2,)


def test_states_kept_in_a_folder_are_read_and_not_made_again(start: LateJoinEncoder, tmp_path: Path) -> None:
    pairs = tokens(start)
    whole = start.logits(pairs)
    start.states = States(start._lower, 0)
    start.remember(0, tmp_path / "states")
    start.read_alone(DOCUMENTS)
    (folder,) = (tmp_path / "states").iterdir()
    assert len(list(folder.iterdir())) == len(set(DOCUMENTS))
    np.testing.assert_allclose(start.logits(pairs), whole, atol=1e-5)

    def refuse(texts: Sequence[tuple[int, ...]]) -> list[Read]:
        raise AssertionError(f"made again: {texts}")

    again = States(refuse, 0, folder)
    texts = [tuple(pair.ids[pair.second :]) for pair in pairs]
    assert set(again.of(texts)) == set(texts)
    # Of other weights there are none, and what is damaged is made again.
    other = started(tmp_path / "other", Joint(apart=1))
    other.model.encoder.embeddings.word_embeddings.weight.data += 1
    other.remember(0, tmp_path / "states")
    assert other.states.folder is not None
    assert not other.states.folder.exists()
    for path in folder.iterdir():
        path.write_bytes(b"nothing")
    np.testing.assert_allclose(start.logits(pairs), whole, atol=1e-5)
    assert set(again.of(texts)) == set(texts)


def test_only_the_joined_layers_and_the_head_are_trained(start: LateJoinEncoder) -> None:
    start.model.train()
    start.forward(tokens(start)).sum().backward()
    learns = {name for name, one in start.model.named_parameters() if one.grad is not None}

    assert "matrix" in learns
    assert any(name.startswith("joined.0.") for name in learns)
    assert not any(name.startswith("encoder.") for name in learns)


def test_texts_read_alone_are_the_encoders_own_vectors_and_rank_by_its_similarity() -> None:
    import torch

    texts = ["damage of the heart muscle", "law of contracts", "cats and dogs"]
    query, *vectors = minilm().encode_queries(["heart attack", *texts]).vectors
    model = untrained_cross_encoder(
        minilm_path(), 1, max_length=64, query_budget=32, head="late-join", joint=Joint(apart=5)
    )
    assert isinstance(model, LateJoinEncoder)
    pairs = model.tokenise(["heart attack"] * 3, texts)
    for read, theirs in zip(model._lower([tuple(p.ids[p.second :]) for p in pairs]), vectors, strict=True):
        mine = read.finished.mean(dim=0).numpy()
        np.testing.assert_allclose(mine / np.linalg.norm(mine), theirs / np.linalg.norm(theirs), atol=1e-5)
    assert int(np.argmax(model.logits(pairs))) == 0
    with torch.no_grad():
        model.model.scales[2:] = 0

    # a cos(q, d) + b cos(q, d) without an adapter.
    np.testing.assert_allclose(model.logits(pairs), 20 * np.array(vectors) @ query, atol=1e-4)


def test_an_adapter_turns_the_query(tmp_path: Path) -> None:
    import torch

    plain = started(tmp_path / "bert", Joint(apart=1))
    turned = started(tmp_path / "again", Joint(apart=1, matrix=-2 * np.eye(plain.model.matrix.shape[0], dtype="f4")))
    with torch.no_grad():
        for model in (plain.model, turned.model):
            model.scales[0] = model.scales[3] = 0

    # q + W q = -q: the cosines of what is turned change their sign, and there is nothing else in a new head.
    np.testing.assert_allclose(turned.logits(tokens(turned)), -plain.logits(tokens(plain)), atol=1e-4)


def test_tokens_are_turned_and_compared_one_by_one_without_special_ones(start: LateJoinEncoder) -> None:
    import torch

    turn = torch.randn(start.model.tokens.shape, generator=torch.Generator().manual_seed(1)) / 10
    with torch.no_grad():
        start.model.tokens.copy_(turn)
        start.model.scales[:3] = 0
        start.model.scales[3] = 1
    pairs = start.tokenise(["cat law", "cat law", ""], ["the contract of a cat", "", "cat"])
    expected = []
    for pair in pairs:
        texts = [tuple(pair.ids[: pair.second]), tuple(pair.ids[pair.second :])]
        query, document = (read.finished[1:-1].numpy() for read in start._lower(texts))
        query = query + query @ turn.numpy().T
        cosines = [
            max((float(q @ d / np.linalg.norm(q) / np.linalg.norm(d)) for d in document), default=0.0) for q in query
        ]
        expected.append(sum(cosines) / len(cosines) if cosines else 0.0)

    assert expected[0] > 0
    assert expected[1:] == [0, 0]
    np.testing.assert_allclose(start.logits(pairs), expected, atol=1e-5)


def test_a_document_is_cut_alike_whatever_the_query(start: LateJoinEncoder) -> None:
    short, long = start.tokenise(["cat", "cat law " * 6], ["a contract " * 90] * 2)
    room = start.max_length - start.query_budget - 4

    assert short.ids[short.second :] == long.ids[long.second :]
    assert len(short.ids[short.second :]) == room + 2
    assert short.cut == long.cut > 0


def test_it_comes_back_from_its_folder_with_its_head(start: LateJoinEncoder, tmp_path: Path) -> None:
    import torch

    with torch.no_grad():
        start.model.weight += 0.25
        start.model.matrix += 0.01
    save_cross_encoder(start, tmp_path / "saved")
    again = load_cross_encoder(tmp_path / "saved", query_budget=16)

    assert isinstance(again, LateJoinEncoder)
    assert again.logits(tokens(again)).tolist() == start.logits(tokens(start)).tolist()
    ranker = CrossEncoderRanker.open(CrossEncoderRanker.Options(str(tmp_path / "saved"), query_budget=16))
    assert ranker.identity["weights_sha256"] == start.identity["weights_sha256"]
    (tmp_path / "saved" / LATE_JOIN_FILE).write_bytes(b"nothing")
    with pytest.raises(EncoderError, match=LATE_JOIN_FILE):
        load_cross_encoder(tmp_path / "saved", query_budget=16)


@pytest.mark.parametrize("apart", [0, 2, 9])
def test_there_is_a_layer_before_and_one_after(tmp_path: Path, apart: int) -> None:
    with pytest.raises(EncoderError, match=f"late-join: {apart} of 2 layers read apart; there must be at least one"):
        started(tmp_path / "bert", Joint(apart=apart))


def test_an_adapter_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"the adapter does not fit this encoder \(matrix\)"):
        started(tmp_path / "bert", Joint(apart=1, matrix=np.eye(3, dtype=np.float32)))


def test_it_is_not_quantised(start: LateJoinEncoder, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="late-join"):
        quantise(start, tmp_path / FILE)


def test_a_file_may_ask_for_it(tmp_path: Path) -> None:
    text = 'name = "x"\nhead = "{}"\napart = 5\nadapter = "start"\n'
    text += '[collections.scifact]\ndataset = "scifact"\ntrain = "train"\n'
    (tmp_path / "good.toml").write_text(text.format("late-join"))
    (tmp_path / "bad.toml").write_text(text.format("segments"))

    found = read_ranker_config(tmp_path / "good.toml")
    assert (found.head, found.apart, found.adapter) == ("late-join", 5, tmp_path / "start")
    with pytest.raises(ConfigError, match="adapter is where head 'late-join' starts; head is 'segments'"):
        read_ranker_config(tmp_path / "bad.toml")


def test_a_ranker_may_keep_states_beside_its_index(start: LateJoinEncoder, tmp_path: Path) -> None:
    save_cross_encoder(start, tmp_path / "saved")
    options = CrossEncoderRanker.Options(str(tmp_path / "saved"), query_budget=16, states=tmp_path / "states")
    documents = [Document(f"d{n}", text) for n, text in enumerate(DOCUMENTS)]
    queries = ["cat law"] * len(documents)

    first = CrossEncoderRanker.open(options).scorer.score(queries, documents).logits
    (folder,) = (tmp_path / "states").iterdir()
    assert len(list(folder.iterdir())) == len(set(DOCUMENTS)) + 1  # and the query's
    again = CrossEncoderRanker.open(options).scorer.score(queries, documents).logits
    plain = CrossEncoderRanker.open(replace(options, states=None)).scorer.score(queries, documents).logits

    np.testing.assert_allclose(again, first, atol=1e-5)
    np.testing.assert_allclose(plain, first, atol=1e-5)
