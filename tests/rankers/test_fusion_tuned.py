"""What is learned or tuned on held-out queries, by hand on two queries."""

from __future__ import annotations

from math import log
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl
import pytest

from periti.errors import ConfigError, IndexDamaged, IndexMismatch, InputError
from periti.rankers.fitted import Source
from periti.rankers.fusion.learned import METHODS, Learned, LearnedOptions, learn
from periti.rankers.fusion.offline import everybody
from periti.rankers.fusion.settings import FusionSettings, TunedFusion, TunedOptions
from periti.rankers.fusion.tuning import Search, Trial, best, simplex, tune
from periti.types import SCORED, Qrels, Run

DEV = Source("made", "dev", 2, "digest")


def run_of(name: str, **lists: str) -> Run:
    """A run that ranks the letters of each query as written."""
    rows = [(q, d, 10.0 - i) for q, own in lists.items() for i, d in enumerate(own)]
    return Run.of(pl.DataFrame(rows, schema=SCORED, orient="row"), name)


def qrels_of(**relevant: str) -> Qrels:
    rows = [(q, d, 1) for q, own in relevant.items() for d in own]
    return Qrels.of(pl.DataFrame(rows, schema=["query_id", "doc_id", "relevance"], orient="row"))


HELD_OUT = run_of("x", p="abcd", q="efgh")
"""Relevant are a and c of p, and f of q: chances by rank .5 .5 .5 0."""
JUDGED = qrels_of(p="ac", q="f")


def said(learned: Learned, letters: str) -> list[float]:
    """What the learned rule gives one list of expert x, best first."""
    run = run_of("x", z=letters)
    fused = learned.fuse({"x": run}, everybody({"x": run}))
    score = dict(fused.frame.select("doc_id", "score").iter_rows())
    return [score[letter] for letter in letters]


def test_positions_and_windows() -> None:
    assert learn("posfuse", {"x": HELD_OUT}, JUDGED).tables["x"] == (0.5, 0.5, 0.5, 0.0)
    assert said(learn("posfuse", {"x": HELD_OUT}, JUDGED), "stuvw") == pytest.approx([0.5, 0.5, 0.5, 0, 0], abs=1e-6)

    slide = learn("slidefuse", {"x": HELD_OUT}, JUDGED, options=LearnedOptions(window=1))
    # one rank either side within the list: (.5 + .5)/2, 1.5/3, 1/3, (.5 + 0)/2
    assert said(slide, "stuv") == pytest.approx([0.5, 0.5, 1 / 3, 0.25], abs=1e-6)


def test_segments_of_growing_size_and_of_equal_number() -> None:
    # Ranks 1-5: (2 + 1) hits / 5 / 2 queries = .3; min-max of four scores: 1, 2/3, 1/3, 0, plus 1
    seg = learn("segfuse", {"x": HELD_OUT}, JUDGED)
    assert seg.tables["x"][:2] == pytest.approx((0.3, 0.0))
    assert said(seg, "stuv") == pytest.approx([0.6, 0.5, 0.4, 0.3], abs=1e-6)

    # Two segments of two: first (1/2 + 1/2)/2, second (1/2 + 0)/2, halved for being second
    prob = learn("probfuse", {"x": HELD_OUT}, JUDGED, options=LearnedOptions(segments=2))
    assert prob.tables["x"] == pytest.approx((0.5, 0.25))
    assert said(prob, "stuv") == pytest.approx([0.5, 0.5, 0.125, 0.125], abs=1e-6)


def test_log_odds_by_bins_and_average_precision_by_rank() -> None:
    bayes = learn("bayesfuse", {"x": HELD_OUT}, JUDGED)
    assert bayes.tables["x"][:2] == pytest.approx((log(0.3 / 0.7), log(0.001 / 0.999)))

    # AP of p: (1 + 2/3)/2, of q: 1/2
    average = learn("mapfuse", {"x": HELD_OUT}, JUDGED)
    assert average.tables["x"] == pytest.approx(((5 / 6 + 1 / 2) / 2,))
    assert said(average, "stu") == pytest.approx([2 / 3, 1 / 3, 2 / 9], abs=1e-6)


def test_a_document_that_a_list_lacks_has_bayes_least_odds() -> None:
    learned = Learned("bayesfuse", {"x": (1.0,) * 10, "y": (2.0,) * 10})
    runs = {"x": run_of("x", z="ab"), "y": run_of("y", z="b")}

    fused = learned.fuse(runs, everybody(runs))

    least = log(0.001 / 0.999)
    assert dict(fused.frame.select("doc_id", "score").iter_rows()) == pytest.approx({"b": 3, "a": 1 + least}, abs=1e-5)


def test_a_judged_query_without_an_answer_counts_against_the_expert() -> None:
    half = qrels_of(p="ac", q="f", r="z", s="y")

    assert learn("posfuse", {"x": HELD_OUT}, half).tables["x"] == (0.25, 0.25, 0.25, 0.0)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_ranks_beyond_anything_seen_are_no_error(method: str) -> None:
    rows = pl.DataFrame({"query_id": "q", "doc_id": [f"d{i:05}" for i in range(12_000)], "score": np.arange(12_000.0)})
    deep = Run.of(rows, "x")
    learned = learn(method, {"x": HELD_OUT}, JUDGED)

    fused = learned.fuse({"x": deep}, everybody({"x": deep}))

    assert fused.doc_ids("q")[0] == deep.doc_ids("q")[0]
    assert fused.frame.height == 12_000


