"""A panel's file: what it accepts, and the one sentence for everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from periti.errors import ConfigError
from periti.panels.config import BASE, read_panel_config

GOOD = """
name = "two"
seeds = [1, 2]
[training]
method = "linear"
steps = 10
[collections.a]
dataset = "scifact"
train = "train"
test = "test"
[collections.b]
dataset = "obliqa-dev"
train = "dev"
test = "dev"
hold_out = 0.4
[collections.c]
dataset = "cacm"
test = "test"
home = "law"
[experts.science]
sources = ["a"]
[experts.law]
sources = ["b"]
training = { steps = 20 }
[experts.all]
sources = ["a", "b"]
control = true
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "panel.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_is_read_with_paths_beside_it(tmp_path: Path) -> None:
    config = read_panel_config(written(tmp_path, GOOD))

    assert config.indexes == tmp_path / "indexes"
    assert config.home == tmp_path / "panel"
    assert config.routed == (BASE, "science", "law")
    assert config.homes() == {"a": "science", "b": "law", "c": "law"}
    assert config.options("law").steps == 20
    assert config.options("science").steps == 10
    assert config.options("law").method == "linear"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('name = "two"', 'name = "two"\nseed = 1'), "unknown key 'seed'; did you mean 'seeds'"),
        (("seeds = [1, 2]", "seeds = []"), "seeds is empty"),
        (('sources = ["b"]', 'sources = ["z"]'), r"\[experts.law\]: no collection 'z'"),
        (('sources = ["b"]', "sources = []"), r"\[experts.law\]: no sources"),
        (('sources = ["b"]', 'sources = ["c"]'), "collection 'c' has no train split"),
        (("[experts.law]", "[experts.base]"), "can not be called 'base'"),
        (("hold_out = 0.4", ""), "train and test are both 'dev' and nothing is held out"),
        (("hold_out = 0.4", "hold_out = 1.0"), "hold_out is 1.0"),
        (('train = "train"\ntest = "test"', 'train = "test"\ntest = "train"'), "nothing is learnt from a test split"),
        (("{ steps = 20 }", "{ stepz = 20 }"), "unknown key training.'stepz'; did you mean 'steps'"),
        (('home = "law"', 'home = "lay"'), "no expert 'lay'; did you mean 'law'"),
        (('method = "linear"', 'method = "soup"'), "no method 'soup'"),
        (('dataset = "cacm"', 'dataset = "cacm"\nslices = [0.5, 0.5]'), "give three shares that sum to 1"),
        (('dataset = "cacm"', 'dataset = "cacm"\nqueries = "guesses"'), "no queries 'guesses'; known: judgements"),
        (('dataset = "cacm"', 'dataset = "cacm"\ngroup = "x"'), "no group 'x'; known: query, document"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    assert change[0] in GOOD

    with pytest.raises(ConfigError, match=says) as caught:
        read_panel_config(written(tmp_path, GOOD.replace(*change)))
    assert "\n" not in str(caught.value)


def test_a_file_without_experts_says_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no experts; add at least one table \[experts.NAME\]"):
        read_panel_config(written(tmp_path, GOOD[: GOOD.index("[experts.science]")]))


def test_a_router_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no router 'pilot'; did you mean 'pilots'"):
        read_panel_config(written(tmp_path, 'router = "pilot"\n' + GOOD))


@pytest.mark.parametrize(
    ("starts", "says"),
    [
        ({"science": "nobody"}, "start is 'nobody'"),
        ({"science": "science"}, "leads back to itself"),
        ({"science": "law", "law": "science"}, "leads back to itself"),
    ],
)
def test_a_start_must_lead_to_the_base(tmp_path: Path, starts: dict[str, str], says: str) -> None:
    text = GOOD
    for name, start in starts.items():
        text = text.replace(f"[experts.{name}]", f'[experts.{name}]\nstart = "{start}"')

    with pytest.raises(ConfigError, match=says):
        read_panel_config(written(tmp_path, text))


def test_an_expert_may_start_from_the_control(tmp_path: Path) -> None:
    config = read_panel_config(written(tmp_path, GOOD.replace("[experts.law]", '[experts.law]\nstart = "all"')))

    assert config.experts["law"].start == "all"


PAIRS = """
name = "pairs"
[collections.mine]
queries = "pairs"
file = "pairs.jsonl"
hold_out = 0.2
[collections.ads]
queries = "cooccurrence"
file = "data/ads.tsv"
head = "job"
attributes = "skills"
[experts.one]
sources = ["mine", "ads"]
"""


def test_files_of_pairs_lie_beside_the_panel_and_need_no_dataset(tmp_path: Path) -> None:
    config = read_panel_config(written(tmp_path, PAIRS))

    mine, ads = config.collections["mine"], config.collections["ads"]
    assert mine.file == tmp_path / "pairs.jsonl"
    assert ads.file == tmp_path / "data" / "ads.tsv"
    assert mine.learns
    assert ads.learns
    assert (mine.shared, ads.shared) == (0.2, 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('file = "pairs.jsonl"\n', ""), "collection: 'file' missing; name the file of pairs"),
        (('queries = "pairs"\n', ""), "pairs.jsonl: 'dataset' missing; name one"),
        (('queries = "pairs"', 'queries = "spans"\ndataset = "cacm"'), "cacm: file is of queries = 'pairs'"),
        (("hold_out = 0.2", 'train = "train"'), "train names a split, which pairs do not have"),
        (("hold_out = 0.2", 'test = "test"'), "test names a split, which is of pairs over a dataset's documents only"),
        (("hold_out = 0.2", 'head = "x"'), "head and attributes are of queries = 'cooccurrence' only"),
        (('head = "job"\n', ""), "ads.tsv: head or attributes missing"),
        (('head = "job"', 'head = "job"\ndataset = "cacm"'), "read from a file or from a dataset; give one of them"),
        (('head = "job"', 'head = "job"\nseparator = ""'), "separator must not be empty"),
        (('head = "job"', 'head = "job"\ntest = "test"'), "test names a split"),
    ],
)
def test_a_mistake_about_pairs_is_one_sentence(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    assert change[0] in PAIRS

    with pytest.raises(ConfigError, match=says) as caught:
        read_panel_config(written(tmp_path, PAIRS.replace(*change)))
    assert "\n" not in str(caught.value)
