from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from periti.errors import InputError
from periti.evaluation.reports import Provenance, frames, parquet
from periti.evaluation.significance import Design, compare
from tests.evaluation.significance.toy import A, toy

STUDY = compare([toy()], Design(bootstrap=200, every_test=True))


def test_frames_have_every_number_in_full() -> None:
    found = frames(STUDY)
    first = STUDY.tables[0].comparisons[0]
    row = found["comparisons"].row(0, named=True)
    assert (row["a"], row["b"], row["p"], row["p_corrected"]) == (first.a, first.b, first.p, first.adjusted)
    assert row["bca_low"] == first.intervals[1].low
    assert row["t_high"] == first.intervals[0].high
    assert row["tost_p"] is None
    assert row["p_wilcoxon"] == first.other_p["wilcoxon"]
    assert found["systems"]["system"].to_list() == ["A", "B", "C"]
    assert found["topics"].filter(system="A")["value"].to_list() == A
    assert found["topics"].height == 24
    assert found["over_collections"].is_empty()


def test_a_frame_keeps_its_columns_without_bootstrap_or_pairs() -> None:
    found = frames(compare([toy()], Design(baseline="A", bootstrap=0)))
    assert found["comparisons"]["bca_low"].null_count() == 2
    assert found["comparisons"]["t_low"].null_count() == 0
    assert found["systems"]["best_place"].null_count() == 3


def test_a_folder_gets_a_file_a_frame_and_a_file_the_comparisons(tmp_path: Path) -> None:
    written = parquet(STUDY, tmp_path / "out", provenance=Provenance(command="x"))
    assert sorted(path.name for path in written) == sorted(f"{name}.parquet" for name in frames(STUDY))
    (alone,) = parquet(STUDY, tmp_path / "one.parquet", provenance=Provenance(command="x"))
    assert pl.read_parquet(alone).equals(frames(STUDY)["comparisons"])
    assert json.loads(pl.read_parquet_metadata(alone)["periti"])["command"] == "x"


def test_a_folder_that_can_not_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Parquet can not be written there"):
        parquet(STUDY, tmp_path / "file")
