"""What the screening routes take and give."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from periti.api.bodies import Strict

NAME = 60
"""Characters of a reviewer's name."""
AHEAD = 6
"""Citations of an answer: the next one and those that would follow it."""
MOST = 3_000
"""Candidates of a review: how alike any two are is kept in memory, 72 MB for so many."""
MAX_BODY_BYTES = 1024 * 1024


def _reviewer(name: str) -> str:
    name = unicodedata.normalize("NFC", name.strip())
    if not name or not name.isprintable():
        raise ValueError("is empty or holds characters that can not be seen; give a name")
    return name


def _question(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; give the review's title or its question")
    return text.strip()


Reviewer = Annotated[str, Field(max_length=NAME), AfterValidator(_reviewer)]
Question = Annotated[str, Field(max_length=8_000), AfterValidator(_question)]


class Asked(Strict):
    """Who asks, about which review."""

    review: str = Field(description="Id of a review.", max_length=500)
    reviewer: Reviewer = Field(description=f"Whose judgements: a name of at most {NAME} characters.")


class Decided(Asked):
    """A judgement."""

    doc_id: str = Field(description="Id of the citation.", max_length=1_000)
    include: bool = Field(description="Whether it is included; a second judgement of a citation corrects the first.")


class NewReview(Strict):
    """A review to be screened."""

    question: Question = Field(description="Title or question of the review, at most 8,000 characters.")
    collection: str | None = Field(None, description="Name of the collection; optional when there is only one.")
    doc_ids: list[str] | None = Field(
        None, min_length=1, max_length=MOST, description=f"The citations to screen, at most {MOST:,}; or `candidates`."
    )
    candidates: int = Field(
        1_000, ge=1, le=MOST, description="Without `doc_ids`: how many the panel finds for the question."
    )


class ReviewFacts(Strict):
    """A review that can be screened."""

    review: str
    question: str
    collection: str
    candidates: int


class ReviewList(Strict):
    """Every review, those that came with the service first."""

    reviews: list[ReviewFacts]


class Citation(Strict):
    """A citation that is not judged yet."""

    doc_id: str
    title: str
    text: str


class Estimate(Strict):
    """What the classifier believes; nothing bounds its error."""

    expected_left: float = Field(description="Included citations believed to be among those not judged.")
    deviation: float = Field(description="Standard deviation of that number, if the classifier were right.")
    recall: float = Field(description="Share of all included citations that is found, by this belief.")
    recall_low: float = Field(description="The same, less the one-sided 95 % of its doubt.")


class Proof(Strict):
    """What random draws prove."""

    total: int = Field(description="Citations that were left when the drawing began.")
    read: int = Field(description="Draws judged, in the order drawn.")
    found: int = Field(description="Included ones among them.")
    most: int = Field(description="The most included ones that can have been left when the drawing began.")
    recall: float = Field(description="The least recall that is possible.")
    error: float = Field(description="The chance that recall is lower, at whatever moments one looks.")


class Standing(Strict):
    """How far a reviewer is."""

    candidates: int
    judged: int
    included: int
    learns_after: int = Field(description="Judgements until the order is learned anew; 0 when it will not be.")
    target: float = Field(description="The recall that is wanted.")
    estimate: Estimate | None = Field(description="None until the first batch is judged.")
    proof: Proof | None = Field(description="None until the rest is drawn at random.")
    sentences: list[str] = Field(description="The same in words.")


class Taken(Strict):
    """What was taken back: a judgement, or the beginning of the drawing."""

    event: Literal["judge", "draw"]
    doc_id: str | None
    include: bool | None


class Sheet(Strict):
    """What lies before a reviewer."""

    review: str
    reviewer: str
    question: str
    next: list[Citation] = Field(description=f"The next citation and what would follow it, {AHEAD} at most.")
    standing: Standing
    undone: Annotated[Taken | None, Field(description="Only of an undo: null when there was nothing to take back.")] = (
        None
    )
