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
from periti.retrievers.routing.table import UtilityTable
from periti.types import PLAN, Plan, Queries
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


# a routed panel, with words asked always


@pytest.fixture(scope="module")
def routed(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    home = tmp_path_factory.mktemp("routed")
    adapter(home / "law", 1)
    adapter(home / "med", 2)
    texts = ["breach of contract", "damages under a contract", "aspirin for a heart attack", "insulin and sugar"]
    table = UtilityTable(
        query_ids=tuple("abcd"),
        texts=tuple(texts),
        vectors=minilm().encode_queries(texts).vectors,
        datasets=("courts", "courts", "clinic", "clinic"),
        experts=("general", "law", "med"),
        utilities=np.array([[0.1, 0.9, 0.0], [0.2, 0.8, 0.1], [0.1, 0.0, 0.9], [0.3, 0.1, 0.7]]),
        homes={"courts": "law", "clinic": "med"},
    )
    table.write(home / "router")
    index = tiny.folder / "dense"
    experts = "".join(
        f'[experts.{name}]\nretriever = "dense"\nindex = "{index}"\n{line}\n'
        for name, line in (("general", ""), ("law", 'adapter = "law"'), ("med", 'adapter = "med"'))
    )
    (home / "periti.toml").write_text(
        f'name = "routed"\ndocstore = "{tiny.folder}/docstore"\npolicy = "argmax"\n'
        f'{experts}[experts.words]\nretriever = "lexical"\nindex = "{tiny.folder}/lexical"\n'
        "always = true\nweight = 0.5\n"
        '[router]\nname = "pilots"\ntable = "router"\n'
    )
    return open_pipeline(home)


def test_a_query_goes_to_the_expert_of_its_kind_and_always_to_words(routed: Pipeline) -> None:
    queries = Queries.from_pairs([("q1", "remedy for breach of contract"), ("q2", "aspirin after an attack")])

    _, trace = routed.explain(queries, 3)

    plan = trace.step("route").output
    assert isinstance(plan, Plan)
    assert sorted(plan.frame.rows()) == [
        ("q1", "law", 1.0), ("q1", "words", 0.5), ("q2", "med", 1.0), ("q2", "words", 0.5),
    ]  # fmt: skip


def test_the_pipeline_says_why(routed: Pipeline, panel: Pipeline) -> None:
    why = routed.why(Queries.from_pairs([("q1", "remedy for breach of contract")]))

    assert max(why[0]["scores"], key=why[0]["scores"].get) == "law"
    assert why[0]["nearest"][0]["dataset"] == "courts"
    assert panel.why(QUERIES) == []


def test_a_routed_answer_is_the_same_alone_and_in_any_batch(routed: Pipeline) -> None:
    whole = routed.search(QUERIES, 5).frame
    parts = [routed.search(Queries(QUERIES.frame.slice(i, 1)), 5).frame for i in range(len(QUERIES))]

    assert_frame_equal(pl.concat(parts).sort("query_id", "rank"), whole)


def test_a_panel_that_asks_everyone_always_has_nothing_to_route(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "periti.toml").write_text(
        f'name = "x"\ndocstore = "{tiny.folder}/docstore"\n'
        f'[experts.w]\nretriever = "lexical"\nindex = "{tiny.folder}/lexical"\nalways = true\n'
    )

    with pytest.raises(ConfigError, match="every expert is asked always"):
        open_pipeline(tmp_path)
