"""Scores of several encoders on one scale: the curves by hand, and what fusion by them keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import log
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from polars.testing import assert_frame_equal

from periti.errors import ConfigError, IndexDamaged, IndexMismatch, IndexMissing, InputError
from periti.rankers.calibration import Calibration
from periti.rankers.calibration.calibration import METHODS, Judged, fit
from periti.rankers.calibration.curves import Curve, isotonic, pav, platt, quantile
from periti.rankers.calibration.fused import CalibratedFusion, CalibratedOptions
from periti.rankers.fitted import Source
from periti.rankers.fusion import ScoreSum
from periti.rankers.fusion.offline import everybody
from periti.rankers.fusion.settings import weighted
from periti.types import SCORED, Qrels, Run

DEV = Source("made", "dev", 3, "digest")


def run_of(name: str, rows: list[tuple[str, str, float]]) -> Run:
    return Run.of(pl.DataFrame(rows, schema=SCORED, orient="row"), name)


def floats(*values: float) -> NDArray[np.float64]:
    return np.array(values, np.float64)


# curves


def test_a_quantile_is_the_share_below_plus_half_the_share_equal() -> None:
    curve = quantile(floats(5, 1, 3, 3))

    # 1: .5/4; 3: (1 + 1)/4; 5: 3.5/4; halfway between 3 and 5: their mean; outside: the ends
    np.testing.assert_allclose(curve(floats(1, 3, 5, 4, 0, 9)), [0.125, 0.5, 0.875, 0.6875, 0.125, 0.875])


@pytest.mark.parametrize("count", [50, 5_000, 60_000])
def test_quantiles_of_the_scores_fitted_on_are_uniform(count: int) -> None:
    scores = np.random.default_rng(1).gamma(2.0, 3.0, count)

    values = np.sort(quantile(scores)(scores))

    np.testing.assert_allclose(values, (np.arange(count) + 0.5) / count, atol=2e-3 if count > 1024 else 1e-12)


def test_the_upper_tail_of_many_scores_is_kept_apart() -> None:
    scores = np.random.default_rng(2).normal(size=100_000)
    best = np.sort(scores)[-50:]

    assert len(np.unique(quantile(scores)(best))) > 30


def test_logistic_regression_of_two_scores_meets_their_smoothed_shares() -> None:
    # At 0: one of four relevant, at 1: three of four. Targets 5/6 and 1/6, so the means are 1/3 and 2/3:
    # intercept log(1/2), slope 2 log 2.
    scores, relevant = floats(0, 0, 0, 0, 1, 1, 1, 1), np.array([1, 0, 0, 0, 1, 1, 1, 0], bool)

    curve = platt(scores, relevant)

    assert curve.logistic
    assert curve.y == pytest.approx((log(0.5), 2 * log(2)), abs=1e-8)
    np.testing.assert_allclose(curve(floats(0, 1, 0.5)), [1 / 3, 2 / 3, 0.5], atol=1e-9)


def test_scores_that_separate_relevance_stay_finite() -> None:
    curve = platt(floats(1, 2, 3, 4), np.array([False, False, True, True]))

    values = curve(floats(1, 2, 3, 4))
    assert (np.diff(values) > 0).all()
    # Targets are 1/4 and 3/4, so the mean chance is a half.
    assert values.mean() == pytest.approx(0.5, abs=1e-6)


def test_logistic_regression_agrees_with_sklearn_on_smoothed_targets() -> None:
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    rng = np.random.default_rng(3)
    scores = rng.normal(20, 5, 400)
    relevant = rng.random(400) < 1 / (1 + np.exp(-(scores - 25) / 2))
    positives, negatives = relevant.sum(), (~relevant).sum()
    target = np.where(relevant, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    rows = np.concatenate([scores, scores])[:, None]
    labels = np.repeat([1, 0], 400)
    other = LogisticRegression(C=1e12, tol=1e-12, max_iter=10_000)
    other.fit(rows, labels, sample_weight=np.concatenate([target, 1 - target]))

    np.testing.assert_allclose(platt(scores, relevant)(scores), other.predict_proba(scores[:, None])[:, 1], atol=1e-5)


def test_adjacent_violators_are_pooled() -> None:
    # 1 | 3 2 -> 2.5 2.5 | 4; with weights 1 and 3: (3 + 6) / 4
    np.testing.assert_allclose(pav(floats(1, 3, 2, 4), floats(1, 1, 1, 1)), [1, 2.5, 2.5, 4])
    np.testing.assert_allclose(pav(floats(1, 3, 2, 4), floats(1, 1, 3, 1)), [1, 2.25, 2.25, 4])
    # Pooling 3 with 1 makes 2, which the 2 before joins
    np.testing.assert_allclose(pav(floats(2, 3, 1), floats(1, 1, 1)), [2, 2, 2])
    np.testing.assert_allclose(pav(floats(4, 3, 2, 1), floats(1, 1, 1, 1)), [2.5] * 4)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 4)), min_size=1, max_size=30))
def test_pooling_agrees_with_sklearn(pairs: list[tuple[int, int]]) -> None:
    from sklearn.isotonic import isotonic_regression  # type: ignore[import-untyped]

    values, weights = (np.array(side, np.float64) for side in zip(*pairs, strict=True))

    np.testing.assert_allclose(pav(values, weights), isotonic_regression(values, sample_weight=weights), atol=1e-12)


def test_flat_stretches_shrink_to_their_centres() -> None:
    # Relevant by score 1..5: 0 1 0 1 1, and a relevant 1 and another 5: .5 (2) 1 0 | 1 .5 (2) -> .5 (4) | 2/3 (3)
    curve = isotonic(floats(3, 1, 2, 5, 4), np.array([0, 0, 1, 1, 1], bool))

    assert curve.x == pytest.approx(((1 + 1 + 2 + 3) / 4, (4 + 5 + 5) / 3))
    assert curve.y == pytest.approx((1 / 2, 2 / 3))
    middle = (7 / 4 + 14 / 3) / 2
    np.testing.assert_allclose(curve(floats(0, 1.75, middle, 5, 9)), [1 / 2, 1 / 2, 7 / 12, 2 / 3, 2 / 3])


def test_equal_scores_are_one_observation_of_their_weight() -> None:
    # 1: two of three with the one added; 2: one of four, pooled to 3/7 at (3 · 1 + 4 · 2) / 7; 3: one of two
    curve = isotonic(floats(1, 1, 2, 2, 2, 2, 3), np.array([1, 0, 1, 0, 0, 0, 1], bool))

    assert curve.x == pytest.approx((11 / 7, 3))
    assert curve.y == pytest.approx((3 / 7, 1 / 2))


SCORES = st.lists(st.floats(-100, 100, width=32), min_size=4, max_size=40)


@settings(deadline=None, max_examples=60)
@given(scores=SCORES, asked=SCORES, seed=st.integers(0, 99), method=st.sampled_from(METHODS))
def test_no_curve_ever_falls(scores: list[float], asked: list[float], seed: int, method: str) -> None:
    values, relevant = floats(*scores), np.random.default_rng(seed).random(len(scores)) < 0.4
    try:
        curve = {"quantile": lambda: quantile(values), "platt": lambda: platt(values, relevant)}.get(
            method, lambda: isotonic(values, relevant)
        )()
    except InputError:
        return

    found = curve(np.sort(floats(*asked)))

    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize(
    ("scores", "relevant", "said"),
    [
        ((1, 2, 3), (0, 0, 0), "0 of 3 retrieved documents are relevant"),
        ((1, 2, 3), (1, 1, 1), "3 of 3 retrieved documents are relevant"),
        ((2, 2, 2), (1, 0, 0), "all scores are equal"),
        ((1, 2, 3, 4), (1, 1, 0, 0), "relevance does not rise with the score"),
    ],
)
def test_what_has_no_rising_curve_is_refused(scores: tuple[int, ...], relevant: tuple[int, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        platt(floats(*scores), np.array(relevant, bool))


def test_a_curve_that_falls_or_holds_nan_is_refused() -> None:
    for x, y in (((1.0, 2.0), (1.0, 0.0)), ((2.0, 1.0), (0.0, 1.0)), ((1.0, float("nan")), (0.0, 1.0)), ((), ())):
        with pytest.raises(InputError, match="does not rise"):
            Curve(x, y)


# fusion


def panel(seed: int = 5, queries: int = 30) -> tuple[dict[str, Run], Qrels]:
    """Two experts of different scales (cosine, and unscaled products) over 60 documents, and what is relevant."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[tuple[str, str, float]]] = {"near": [], "far": []}
    judged = []
    for q in range(queries):
        truth = rng.random(60)
        judged += [(f"q{q}", f"d{d}", 1) for d in np.flatnonzero(truth > 0.9)] + [(f"q{q}", "d-none", 0)]
        for name, noise, unit, origin in (("near", 0.3, 0.4, 0.1), ("far", 0.25, 7.0, -20.0)):
            scored = truth + rng.normal(0, noise, 60)
            kept = np.argsort(-scored)[:40]
            rows[name] += [(f"q{q}", f"d{d}", origin + unit * float(scored[d])) for d in kept]
    qrels = Qrels.of(pl.DataFrame(judged, schema=["query_id", "doc_id", "relevance"], orient="row"))
    return {name: run_of(name, own) for name, own in rows.items()}, qrels


