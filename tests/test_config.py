"""TOML to frozen dataclasses: configuration that can not lie."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.config import PipelineConfig, digest, parse, read_pipeline_config, read_toml
from periti.errors import ConfigError, UnknownName
from periti.rankers.fusion import RrfOptions
from periti.retrievers.dense import DenseOptions
from periti.retrievers.lexical import LexicalOptions

MINIMAL = """
name = "panel"
docstore = "docs"

[experts.words]
retriever = "lexical"
index = "lexical"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "periti.toml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_pipeline_config(written(folder, text))
    return str(caught.value)


# a pipeline's file


def test_a_minimal_file_gets_every_default(tmp_path: Path) -> None:
    config = read_pipeline_config(written(tmp_path, MINIMAL))

    assert config.name == "panel"
    assert config.depth == 1000
    assert (config.router.name, config.policy.name) == ("constant", "all")
    assert (config.fusion.name, config.fusion.options) == ("rrf", RrfOptions(k=60))
    assert config.ranker.name == "identity"
    assert config.experts["words"].options == LexicalOptions()
    assert (config.experts["words"].depth, config.experts["words"].weight) == (1000, 1.0)


def test_paths_are_relative_to_the_file_and_not_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "elsewhere").mkdir()
    file = written(tmp_path / "conf", MINIMAL)
    monkeypatch.chdir(tmp_path / "elsewhere")

    config = read_pipeline_config(file)

    assert config.docstore == tmp_path / "conf" / "docs"
    assert config.experts["words"].index == tmp_path / "conf" / "lexical"


def test_an_absolute_path_stays_as_it_is(tmp_path: Path) -> None:
    config = read_pipeline_config(written(tmp_path, MINIMAL.replace('"docs"', '"/srv/docs"')))

    assert config.docstore == Path("/srv/docs")


def test_a_directory_is_read_through_its_periti_toml(tmp_path: Path) -> None:
    file = written(tmp_path, MINIMAL)

    assert read_pipeline_config(tmp_path) == read_pipeline_config(file)


def test_each_component_takes_its_own_options(tmp_path: Path) -> None:
    text = (
        MINIMAL
        + """
k1 = 1.2
rm3 = true
depth = 50

[experts.vectors]
retriever = "dense"
index = "dense"
nprobe = 3
weight = 2

[fusion]
name = "rrf"
k = 10
"""
    )

    config = read_pipeline_config(written(tmp_path, text))

    assert config.experts["words"].options == LexicalOptions(k1=1.2, rm3=True)
    assert config.experts["words"].depth == 50
    assert config.experts["vectors"].options == DenseOptions(nprobe=3)
    assert config.experts["vectors"].weight == 2.0
    assert config.fusion.options == RrfOptions(k=10)


def test_a_component_may_be_a_bare_name(tmp_path: Path) -> None:
    text = 'fusion = "rrf"\nranker = "identity"\n' + MINIMAL

    assert read_pipeline_config(written(tmp_path, text)).fusion.options == RrfOptions()


