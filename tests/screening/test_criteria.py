"""What is learned from other topics, and that it is learned from nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from periti.errors import InputError
from periti.screening.criteria import Criteria
from periti.screening.topics import Topic
from tests.screening.making import SUBJECTS, made


@pytest.fixture(scope="module")
def topics() -> list[Topic]:
    return [made(subject) for subject in SUBJECTS]


def test_words_of_included_documents_carry_over_to_a_topic_never_seen(topics: list[Topic]) -> None:
    for topic in topics:
        scores = Criteria(topics).scores(topic)
        included, read = topic.relevant(), ~topic.textless

        assert scores[included & read].min() > scores[~included & read].max()


def test_the_strength_is_the_one_that_reaches_most_on_the_other_topics(topics: list[Topic]) -> None:
    criteria = Criteria(topics, strengths=(1e-6, 0.3))
    reached = criteria.reached(topics[0])

    assert list(reached) == [1e-6, 0.3]
    assert all(0.0 < value <= 1.0 for value in reached.values())
    criteria.scores(topics[0])
    assert reached[criteria.chosen[topics[0].name]] == max(reached.values())
    # Its own judgements are not among those that decide.
    turned = replace(topics[0], grades=1 - topics[0].grades)
    assert Criteria([turned, *topics[1:]], strengths=(1e-6, 0.3)).reached(turned) == reached


def test_judgements_of_the_topic_itself_reach_neither_scores_nor_the_choice(topics: list[Topic]) -> None:
    held_out = topics[2]
    turned = replace(held_out, grades=1 - held_out.grades)
    truly, falsely = Criteria(topics), Criteria([*topics[:2], turned, *topics[3:]])

    np.testing.assert_array_equal(truly.scores(held_out), falsely.scores(turned))
    assert truly.chosen == falsely.chosen
    # Whereas those of the others do.
    assert not np.array_equal(truly.scores(topics[0]), falsely.scores(topics[0]))


def test_a_citation_of_the_topic_is_not_learned_from_where_it_stands_in_another(topics: list[Topic]) -> None:
    """A judgement given elsewhere for the same citation must not reach it: whatever it is, the scores are the same."""
    held_out, other = topics[0], topics[1]
    twins = [document._replace(doc_id=f"twin/{n}") for n, document in enumerate(held_out.documents)]
    found = []
    for grades in (held_out.grades, 1 - held_out.grades):
        wider = replace(
            other,
            documents=(*other.documents, *twins),
            grades=np.concatenate([other.grades, grades]),
            words=np.concatenate([other.words, held_out.words]),
            meaning=np.concatenate([other.meaning, held_out.meaning]),
            vectors=np.concatenate([other.vectors, held_out.vectors]),
        )
        # One strength: choosing among several would read the twins' judgements as those of the other topic.
        criteria = Criteria([held_out, wider, *topics[2:]], strengths=(0.3,))
        found.append(criteria.scores(held_out))
        assert criteria.left_out == {held_out.name: len(twins)}

    np.testing.assert_array_equal(found[0], found[1])


def test_words_that_few_topics_use_do_not_count(topics: list[Topic]) -> None:
    """The subject of one topic says nothing of another's: a document that repeats it is scored as before."""
    held_out = topics[0]
    plain = Criteria(topics).scores(held_out)
    documents = tuple(
        document._replace(text=f"{document.text} liver liver") if document.text else document
        for document in held_out.documents
    )
    changed = replace(held_out, documents=documents)

    np.testing.assert_allclose(Criteria([changed, *topics[1:]]).scores(changed), plain, rtol=0, atol=1e-12)


def test_too_few_topics_or_nothing_to_tell_apart_are_refused(topics: list[Topic]) -> None:
    with pytest.raises(InputError, match="2 topics are too few"):
        Criteria(topics[:2])
    alike = [replace(topic, grades=np.ones_like(topic.grades)) for topic in topics[1:]]
    with pytest.raises(InputError, match="no included and excluded documents"):
        Criteria([topics[0], *alike]).scores(topics[0])
