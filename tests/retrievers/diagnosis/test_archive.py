"""The archive of the best expert per domain and cost cell."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from periti.errors import FormatError, InputError, StorageError
from periti.retrievers.diagnosis.archive import Archive, Elite


def test_cells_are_replaced_by_better_experts_alone() -> None:
    archive = Archive([10, 100], "ms")

    assert archive.cell(Elite("law", "a", 9.9, 0.5)) == ("law", 0)
    assert archive.cell(Elite("law", "a", 10, 0.5)) == ("law", 1)
    assert archive.cell(Elite("law", "a", 1000, 0.5)) == ("law", 2)
    assert archive.offer(Elite("law", "a", 5, 0.5))
    assert not archive.offer(Elite("law", "b", 5, 0.5)), "an equal does not replace"
    assert archive.offer(Elite("law", "c", 4, 0.5)), "an equal that costs less does"
    assert archive.offer(Elite("law", "d", 9, 0.6))
    assert archive.offer(Elite("law", "e", 50, 0.1)), "another cell"
    assert archive.offer(Elite("medicine", "a", 5, 0.1)), "another domain"
    assert [elite.expert for elite in archive] == ["d", "e", "a"]


def test_best_within_a_budget_and_the_front() -> None:
    archive = Archive([10, 20, 30], "MB")
    for expert, cost, utility in [("a", 5, 0.5), ("b", 15, 0.4), ("c", 25, 0.7), ("d", 35, 0.7)]:
        archive.offer(Elite("law", expert, cost, utility))

    assert [elite.expert for elite in archive.front("law")] == ["a", "c"]
    best = archive.best("law")
    assert best is not None
    assert best.expert == "c"
    within = archive.best("law", 20)
    assert within is not None
    assert within.expert == "a"
    assert archive.best("law", 1) is None
    assert archive.best("art") is None


def test_records_are_frozen() -> None:
    elite = Elite("law", "a", 1, 1)
    with pytest.raises(FrozenInstanceError):
        elite.utility = 2  # type: ignore[misc]


ELITES = st.lists(
    st.builds(Elite, st.sampled_from("xyz"), st.sampled_from("abc"), st.floats(0, 50), st.floats(-1, 1), st.text()),
    max_size=20,
)


@given(ELITES)
def test_each_cell_holds_the_best_that_was_offered(offered: list[Elite]) -> None:
    archive = Archive([10, 20], "ms")
    for elite in offered:
        archive.offer(elite)

    for held in archive:
        rivals = [elite for elite in offered if archive.cell(elite) == archive.cell(held)]
        assert held.utility == max(elite.utility for elite in rivals)
    assert len(archive) == len({archive.cell(elite) for elite in offered})


@given(ELITES)
def test_written_and_read_it_is_the_same(tmp_path_factory: pytest.TempPathFactory, offered: list[Elite]) -> None:
    path = tmp_path_factory.mktemp("archive") / "archive.json"
    archive = Archive([10, 20.5], "ms")
    for elite in offered:
        archive.offer(elite)
    archive.write(path)

    again = Archive.read(path)

    assert [*again] == [*archive]
    assert (again.edges, again.unit) == (archive.edges, "ms")
    assert [file.name for file in path.parent.iterdir()] == ["archive.json"]


def test_figures_and_files_that_are_wrong_are_refused(tmp_path: Path) -> None:
    for edges in ([], [2, 1], [1, 1], [float("nan")], [float("inf")]):
        with pytest.raises(InputError, match="ascending finite"):
            Archive(edges, "ms")
    with pytest.raises(InputError, match="has utility nan"):
        Elite("law", "a", 1, float("nan"))
    with pytest.raises(InputError, match="at cost -1"):
        Elite("law", "a", -1, 1)
    with pytest.raises(InputError, match="give both a name"):
        Elite("", "a", 1, 1)
    with pytest.raises(StorageError, match="can not be written"):
        Archive([1], "ms").write(tmp_path / "absent" / "a.json")
    with pytest.raises(FormatError, match="does not exist"):
        Archive.read(tmp_path / "a.json")


ONE = '{"domain": "d", "expert": "a", "cost": 1, "utility": 1}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "can not be read as JSON"),
        ("[]", "is of format None, expected 'periti-archive-1'"),
        ('{"format": "periti-workloads-1"}', "is of format 'periti-workloads-1'"),
        ('{"format": "periti-archive-1", "edges": [1]}', "not a whole archive"),
        ('{"format": "periti-archive-1", "edges": [3, 1], "unit": "", "elites": []}', "not a whole archive"),
        ('{"format": "periti-archive-1", "edges": [3], "unit": "", "elites": [{"x": 1}]}', "not a whole archive"),
        (
            f'{{"format": "periti-archive-1", "edges": [3], "unit": "", "elites": [{ONE}, {ONE}]}}',
            "2 experts in 1 cells",
        ),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "archive.json"
    path.write_text(text)

    with pytest.raises(FormatError, match=message) as caught:
        Archive.read(path)
    assert str(path) in str(caught.value)
