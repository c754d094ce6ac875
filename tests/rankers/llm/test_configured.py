"""From a line in periti.toml to a trace: the rankers as part of a collection."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from periti.config import read_pipeline_config
from periti.errors import ConfigError, EndpointError
from periti.pipeline import Pipeline, open_pipeline
from periti.types import Queries
from tests.endpoint import Fault, ModelServer
from tests.rankers.llm.asking import KEY, VARIABLE
from tests.tiny import Tiny

HEART = Queries.from_pairs([("q1", "aspirin after a heart attack")])


def configured(tiny: Tiny, folder: Path, ranker: str) -> Path:
    """A file beside nothing: the tiny collection with a ranker."""
    text = (
        f'name = "asked"\ndocstore = "{tiny.folder}/docstore"\ndepth = 6\n\n'
        f'[experts.bm25]\nretriever = "lexical"\nindex = "{tiny.folder}/lexical"\n\n[ranker]\n{ranker}'
    )
    file = folder / "periti.toml"
    file.write_text(text)
    return file


def endpoint(server: ModelServer, **more: str) -> str:
    extra = "".join(f"{name} = {value}\n" for name, value in more.items())
    return f'[ranker.endpoint]\nurl = "{server.url}"\nmodel = "words"\nbackoff_s = 0\n{extra}'


@pytest.mark.parametrize("name", ["llm-pointwise", "llm-listwise"])
def test_a_trace_tells_calls_tokens_and_cost_and_no_secret(
    server: ModelServer, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    ranker = f'name = "{name}"\ncache = "kept/answers"\n' + endpoint(
        server, key_variable=f'"{VARIABLE}"', input_price="1", parameters="{ seed = 1 }"
    )
    file = configured(tiny, tmp_path, ranker)
    pipeline = open_pipeline(file)

    run, trace = pipeline.explain(HEART, 3)

    notes = trace.steps[-1].notes
    assert trace.steps[-1].name == "rerank"
    assert notes["calls"] == server.calls > 0
    assert notes["cost_millionths"] == notes["prompt_tokens"]
    assert run.doc_ids("q1")[0] in {"med-0", "med-3"}
    assert server.seen[0].body["seed"] == 1
    assert (tmp_path / "kept" / "answers").exists(), "a relative path is relative to the file"
    for told in (repr(trace), repr(pipeline), json.dumps(asdict(read_pipeline_config(file)), default=str)):
        assert KEY not in told
    assert open_pipeline(file).explain(HEART, 3)[1].steps[-1].notes["cached_answers"] == notes["calls"]


def test_an_endpoint_that_is_down_is_an_error_or_a_declared_fallback(
    server: ModelServer, tiny: Tiny, tmp_path: Path
) -> None:
    server.always(Fault(status=500))

    def opened(on_failure: str) -> Pipeline:
        ranker = f'name = "llm-listwise"\non_failure = "{on_failure}"\n' + endpoint(server, retries="0")
        return open_pipeline(configured(tiny, tmp_path, ranker))

    with pytest.raises(EndpointError, match="answered 500; try again later"):
        opened("error").search(HEART)
    run, trace = opened("first-stage").explain(HEART)
    assert run.doc_ids("q1") == tiny.pipeline.only("bm25").search(HEART, 6).doc_ids("q1")
    assert trace.steps[-1].notes["unranked_queries"] == 1


def test_the_list_for_k_is_the_beginning_of_the_list_for_more(server: ModelServer, tiny: Tiny, tmp_path: Path) -> None:
    pipeline = open_pipeline(configured(tiny, tmp_path, 'name = "llm-pointwise"\n' + endpoint(server)))

    assert pipeline.search(HEART, 2).doc_ids("q1") == pipeline.search(HEART, 5).doc_ids("q1")[:2]


@pytest.mark.parametrize(
    ("ranker", "message"),
    [
        ('name = "llm-listwise"\n', "url is not given"),
        ('name = "llm-listwise"\n[ranker.endpoint]\nulr = "x"\n', "unknown key 'ulr'; did you mean 'url'"),
        ('name = "llm-listwise"\nwindows = 3\n', "unknown key 'windows'; did you mean 'window'"),
        ('name = "llm-listwise"\n[ranker.endpoint]\ntimeout_s = "long"\n', "timeout_s: expected float, found 'long'"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(tiny: Tiny, tmp_path: Path, ranker: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_pipeline(configured(tiny, tmp_path, ranker))
