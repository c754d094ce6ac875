"""A topic's candidates, what orders them, and what is not let through from one topic to another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from periti.errors import InputError, UnknownName
from periti.screening.topics import Topic, read_topics
from periti.types import QRELS, Document, Qrels, Queries
from tests.screening.making import made
from tests.tiny import Tiny


def test_scores_are_scaled_over_documents_with_text_and_the_others_get_the_median() -> None:
    documents = (Document("a", "x"), Document("b", ""), Document("c", "y"), Document("d", "z"))
    zeros = np.zeros(4)
    topic = Topic("t", "q", documents, np.zeros(4, np.int64), zeros, zeros, np.zeros((4, 2)))

    scaled = topic.scaled(np.array([1.0, -99.0, 2.0, 6.0]))

    # Mean 3, variance (4 + 1 + 9) / 3 of the documents with text.
    expected = np.array([-2.0, -1.0, -1.0, 3.0]) / np.sqrt(14.0 / 3.0)
    np.testing.assert_allclose(scaled, expected)


def test_a_topic_of_equal_scores_is_scaled_to_zeros() -> None:
    topic = made("heart")

    assert not topic.scaled(np.ones(len(topic))).any()


def test_equal_scores_are_ordered_by_the_digest_of_the_id_and_not_by_place() -> None:
    topic = made("heart")
    turned = replace(topic, documents=topic.documents[::-1])

    order = [topic.documents[place].doc_id for place in topic.order(np.zeros(len(topic)))]
    again = [turned.documents[place].doc_id for place in turned.order(np.zeros(len(topic)))]

    assert order == again
    assert order != sorted(order)
    assert order != sorted(order, reverse=True)


def test_a_document_is_recognised_in_another_topic_by_number_or_title() -> None:
    one, other = made("heart", 4), made("liver", 4)
    first, second, third, fourth = one.documents
    twin = Document("liver/x", "another text", first.title.upper() + "!", {"pubmed_id": "1"})
    same = Document("liver/y", "", "", {"pubmed_id": second.metadata["pubmed_id"]})
    stranger = Document("liver/z", "", "", {})
    shared = replace(other, documents=(twin, same, stranger, stranger))

    assert one.shared_with([shared]).tolist() == [True, True, False, False]
    assert third.title
    assert fourth.title
    assert not one.shared_with([other]).any()


def judgements(*rows: tuple[str, str, int]) -> Qrels:
    return Qrels.of(pl.DataFrame(list(rows), schema=QRELS, orient="row"))


def test_topics_are_read_from_a_collection(tiny: Tiny) -> None:
    queries = Queries.from_pairs([("cats", "cat"), ("heart", "heart attack"), ("nobody", "law")])
    qrels = judgements(("cats", "zoo-0", 1), ("cats", "zoo-1", 0), ("cats", "med-0", 0), ("heart", "med-0", 2))

    cats, heart = read_topics(tiny.pipeline, queries, qrels)

    assert [document.doc_id for document in cats.documents] == ["med-0", "zoo-0", "zoo-1"]
    assert cats.grades.tolist() == [0, 1, 0]
    assert (cats.words > 0).tolist() == [False, True, False], "only zoo-0 has the word"
    assert int(np.argmax(cats.meaning)) == 1
    np.testing.assert_allclose(np.linalg.norm(cats.vectors, axis=1), 1.0)
    ranked = tiny.pipeline.only("dense").search(queries, 30).frame.filter(pl.col("query_id") == "cats")
    scores = dict(ranked.select("doc_id", "score").iter_rows())
    np.testing.assert_allclose(cats.meaning, [scores[d.doc_id] for d in cats.documents], atol=1e-6)
    assert heart.relevant(2).tolist() == [True]
    assert [topic.name for topic in read_topics(tiny.pipeline, queries, qrels, ("heart",))] == ["heart"]


def test_a_topic_that_is_not_there_and_a_collection_without_vectors_are_refused(tiny: Tiny) -> None:
    queries, qrels = Queries.from_pairs([("cats", "cat")]), judgements(("cats", "zoo-0", 1))

    with pytest.raises(UnknownName, match="no topic 'cat'"):
        read_topics(tiny.pipeline, queries, qrels, ("cat",))
    with pytest.raises(InputError, match="lacks a lexical or a dense expert"):
        read_topics(tiny.pipeline.only("bm25"), queries, qrels)
    with pytest.raises(UnknownName, match="no document 'zoo-99'"):
        read_topics(tiny.pipeline, queries, judgements(("cats", "zoo-99", 1)))
