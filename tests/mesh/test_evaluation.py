"""Cases from real queries, and how many of their headings are found."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from periti.errors import FormatError, InputError
from periti.mesh import pubmed
from periti.mesh.cases import ARCHIVES, Case, Cases, bioasq, clef_queries, clef_tar, concept_sets, read_query
from periti.mesh.clauses import clauses, rebuilt
from periti.mesh.evaluate import assess, precision_recall_f1, recall
from periti.mesh.index import MeshConfig, MeshIndex, build_vocabulary
from periti.mesh.report import as_json, text
from periti.mesh.suggest import Method, Suggester
from periti.mesh.syntax import for_pubmed, pubmed_text
from periti.mesh.vocabulary import Heading, Vocabulary, read_vocabulary

SMALL = Vocabulary([Heading("Aspirin", "D001241"), Heading("Pain", "D010146"), Heading("Humans", "D006801")])
MESH = "http://www.nlm.nih.gov/cgi/mesh/2014/MB_cgi?field=uid&exact=Find+Exact+Term&term="


def archives(folder: Path, *queries: str) -> Path:
    for archive, own in zip(ARCHIVES, (queries, ()), strict=True):
        with tarfile.open(folder / archive, "w:gz") as tar:
            for number, query in enumerate(own):
                content = f"Topic: T{number} \n\nTitle: some title \n\nQuery: \n{query} \n\nPids: \n    1 \n".encode()
                member = tarfile.TarInfo(f"testing/topics/{number}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return folder


def questions(path: Path, *records: dict[str, object]) -> Path:
    path.write_text(json.dumps({"questions": [{"id": str(n), **r} for n, r in enumerate(records)]}))
    return path


def test_a_clause_with_words_and_headings_is_a_case_and_the_rest_is_counted(tmp_path: Path) -> None:
    folder = archives(
        tmp_path,
        "exp Aspirin/\naspirin*.tw.\nor/1-2\nexp Pain/\nNo Such Heading/\nache.ti.\nor/4-6\nHumans/\ncats.ab.\n"
        "3 and 7 and 8 and 9",
        '("Aspirin"[Mesh] OR aspirin*[tw])',
        "(aspirin.ti.",
    )
    found = clef_tar(folder, SMALL)

    assert found.cases == [Case("T0", 1, ("aspirin*",), ("Aspirin",)), Case("T0", 2, ("ache",), ("Pain",))]
    assert dict(found.left_out) == {
        "clauses of headings only": 1,
        "clauses that an earlier topic has too": 1,
        "clauses without a heading of the vocabulary": 1,
        "headings that the vocabulary does not have": 1,
    }
    assert [topic for topic, _ in found.unreadable] == ["T2"]
    assert "line 1: ( at character 1 is never closed" in found.unreadable[0][1]


def test_measures_of_two_sets() -> None:
    assert recall(["a", "b"], ["a", "c", "d", "e"]) == 0.25
    assert precision_recall_f1(["a", "b", "b"], ["a", "c", "d"]) == pytest.approx((0.5, 1 / 3, 0.4))
    assert precision_recall_f1([], ["a"]) == (0.0, 0.0, 0.0)
    assert precision_recall_f1(["a"], ["a"]) == (1.0, 1.0, 1.0)


def test_means_are_over_topics_and_each_clause_of_a_topic_counts_alike(tmp_path: Path) -> None:
    build_vocabulary(SMALL, tmp_path / "index", MeshConfig(dense="none"))
    cases = Cases(
        [
            Case("T0", 1, ("aspirin",), ("Aspirin",)),
            Case("T0", 2, ("zzzz",), ("Pain",)),
            Case("T1", 1, ("pain", "aspirin", "aspirins"), ("Pain", "Humans")),
        ],
        [("left", 2)],
        [("T9", "why")],
    )
    found = assess(Suggester(MeshIndex.open(tmp_path / "index")), cases, [Method("atm"), Method("atomic", "words")], 10)

    assert found.topics == ("T0", "T1")
    assert found.values["R@10"].tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert found.values["R@1"][:, 0].tolist() == [0.5, 0.0], "aspirin has two keywords of the last clause, pain one"
    assert found.values["P(10)"][:, 0].tolist() == [0.5, 0.5]
    assert found.sizes == (1.0, 1.0)
    table = text(cases, found)
    assert "3 clauses of 2 topics, 4 headings" in table
    assert "Left out: 2 left." in table
    assert "Not read: T9 (why)." in table
    assert as_json(cases, found)["means"]["R@10"]["atm"]["mean"] == 0.5
    assert as_json(cases, found)["tested"]["pairs"][0]["p"] == 1.0


def test_what_can_not_be_evaluated_is_told(tmp_path: Path) -> None:
    build_vocabulary(SMALL, tmp_path / "index", MeshConfig(dense="none"))
    suggester = Suggester(MeshIndex.open(tmp_path / "index"))
    with pytest.raises(InputError, match="no clause with words"):
        assess(suggester, Cases([], []), [Method("atm")])
    with pytest.raises(InputError, match="atm is given twice"):
        assess(suggester, Cases([Case("T", 1, ("a",), ("b",))], []), [Method("atm"), Method("atm")])


def test_questions_with_text_are_cases(tmp_path: Path) -> None:
    body, concept = (
        "Does aspirin help?",
        [f"{MESH}D001241", f"{MESH}D001241", f"{MESH}D999999", "http://uniprot.org/P1"],
    )
    path = questions(tmp_path / "q.json", {"body": body, "concepts": concept}, {"concepts": concept}, {"body": "x"})
    found = bioasq(path, SMALL)

    assert found.cases == [Case("0", 1, (body,), ("Aspirin",))]
    assert [count for _, count in found.left_out] == [1, 1, 1]


def test_questions_that_can_not_be_asked_are_refused(tmp_path: Path) -> None:
    path = questions(tmp_path / "q.json", {"body": "x", "concepts": [f"{MESH}D001241"]})
    with pytest.raises(InputError, match="the vocabulary has none"):
        bioasq(path, Vocabulary([Heading("Aspirin")]))
    path.write_text("[]")
    with pytest.raises(FormatError, match="a list `questions`"):
        bioasq(path, SMALL)


# real data


def test_every_readable_query_of_clef_comes_back_from_its_text(shared_data: Path) -> None:
    read = refused = 0
    for _, query in clef_queries(shared_data / "clef-tar"):
        try:
            tree = for_pubmed(read_query(query))
        except FormatError:
            refused += 1
            continue
        read += 1
        assert pubmed.parse(pubmed_text(tree)) == tree
        built = for_pubmed(rebuilt(tree, [["Wounds and Injuries"]] * len(clauses(tree))))
        assert pubmed.parse(pubmed_text(built)) == built
    # CD009044 has a line `....tw. (1`.
    assert (read, refused) == (60, 1)


def test_clef_has_the_cases_that_the_page_tells(shared_data: Path) -> None:
    vocabulary = read_vocabulary(shared_data / "mesh" / "mtrees2019.bin.gz")
    found = clef_tar(shared_data / "clef-tar", vocabulary)

    assert len(vocabulary) == 29_062
    assert [topic for topic, _ in found.unreadable] == ["CD007431", "CD009044"]
    assert (len(found.cases), len(found.topics)) == (105, 52)


def test_the_bioasq_sample_has_no_text_and_its_repeated_answers_count_once(shared_data: Path) -> None:
    """Its two files are a gold standard and an answer that repeats one right concept of a question many times."""
    gold = shared_data / "mesh" / "BioASQ-task2bPhaseA-testset1.docs.concepts.documents.gold.json.gz"
    system = shared_data / "mesh" / "BioASQ-task2bPhaseA-testset1.docs.concepts.multiple.json.gz"
    with pytest.raises(InputError, match="none of its 100 questions has a text"):
        bioasq(gold, SMALL)

    wanted, given = concept_sets(gold), concept_sets(system)
    asked = {name: concepts for name, concepts in wanted.items() if concepts}
    assert len(wanted) == len(given) == 100
    assert (len(asked), sum(map(len, asked.values()))) == (93, 302)
    answered = {name: concepts for name, concepts in asked.items() if given[name]}
    assert len(answered) == 86
    for name, concepts in answered.items():
        assert precision_recall_f1(given[name], concepts)[:2] == (1.0, 1 / len(concepts))


@pytest.mark.slow
def test_headings_of_real_clauses_are_found_by_words(shared_data: Path, tmp_path: Path) -> None:
    vocabulary = read_vocabulary(shared_data / "mesh" / "mtrees2019.bin.gz")
    build_vocabulary(vocabulary, tmp_path / "index", MeshConfig(dense="none"))
    suggester = Suggester(MeshIndex.open(tmp_path / "index"))
    cases = clef_tar(shared_data / "clef-tar", suggester.index.vocabulary)

    found = assess(suggester, cases, [Method("atm"), Method("atomic", "words"), Method("fragment", "words")])

    recalls = found.values["R@20"].mean(axis=0)
    assert (recalls > 0.2).all()
    for measure in ("R@1", "R@5", "R@10"):
        assert (found.values[measure] <= found.values["R@20"]).all()
