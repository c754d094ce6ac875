"""Quotas under bias: they help where a group is judged unfairly, and never where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from periti.errors import InputError
from periti.rankers.selection.profile import ADDITIVE
from periti.rankers.selection.simulation import Election, simulate


@pytest.mark.parametrize("rule", ADDITIVE)
def test_without_bias_quotas_never_improve_what_is_exact(rule: str) -> None:
    found = simulate(Election(rule, items=20, voters=7, size=5, bias=1.0), rounds=60, seed=1)

    np.testing.assert_allclose(found.free, 1.0)
    assert (found.quota <= 1 + 1e-12).all()
    assert (found.quota < 1 - 1e-12).any(), "quotas that never bind would keep every promise"


@pytest.mark.parametrize("rule", ADDITIVE)
def test_under_strong_bias_quotas_regain_latent_quality(rule: str) -> None:
    found = simulate(Election(rule, items=40, voters=25, size=10, bias=0.3), rounds=40, seed=2)

    assert found.quota.mean() > found.free.mean() + 0.02


def test_the_gain_grows_with_the_bias_until_nobody_of_the_group_is_chosen() -> None:
    gains = []
    for bias in (1.0, 0.8, 0.6):
        found = simulate(Election("k-borda", bias=bias), rounds=40, seed=3)
        gains.append(float((found.quota - found.free).mean()))

    assert gains == sorted(gains)
    assert gains[0] <= 0 < gains[-1]


def test_a_seed_gives_the_same_elections() -> None:
    one, two, other = (simulate(Election(), rounds=5, seed=seed) for seed in (7, 7, 8))

    np.testing.assert_array_equal(one.quota, two.quota)
    assert not np.array_equal(one.quota, other.quota)


@pytest.mark.parametrize("wrong", [{"bias": 0.0}, {"bias": 1.5}, {"share": 1.0}, {"noise": -1.0}, {"size": 60}])
def test_an_election_that_can_not_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="simulation:"):
        Election(**wrong)  # type: ignore[arg-type]