def calibrated(method: str, runs: Mapping[str, Run], qrels: Qrels, *, rule: str = "sum", missing: str = "zero") -> Run:
    calibration = fit(method, runs, {name: {} for name in runs}, DEV, Judged(qrels))
    fusion = CalibratedFusion(calibration, CalibratedOptions(Path("x.json"), rule, missing))
    return fusion.fuse(runs, everybody(runs))


def moved(run: Run, factor: float, shift: float) -> Run:
    return Run.of(run.frame.select("query_id", "doc_id", pl.col("score") * factor + shift), run.name)


@pytest.mark.parametrize("missing", ["zero", "list_min"])
@pytest.mark.parametrize("method", METHODS)
def test_another_unit_and_origin_of_one_expert_changes_nothing_but_a_plain_sum(method: str, missing: str) -> None:
    runs, qrels = panel()
    other = {**runs, "far": moved(runs["far"], 4.0, 37.0)}

    one, two = (calibrated(method, given_runs, qrels, missing=missing) for given_runs in (runs, other))
    plain, strange = (ScoreSum().fuse(given_runs, everybody(given_runs)) for given_runs in (runs, other))

    joined = one.frame.join(two.frame, on=["query_id", "doc_id"])
    np.testing.assert_allclose(joined["score"], joined["score_right"], atol=2e-4)
    assert (joined["rank"] == joined["rank_right"]).mean() > 0.95, "float32 scores move a near tie now and then"  # type: ignore[operator]
    assert not plain.frame.select("query_id", "doc_id").equals(strange.frame.select("query_id", "doc_id"))


