"""Keywords to headings: the pieces by hand, and the whole over a small real index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from periti.errors import ConfigError, IndexMissing, InputError
from periti.indexers.encoding import EncoderSource
from periti.mesh.index import MeshConfig, MeshIndex, build_vocabulary
from periti.mesh.suggest import Method, Suggester, firsts, fragment, semantic_groups, term_mapping
from periti.mesh.vocabulary import Heading, Vocabulary

VOCABULARY = Vocabulary(
    [
        Heading("Myocardial Infarction", "D009203", ("Heart Attack", "Cardiovascular Stroke"), ("C14.280",)),
        Heading("Heart", "D006321"),
        Heading("Stroke", "D020521", ("Cerebrovascular Accident",)),
        Heading("Abdomen, Acute", "D000006"),
        Heading("Aspirin", "D001241", ("Acetylsalicylic Acid",)),
        *(Heading(f"Heart Valve {n}", entries=tuple(f"Valve {n} heart heart {m}" for m in range(6))) for n in range(9)),
    ]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, bert: Path) -> Path:
    target = tmp_path_factory.mktemp("mesh") / "index"
    encoder = EncoderSource("sentence-transformers", {"model": str(bert)})
    build_vocabulary(VOCABULARY, target, MeshConfig(encoder=encoder))
    return target


@pytest.fixture(scope="module")
def suggester(folder: Path) -> Suggester:
    return Suggester(MeshIndex.open(folder))


def names(hits: Sequence[tuple[str, float]]) -> list[str]:
    return [heading for heading, _ in hits]


# the pieces


def test_lists_are_scaled_and_added() -> None:
    found = fragment([[("a", 10.0), ("b", 6.0), ("c", 2.0)], [("b", 0.9), ("d", 0.5), ("a", 0.1)]], 10)

    assert names(found) == ["b", "a", "d", "c"]
    assert [score for _, score in found] == pytest.approx([1.5, 1.0, 0.5, 0.0])


def test_a_list_of_equal_scores_gives_one_to_each() -> None:
    found = fragment([[("a", 3.0)], [("b", 7.0), ("c", 7.0)], [("b", 2.0), ("d", 1.0)]], 1)

    assert dict(found) == pytest.approx({"b": 2.0})


def test_headings_tied_with_the_last_stay() -> None:
    lists = [[("a", 2.0), ("z", 1.0)], [("b", 2.0), ("z", 1.0)], [("c", 5.0), ("z", 4.0)], []]

    assert sorted(names(fragment(lists, 1))) == ["a", "b", "c"]
    assert sorted(names(fragment(lists, 3))) == ["a", "b", "c"]
    assert len(fragment(lists, 4)) == 4
    assert fragment([[], []], 3) == []


def test_first_headings_count_once_with_their_best_score() -> None:
    assert firsts([[("a", 0.5), ("x", 0.4)], [("b", 0.6)], [("a", 0.9)], [], [("c", 0.6)]]) == [
        ("a", 0.9), ("b", 0.6), ("c", 0.6)
    ]  # fmt: skip


def test_keywords_are_grouped_by_chains_of_near_ones() -> None:
    angles = {"a": 0.0, "b": 36.0, "c": 72.0, "d": 120.0}  # cos 36° = .809, cos 72° = .309, cos 48° = .669
    vectors = {name: np.array([np.cos(np.radians(t)), np.sin(np.radians(t))], np.float32) for name, t in angles.items()}

    assert semantic_groups(["a", "b", "c", "d"], vectors) == [["a", "b", "c"], ["d"]]
    assert semantic_groups(["d", "c", "a", "b"], vectors) == [["d"], ["c", "a", "b"]]
    assert semantic_groups(["a", "c"], vectors) == [["a"], ["c"]]
    assert semantic_groups([], vectors) == []


def test_terms_are_mapped_by_their_longest_names() -> None:
    found = term_mapping(["heart attacks", "old heart attack aspirin", "aspirin", "valve", "&"], VOCABULARY)

    assert found == [("Myocardial Infarction", 2.0), ("Aspirin", 2.0)]
    assert names(term_mapping(["acute abdomen heart"], VOCABULARY)) == ["Abdomen, Acute", "Heart"]


# the whole


def test_the_index_gives_the_vocabulary_back(suggester: Suggester) -> None:
    assert list(suggester.index.vocabulary.headings) == list(VOCABULARY.headings)


def test_a_heading_scores_as_its_best_name_and_stands_once(suggester: Suggester) -> None:
    first, second = suggester.index.words.search(["cerebrovascular accident", "qqqq"], 5)

    assert names(first) == ["Stroke"]
    assert second == []


def test_the_shorter_list_begins_the_longer_one(suggester: Suggester) -> None:
    """The nine valves have seven names each, so a first look finds too few headings."""
    for search in (suggester.index.words, suggester.index.vectors):
        assert search
        longest = search.search(["heart"], 20)[0]
        assert len(set(names(longest))) == len(longest) >= 11
        for depth in (1, 2, 5, 10):
            assert search.search(["acetylsalicylic acid", "heart"], depth)[1] == longest[:depth]


@pytest.mark.parametrize("method", ["atm", "atomic:words", "fragment:words"])
def test_every_method_by_words_finds_the_named_headings(suggester: Suggester, method: str) -> None:
    clause = ["heart attack*", "acetylsal* acid"]
    found = names(suggester.suggest([clause], Method.of(method), 10)[0])

    assert {"Myocardial Infarction", "Aspirin"} <= set(found[:3])


@pytest.mark.parametrize("method", ["atm", "atomic", "atomic:words", "semantic", "fragment", "fragment:both"])
def test_a_clause_gets_the_same_headings_in_any_company(suggester: Suggester, folder: Path, method: str) -> None:
    clauses = [["heart attack", "stroke"], ["aspirin"], [], ["zzzz"]]
    chosen = Method.of(method)
    together = suggester.suggest(clauses, chosen, 3)

    assert together[2] == []
    for clause, expected in zip(reversed(clauses), reversed(together), strict=True):
        assert Suggester(MeshIndex.open(folder)).suggest([clause], chosen, 3) == [expected]


def test_vectors_find_a_heading_by_its_own_name(suggester: Suggester) -> None:
    assert names(suggester.suggest([["Aspirin"]], Method("atomic"), 1)[0]) == ["Aspirin"]
    assert names(suggester.suggest([["Acute Abdomen"]], Method("semantic"), 1)[0]) == ["Abdomen, Acute"]


# mistakes


@pytest.mark.parametrize("text", ["fragmnt", "fragment:wrds", "atomic:both"])
def test_an_unknown_method_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="MeSH suggestion"):
        Method.of(text)


def test_an_index_without_vectors_says_so(tmp_path: Path) -> None:
    build_vocabulary(VOCABULARY, tmp_path / "index", MeshConfig(dense="none"))
    suggester = Suggester(MeshIndex.open(tmp_path / "index"))

    assert suggester.suggest([["aspirin"]], Method("fragment", "words"), 1)[0][0][0] == "Aspirin"
    for method in ("semantic", "fragment"):
        with pytest.raises(ConfigError, match="without vectors"):
            suggester.suggest([["aspirin"]], Method(method), 1)
    with pytest.raises(InputError, match="k is 0"):
        suggester.suggest([["aspirin"]], Method(), 0)
    with pytest.raises(IndexMissing, match="holds no vocabulary"):
        MeshIndex.open(tmp_path)
    with pytest.raises(ConfigError, match="dense is 'some'"):
        MeshConfig(dense="some")
