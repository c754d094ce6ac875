"""What the service takes and gives, as pydantic models: strict, and a field that is not known is refused."""

from __future__ import annotations

import json
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from periti.registry import nearest

MAX_K = 1_000
MAX_QUERIES = 32
MAX_QUERY_BYTES = 8 * 1024
MAX_BODY_BYTES = 2 * 1024 * 1024


def _question(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; ask something")
    size = len(text.encode())
    if size > MAX_QUERY_BYTES:
        raise ValueError(f"has {size:,} bytes; at most {MAX_QUERY_BYTES:,} are taken, so shorten it")
    return text


Question = Annotated[str, AfterValidator(_question)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class SearchRequest(_Strict):
    """One question or several, put to one collection."""

    collection: str | None = Field(None, description="Name of the collection; optional when the service has only one.")
    query: Question | None = Field(None, description=f"One question: not blank, at most {MAX_QUERY_BYTES:,} bytes.")
    queries: list[Question] | None = Field(
        None, min_length=1, max_length=MAX_QUERIES, description="Several questions, instead of `query`."
    )
    k: int = Field(10, ge=1, le=MAX_K, description="How many documents for each question.")
    explain: bool = Field(default=False, description="Also say who was asked, who found what, and how long it took.")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.query is None) == (self.queries is None):
            given = "neither" if self.query is None else "both"
            raise ValueError(f"{given} of 'query' and 'queries' given; send exactly one of them")
        return self

    @property
    def texts(self) -> list[str]:
        """The questions, in order."""
        return list(self.queries) if self.queries is not None else [self.query or ""]


class Found(_Strict):
    """Where one expert ranked a document, and its own score of it."""

    rank: int
    score: float


class Hit(_Strict):
    """One document of an answer; scores of different pipelines are not comparable."""

    rank: int
    score: float
    doc_id: str
    title: str
    text: str
    metadata: dict[str, Any]
    experts: dict[str, Found] = Field({}, description="Who found it; only with `explain`.")


class Share(_Strict):
    """One expert of a plan and the weight of its answer."""

    expert: str
    weight: float


class Explanation(_Strict):
    """How one question was answered."""

    plan: list[Share]
    routing: dict[str, Any] | None = Field(None, description="Fitness of each expert and what it rests on, if known.")
    counts: dict[str, int] = Field(description="Documents that left each step, and how many were returned.")


class Step(_Strict):
    """One step of the pipeline and its time, for all questions of the request together."""

    step: str
    ms: float
    notes: dict[str, int] = Field(default_factory=dict, description="counts worth knowing, such as truncated queries")


class Result(_Strict):
    """The answer to one question, best document first."""

    query: str
    hits: list[Hit]
    explanation: Explanation | None = Field(None, description="Only with `explain`.")


class SearchAnswer(_Strict):
    """One result for each question, in the order asked."""

    collection: str
    k: int
    ms: float = Field(description="Milliseconds from the first step to the texts, for all questions together.")
    results: list[Result]
    steps: list[Step] = Field([], description="Only with `explain`.")


class ExpertFacts(_Strict):
    """One expert of a panel."""

    name: str
    description: str


class CollectionFacts(_Strict):
    """One collection."""

    name: str
    description: str
    documents: int
    experts: list[ExpertFacts]


class CollectionList(_Strict):
    """Every collection, by name."""

    collections: list[CollectionFacts]


class Status(_Strict):
    """That the service runs, or is ready."""

    status: str


class Problem(_Strict):
    """What went wrong: a type that programs can switch on and one sentence for people."""

    type: str
    message: str


class ErrorAnswer(_Strict):
    """The shape of every answer that is not a success."""

    error: Problem


def sentence(error: ValidationError) -> str:
    """One sentence for the first thing that is wrong with a request: what, what was found, what to do."""
    first = error.errors(include_url=False)[0]
    where = _place(first["loc"])
    if first["type"] == "json_invalid":
        return f"the body is not JSON: {first['ctx']['error']}"
    if first["type"] == "extra_forbidden":
        return f"unknown field {where!r}; {nearest(where, SearchRequest.model_fields)}"
    if first["type"] == "value_error":
        return f"{where} {first['ctx']['error']}".strip()
    if first["type"] in ("greater_than_equal", "less_than_equal"):
        return f"{where} is {cut(first['input'])}; it must be between 1 and {MAX_K:,}"
    if first["type"] in ("too_short", "too_long"):
        return f"{where} holds {len(first['input'])} questions; send 1 to {MAX_QUERIES}"
    return _wrong_type(first, where)


def cut(value: object, width: int = 60) -> str:
    """The value as JSON, cut to a width that fits into a sentence."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _wrong_type(first: ErrorDetails, where: str) -> str:
    expected = {
        "int_type": "an integer",
        "bool_type": "true or false",
        "string_type": "a string",
        "list_type": "a list",
    }
    wanted = expected.get(first["type"], "an object with 'query' or 'queries'" if not where else "another value")
    return f"{where or 'the body'} is {cut(first['input'])}; it must be {wanted}"


def _place(location: tuple[int | str, ...]) -> str:
    """A pydantic location as a reader would write it: queries[3]."""
    return "".join(f"[{part}]" if isinstance(part, int) else str(part) for part in location)