@pytest.mark.parametrize("rule", ["sum", "mnz", "max"])
@pytest.mark.parametrize("method", METHODS)
def test_equal_experts_give_their_own_ranking(method: str, rule: str) -> None:
    runs, qrels = panel()
    twins = {"one": runs["near"].renamed("one"), "two": runs["near"].renamed("two")}

    run = calibrated(method, twins, qrels, rule=rule)

    assert_frame_equal(run.frame.drop("score"), runs["near"].frame.drop("score"))


def test_an_expert_that_gives_noise_is_heard_less_by_a_chance_of_relevance() -> None:
    runs, qrels = panel()
    rng = np.random.default_rng(9)
    scores = pl.Series(rng.normal(0, 50, runs["far"].frame.height))
    asked = {"x": Run.of(runs["far"].frame.select("query_id", "doc_id", score=scores), "x"), **runs}
    for method in ("platt", "isotonic"):
        calibration = fit(method, asked, {}, DEV, Judged(qrels))
        said = {n: calibration.values(n, r.frame["score"].to_numpy().astype(np.float64)) for n, r in asked.items()}

        assert said["x"].std() < 0.5 * min(said["near"].std(), said["far"].std()), method


def test_a_missing_document_gets_zero_or_what_the_list_s_last_one_got() -> None:
    runs = {"x": run_of("x", [("q", "a", 3.0), ("q", "b", 1.0)]), "y": run_of("y", [("q", "c", 9.0), ("q", "a", 5.0)])}
    calibration = Calibration("quantile", dict.fromkeys("xy", Curve((0.0, 10.0), (0.0, 1.0))), {}, DEV)

    def fused(missing: str) -> dict[str, float]:
        run = CalibratedFusion(calibration, CalibratedOptions(missing=missing)).fuse(runs, everybody(runs))
        return dict(run.frame.select("doc_id", "score").iter_rows())

    assert fused("zero") == pytest.approx({"a": 0.8, "b": 0.1, "c": 0.9})
    assert fused("list_min") == pytest.approx({"a": 0.8, "b": 0.1 + 0.5, "c": 0.9 + 0.1})


