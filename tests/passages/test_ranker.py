"""Reranking by passages: the aggregation of what a scorer says of each, by hand, and the same in any company."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from periti.encoders import load_sentence_transformer
from periti.encoders.cross import load_cross_encoder
from periti.errors import ConfigError
from periti.passages.aggregation import Aggregation
from periti.passages.splitting import PassageConfig, Splitter
from periti.rankers.cross_encoder import CrossEncoderScorer
from periti.rankers.passages import DotProductScorer, PassageRanker, PassageScorer, cross_splitter
from periti.rankers.reranking import PairRanker, Scored
from periti.types import Document, Queries, Run
from tests.rankers.test_reranking import Shelf, run
from tests.tiny import save_bert, save_cross


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bert(tmp_path_factory.mktemp("bert"), spread=0.5)


@pytest.fixture(scope="module")
def tokenizer(bert: Path) -> Any:
    return load_sentence_transformer(str(bert)).model.tokenizer


class Occurrences:
    """A scorer of pairs: how often the query's letter occurs; it reads four letters and says so."""

    identity: Mapping[str, Any] = {"model": "occurrences"}

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def score(self, queries: Sequence[str], documents: Sequence[Document]) -> Scored:
        self.seen += [(query, document.text) for query, document in zip(queries, documents, strict=True)]
        long = sum(len(document.text.replace(" ", "")) > 4 for document in documents)
        counts = [float(d.text[:5].count(q)) for q, d in zip(queries, documents, strict=True)]
        return Scored(np.array(counts), {"truncated_pairs": long, "truncated_queries": 1} if long else {})


DOCUMENTS = [Document("long", "bb ab ab aa bb"), Document("short", "ab"), Document("none", "")]


def scored(tokenizer: Any, rule: str, **options: int) -> Scored:
    splitter = Splitter(tokenizer, PassageConfig(length=4, **options))
    return PassageScorer(Occurrences(), splitter, Aggregation(rule, k=2)).score(["a"] * 3, DOCUMENTS)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("first", [1, 1, 0]),
        ("max", [3, 1, 0]),
        ("sum", [4, 1, 0]),
        ("mean", [4 / 3, 1, 0]),
        ("top-mean", [2, 1, 0]),
        ("decayed", [3.5, 1, 0]),
    ],
)
def test_a_document_s_score_is_made_of_its_passages_by_hand(tokenizer: Any, rule: str, expected: list[float]) -> None:
    """Passages of the long document: "bb ab", "ab aa", "bb"."""
    found = scored(tokenizer, rule)

    assert found.logits.tolist() == pytest.approx(expected)
    assert found.notes == {}


def test_what_is_not_read_is_counted_once(tokenizer: Any) -> None:
    assert scored(tokenizer, "max", most=1).logits.tolist() == [1, 1, 0]
    assert scored(tokenizer, "max", most=1).notes == {"docs_capped": 1, "capped_tokens": 6}
    splitter = Splitter(tokenizer, PassageConfig(length=8))
    found = PassageScorer(Occurrences(), splitter, Aggregation()).score(["a", "b"], [DOCUMENTS[0]] * 2)
    assert found.notes == {"truncated_pairs": 2, "truncated_queries": 2}


def test_a_pair_scores_the_same_alone_and_among_others(tokenizer: Any) -> None:
    splitter = Splitter(tokenizer, PassageConfig(length=4, stride=2))
    queries = ["a", "b", "a", "b", "a"]
    documents = [DOCUMENTS[place] for place in (0, 0, 1, 2, 2)]
    scorer = PassageScorer(Occurrences(), splitter, Aggregation("decayed"))
    whole = scorer.score(queries, documents).logits
    alone = [scorer.score([query], [document]).logits[0] for query, document in zip(queries, documents, strict=True)]

    assert whole.tolist() == alone