def test_what_is_read_can_not_be_changed(tmp_path: Path) -> None:
    config = read_pipeline_config(written(tmp_path, MINIMAL))

    with pytest.raises(dataclasses.FrozenInstanceError):
        config.depth = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dept = 5\n" + MINIMAL, "unknown key 'dept'; did you mean 'depth'?"),
        (MINIMAL + "dept = 5\n", "[experts.words]: unknown key 'dept'; did you mean 'depth'?"),
        (MINIMAL + "kk1 = 5\n", "[experts.words]: unknown key 'kk1'; did you mean 'k1'?"),
        (MINIMAL + "nprobe = 5\n", "[experts.words]: unknown key 'nprobe'"),
        (MINIMAL + '\n[fusion]\nname = "rrf"\nkk = 5\n', "[fusion]: unknown key 'kk'; did you mean 'k'?"),
        (MINIMAL + '\n[fusion]\nname = "rrf"\nk = "60"\n', "[fusion]: k: expected int, found '60'"),
        (MINIMAL + '\n[fusion]\nname = "rrf"\nk = true\n', "[fusion]: k: expected an integer, found True"),
        (MINIMAL + '\n[fusion]\nname = "rrf"\nk = 60.0\n', "[fusion]: k: expected int, found 60.0"),
        (MINIMAL + '\n[fusion]\nname = "rrf"\nk = -1\n', "rrf: k is -1"),
        (MINIMAL + "\n[fusion]\nk = 60\n", "expected a name or a table with a name"),
        ("fusion = 3\n" + MINIMAL, "expected a name or a table with a name, found 3"),
        (MINIMAL + "k1 = true\n", "k1: expected float, found True"),
        (MINIMAL + 'rm3 = "yes"\n', "rm3: expected bool, found 'yes'"),
        (MINIMAL + "rm3 = 1\n", "rm3: expected bool, found 1"),
        (MINIMAL + "k1 = -1\n", "k1 is -1"),
        (MINIMAL + "k1 = nan\n", "k1 is nan"),
        (MINIMAL + "k1 = inf\n", "k1 is inf"),
        (MINIMAL + "b = 1.5\n", "b is 1.5"),
        (MINIMAL + "title_weight = nan\n", "title_weight is nan"),
        (MINIMAL + "rm3 = true\ntitle_weight = 1\n", "leave title_weight at 0 or switch rm3 off"),
        (MINIMAL + "threads = 0\n", "threads is 0; it must be at least 1"),
        (MINIMAL + "depth = 0\n", "[experts.words]: depth is 0; it must be between 1 and 10,000"),
        (MINIMAL + "depth = 10001\n", "depth is 10001; it must be between 1 and 10,000"),
        (MINIMAL + "depth = true\n", "depth: expected an integer, found True"),
        (MINIMAL + "weight = 0\n", "weight is 0.0; it must be positive"),
        (MINIMAL + "weight = nan\n", "weight is nan; it must be positive"),
        (MINIMAL + "weight = inf\n", "weight is inf; it must be positive"),
        ("depth = 0\n" + MINIMAL, "depth is 0; it must be at least 1"),
        ('name = "panel"\ndocstore = "docs"\n', "no experts; add at least one table [experts.NAME]"),
        ('name = "panel"\ndocstore = "docs"\nexperts = 3\n', "no experts"),
        ('name = "panel"\ndocstore = "docs"\n[experts]\nwords = 3\n', "[experts.words]: expected a table, found 3"),
        (MINIMAL.replace('retriever = "lexical"\n', ""), "'retriever' missing; known: "),
        (MINIMAL.replace('index = "lexical"\n', ""), "'index' missing; add it"),
        (MINIMAL.replace('docstore = "docs"\n', ""), "'docstore' missing; add it"),
        (MINIMAL.replace('"docs"', "7"), "docstore: expected Path, found 7"),
        (MINIMAL.replace('"panel"', "7"), "name: expected str, found 7"),
        (MINIMAL.replace('retriever = "lexical"', 'retriever = "dense"\nef_search = 0'), "ef_search is 0"),
        (MINIMAL.replace('retriever = "lexical"', 'retriever = "dense"\nk_factor = nan'), "k_factor nan"),
    ],
)
def test_a_mistake_is_answered_with_the_file_the_key_and_what_was_found(
    tmp_path: Path, text: str, message: str
) -> None:
    answer = refusal(tmp_path, text)

    assert message in answer
    assert "\n" not in answer


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            MINIMAL.replace('"lexical"\nindex', '"lexcal"\nindex'),
            "no retrievers named 'lexcal'; did you mean 'lexical'?",
        ),
        ('fusion = "rff"\n' + MINIMAL, "no fusions named 'rff'; did you mean 'rrf'?"),
        ('ranker = "nobody"\n' + MINIMAL, "no rankers named 'nobody'"),
    ],
)
def test_an_unregistered_component_is_answered_with_the_nearest(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UnknownName) as caught:
        read_pipeline_config(written(tmp_path, text))
    assert message in str(caught.value)


