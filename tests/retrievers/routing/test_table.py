"""The utility table: what it refuses, how it breaks ties, and that its directory is whole or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from periti.errors import IndexDamaged, IndexMissing, InputError, UnknownName
from periti.retrievers.routing.table import UtilityTable
from tests.retrievers.routing.toy import scattered, table

THREE = table([[0.5, 0.5, 0.1], [0.2, 0.9, 0.9], [0.3, 0.3, 0.3], [1, 0, 0]], experts="abc", datasets="AABC",
              homes={"A": "b", "B": "c"})  # fmt: skip


@pytest.mark.parametrize(
    ("ties", "best"),
    # own: b is at home on A and tied twice; c on B; C is nobody's home. drop: only the last row is decided.
    [("own", [1, 1, 2, 0]), ("first", [0, 1, 0, 0]), ("drop", [-1, -1, -1, 0])],
)
def test_ties_go_to_the_home_expert_to_nobody_or_to_the_first(ties: str, best: list[int]) -> None:
    assert THREE.best(ties).tolist() == best
    assert THREE.tie_rate == 0.75


def test_a_home_expert_that_is_not_among_the_best_gets_nothing() -> None:
    assert table([[0.9, 0.9, 0.1]], experts="abc", homes={"A": "c"}).best("own").tolist() == [0]


def test_an_unknown_rule_for_ties_is_refused() -> None:
    with pytest.raises(InputError, match="ties is 'owner'; choose own, drop or first"):
        THREE.best("owner")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"utilities": [[0.1, np.nan], [np.inf, 1]]}, "2 cells are missing, the first is expert 'b' on query 'q0'"),
        ({"utilities": [[0.1], [0.2]]}, r"shape \(2, 1\) for 2 queries and 2 experts; give one cell for each pair"),
        ({"utilities": np.empty((0, 2))}, "0 queries and 2 experts; .* give a slice of train that is not empty"),
        ({"experts": "aa"}, "the expert 'a' occurs more than once; keep one"),
        ({"query_ids": ["x", "x"]}, "the query id 'x' occurs more than once; keep one"),
        ({"query_ids": ["x", ""]}, "a query id is empty"),
        ({"texts": ["x"]}, "2 query ids, 1 texts and 2 datasets"),
        ({"homes": {"A": "c"}}, "'A' is the home of 'c', which is no expert of the table; known: a, b"),
        ({"datasets": ["scifact:test", "B"]}, "the queries come from 'scifact:test'; take a held-out slice of train"),
        ({"source": {"split": "test"}}, "the split 'test'; routers learn from a held-out slice of train, never from"),
        ({"source": {"splits": {"scifact": "train", "b": "Test[:50]"}}}, r"the split 'Test\[:50\]'"),
        ({"source": {"made": [{"qrels": "scifact:test"}]}}, "the split 'scifact:test'"),
        ({"source": {"dataset": "beir/scifact/test"}}, "the split 'beir/scifact/test'"),
    ],
)
def test_a_table_that_breaks_a_promise_is_refused(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"utilities": [[0.1, 0.2], [0.3, 0.4]], **change}

    with pytest.raises(InputError, match=message):
        table(**given)


def test_a_train_split_and_a_command_that_speaks_of_tests_are_accepted() -> None:
    table([[1, 0]], source={"splits": ["scifact:train", "nfcorpus:dev"], "command": "fit test", "folder": "x/test"})


@pytest.mark.parametrize("vectors", [np.zeros((2, 2)), np.ones((2, 2)), np.full((2, 2), np.nan)])
def test_vectors_not_of_length_one_are_refused(vectors: Any) -> None:
    with pytest.raises(InputError, match=r"the vector of query 'q0' has length .*; give the base encoder's vectors"):
        UtilityTable(("q0", "q1"), ("x", "y"), vectors, ("A", "A"), ("a",), np.ones((2, 1)))


def test_what_is_given_is_copied_and_can_not_be_changed_through_the_table() -> None:
    utilities = np.array([[1.0, 0.0]])
    made = table(utilities)
    utilities[0, 0] = 7

    assert made.utilities[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        made.utilities[0, 0] = 7


def test_adding_and_removing_an_expert_leaves_the_other_columns() -> None:
    column = np.array([0.0, 1.0, 0.0, 1.0])
    more = THREE.with_expert("d", column, home=["C"])
    back = more.without_expert("d")

    assert more.experts == ("a", "b", "c", "d")
    assert more.homes == {"A": "b", "B": "c", "C": "d"}
    np.testing.assert_array_equal(more.utilities, np.column_stack([THREE.utilities, column]))
    assert back.fingerprint == THREE.fingerprint != more.fingerprint
    assert THREE.without_expert("b").homes == {"B": "c"}
    with pytest.raises(UnknownName, match="no expert 'e'"):
        THREE.without_expert("e")
    with pytest.raises(InputError, match=r"the column of expert 'd' has shape \(3,\), the table 4 queries"):
        THREE.with_expert("d", np.zeros(3))
    with pytest.raises(InputError, match="the expert 'a' occurs more than once"):
        THREE.with_expert("a", column)


def test_a_table_can_be_restricted_and_reordered() -> None:
    part = THREE.restricted(np.array([False, True, False, True]))

    assert part.query_ids == ("q1", "q3")
    assert part.datasets == ("A", "C")
    np.testing.assert_array_equal(part.vectors, THREE.vectors[[1, 3]])
    assert THREE.ordered("ca").utilities.tolist() == [[0.1, 0.5], [0.9, 0.2], [0.3, 0.3], [0, 1]]
    with pytest.raises(InputError, match="0 queries"):
        THREE.restricted(np.zeros(4, bool))


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = scattered()
    made.write(tmp_path / "t")
    read = UtilityTable.read(tmp_path / "t")

    assert read.fingerprint == made.fingerprint
    assert (read.measure, read.homes, read.source) == (made.measure, made.homes, made.source)
    np.testing.assert_array_equal(read.utilities, made.utilities)
    np.testing.assert_array_equal(read.vectors, made.vectors)
    assert read.texts == made.texts


def test_a_table_is_not_overwritten_unasked(tmp_path: Path) -> None:
    scattered().write(tmp_path / "t")

    with pytest.raises(InputError, match="exists already"):
        scattered(seed=1).write(tmp_path / "t")
    scattered(seed=1).write(tmp_path / "t", replace=True)

    assert UtilityTable.read(tmp_path / "t").fingerprint == scattered(seed=1).fingerprint


@pytest.mark.parametrize("name", ["queries.parquet", "vectors.npy", "utilities.npy", "manifest.json"])
def test_a_damaged_table_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "t"
    scattered().write(folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(bytes(content))

    with pytest.raises(IndexDamaged):
        UtilityTable.read(folder)


def test_a_table_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing, match=r"no utility table at .*make one with `periti router fit`"):
        UtilityTable.read(tmp_path)