def test_the_cross_encoder_reads_passages_and_cuts_none(bert: Path) -> None:
    model = load_cross_encoder(save_cross(bert), query_budget=16)
    scorer = CrossEncoderScorer(model)
    document = Document("d", "the court dismissed the appeal for lack of standing " * 3)
    splitter = cross_splitter(model, PassageConfig(length=13))
    texts = splitter.split([document]).texts
    each = scorer.score(["appeal"] * len(texts), [Document("p", text) for text in texts]).logits

    found = PassageScorer(scorer, splitter, Aggregation()).score(["appeal"], [document])
    assert found.notes == {}, "nothing is truncated"
    assert found.logits[0] == pytest.approx(each.max(), abs=1e-5)
    assert scorer.score(["appeal"], [document]).notes == {"truncated_pairs": 1}
    with pytest.raises(ConfigError, match="the cross-encoder 'cross' has room for 13"):
        cross_splitter(model, PassageConfig(length=14))


def test_an_encoder_scores_pairs_by_the_cosine_of_their_vectors(bert: Path) -> None:
    encoder = load_sentence_transformer(str(bert))
    scorer = DotProductScorer(encoder)
    texts = ["law of cats", "dogs", "law of cats"]
    found = scorer.score(["cats", "law", "law"], [Document(f"{i}", text) for i, text in enumerate(texts)])
    vectors = encoder.encode_documents(texts).vectors
    asked = encoder.encode_queries(["cats", "law", "law"]).vectors

    np.testing.assert_allclose(found.logits, (asked * vectors).sum(axis=1), atol=1e-6)
    assert scorer.score(["q" * 40], [Document("d", "word " * 30)]).notes == {
        "truncated_texts": 1,
        "truncated_queries": 1,
    }
    assert len(scorer.score([], []).logits) == 0


def test_the_ranker_lifts_a_document_whose_last_passage_answers(bert: Path) -> None:
    """By cosine with the very words: truncation can not see them, passages can."""
    answer = "whales sing far"
    texts = {"deep": "the tenant may withhold rent " * 4 + answer, "other": "the tenant may withhold rent " * 4}
    shelf = Texts(texts)
    queries = Queries.from_pairs([("q1", answer)])
    first = run(("q1", "other", 2), ("q1", "deep", 1))
    ranker = PassageRanker.open(PassageRanker.Options(scorer="encoder", model=str(bert), length=14, stride=5))
    encoder = load_sentence_transformer(str(bert))

    found = ranker.reranked(queries, first, shelf)
    assert found.run.doc_ids("q1") == ["deep", "other"]
    assert isinstance(found.run, Run)
    assert ranker.identity["passages"] == {"length": 14, "stride": 5, "most": 0, "title_tokens": 0}
    assert ranker.identity["aggregation"]["rule"] == "max"
    truncated = PairRanker(DotProductScorer(encoder), 10).reranked(queries, first, shelf)
    assert truncated.run.doc_ids("q1") == ["other", "deep"], "both begin alike and tie"
    assert truncated.notes["truncated_texts"] >= 1


def test_options_that_can_not_be_are_refused() -> None:
    options = PassageRanker.Options
    with pytest.raises(ConfigError, match="no scorer 'bm25'; known: cross-encoder, encoder"):
        options(scorer="bm25")
    with pytest.raises(ConfigError, match="depth is 0"):
        options(depth=0)
    with pytest.raises(ConfigError, match="stride of 300"):
        options(stride=300)
    with pytest.raises(ConfigError, match="no model is named"):
        PassageRanker.open(options())


class Texts(Shelf):
    """A corpus of given texts."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__(*texts)
        self._texts = texts

    def get(self, doc_ids: Sequence[str]) -> list[Document]:
        return [Document(document.doc_id, self._texts[document.doc_id]) for document in super().get(doc_ids)]


def test_a_ranker_that_holds_few_pairs_at_a_time_never_divides_a_query() -> None:
    """Counts of queries are then right, and the run is the same."""
    texts = {f"d{i}": "aa" * i for i in range(4)} | {"long": "aa " * 5}
    first = run(*((query, doc_id, 9 - n) for query in ("q1", "q2") for n, doc_id in enumerate(texts)))
    queries = Queries.from_pairs([("q1", "a"), ("q2", "b")])
    whole, few = (PairRanker(Occurrences(), 5, chunk=chunk).reranked(queries, first, Texts(texts)) for chunk in (99, 2))

    assert few.notes == {"truncated_pairs": 4, "truncated_queries": 2}
    assert few.run.frame.equals(whole.run.frame)
