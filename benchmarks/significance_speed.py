"""How fast is the sign-flip test of all pairs, beside SciPy's permutation_test?

The scores are AP of the 48 systems × 30 topics of CLEF-2017 TAR, 1,128 pairs. SciPy gets two pairs in the same
interleaved rounds; its time for all is that of one pair times 1,128. That the results are equal is checked where they
must be: all 2^12 flips of twelve topics, pair by pair, and within chance for random flips of all thirty.

Usage: python benchmarks/significance_speed.py [--rounds 5] [--permutations 100000]
"""

from __future__ import annotations

import argparse
import os

import numpy as np
from clef_scores import clef_2017
from measuring import interleaved, record, summary
from scipy import stats  # type: ignore[import-untyped]

from periti.evaluation.significance import Design, compare
from periti.evaluation.significance.signflip import Flips, max_t, sign_flip

SAMPLE = 2
"""Pairs that SciPy gets in every round."""


def mean(values: np.ndarray, axis: int) -> np.ndarray:
    found: np.ndarray = values.mean(axis=axis)
    return found


def scipy_p(differences: np.ndarray, permutations: float, seed: int) -> float:
    """SciPy's p-value of one pair, in its fastest form: vectorised statistic, all resamples at once."""
    found = stats.permutation_test(
        (differences,), mean, permutation_type="samples", vectorized=True, n_resamples=permutations, rng=seed
    )
    return float(found.pvalue)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--permutations", type=int, default=100_000)
    arguments = parser.parse_args()
    table = clef_2017()
    first, second = np.triu_indices(len(table.systems), 1)
    differences = table.values[:, first] - table.values[:, second]
    topics, pairs = differences.shape
    flips = Flips.of(topics, arguments.permutations, 1)

    few = differences[:12]
    exact = sign_flip(few, Flips.of(12, 1, 1))
    checked = range(0, pairs, 47)
    equal = sum(scipy_p(few[:, pair], np.inf, 1) == exact[pair] for pair in checked)
    ours = sign_flip(differences, flips)
    sample = np.random.default_rng(1).choice(pairs, SAMPLE, replace=False)
    deviations = []
    for pair in sample:
        theirs = scipy_p(differences[:, pair], arguments.permutations, 2)
        spread = np.sqrt(2 * ours[pair] * (1 - ours[pair]) / arguments.permutations) + 2 / arguments.permutations
        deviations.append(abs(theirs - ours[pair]) / spread)

    seconds = interleaved(
        {
            "periti_all_pairs": lambda: sign_flip(differences, flips),
            "periti_max_t_all_pairs": lambda: max_t(differences, flips),
            "scipy_few_pairs": lambda: [scipy_p(differences[:, pair], arguments.permutations, 2) for pair in sample],
        },
        arguments.rounds,
        warm=1,
    )
    whole = interleaved(
        {
            "compare_t_holm_bca": lambda: compare([table]),
            "compare_randomization_maxt_bca": lambda: compare([table], Design("randomization", "maxt")),
        },
        2,
        warm=0,
    )
    best = {name: min(values) for name, values in seconds.items()}
    scipy_all = best["scipy_few_pairs"] / SAMPLE * pairs
    record(
        "significance_speed",
        {
            "topics": topics,
            "pairs": pairs,
            "permutations": arguments.permutations,
            "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
            "exact_12_topics_equal_to_scipy": f"{equal} of {len(checked)} pairs",
            "random_flips_from_scipy_in_standard_errors": [round(float(value), 2) for value in deviations],
            "times": {name: summary(values) for name, values in (seconds | whole).items()},
            "scipy_all_pairs_s": round(scipy_all, 1),
            "times_faster_than_scipy": round(scipy_all / best["periti_all_pairs"], 1),
        },
    )


if __name__ == "__main__":
    main()