def test_an_expert_of_which_nothing_was_learned_is_named() -> None:
    runs = {"y": run_of("y", z="a")}
    with pytest.raises(InputError, match="nothing was learned of 'y'; known: x"):
        learn("posfuse", {"x": HELD_OUT}, JUDGED).fuse(runs, everybody(runs))
    with pytest.raises(ConfigError, match="'mapfus' is no learned rule; did you mean 'mapfuse'"):
        learn("mapfus", {"x": HELD_OUT}, JUDGED)
    with pytest.raises(ConfigError, match="segments is 0"):
        LearnedOptions(segments=0)


# weights


def test_the_simplex_holds_every_division_once() -> None:
    points = list(simplex(("a", "b", "c"), 4))

    assert len(points) == 15
    assert len({tuple(point.values()) for point in points}) == 15
    assert all(sum(point.values()) == pytest.approx(1) for point in points)


def test_tuning_finds_the_weights_that_put_the_right_document_first() -> None:
    runs = {"x": run_of("x", z="ab"), "y": run_of("y", z="ba")}

    trials = tune(Search("comb-sum", {}, 4), runs, everybody(runs), lambda run: float(run.doc_ids("z")[0] == "a"))

    assert len(trials) == 5, "equal weights are also a point of the grid"
    assert trials[0].weights == {"x": 0.5, "y": 0.5}
    found = best(trials)
    assert (found.value, found.weights) == (1.0, {"x": 0.75, "y": 0.25}), "the most even of the best"


def test_parameters_are_tuned_with_the_weights_unless_they_are_fixed() -> None:
    runs = {"x": run_of("x", z="ab"), "y": run_of("y", z="ba")}

    free = tune(Search("rbc", {}, 2), runs, everybody(runs), lambda run: run.frame.height * 0.0)
    fixed = tune(Search("rbc", {"p": 0.8}, 2), runs, everybody(runs), lambda run: run.frame.height * 0.0)

    assert len(free) == 6 * 3
    assert len(fixed) == 3
    assert {trial.options["p"] for trial in fixed} == {0.8}


def test_many_runs_are_tuned_one_weight_after_the_other() -> None:
    runs = {name: run_of(name, z=order) for name, order in zip("stuvwxyz", ["ab"] + ["ba"] * 7, strict=True)}
    score = lambda run: float(run.frame.filter(doc_id="a")["score"][0])  # noqa: E731

    trials = tune(Search("comb-sum", {}, 10), runs, everybody(runs), score)

    found = best(trials)
    assert found.weights["s"] == pytest.approx(1.0)
    assert found.value == pytest.approx(1.0)
    assert len(trials) < 400


def test_of_equal_trials_the_evenest_and_then_the_first_is_best() -> None:
    trials = [
        Trial({"a": 1.0, "b": 0.0}, {}, 0.5),
        Trial({"a": 0.5, "b": 0.5}, {"k": 1}, 0.5),
        Trial({"a": 0.5, "b": 0.5}, {}, 0.5),
    ]

    assert best(trials) is trials[1]


# settings


def test_settings_return_from_their_file_and_fuse_as_before(tmp_path: Path) -> None:
    runs = {"x": run_of("x", z="ab"), "y": run_of("y", z="ba")}
    tuned = FusionSettings("comb-sum", {"scaling": "rank"}, {"x": 0.75, "y": 0.25}, DEV, found={"measure": "nDCG@10"})
    tables = MappingProxyType({"x": (0.9, 0.1), "y": (0.2, 0.1)})
    learned = FusionSettings("posfuse", {}, {"x": 1.0, "y": 1.0}, DEV, tables)
    for settings in (tuned, learned):
        settings.write(tmp_path / "s.json")
        fusion = TunedFusion.open(TunedOptions(tmp_path / "s.json"))
        assert fusion.settings == settings
        assert fusion.fuse(runs, everybody(runs)).doc_ids("z") == ["a", "b"]


def test_a_weight_of_zero_leaves_the_run_out() -> None:
    runs = {"x": run_of("x", z="ab"), "y": run_of("y", z="cb")}
    settings = FusionSettings("rrf", {}, {"x": 1.0, "y": 0.0}, DEV)

    assert settings.fuse(runs, everybody(runs)).doc_ids("z") == ["a", "b"]


def test_settings_for_other_experts_and_spoiled_ones_are_refused(tmp_path: Path) -> None:
    settings = FusionSettings("rrf", {}, {"bm25": 1.0, "dense": 1.0}, DEV)
    fusion = TunedFusion(settings)
    with pytest.raises(IndexMismatch, match="tuned without the expert 'densee'; did you mean 'dense'"):
        fusion.require({"bm25": {}, "densee": {}})
    with pytest.raises(InputError, match="tuned without 'y'"):
        fusion.fuse({"y": run_of("y", z="a")}, everybody({"y": run_of("y", z="a")}))
    for weights in ({"a": 0.0}, {"a": -1.0}, {"a": float("nan")}):
        with pytest.raises(InputError, match="give weights of at least 0"):
            FusionSettings("rrf", {}, weights, DEV)
    settings.write(tmp_path / "s.json")
    (tmp_path / "s.json").write_text((tmp_path / "s.json").read_text().replace("1.0", "2.0", 1))
    with pytest.raises(IndexDamaged, match="was altered"):
        FusionSettings.read(tmp_path / "s.json")
