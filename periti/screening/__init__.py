"""Screening prioritisation: every citation of a review topic has to be judged; which ones first, and when to stop?

    topics = read_topics(collection, queries, qrels)          one `Topic`: its candidates, their scores and vectors
    found = study(topics, ("bm25", "dense", "active"))        orders, measures, intervals, significance
    screener = Screener.of(topic, prior)                      the same, one judgement after the other

`topics` brings a topic's material, `methods` orders it without feedback, `criteria` learns from other topics,
`feedback` learns from the judgements of this one, `stopping` says when enough is found, `study` measures.
"""

from periti.screening.feedback import Screener
from periti.screening.study import study
from periti.screening.topics import Topic, read_topics

__all__ = ["Screener", "Topic", "read_topics", "study"]
