"""The token index: whole vectors give the exact order, few bits a near one; damage and misfits are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from periti.encoders.token_models import load_token_encoder
from periti.encoders.tokens import TokenEncoder
from periti.errors import ConfigError, IndexDamaged, IndexMismatch, IndexMissing, InputError, UnknownName
from periti.evaluation.correlation import kendall_tau_b
from periti.indexers.docstore import Docstore, write_docstore
from periti.rankers.late_interaction.build import build_token_index
from periti.rankers.late_interaction.index import TokenIndex, TokenIndexConfig
from periti.rankers.late_interaction.ranker import LateInteractionRanker
from periti.rankers.late_interaction.scorer import FromIndex, LateInteractionScorer
from periti.types import Document
from tests.tiny import DOCUMENTS, QUERIES, save_bert


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("index"), max_length=48, spread=0.5)


@pytest.fixture(scope="module")
def encoder(lively: Path) -> TokenEncoder:
    return load_token_encoder(str(lively))


@pytest.fixture(scope="module")
def docstore(tmp_path_factory: pytest.TempPathFactory) -> Docstore:
    return stored(DOCUMENTS, tmp_path_factory.mktemp("texts"))


def stored(documents: list[Document], folder: Path) -> Docstore:
    write_docstore(iter(documents), folder, {})
    return Docstore.open(folder)


def built(docstore: Docstore, folder: Path, encoder: TokenEncoder, **config: Any) -> TokenIndex:
    build_token_index(docstore, folder, encoder, TokenIndexConfig(**config))
    return TokenIndex.open(folder, encoder.identity)


def scores(encoder: TokenEncoder, index: TokenIndex | None, documents: list[Document]) -> Any:
    """Scores of all queries, (q, n)."""
    scorer = LateInteractionScorer(encoder, None if index is None else FromIndex(index))
    n = len(documents)
    texts = [text for text in QUERIES.texts for _ in range(n)]
    return scorer.score(texts, documents * len(QUERIES)).logits.reshape(-1, n)


def test_whole_float32_vectors_score_exactly_as_those_made_now(
    docstore: Docstore, encoder: TokenEncoder, tmp_path: Path
) -> None:
    index = built(docstore, tmp_path / "tokens", encoder, nbits=0)
    now = encoder.encode_documents([document.default_text() for document in DOCUMENTS])

    np.testing.assert_array_equal(index.tokens(range(len(DOCUMENTS))).values, now.vectors.values)
    np.testing.assert_allclose(scores(encoder, index, DOCUMENTS), scores(encoder, None, DOCUMENTS), atol=1e-5)
    found = index.manifest.facts["reconstruction"]
    assert found["mean_squared_error"] == 0
    assert found["tokens"] == len(now.vectors.values)


def test_float16_is_half_the_size_and_near(docstore: Docstore, encoder: TokenEncoder, tmp_path: Path) -> None:
    index = built(docstore, tmp_path / "tokens", encoder, nbits=0, dtype="float16")

    assert 0 < index.manifest.facts["reconstruction"]["mean_squared_error"] < 1e-6
    np.testing.assert_allclose(scores(encoder, index, DOCUMENTS), scores(encoder, None, DOCUMENTS), atol=0.02)


@pytest.mark.parametrize(("nbits", "bound"), [(1, 0.5), (2, 0.7), (4, 0.9)])
def test_few_bits_keep_nearly_the_order(
    docstore: Docstore, encoder: TokenEncoder, tmp_path: Path, nbits: int, bound: float
) -> None:
    index = built(docstore, tmp_path / "tokens", encoder, nbits=nbits)
    exact, near = scores(encoder, None, DOCUMENTS), scores(encoder, index, DOCUMENTS)

    assert np.mean([kendall_tau_b(a, b) for a, b in zip(exact, near, strict=True)]) > bound
    assert (tmp_path / "tokens" / "residuals.npy").stat().st_size < 128 + 16 * nbits / 8 * 1200
    assert not list((tmp_path / "tokens").glob("*.f32")), "raw vectors are not kept"


def test_a_corpus_that_takes_several_windows_and_blocks_is_the_same(
    encoder: TokenEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from periti.rankers.late_interaction import build, index

    (tmp_path / "texts").mkdir()
    docstore = stored(DOCUMENTS, tmp_path / "texts")
    at_once = built(docstore, tmp_path / "one", encoder, nbits=2)
    monkeypatch.setattr(build, "WINDOW", 3)
    monkeypatch.setattr(build, "_BLOCK", 7)
    monkeypatch.setattr(index, "BLOCK_TOKENS", 50)

    in_parts = built(docstore, tmp_path / "many", encoder, nbits=2)

    expected = at_once.tokens(range(len(DOCUMENTS)))
    blocks = list(in_parts.blocks([document.doc_id for document in DOCUMENTS]))
    assert len(blocks) > 5
    assert np.concatenate([block.places for block in blocks]).tolist() == list(range(len(DOCUMENTS)))
    got = np.concatenate([block.vectors.values for block in blocks])
    assert np.mean(np.einsum("td,td->t", got, expected.values)) > 0.999, "float32 noise may move a value over a cutoff"


def test_what_was_cut_or_is_empty_is_counted_and_known_when_scoring(
    lively: Path, docstore: Docstore, tmp_path: Path
) -> None:
    short = load_token_encoder(str(lively), max_length=20)
    index = built(docstore, tmp_path / "tokens", short, nbits=0)
    cut = short.encode_documents([document.default_text() for document in DOCUMENTS]).cut

    assert index.manifest.facts["truncated_documents"] == np.count_nonzero(cut) > 5
    assert index.manifest.facts["truncated_tokens"] == cut.sum()
    assert index.manifest.facts["documents_without_tokens"] == 1
    scorer = LateInteractionScorer(short, FromIndex(index))
    notes = scorer.score(["cat"] * len(DOCUMENTS), DOCUMENTS).notes
    assert notes == {"truncated_pairs": np.count_nonzero(cut), "pairs_without_tokens": 1}


def test_the_ranker_reads_the_index_and_refuses_another_corpus(
    lively: Path, docstore: Docstore, encoder: TokenEncoder, tmp_path: Path
) -> None:
    import polars as pl

    from periti.types import SCORED, Run

    build_token_index(docstore, tmp_path / "tokens", encoder, TokenIndexConfig(nbits=0))
    options = LateInteractionRanker.Options(model=str(lively), index=tmp_path / "tokens", depth=6)
    ids = [document.doc_id for document in DOCUMENTS][:8]
    rows = [(query, doc_id, -float(i)) for query in QUERIES.ids for i, doc_id in enumerate(ids)]
    first = Run.of(pl.DataFrame(rows, schema=SCORED, orient="row"), "first")

    from_disk, plain = LateInteractionRanker.open(options), LateInteractionRanker(encoder, 6)

    assert from_disk.rerank(QUERIES, first, docstore).doc_ids("q-cat") == plain.rerank(
        QUERIES, first, docstore
    ).doc_ids("q-cat")
    assert from_disk.identity["corpus"] == docstore.corpus_digest
    assert from_disk.identity["index"]["nbits"] == 0
    (tmp_path / "other").mkdir()
    other = stored([Document(doc_id, "changed") for doc_id in ids], tmp_path / "other")
    with pytest.raises(IndexMismatch, match="build it again from this collection"):
        from_disk.rerank(QUERIES, first, other)


def test_an_index_of_another_encoder_is_refused_and_a_longer_query_is_not(
    lively: Path, docstore: Docstore, encoder: TokenEncoder, tmp_path: Path
) -> None:
    build_token_index(docstore, tmp_path / "tokens", encoder, TokenIndexConfig(nbits=1))

    TokenIndex.open(tmp_path / "tokens", load_token_encoder(str(lively), query_budget=10).identity)
    for changed in ({"max_length": 30}, {"keep_special": True}, {"skip": (".",)}):
        other: Any = load_token_encoder(str(lively), **changed)
        with pytest.raises(IndexMismatch, match=next(iter(changed))):
            TokenIndex.open(tmp_path / "tokens", other.identity)


@pytest.mark.parametrize("name", ["codes.npy", "centroids.npy", "residuals.npy", "ids.arrow", "cut.npy"])
def test_one_bit_of_any_file_is_noticed(docstore: Docstore, encoder: TokenEncoder, tmp_path: Path, name: str) -> None:
    built(docstore, tmp_path / "tokens", encoder, nbits=2)
    data = bytearray((tmp_path / "tokens" / name).read_bytes())
    data[-1] ^= 1
    (tmp_path / "tokens" / name).write_bytes(data)

    with pytest.raises(IndexDamaged, match=name):
        TokenIndex(tmp_path / "tokens")


def test_a_build_that_fails_leaves_nothing_or_what_was_there(
    docstore: Docstore, encoder: TokenEncoder, tmp_path: Path
) -> None:
    class Interrupted(Exception):
        pass

    class Stop:
        def start(self, label: str, total: int | None) -> None: ...
        def advance(self, amount: int) -> None:
            raise Interrupted(amount)

        def finish(self) -> None: ...

    target = tmp_path / "tokens"
    with pytest.raises(Interrupted):
        build_token_index(docstore, target, encoder, progress=Stop())
    assert list(tmp_path.iterdir()) == []
    first = build_token_index(docstore, target, encoder, TokenIndexConfig(nbits=1))
    with pytest.raises(InputError, match="exists already"):
        build_token_index(docstore, target, encoder)
    with pytest.raises(Interrupted):
        build_token_index(docstore, target, encoder, replace=True, progress=Stop())
    assert TokenIndex(target).manifest == first
    assert build_token_index(docstore, target, encoder, replace=True).config["nbits"] == 2


def test_what_is_no_token_index_is_not_replaced(docstore: Docstore, encoder: TokenEncoder, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")

    with pytest.raises(IndexMissing):
        build_token_index(docstore, tmp_path / "mine", encoder, replace=True)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_documents_without_any_token_and_documents_not_indexed_are_told(
    docstore: Docstore, encoder: TokenEncoder, tmp_path: Path
) -> None:
    (tmp_path / "texts").mkdir()
    with pytest.raises(InputError, match="no document has a token"):
        build_token_index(stored([Document("a", "")], tmp_path / "texts"), tmp_path / "tokens", encoder)
    index = built(docstore, tmp_path / "tokens", encoder, nbits=1)
    with pytest.raises(UnknownName, match="'nobody'"):
        list(index.blocks(["empty", "nobody"]))


@pytest.mark.parametrize(
    "config", [{"nbits": 3}, {"nbits": 0, "dtype": "int8"}, {"nbits": 2, "dtype": "float16"}, {"sample": 0}]
)
def test_settings_that_make_no_sense_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=list(config)[-1]):
        TokenIndexConfig(**config)
