"""The fixtures of the reference, to the printed digits: a toy of eight topics and CLEF-2017 TAR."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from periti.evaluation.significance import Design, compare
from periti.evaluation.significance.design import Test
from periti.evaluation.significance.effects import detectable_d_z
from periti.evaluation.significance.results import ComparisonTable

from .toy import clef, toy

PAIRS = [("A", "B"), ("A", "C"), ("B", "C")]


def the(design: Design) -> ComparisonTable:
    return compare([toy()], design).tables[0]


def p_of(design: Design) -> Sequence[float]:
    found = {(c.a, c.b): c.adjusted for c in the(design).comparisons}
    return [found[pair] for pair in PAIRS]


def test_the_toys_mean_differences() -> None:
    assert [round(c.difference, 5) for c in the(Design()).comparisons] == [0.06125, 0.095, 0.03375]


@pytest.mark.parametrize(
    ("test", "correction", "printed"),
    [
        ("t", "none", [".048878", ".00001805", ".123282"]),
        ("t", "holm", [".097757", ".00005414", ".123282"]),
        ("t", "bh", [".073318", ".00005414", ".123282"]),
        ("hsd", "", [".017510", ".000621", ".222970"]),
    ],
)
def test_the_toys_p_values(test: Test, correction: str, printed: list[str]) -> None:
    for p, expected in zip(p_of(Design(test, correction)), printed, strict=True):
        assert f"{p:.{len(expected) - 1}f}".removeprefix("0") == expected


def test_the_toys_randomised_block_hsd_has_the_printed_error_and_ranges() -> None:
    table = the(Design("hsd"))
    assert f"{table.anova.mse:.8f}" == "0.00149226"
    assert [round(c.statistic, 4) for c in table.comparisons] == [4.4847, 6.9558, 2.4711]


def test_the_toys_exact_sign_flip_counts_22_of_256() -> None:
    assert p_of(Design("randomization", "none"))[0] == 22 / 256


@pytest.mark.parametrize(("null", "p"), [("table", 0.078125), ("auto", 0.09375), ("exact", 0.09375)])
def test_the_toys_wilcoxon_moves_with_the_null_distribution(null: str, p: float) -> None:
    assert p_of(Design("wilcoxon", "none", null=null))[0] == p  # type: ignore[arg-type]


def test_the_toys_effect_and_t_interval() -> None:
    first = the(Design()).comparisons[0]
    interval = first.interval("t")
    assert first.effect.d_z is not None
    assert interval is not None
    assert round(first.effect.d_z, 4) == 0.8415
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.0004, 0.1221)
    # Hedges: n - 1 is 7, and 4 times 7 less 1 is 27.
    assert first.effect.hedges == pytest.approx(first.effect.d_z * (1 - 3 / 27))


@pytest.mark.parametrize(
    ("topics", "d_z"), [(30, 0.529), (43, 0.437), (50, 0.404), (54, 0.388), (100, 0.283), (150, 0.230), (200, 0.199)]
)
def test_minimum_detectable_effects(topics: int, d_z: float) -> None:
    assert round(detectable_d_z(topics, 0.05), 3) == d_z


@pytest.mark.parametrize(
    ("design", "significant"),
    [
        (Design("t", "none", bootstrap=0), 767),
        (Design("t", "bonferroni", bootstrap=0), 345),
        (Design("t", "holm", bootstrap=0), 367),
        (Design("t", "bh", bootstrap=0), 737),
        (Design("wilcoxon", "none", bootstrap=0), 807),
        (Design("wilcoxon", "bh", bootstrap=0), 778),
        # Differences that only rounding tells apart share a rank.
        (Design("wilcoxon", "bh", bootstrap=0, ties_within=1e-12), 779),
        (Design("hsd", bootstrap=0), 442),
    ],
    ids=lambda value: f"{value.test}-{value.correction}" if isinstance(value, Design) else None,
)
def test_significant_pairs_of_clef_2017_tar(shared_data: Path, design: Design, significant: int) -> None:
    table = compare([clef(shared_data)], design).tables[0]
    assert len(table.comparisons) == 1128
    assert sum(c.significant for c in table.comparisons) == significant


def test_the_variance_of_clef_2017_tar(shared_data: Path) -> None:
    table = compare([clef(shared_data)], Design("hsd", bootstrap=0)).tables[0]
    assert round(table.anova.mse, 6) == 0.009776
    assert round(table.critical_difference, 4) == 0.1017
    assert {name: round(100 * share, 1) for name, share in table.anova.shares.items()} == {
        "topic": 52.7,
        "system": 18.4,
        "error": 28.9,
    }


@pytest.mark.slow
def test_the_unpaired_version_that_periti_warns_of_finds_140_of_the_442(shared_data: Path) -> None:
    from scipy.stats import studentized_range, tukey_hsd  # type: ignore[import-untyped]

    scores = clef(shared_data).values
    n, k = scores.shape
    within = scores.var(axis=0, ddof=1).mean()
    critical = studentized_range.isf(0.05, k, n * k - k) * np.sqrt(within / n)
    means = scores.mean(axis=0)
    first, second = np.triu_indices(k, 1)
    assert round(within, 4) == 0.0270
    assert round(critical, 4) == 0.1690
    assert (np.abs(means[first] - means[second]) >= critical).sum() == 140
    # It is the same thing: three columns given to SciPy, taken for independent samples.
    toys = toy().values
    assert tukey_hsd(*toys.T).pvalue[0, 1] == pytest.approx(0.581541, abs=5e-7)
