"""The ranker: pairs by MaxSim, each text encoded once, any batch, what was cut, the trap of padding end to end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from periti.encoders.token_models import load_token_encoder
from periti.encoders.tokens import EncodedTokens, TokenEncoder, TokenVectors
from periti.errors import ConfigError
from periti.protocols import NotingRanker
from periti.rankers.late_interaction.maxsim import maxsim
from periti.rankers.late_interaction.ranker import LateInteractionRanker
from periti.rankers.late_interaction.scorer import EncodedNow, LateInteractionScorer
from periti.types import Document
from tests.encoders.colbert import save_colbert
from tests.tiny import DOCUMENTS, QUERIES, save_bert


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("ranker"), max_length=40, spread=0.5)


@pytest.fixture(scope="module")
def encoder(lively: Path) -> TokenEncoder:
    return load_token_encoder(str(lively))


PAIRS = [(text, document) for text in QUERIES.texts for document in DOCUMENTS]


def test_every_pair_scores_as_it_does_alone(encoder: TokenEncoder) -> None:
    scorer = LateInteractionScorer(encoder)
    whole = scorer.score(*zip(*PAIRS, strict=True)).logits

    for i in range(0, len(PAIRS), 11):
        query, document = PAIRS[i]
        alone = scorer.score([query], [document]).logits[0]
        by_hand = maxsim(
            encoder.encode_queries([query]).vectors[0], encoder.encode_documents([document.default_text()]).vectors
        )[0]
        np.testing.assert_allclose([alone, by_hand], whole[i], atol=1e-5)


class Counted(EncodedNow):
    """Documents encoded now, and a list of what was asked for."""

    def __init__(self, encoder: TokenEncoder) -> None:
        super().__init__(encoder)
        self.asked: list[str] = []

    def blocks(self, keys: Sequence[str]) -> Iterator[EncodedTokens]:
        self.asked += keys
        return super().blocks(keys)


def test_a_document_is_encoded_once_however_many_queries_ask_it(encoder: TokenEncoder) -> None:
    source = Counted(encoder)

    LateInteractionScorer(encoder, source).score(*zip(*PAIRS, strict=True))

    assert len(source.asked) == len({document.default_text() for document in DOCUMENTS}) < len(DOCUMENTS)


def test_twins_tie_to_the_last_bit(encoder: TokenEncoder) -> None:
    scores = LateInteractionScorer(encoder).score([QUERIES.texts[3]] * len(DOCUMENTS), DOCUMENTS).logits

    assert len({scores[i] for i, document in enumerate(DOCUMENTS) if document.doc_id.startswith("twin")}) == 1


def test_what_was_cut_is_counted_by_pair_and_by_query(lively: Path) -> None:
    """Long is 60 letters, 40 tokens are read; a query has a budget of 8: six letters."""
    long, short = Document("long", "abcdefghij" * 6), Document("short", "cat")
    scorer = LateInteractionScorer(load_token_encoder(str(lively), query_budget=8))

    found = scorer.score(["abcdefghij", "abcdefghij", "cat"], [long, short, long])

    assert found.notes == {"truncated_pairs": 2, "truncated_queries": 1}
    assert scorer.score(["cat"], [short]).notes == {}
    assert scorer.score(["cat"], [Document("none", "")]).notes == {"pairs_without_tokens": 1}


class Given:
    """Documents whose token vectors are given."""

    def __init__(self, vectors: dict[str, Any]) -> None:
        self._vectors = vectors
        self.identity: dict[str, Any] = {}

    def key(self, document: Document) -> str:
        return document.doc_id

    def blocks(self, keys: Sequence[str]) -> Iterator[EncodedTokens]:
        found = [self._vectors[key] for key in keys]
        yield EncodedTokens(np.arange(len(keys)), TokenVectors.of(found, 16), np.zeros(len(keys), np.int64))


def test_a_short_document_does_not_win_by_its_padding(encoder: TokenEncoder) -> None:
    """All similarities are negative: the short document is the farther one, and padding it with zeros would score 0."""
    query = encoder.encode_queries(["a"]).vectors[0]
    aside = np.eye(16, dtype=np.float32)[:1]
    aside -= (aside @ query.T) * query
    near = -0.1 * query + np.sqrt(0.99) * aside / np.linalg.norm(aside)
    source = Given({"short": -query, "long": np.concatenate([-query, near, near])})

    scores = LateInteractionScorer(encoder, source).score(["a", "a"], [Document("short", ""), Document("long", "")])

    np.testing.assert_allclose(scores.logits, [-1, -0.1], atol=1e-5)


def test_padding_in_the_model_changes_nothing(encoder: TokenEncoder) -> None:
    """A short text beside a long one is padded in its batch; what it scores is what it scores alone."""
    scorer = LateInteractionScorer(encoder)
    short, long = Document("s", "b"), Document("l", "c" * 30)

    both = scorer.score(["a", "a"], [short, long]).logits

    np.testing.assert_allclose(scorer.score(["a"], [short]).logits[0], both[0], atol=1e-5)


def test_the_ranker_notes_and_names_what_its_order_depends_on(lively: Path) -> None:
    ranker = LateInteractionRanker.open(LateInteractionRanker.Options(model=str(lively), depth=3, query_budget=9))

    assert isinstance(ranker, NotingRanker)
    assert ranker.identity["depth"] == 3
    assert ranker.identity["query_budget"] == 9
    assert len(ranker.identity["weights_sha256"]) == 64


def test_options_override_what_the_model_says(lively: Path, tmp_path: Path) -> None:
    folder = str(save_colbert(lively, tmp_path / "colbert"))
    own, other = (
        LateInteractionRanker.Options(model=folder).load(),
        LateInteractionRanker.Options(model=folder, special="drop", punctuation="keep", max_length=30).load(),
    )

    assert (own.settings.keep_special, own.settings.skip, own.settings.max_length) == (True, (",", "."), 20)
    assert (other.settings.keep_special, other.settings.skip, other.settings.max_length) == (False, (), 30)


@pytest.mark.parametrize("options", [{"depth": 0}, {"max_length": -1}, {"special": "kept"}, {"punctuation": ""}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        LateInteractionRanker.Options(**options)
