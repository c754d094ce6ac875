"""The collections of judged texts: what they hold, and that a damaged or shortened one is refused by name."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from periti.datasets.loaders.onestop_english import difficulty, read_onestop_english
from periti.datasets.loaders.ukpconvarg1 import read_ukpconvarg1
from periti.errors import DatasetError, FormatError


def test_arguments_are_judged_by_about_five_votes_with_sides_at_random(shared_data: Path) -> None:
    found = read_ukpconvarg1(shared_data / "ukpconvarg1")

    assert (len(found.gold), found.same) == (16_912, 15)
    assert len(found.strict) == len(found.gold)
    wins = np.bincount(found.gold + 1)
    assert wins[2] / (wins[0] + wins[2]) == pytest.approx(0.5, abs=0.01)
    assert len(set(found.judgments.groups)) == 16


def test_an_article_has_three_levels_in_order_and_three_pairs(shared_data: Path) -> None:
    articles = read_onestop_english(shared_data / "onestop-english")

    assert len(articles) == 189
    lengths = np.array([[len(text.split()) for text in article.texts] for article in articles])
    assert (np.diff(lengths.mean(axis=0)) > 0).all(), "easier versions are shorter on average"
    assert len(difficulty(articles).groups) == 3 * 189


@pytest.fixture
def copied(shared_data: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "ukpconvarg1"
    shutil.copytree(shared_data / "ukpconvarg1", folder)
    for path in [folder, *folder.iterdir()]:
        path.chmod(0o755)
    return folder


def test_a_shortened_file_is_refused(copied: Path) -> None:
    path = copied / "votes-all-pairs.tsv.gz"
    whole = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    path.write_bytes(gzip.compress("".join(whole[:-1]).encode()))

    with pytest.raises(DatasetError, match=r"16,926 pairs, published are 16,927"):
        read_ukpconvarg1(copied)


def test_a_vote_that_is_no_number_is_named_with_its_line(copied: Path) -> None:
    path = copied / "votes-all-pairs.tsv.gz"
    whole = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    cells = whole[4].split("\t")
    cells[whole[0].split("\t").index("votes_a1")] = "many"
    path.write_bytes(gzip.compress("".join([*whole[:4], "\t".join(cells), *whole[5:]]).encode()))

    with pytest.raises(FormatError, match=r"votes-all-pairs\.tsv\.gz:5: .*many"):
        read_ukpconvarg1(copied)
