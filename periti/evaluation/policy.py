"""The rules that every number of an evaluation is computed by, stated in words so that reports can print them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from periti.errors import InputError
from periti.registry import nearest

Missing = Literal["zero", "skip"]
NoRelevant = Literal["zero", "exclude"]
Order = Literal["score", "expected", "file"]


@dataclass(frozen=True)
class Policy:
    """One tie rule, one denominator rule, one rule for unjudged documents.

    The defaults are trec_eval's with `-c`: every judged query counts.

    Args:
        missing: a judged query that the run does not answer counts as 0 ("zero", trec_eval -c), or is left out
            ("skip", trec_eval without -c, pytrec_eval, BEIR).
        no_relevant: a judged query without any relevant document counts as 0 ("zero", trec_eval), or is left out
            of every measure that depends on relevance ("exclude").
        order: documents come by score and, where scores tie, by id ("score", trec_eval); or in random order where
            scores tie, and values are the expected ones ("expected"); or "file": the caller made the scores from the
            order of a file's lines (tar_eval), which only changes what reports say.
        sampled: the judgements are a random sample of the pool, pooled documents outside it have a negative grade.

    Raises:
        InputError: another word for a rule.
    """

    missing: Missing = "zero"
    no_relevant: NoRelevant = "zero"
    order: Order = "score"
    sampled: bool = False

    def __post_init__(self) -> None:
        for rule, known in (("missing", Missing), ("no_relevant", NoRelevant), ("order", Order)):
            word = getattr(self, rule)
            if word not in get_args(known):
                raise InputError(f"policy: {rule}={word!r} is no rule; {nearest(str(word), get_args(known))}")

    @property
    def ties(self) -> str:
        """How documents with equal scores are ordered."""
        return {
            "score": "score descending as float32, then document id descending, before any measure is computed; "
            "the run's own rank column is not used",
            "expected": "score descending as float32; values are expected ones over random orders of documents with "
            "equal scores, bounds those of the worst and the best order",
            "file": "the order of the run's lines, as tar_eval; scores and the rank column are not used",
        }[self.order]

    @property
    def denominator(self) -> str:
        """Which queries the mean is over."""
        first = {
            "zero": "every judged query; one that the run does not answer counts as 0",
            "skip": "the judged queries that the run answers; the others are left out",
        }[self.missing]
        second = {
            "zero": "one without a relevant document counts as 0",
            "exclude": "one without a relevant document is left out of every measure of relevance",
        }[self.no_relevant]
        return f"{first}; {second}"

    @property
    def unjudged(self) -> str:
        """What a document without a judgement counts as."""
        return (
            "a document without a judgement, or with a negative one, counts as not relevant; "
            "measures with judged_only=True drop it from the list first"
            + ("; judgements are declared a random sample of the pool" if self.sampled else "")
        )