def test_weights_of_the_plan_multiply() -> None:
    runs = {"x": run_of("x", [("q", "a", 3.0)]), "y": run_of("y", [("q", "b", 5.0)])}
    calibration = Calibration("quantile", dict.fromkeys("xy", Curve((0.0, 10.0), (0.0, 1.0))), {}, DEV)

    run = CalibratedFusion(calibration, CalibratedOptions()).fuse(runs, weighted(everybody(runs), {"x": 2.0, "y": 1.0}))

    assert dict(run.frame.select("doc_id", "score").iter_rows()) == pytest.approx({"a": 0.6, "b": 0.5})


# what it was fitted on


def test_a_calibration_returns_from_its_file_as_it_was(tmp_path: Path) -> None:
    runs, qrels = panel()
    prints = {name: {"index": name, "depth": "40"} for name in runs}
    for method in METHODS:
        made = fit(method, runs, prints, DEV, Judged(qrels))
        made.write(tmp_path / "c.json")
        read = Calibration.read(tmp_path / "c.json")

        assert read == Calibration(made.method, dict(made.curves), made.fingerprints, made.source)


def test_a_calibration_for_other_experts_is_refused() -> None:
    runs, qrels = panel()
    prints = {name: {"index": f"index of {name}", "depth": "40"} for name in runs}
    calibration = fit("quantile", runs, prints, DEV, Judged(qrels))

    calibration.require(prints)
    with pytest.raises(IndexMismatch, match=r"'far' was another \(index index of far then, rebuilt now\); fit it with"):
        calibration.require({**prints, "far": {"index": "rebuilt", "depth": "40"}})
    with pytest.raises(IndexMismatch, match=r"'far' was another \(depth 40 then, 10 now\)"):
        calibration.require({**prints, "far": {**prints["far"], "depth": "10"}})
    with pytest.raises(IndexMismatch, match="no curve for the expert 'third'"):
        calibration.require({**prints, "third": {}})


def test_a_test_split_is_refused() -> None:
    for split in ("test", "Test", "test-b"):
        with pytest.raises(InputError, match="is a test split, and nothing is fitted or tuned on test"):
            Source("scifact", split, 3, "digest")


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (lambda file: file.unlink(), IndexMissing, "no calibration at"),
        (lambda file: file.write_text(file.read_text()[:-40]), IndexDamaged, "not a readable calibration"),
        (lambda file: file.write_text(file.read_text().replace('"q', '"Q', 1)), IndexDamaged, "was altered"),
        (lambda file: file.write_text(file.read_text().replace("dev", "test")), IndexDamaged, "was altered"),
        (lambda file: file.write_text("[]"), IndexDamaged, "not a readable calibration"),
    ],
)
def test_a_spoiled_file_is_refused(tmp_path: Path, spoil: object, error: type[Exception], said: str) -> None:
    runs, qrels = panel()
    file = tmp_path / "c.json"
    fit("quantile", runs, {name: {} for name in runs}, DEV, Judged(qrels)).write(file)
    json.loads(file.read_text())
    assert callable(spoil)
    spoil(file)

    with pytest.raises(error, match=said):
        CalibratedFusion.open(CalibratedOptions(file))


def test_mistakes_in_fitting_are_named() -> None:
    runs, qrels = panel()
    with pytest.raises(ConfigError, match="method is 'plat'; did you mean 'platt'"):
        fit("plat", runs, {}, DEV)
    with pytest.raises(InputError, match="needs judgements"):
        fit("isotonic", runs, {}, DEV)
    with pytest.raises(InputError, match="of the expert 'x': no scores to calibrate on"):
        fit("quantile", {"x": Run.empty("x")}, {}, DEV, Judged(qrels))
    with pytest.raises(InputError, match="no runs"):
        fit("quantile", {}, {}, DEV)
    with pytest.raises(ConfigError, match="rule is 'min'"):
        CalibratedOptions(rule="min")


def test_an_expert_without_a_curve_is_named_when_it_is_fused() -> None:
    runs, qrels = panel()
    fusion = CalibratedFusion(fit("quantile", {"near": runs["near"]}, {}, DEV, Judged(qrels)), CalibratedOptions())

    with pytest.raises(IndexMismatch, match="no curve for the expert 'far'; known: near"):
        fusion.fuse(runs, everybody(runs))
