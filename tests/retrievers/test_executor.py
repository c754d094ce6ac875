"""A panel over one index: mixed batches give what each expert gives alone, and a configuration opens it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from periti.encoders import minilm
from periti.encoders.adapters import LINEAR, Adapter, write_adapter
from periti.errors import ConfigError, EncoderError, UnknownName
from periti.pipeline import Pipeline, open_pipeline
from periti.retrievers.executor import execute
from periti.types import PLAN, Plan
from tests.tiny import QUERIES, Tiny


def adapter(folder: Path, seed: int) -> Path:
    base = minilm().identity
    drawn = np.random.default_rng(seed).normal(size=(base.dimension, base.dimension)) / 20
    made = Adapter.of_tensors(
        {LINEAR: drawn.astype(np.float32)}, kind="linear", base=base.weights_sha256, scale=1.0, name=f"e{seed}"
    )
    folder.mkdir(parents=True)
    write_adapter(made, folder)
    return folder


@pytest.fixture(scope="module")
def panel(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    home = tmp_path_factory.mktemp("panel")
    adapter(home / "law", 1)
    adapter(home / "med", 2)
    (home / "periti.toml").write_text(
        f"""
        name = "panel"
        docstore = "{tiny.folder}/docstore"
        [experts.general]
        retriever = "dense"
        index = "{tiny.folder}/dense"
        [experts.law]
        retriever = "dense"
        index = "{tiny.folder}/dense"
        adapter = "law"
        description = "contracts and courts"
        [experts.med]
        retriever = "dense"
        index = "{tiny.folder}/dense"
        adapter = "med"
        depth = 5
        [experts.words]
        retriever = "lexical"
        index = "{tiny.folder}/lexical"
        """
    )
    return open_pipeline(home)


def plan() -> Plan:
    names = ["general", "law", "med", "words"]
    rows = [(q, names[(i + j) % 4], 1.0) for i, q in enumerate(QUERIES.ids) for j in range(1 + i % 3)]
    return Plan.of(pl.DataFrame(rows, schema=PLAN, orient="row"), QUERIES)


def test_a_mixed_batch_gives_every_expert_the_run_it_gives_alone(panel: Pipeline) -> None:
    answers = {a.expert: a for a in execute(plan(), QUERIES, panel.experts)}

    assert set(answers) == set(panel.experts)
    for name, answer in answers.items():
        assert answer.asked.ids == plan().queries_for(name, QUERIES).ids
        alone = panel.experts[name].retriever.retrieve(answer.asked, panel.experts[name].depth)
        assert_frame_equal(answer.run.frame, alone.frame)
        assert answer.together == (1 if name == "words" else 3)
    assert answers["med"].run.frame["rank"].max() == 5


def test_experts_of_one_index_share_it_and_differ_in_what_they_find(panel: Pipeline) -> None:
    dense = [panel.experts[name].retriever for name in ("general", "law", "med")]

    assert len({id(retriever.index) for retriever in dense}) == 1  # type: ignore[attr-defined]
    runs = [retriever.retrieve(QUERIES, 5).frame for retriever in dense]
    assert not runs[0].equals(runs[1])
    assert panel.experts["law"].description == "contracts and courts"


def test_the_general_expert_gives_what_the_index_gave_before_there_were_experts(panel: Pipeline, tiny: Tiny) -> None:
    ours = panel.experts["general"].retriever.retrieve(QUERIES, 20)
    before = tiny.pipeline.experts["dense"].retriever.retrieve(QUERIES, 20)

    assert_frame_equal(ours.frame, before.frame)


def test_the_trace_says_who_was_asked_together(panel: Pipeline) -> None:
    _, trace = panel.explain(QUERIES, 5)

    assert trace.step("retrieve:law").notes["experts_in_one_batch"] == 3
    assert "experts_in_one_batch" not in trace.step("retrieve:words").notes


def test_a_panel_member_that_can_not_be_opened_is_named(tiny: Tiny, tmp_path: Path) -> None:
    def config(line: str) -> Path:
        path = tmp_path / "periti.toml"
        path.write_text(
            f'name = "x"\ndocstore = "{tiny.folder}/docstore"\n'
            f'[experts.one]\nretriever = "dense"\nindex = "{tiny.folder}/dense"\n{line}\n'
        )
        return path

    with pytest.raises(EncoderError, match=r"no adapter at .*nowhere"):
        open_pipeline(config('adapter = "nowhere"'))
    with pytest.raises(UnknownName, match="no expert 'astrology' ships with periti"):
        open_pipeline(config('expert = "astrology"'))
    with pytest.raises(ConfigError, match="both adapter and expert are given"):
        open_pipeline(config('adapter = "x"\nexpert = "y"'))


def test_adding_and_removing_an_expert_changes_nobody_elses_answers(panel: Pipeline) -> None:
    fewer = panel.only("general", "med")
    with_law = panel.only("general", "law", "med")

    one = {a.expert: a.run.frame for a in execute(_all(fewer), QUERIES, fewer.experts)}
    two = {a.expert: a.run.frame for a in execute(_all(with_law), QUERIES, with_law.experts)}

    for name in ("general", "med"):
        assert_frame_equal(one[name], two[name])


def _all(pipeline: Pipeline) -> Plan:
    return pipeline.policy.select(QUERIES, pipeline.router.experts, pipeline.router.scores(QUERIES))
