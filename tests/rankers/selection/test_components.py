"""The fusion "multiwinner" and the ranker "quota": whole answers by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from periti.errors import ConfigError, InputError
from periti.rankers.fusion.offline import everybody
from periti.rankers.fusion.settings import weighted
from periti.rankers.selection.fusion import MultiwinnerFusion, MultiwinnerOptions
from periti.rankers.selection.ranker import QuotaRanker, QuotaRankerOptions
from periti.types import SCORED, Document, Queries, Run


def run_of(name: str, **lists: str) -> Run:
    """A run of queries whose documents are letters, best first."""
    rows = [(query, doc, float(-place)) for query, docs in lists.items() for place, doc in enumerate(docs)]
    return Run.of(pl.DataFrame(rows, schema=SCORED, orient="row"), name)


def fuse(runs: Mapping[str, Run], weights: Mapping[str, float] | None = None, **options: object) -> Run:
    plan = everybody(runs)
    fusion = MultiwinnerFusion.open(MultiwinnerOptions(**options))  # type: ignore[arg-type]
    return fusion.fuse(runs, weighted(plan, weights) if weights else plan)


class Shelf:
    """A corpus of documents that have a language."""

    def __init__(self, languages: Mapping[str, object]) -> None:
        self._documents = {
            doc: Document(doc, doc, metadata={} if language is None else {"language": language})
            for doc, language in languages.items()
        }

    def __len__(self) -> int:
        return len(self._documents)

    def __iter__(self) -> Iterator[Document]:
        return iter(self._documents.values())

    def get(self, doc_ids: Sequence[str]) -> list[Document]:
        return [self._documents[doc_id] for doc_id in doc_ids]


QUERIES = Queries.from_pairs([("q", "anything")])


# multiwinner


def test_every_expert_gets_its_proportional_share_of_the_first_places() -> None:
    # Borda of 6 candidates: c has 3 · 3 + 1 points, x has 5 + 3 · 1.
    runs = {name: run_of(name, q="abc") for name in ("one", "two", "three")} | {"z": run_of("z", q="xyz")}

    assert fuse(runs, size=3, shares="none").doc_ids("q")[:3] == ["a", "b", "c"]
    # Homes: a, b, c belong to "one", x, y, z to "z": ⌊3 · 3/6⌋ = 1 each.
    assert fuse(runs, size=3).doc_ids("q")[:3] == ["a", "b", "x"]


def test_the_rest_follows_in_order_of_merit() -> None:
    runs = {"one": run_of("one", q="abc"), "two": run_of("two", q="abc"), "stranger": run_of("stranger", q="xyz")}
    fused = fuse(runs, size=2, upper={"one": 1})

    assert fused.doc_ids("q") == ["a", "x", "b", "c", "y", "z"]
    assert fused.frame["score"].to_list() == [6, 5, 4, 3, 2, 1]


def test_a_document_belongs_to_whoever_ranks_it_best() -> None:
    runs = {"a": run_of("a", q="xyz"), "b": run_of("b", q="yxw")}

    # x is a's, y is b's, z a's, w b's. Borda: x and y 5 each, z and w 1 + 0 each... the later id wins ties.
    assert fuse(runs, size=2, shares="none").doc_ids("q")[:2] == ["y", "x"]
    assert fuse(runs, size=2, lower={"a": 2}).doc_ids("q")[:2] == ["x", "z"]


def test_a_budget_is_divided_by_the_weights_of_the_plan() -> None:
    runs = {"a": run_of("a", q="abcdef"), "b": run_of("b", q="uvwxyz")}
    fused = fuse(runs, {"a": 0.7, "b": 0.3}, size=5, shares="weights")

    # 3.5 and 1.5: equal remainders, the larger share first
    assert sorted(fused.doc_ids("q")[:5]) == ["a", "b", "c", "d", "u"]


def test_an_expert_with_too_few_documents_leaves_its_places_to_the_others() -> None:
    runs = {"a": run_of("a", q="abcdef"), "b": run_of("b", q="u")}
    fused = fuse(runs, {"a": 0.5, "b": 0.5}, size=4, shares="weights")

    assert sorted(fused.doc_ids("q")[:4]) == ["a", "b", "c", "u"]


def test_chamberlin_courant_covers_every_expert() -> None:
    runs = {name: run_of(name, q="abc") for name in ("one", "two", "three")} | {"other": run_of("other", q="xyz")}

    assert fuse(runs, size=2, shares="none", rule="k-borda").doc_ids("q")[:2] == ["a", "b"]
    assert fuse(runs, size=2, shares="none", rule="cc").doc_ids("q")[:2] == ["a", "x"]


def test_experts_may_answer_different_queries() -> None:
    runs = {"a": run_of("a", q="ab", r="cd"), "b": run_of("b", q="bx")}
    fused = fuse(runs, size=1)

    assert fused.doc_ids("r") == ["c", "d"]
    assert fused.doc_ids("q")[0] == "b"


# quota


def rank(docs: str, languages: Mapping[str, object], **options: object) -> list[str]:
    ranker = QuotaRanker.open(QuotaRankerOptions(field="language", **options))  # type: ignore[arg-type]
    return ranker.rerank(QUERIES, run_of("first", q=docs), Shelf(languages)).doc_ids("q")


def test_a_language_is_brought_in_and_the_order_of_the_run_is_kept() -> None:
    languages = dict.fromkeys("abcd", "en") | dict.fromkeys("xy", "fr")

    assert rank("abcdxy", languages, size=3, lower={"fr": 1}) == list("abxcdy")
    assert rank("abcdxy", languages, size=3, most=1, shares="none") == list("axbcdy")
    assert rank("abcdxy", languages, size=3) == list("abxcdy")  # ⌊3 · 2/6⌋ = 1 of fr
    assert rank("abcdxy", languages, size=3, shares="none") == list("abcdxy")


def test_documents_below_the_depth_are_no_candidates() -> None:
    languages = dict.fromkeys("abcd", "en") | dict.fromkeys("xy", "fr")

    assert rank("abcdxy", languages, size=2, lower={"fr": 1}, depth=4) == list("abcdxy")


def test_what_could_not_be_kept_is_noted() -> None:
    languages = {"a": "en", "b": "en", "c": None}
    options = QuotaRankerOptions(size=3, field="language", lower={"fr": 2}, upper={"en": 1})
    reranked = QuotaRanker(options).reranked(QUERIES, run_of("first", q="abc"), Shelf(languages))

    assert reranked.run.doc_ids("q") == ["a", "c", "b"]
    assert reranked.notes == {"documents_without_field": 1, "bounds_lowered": 1, "places_left_open": 1}


def test_numbers_and_truth_values_are_groups_and_lists_are_refused() -> None:
    assert rank("abc", {"a": 2019, "b": 2019, "c": 2020}, size=2, lower={"2020": 1}) == ["a", "c", "b"]
    with pytest.raises(InputError, match="document 'b' has list in the field 'language'"):
        rank("ab", {"a": "en", "b": ["en", "fr"]}, size=1)


def test_a_query_that_is_not_asked_stays_as_it_was() -> None:
    run = run_of("first", q="abx", other="abx")
    languages = {"a": "en", "b": "en", "x": "fr"}
    ranker = QuotaRanker(QuotaRankerOptions(size=2, field="language", lower={"fr": 1}))

    reranked = ranker.rerank(QUERIES, run, Shelf(languages))

    assert reranked.doc_ids("q") == ["a", "x", "b"]
    assert reranked.doc_ids("other") == ["a", "b", "x"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 0}, "size is 0"),
        ({"shares": "weight"}, "did you mean 'weights'"),
        ({"most": -1}, "most is -1"),
        ({"lower": {"a": 7, "b": 7}}, "sum to 14"),
        ({"lower": {"a": 2}, "most": 1}, "at least 2 and at most 1"),
        ({"lower": {"a": "two"}}, "the bound of group 'a' is 'two'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong: dict[str, object], message: str) -> None:
    for options in (MultiwinnerOptions, QuotaRankerOptions):
        with pytest.raises(ConfigError, match=message):
            options(**wrong)  # type: ignore[arg-type]


def test_settings_of_one_component_alone_are_refused() -> None:
    with pytest.raises(ConfigError, match="rule is 'ccc'"):
        MultiwinnerOptions(rule="ccc")
    with pytest.raises(ConfigError, match="is for experts"):
        QuotaRankerOptions(shares="weights")
    with pytest.raises(ConfigError, match="field is empty"):
        QuotaRankerOptions(field="")
    with pytest.raises(ConfigError, match="depth is 5, less than size 10"):
        QuotaRankerOptions(depth=5)


def test_the_order_of_the_experts_does_not_matter() -> None:
    runs = {"a": run_of("a", q="xyzw"), "b": run_of("b", q="yxwv"), "c": run_of("c", q="vwxy")}

    assert_frame_equal(fuse(runs, size=3).frame, fuse(dict(reversed(runs.items())), size=3).frame)
