"""Whole studies: numbers by hand, what is compared, what is said."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from periti.errors import InputError, UnknownName
from periti.rankers.reranking import Scored
from periti.screening import report, study
from periti.screening.methods import METHODS, MODEL, Orderer, uses_feedback, uses_model
from periti.screening.stopping import Target
from periti.screening.study import Measured, against, stop
from periti.screening.topics import Topic
from periti.types import Document
from tests.screening.making import SUBJECTS, made

ONE_SHOT = ("bm25", "dense", "fusion", "criteria")


class TrialReader:
    """Scores a pair by whether the document is a trial."""

    def __init__(self) -> None:
        self.calls = 0
        self.identity = {"model": "reads trials"}

    def score(self, queries: Sequence[str], documents: Sequence[Document]) -> Scored:
        self.calls += 1
        assert len(queries) == len(documents)
        return Scored(np.array([float("placebo" in document.text) for document in documents]))


@pytest.fixture(scope="module")
def orderer() -> Orderer:
    return Orderer([made(subject) for subject in SUBJECTS])


@pytest.fixture(scope="module")
def measured(orderer: Orderer) -> Measured:
    return study(orderer, (*ONE_SHOT, "active", "criteria+active"))


def test_values_are_the_measures_of_the_orders(measured: Measured) -> None:
    by_measure = {table.measure: table for table in measured.scores}
    for topic in measured.topics:
        for method in measured.methods:
            order = measured.orders[topic.name, method].order
            found = topic.relevant()[order]
            row = by_measure["AP"].query_ids.index(topic.name)
            ranks = np.flatnonzero(found) + 1
            # 10 included of 40: 95 % of them are 9.5, rounded half to even 10.
            values = {
                "AP": float((np.arange(1, 11) / ranks).mean()),
                "R_percent@20": found[:8].sum() / 10,
                "WSS@0.95": (40 - ranks[9]) / 40 - 0.05,
                "WSS@1": (40 - ranks[9]) / 40,
                "last_rel": ranks[9],
            }
            for name, value in values.items():
                got = by_measure[name].values[row, by_measure[name].column(method)]
                assert got == pytest.approx(value), (topic.name, method, name)


def test_what_is_learned_is_better_and_told_to_be(measured: Measured) -> None:
    ap = measured.against["dense"].tables[0].between("criteria", "dense")
    assert ap is not None
    assert ap.mean_a > ap.mean_b
    mean = measured.means["criteria", "AP"]
    assert mean.low is not None
    assert mean.high is not None
    assert mean.low <= mean.value <= mean.high
    assert set(measured.against) == set(ONE_SHOT)


def test_one_topic_has_values_and_neither_intervals_nor_tests(orderer: Orderer) -> None:
    alone = study(orderer, ("bm25", "dense"), topics=orderer.topics[:1])

    assert alone.means["bm25", "AP"].low is None
    assert not alone.against
    assert "BCa" not in report.text(alone, orderer, {})


def test_a_model_scores_each_topic_once_and_feedback_starts_from_it(orderer: Orderer) -> None:
    model = TrialReader()
    with_model = Orderer(orderer.topics, model=model)

    found = study(with_model, ("cross-encoder", "cross-encoder+active"))

    assert model.calls == len(SUBJECTS)
    for topic in orderer.topics:
        read = topic.relevant() & ~topic.textless
        order = found.orders[topic.name, "cross-encoder"].order
        assert set(order[: read.sum()].tolist()) == set(np.flatnonzero(read).tolist())


def test_a_method_of_several_signals_is_the_sum_of_each_scaled(orderer: Orderer) -> None:
    with_model = Orderer(orderer.topics, model=TrialReader())
    topic = orderer.topics[0]
    words, meaning = topic.scaled(topic.words), topic.scaled(topic.meaning)
    learned = topic.scaled(with_model.criteria.scores(topic))
    logit = topic.scaled(np.array([float("placebo" in document.text) for document in topic.documents]))

    expected = {
        "bm25": words,
        "dense": meaning,
        "fusion": words + meaning,
        "criteria": learned + meaning,
        "cross-encoder": logit,
        "criteria+cross-encoder": learned + meaning + logit,
        "criteria+bm25+cross-encoder": learned + meaning + words + logit,
    }

    assert set(expected) == {name for name in METHODS if not uses_feedback(name)}
    for method, scores in expected.items():
        np.testing.assert_allclose(with_model.scores(topic, method), scores, rtol=0, atol=1e-12)
    assert {name for name in METHODS if uses_model(name)} == {name for name in METHODS if MODEL in name}


def test_other_baselines_may_be_asked_for(measured: Measured) -> None:
    other = against(measured, ("criteria+active", "not measured"))

    assert set(other.against) == {"criteria+active"}
    pair = other.against["criteria+active"].tables[0].between("bm25", "criteria+active")
    assert pair is not None
    back = against(measured, ("bm25",)).against["bm25"].tables[0].between("bm25", "criteria+active")
    assert back is not None
    assert pair.p == back.p
    assert "Difference to criteria+active" in report.summary(other)
    assert "candidates" not in report.summary(other)


def test_stops_are_counted(orderer: Orderer, measured: Measured) -> None:
    expected, sampled = stop(measured, "active", target=Target(0.8, 0.1), seeds=20)

    assert (expected.rule, sampled.rule) == ("expected", "sampled")
    assert sampled.reached >= 0.85
    assert 0 < sampled.read <= 1
    assert sampled.least <= sampled.recall <= 1
    told = report.text(measured, orderer, {"active": [expected, sampled]})
    assert "sampled (recall 0.8, error 0.1)" in told
    with pytest.raises(InputError, match="'dense' was not measured or has no feedback"):
        stop(measured, "dense")


def test_reports_say_the_same_and_mark_feedback(orderer: Orderer, measured: Measured) -> None:
    text, table = report.text(measured, orderer, {}), report.markdown(measured, orderer, {})
    told = json.loads(report.as_json(measured, orderer, {}))

    assert {name: one["feedback"] for name, one in told["methods"].items()} == {
        name: uses_feedback(name) for name in measured.methods
    }
    assert [name for name in METHODS if uses_feedback(name)] == [
        "active",
        "criteria+active",
        "cross-encoder+active",
        "criteria+cross-encoder+active",
        "criteria+bm25+cross-encoder+active",
    ]
    shown = f"{told['means']['AP']['criteria']['value']:.3f}"
    assert shown in text
    assert shown in table
    assert "criteria+active +" in text
    assert "not to be compared as a one-shot ranking" in text
    heart = told["topics"]["heart"]
    assert (heart["candidates"], heart["included"], heart["textless"]) == (40, 10, 4)
    assert sorted(heart["orders"]["dense"]) == [f"heart/{n:03}" for n in range(40)]
    assert told["learned"]["heart"]["left_out"] == 0


def test_wrong_methods_are_refused(orderer: Orderer) -> None:
    with pytest.raises(UnknownName, match="no screening method 'bm26'"):
        study(orderer, ("bm26",))
    with pytest.raises(InputError, match="each once"):
        study(orderer, ("bm25", "bm25"))
    with pytest.raises(InputError, match="needs a model"):
        study(orderer, ("cross-encoder",))


def test_a_model_that_gives_no_numbers_is_refused(orderer: Orderer) -> None:
    class Damaged(TrialReader):
        def score(self, queries: Sequence[str], documents: Sequence[Document]) -> Scored:
            return Scored(super().score(queries, documents).logits + np.nan)

    topics: Sequence[Topic] = orderer.topics
    with pytest.raises(InputError, match="no numbers"):
        study(Orderer(topics, model=Damaged()), ("cross-encoder",))
