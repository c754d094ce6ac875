"""Rankings set against gold: the reference's toy, swaps and drops by hand, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from periti.errors import InputError
from periti.evaluation.agreement import Terms, agree, as_json, as_text
from periti.evaluation.significance import Scores

GOLD = {"A": 0.5, "B": 0.4, "C": 0.3, "D": 0.2, "E": 0.1}
OTHER = {"A": 0.4, "B": 0.5, "C": 0.3, "D": 0.1, "E": 0.2}
"""B A C E D: the ranking of reference 5.3."""


def table(means: dict[str, float], name: str, topics: int = 8, noise: float = 0.01) -> Scores:
    """Scores around these means that keep the means exactly: noise comes in pairs of opposite sign."""
    rng = np.random.default_rng(7)
    half = rng.normal(0.0, noise, (topics // 2, len(means)))
    values = np.array(list(means.values())) + np.concatenate([half, -half])
    frame = pl.DataFrame(values, schema=list(means)).with_columns(
        pl.Series("query_id", [f"q{i}" for i in range(topics)])
    )
    return Scores.of(frame, "AP", collection=name)


def test_the_references_toy_of_two_rankings() -> None:
    (one,) = agree([table(GOLD, "gold"), table(OTHER, "other")]).against
    assert one.ranks.tau == pytest.approx(0.6)
    assert one.ranks.tau_ap == pytest.approx(0.375)
    assert one.ranks.rbo == pytest.approx(0.881775, abs=5e-7)
    # Every neighbour is .1 apart with noise of .01: all ten pairs differ, A-B and D-E are swapped.
    assert (one.swapped, one.told_apart, one.max_drop) == (2, 10, 1)
    assert (one.found.aa, one.found.ad) == (8, 2)
    assert one.ranks.rmse == pytest.approx(np.sqrt(4 * 0.01 / 5))


def test_a_table_agrees_with_itself_and_stable_topics_give_stable_rankings() -> None:
    found = agree([table(GOLD, "gold"), table(GOLD, "again")], Terms(draws=50))
    (one,) = found.against
    assert (one.ranks.tau, one.ranks.tau_ap, one.swapped, one.max_drop) == (1.0, 1.0, 0, 0)
    for side in found.resampled:
        assert side.halves is not None
        assert side.drawn is not None
        assert (side.halves.mean, side.drawn.mean) == (1.0, 1.0)
        assert side.drawn.places.tolist() == [[place] * 3 for place in (1, 2, 3, 4, 5)]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    tables = [table(GOLD, "gold", noise=0.3), table(OTHER, "other", noise=0.3)]
    first = as_json(agree(tables, Terms(draws=40)))
    assert as_json(agree(tables, Terms(draws=40))) == first
    assert as_json(agree(tables, Terms(draws=40, seed=2))) != first


def test_json_holds_what_the_text_shows() -> None:
    found = agree([table(GOLD, "gold"), table(OTHER, "other")], Terms(draws=20))
    data = json.loads(as_json(found))
    assert data["gold"] == "AP on gold"
    assert data["against_gold"][0]["significance"]["aa"] == 8
    assert data["tables"][1]["places"]["B"] == [1.0, 1.0, 1.0]
    text = as_text(found)
    assert "0.6000  0.3750  0.8818" in text
    assert "2 of 10" in text
    assert "seed 1" in text


def test_too_few_topics_have_no_stability_and_say_so() -> None:
    found = agree([table(GOLD, "gold", topics=2), table(OTHER, "other", topics=2)])
    assert found.resampled[0].drawn is None
    assert "fewer than 4 topics have no stability: AP on gold, AP on other" in as_text(found)
    assert "bootstrap" not in json.loads(as_json(found))["tables"][0]


def test_one_table_alone_is_resampled() -> None:
    found = agree([table(GOLD, "gold")], Terms(draws=20))
    assert found.against == ()
    assert "swapped" not in as_text(found)


def test_all_equal_means_have_no_order() -> None:
    flat = table(dict.fromkeys(GOLD, 0.0), "flat", noise=0.0)
    (one,) = agree([table(GOLD, "gold"), flat], Terms(draws=10)).against
    assert np.isnan(one.ranks.tau)
    assert json.loads(as_json(agree([table(GOLD, "gold"), flat], Terms(draws=10))))["against_gold"][0]["tau"] is None


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ([], "no table"),
        ([table(GOLD, "gold"), table({"A": 0.1, "B": 0.2}, "two")], "do not rank the same systems: 'C'"),
        ([table(GOLD, "gold"), table(GOLD, "gold")], "two tables are both AP on gold"),
        ([table({"A": 0.1}, "one")], "a ranking needs two of each"),
    ],
)
def test_what_can_not_be_set_side_by_side_is_one_sentence(tables: list[Scores], reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        agree(tables)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("terms", [{"alpha": 0.0}, {"draws": 0}, {"seed": -1}])
def test_terms_out_of_range_are_refused(terms: dict[str, float]) -> None:
    with pytest.raises(InputError, match="give"):
        Terms(**terms)  # type: ignore[arg-type]