# the file itself


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration at .*nowhere\.toml; write one"):
        read_toml(tmp_path / "nowhere.toml")


def test_bytes_that_are_not_utf8_are_named_by_their_place(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b'name = "caf\xe9"\n')

    with pytest.raises(ConfigError, match=r"x\.toml is not UTF-8 \(byte 11\)"):
        read_toml(tmp_path / "x.toml")


def test_text_that_is_not_toml_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("a = 1\nb =\n")

    with pytest.raises(ConfigError, match=r"x\.toml is not valid TOML: .*line 2"):
        read_toml(tmp_path / "x.toml")


# parse


@dataclass(frozen=True)
class Inner:
    size: int = 1


@dataclass(frozen=True)
class Outer:
    name: str
    rate: float = 0.5
    flag: bool = False
    path: Path | None = None
    tags: tuple[str, ...] = ()
    inner: Inner = dataclasses.field(default_factory=Inner)

    def __post_init__(self) -> None:
        if self.rate > 1:
            raise ValueError("rate is above 1")


def test_values_become_the_types_of_the_fields() -> None:
    table = {"name": "x", "rate": 1, "path": "a/b", "tags": ["s", "t"], "inner": {"size": 3}}

    assert parse(Outer, table, "here") == Outer("x", 1.0, False, Path("a/b"), ("s", "t"), Inner(3))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "here: 'name' missing; add it"),
        ({"name": "x", "flag": 0}, "here: flag: expected bool, found 0"),
        ({"name": "x", "tags": ["s", 1]}, "here: tags: expected str, found 1"),
        ({"name": "x", "tags": "st"}, "here: tags: expected list, found 'st'"),
        ({"name": "x", "inner": 4}, "here: inner: expected Inner, found 4"),
        ({"name": "x", "inner": {"sise": 4}}, "here: inner: unknown key 'sise'; did you mean 'size'?"),
        ({"name": "x", "rate": 2.0}, "here: rate is above 1"),
        ({"name": "x", "rate": "fast"}, "here: rate: expected float, found 'fast'"),
    ],
)
def test_a_table_that_does_not_fit_the_dataclass_is_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Outer, table, "here")
    assert message in str(caught.value)


# digest


def test_the_digest_is_the_sha256_of_canonical_json() -> None:
    # printf '{"a":[1,2.5],"b":"é"}' | sha256sum
    expected = "2071e5952e3110d79f01f374bf90abe7fc01cf116fd0a40af0ab60d3f9a99f8d"

    assert digest({"b": "é", "a": (1, 2.5)}) == expected


@settings(deadline=None, max_examples=100)
@given(table=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3), st.integers(), max_size=6))
def test_the_digest_does_not_depend_on_the_order_of_keys(table: dict[str, int]) -> None:
    assert digest(table) == digest(dict(reversed(table.items())))


@settings(deadline=None, max_examples=100)
@given(table=st.dictionaries(st.sampled_from("abcd"), st.integers(-3, 3), min_size=1), key=st.sampled_from("abcd"))
def test_the_digest_changes_with_any_value(table: dict[str, int], key: str) -> None:
    assert digest({**table, key: table.get(key, 0) + 1}) != digest(table)


def test_the_digest_of_a_dataclass_is_that_of_its_fields() -> None:
    assert digest(Outer("x", path=Path("a"))) == digest(
        {"name": "x", "rate": 0.5, "flag": False, "path": "a", "tags": [], "inner": {"size": 1}}
    )


def test_a_number_that_json_can_not_hold_has_no_digest() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"a": math.nan})


def test_equal_files_with_keys_in_another_order_have_one_digest(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    first = read_pipeline_config(written(tmp_path / "a", MINIMAL))
    swapped = 'docstore = "docs"\nname = "panel"\n\n[experts.words]\nindex = "lexical"\nretriever = "lexical"\n'
    second = read_pipeline_config(written(tmp_path / "a", swapped))

    assert digest(first) == digest(second)
    assert isinstance(first, PipelineConfig)
