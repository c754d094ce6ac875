"""The registry of published numbers, and the comparison that refuses what is not of the same thing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from periti.errors import InputError, UnknownName
from periti.evaluation import Policy, evaluate, parse
from periti.evaluation.against import against, as_data, as_text
from periti.evaluation.published import (
    ANY,
    FIELDS,
    KINDS,
    Comparable,
    Differs,
    Ours,
    benchmark_records,
    compare,
    declared,
    published,
    split_name,
)

from .trec_files import qrels_from, run_from


def record(benchmark: str, measure: str, system: str, **terms: Any) -> Any:
    """The one record of these terms."""
    family, cutoff = split_name(measure)
    (found,) = [
        one
        for one in benchmark_records(benchmark)
        if (one.terms.measure, one.terms.cutoff, one.system) == (family, cutoff, system)
        and all(getattr(one.terms, key) == value for key, value in terms.items())
    ]
    return found


@pytest.mark.parametrize(
    ("benchmark", "measure", "system", "terms", "value", "decimals", "kind"),
    [
        ("LeCaRDv2", "R@100", "BM25", {"n_queries": 800}, 0.6262, 4, "readme"),
        ("LeCaRDv2", "R@1000", "RetroMAE", {"n_queries": 160}, 0.8174, 4, "readme"),
        ("LeCaRD", "nDCG@30", "BERT", {"n_queries": 20}, 0.899, 3, "readme"),
        ("LeCaRD", "P@5", "SAILER", {"min_rel": 3}, 0.467, 3, "ours"),
        ("T2Ranking", "R@50", "DPR, mined negatives", {"averaging": "micro"}, 0.7327, 4, "readme"),
        ("R2MED", "nDCG@10", "BM25", {"split": "IIYi-Clinical"}, 0.120, 3, "readme"),
        ("R2MED", "nDCG@10", "NV-Embed-v2 + query2doc (GPT-4)", {}, 0.4165, 4, "readme"),
        ("R2MED", "nDCG@10", "best in the abstract", {}, 0.414, 3, "paper"),
        ("JurisTCU", "R@10", "a lexical baseline", {"min_rel": 2}, 0.38, 2, "third-party"),
        ("CLEF-TAR", "last_rel", "waterloo.B-rank", {}, 1469.0, 0, "leaderboard"),
        ("CLEF-TAR", "R_percent@30", "UWB", {}, 0.994, 3, "leaderboard"),
        ("MS MARCO passage v1", "nDCG@10", "BM25 k1 .9 b .4", {"n_queries": 54}, 0.4796, 4, "readme"),
        ("MS MARCO passage v1", "RR@10", "ms-marco-MiniLM-L6", {}, 0.3901, 4, "readme"),
        ("MS MARCO passage v2", "R@100", "BM25 k1 .9 b .4", {"split": "dev2"}, 0.0802, 4, "readme"),
        # "10k" names the checkpoint, not a depth: all of that table re-ranks BM25's first 100.
        (
            "MS MARCO passage v1",
            "nDCG@10",
            "monoT5-3B (10k steps)",
            {"n_queries": 43, "depth": 100},
            0.7173,
            4,
            "readme",
        ),
        ("BEIR fiqa", "nDCG@10", "BGE-base-en-v1.5", {}, 0.406, 3, "readme"),
    ],
)
def test_the_registry_holds_the_references_numbers(  # noqa: PLR0917
    benchmark: str, measure: str, system: str, terms: dict[str, Any], value: float, decimals: int, kind: str
) -> None:
    found = record(benchmark, measure, system, **terms)
    assert (found.value, found.decimals, found.kind) == (pytest.approx(value, abs=1e-12), decimals, kind)


def test_every_record_is_marked_and_its_measure_can_be_evaluated() -> None:
    records = published()
    assert len(records) == 445
    assert {one.kind for one in records} <= set(KINDS)
    assert all(one.url and one.system and one.terms.benchmark and one.terms.split for one in records)
    spelled = {(one.terms.measure, one.terms.cutoff) for one in records}
    names = [family if cutoff is None else f"{family}@{cutoff:g}" for family, cutoff in spelled]
    assert len(parse([str(name) for name in names])) == len(names)


def test_no_table_of_beir_is_comparable_by_its_name_alone() -> None:
    # 30 queries of round 1 of TREC-COVID are not the 50 of BEIR, whatever a user declares.
    records = [one for one in published() if str(one.terms.benchmark).startswith("BEIR")]
    assert len({one.terms.benchmark for one in records}) == 13
    assert all(one.terms.n_queries for one in records)
    theirs = record("BEIR trec-covid", "nDCG@10", "BM25 flat")
    verdict = compare(Ours(replace(theirs.terms, n_queries=30), 0.6), theirs)
    assert isinstance(verdict, Differs)
    assert [str(field) for field in verdict.fields] == ["n_queries (ours 30, theirs 50)"]


def test_no_number_is_recorded_twice() -> None:
    keys = [(one.terms, one.system, one.kind) for one in published()]
    assert len(set(keys)) == len(keys)


def test_equal_terms_are_comparable_up_to_rounding() -> None:
    theirs = record("LeCaRDv2", "R@100", "BM25", n_queries=800)
    verdict = compare(Ours(replace(theirs.terms, missing=ANY, ties="docid_desc"), 0.62624), theirs)
    assert isinstance(verdict, Comparable)
    assert verdict.delta == pytest.approx(0.00004)
    assert verdict.half_unit == pytest.approx(0.00005)
    assert verdict.same
    assert verdict.unstated == ("missing", "ties")
    assert not compare(Ours(theirs.terms, 0.62636), theirs).same  # type: ignore[union-attr]


@pytest.mark.parametrize("field", ["revision", "corpus_size", "n_queries", "judged_rel", "min_rel", "first_stage"])
@pytest.mark.parametrize("value", [None, 7])
def test_a_stated_field_that_is_unknown_or_another_refuses_and_is_named(field: str, value: int | None) -> None:
    theirs = record("LeCaRDv2", "R@100", "BM25", n_queries=800)
    verdict = compare(Ours(replace(theirs.terms, **{field: value}), 0.6262), theirs)
    assert isinstance(verdict, Differs)
    assert [difference.field for difference in verdict.fields] == [field]
    assert f"{field} (ours {value or 'unknown'}, theirs" in str(verdict.fields[0])


def test_a_measure_without_a_cutoff_is_not_one_with() -> None:
    theirs = record("LeCaRDv2", "R@100", "BM25", n_queries=800)
    assert isinstance(compare(Ours(replace(theirs.terms, cutoff=None), 0.6), theirs), Differs)


def test_the_terms_are_the_fields_of_the_reference() -> None:
    assert (
        *("benchmark", "revision", "split", "corpus_size", "n_queries", "judged_rel", "measure", "cutoff", "min_rel"),
        *("gain", "averaging", "missing", "ties", "first_stage", "depth"),
    ) == FIELDS


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("AP(rel=2)@1000", ("AP", 1000.0)),
        ("nDCG(dcg='exp-log2')@10", ("nDCG", 10.0)),
        ("nDCG(dcg='exp-log2',gains={1:2,2:3})", ("nDCG(gains={1:2,2:3})", None)),
        ("WSS@0.95", ("WSS", 0.95)),
        ("P(rel=2,judged_only=True)@5", ("P(judged_only=True)", 5.0)),
    ],
)
def test_a_measures_name_is_split_into_what_is_compared(name: str, parts: tuple[str, float | None]) -> None:
    assert split_name(name) == parts


# Two queries of a benchmark with 43; the run is 3 deep.
QRELS = qrels_from([("q1", "a", 2), ("q1", "b", 0), ("q2", "a", 2)])
RUN = run_from([("q1", "a", 3.0), ("q1", "b", 2.0), ("q1", "c", 1.0), ("q2", "b", 1.0)])
DECLARED = {"split": "TREC DL 2019", "corpus_size": 8841823, "first_stage": "none"}


def differing(comparisons: Any, system: str) -> set[str]:
    (item,) = [one for one in comparisons if one.theirs.system == system and one.theirs.terms.n_queries == 43]
    return {difference.field for difference in item.verdict.fields}


def test_an_evaluation_of_other_queries_and_judgements_is_refused() -> None:
    evaluation = evaluate(RUN, QRELS, parse(["AP@1000", "nDCG@10"], min_rel=2))
    compared = against([evaluation], "MS MARCO passage v1", DECLARED)
    of_ap = [one for one in compared if one.measure.startswith("AP")]
    # The run ends before the cutoff, which makes it another measurement.
    assert differing(of_ap, "BM25 + RM3") == {"n_queries", "cutoff"}
    of_ndcg = [one for one in compared if one.measure.startswith("nDCG")]
    assert differing(of_ndcg, "LiT5-large") == {"n_queries", "cutoff", "first_stage", "depth"}
    assert "none can be compared" in as_text(compared)


def test_what_a_file_does_not_tell_is_unknown_and_refuses() -> None:
    compared = against([evaluate(RUN, QRELS, parse(["nDCG@10"]))], "MS MARCO passage v1", {})
    assert {"split", "corpus_size", "first_stage"} <= differing(compared, "BM25 + RM3")


def test_a_rule_that_could_not_matter_fits_theirs_and_one_that_could_does_not() -> None:
    tied = run_from([("q1", "a", 1.0), ("q1", "b", 1.0)])
    fields = []
    for run, policy in ((RUN, None), (tied, Policy(missing="skip"))):
        compared = against(
            [evaluate(run, QRELS, parse(["RR@10"]), policy=policy)], "T2Ranking", {"corpus_size": 2303643}
        )
        (item,) = [one for one in compared if one.theirs.system == "BM25"]
        assert isinstance(item.verdict, Differs)
        fields.append({difference.field for difference in item.verdict.fields} & {"ties", "missing"})
    assert fields == [set(), {"ties", "missing"}]


def test_comparable_numbers_are_printed_with_their_difference() -> None:
    docs = [f"d{i}" for i in range(10)]
    qrels = qrels_from([(f"q{n}", docs[0], 2) for n in range(43)])
    run = run_from([(f"q{n}", doc, float(-i)) for n in range(43) for i, doc in enumerate(docs)])
    compared = against([evaluate(run, qrels, parse(["nDCG@10"]))], "MS MARCO passage v1", DECLARED)
    lines = as_text(compared).splitlines()
    assert lines[2].split()[:6] == ["run", "nDCG@10", "1.0000", "0.5058", "+0.49420", "0.00005"]
    assert "beyond rounding" in lines[2]
    assert "not stated by the source and not checked: revision" in lines
    first = as_data(compared)[0]
    assert (first["comparable"], first["same"], first["delta"]) == (True, False, pytest.approx(0.4942))


def test_a_benchmark_or_measure_without_published_numbers_is_refused_with_what_there_is() -> None:
    evaluation = evaluate(RUN, QRELS, parse(["ERR@10"]))
    with pytest.raises(UnknownName, match="did you mean 'LeCaRDv2'"):
        against([evaluation], "LeCaRDv3", {})
    with pytest.raises(InputError, match="ask for one of R@100, R@1000"):
        against([evaluation], "LeCaRDv2", {})


def test_declarations_are_read_and_bad_ones_refused() -> None:
    assert declared(["corpus_size=5183", "first_stage=BM25"]) == {"corpus_size": 5183, "first_stage": "BM25"}
    for pairs, reason in (
        (["corpus_size"], "declares nothing"),
        (["corpus=5"], "did you mean 'corpus_size'"),
        (["depth=deep"], "give a whole number"),
        (["depth=1", "depth=2"], "declared twice"),
    ):
        with pytest.raises(InputError, match=reason):
            declared(pairs)
