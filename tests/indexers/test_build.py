"""A corpus to a collection: which parts are built, and what the configuration beside them says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.config import digest, read_pipeline_config, read_toml
from periti.errors import ConfigError, InputError, SchemaError
from periti.indexers.build import BuildConfig, _pipeline_toml, build_collection
from periti.indexers.dense import DenseConfig
from periti.indexers.encoding import EncoderSource
from periti.indexers.lexical import LexicalConfig
from periti.pipeline import open_pipeline
from periti.progress import Silent
from periti.types import Document, Queries
from tests.tiny import DOCUMENTS, QUERIES, Tiny


def built(folder: Path, bert: Path, **options: object) -> Path:
    source = EncoderSource("sentence-transformers", {"model": str(bert)})
    config = BuildConfig(name="c", encoder=source, **options)  # type: ignore[arg-type]
    build_collection(DOCUMENTS, folder / "c", config)
    return folder / "c"


def test_a_collection_holds_its_parts_and_the_pipeline_that_searches_them(tiny: Tiny) -> None:
    assert sorted(path.name for path in tiny.folder.iterdir()) == ["dense", "docstore", "lexical", "periti.toml"]
    config = read_pipeline_config(tiny.folder)
    assert list(config.experts) == ["bm25", "dense"]
    assert (config.name, config.fusion.name, config.depth) == ("tiny", "rrf", 1000)
    assert sorted(path.name for path in (tiny.folder / "dense").iterdir()) == [
        "manifest.json",
        "rows.npy",
        "vectors.faiss",
    ]


def test_a_part_that_is_switched_off_is_not_there(tmp_path: Path, bert: Path) -> None:
    vectors = built(tmp_path / "v", bert, lexical=None)
    words = built(tmp_path / "w", bert, dense=None)

    assert not (vectors / "lexical").exists()
    assert not (words / "dense").exists()
    assert list(open_pipeline(vectors).experts) == ["dense"]
    assert open_pipeline(words).search(QUERIES, 3).doc_ids("q-breach")[0] == "law-3"


def test_nothing_to_build_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing to build"):
        BuildConfig(name="x", lexical=None, dense=None)


def test_documents_are_read_once_from_a_stream(tmp_path: Path) -> None:
    manifests = build_collection(iter(DOCUMENTS), tmp_path / "c", BuildConfig(name="x", dense=None))

    assert manifests["docstore"].documents == len(DOCUMENTS)


def test_the_same_corpus_and_configuration_have_the_same_digests(tmp_path: Path) -> None:
    first, second = (
        build_collection(DOCUMENTS, tmp_path / str(i), BuildConfig(name=str(i), dense=None)) for i in (1, 2)
    )

    for part in ("docstore", "lexical"):
        assert first[part].config_digest == second[part].config_digest
        assert first[part].corpus_digest == second[part].corpus_digest
    assert first["lexical"].config_digest == digest({"analyser": "en"})


@pytest.mark.parametrize("preset", ["exact", "hnsw"])
def test_an_index_says_whether_it_is_exact_and_what_it_found_of_itself(tmp_path: Path, bert: Path, preset: str) -> None:
    source = EncoderSource("sentence-transformers", {"model": str(bert)})
    config = BuildConfig(name="c", lexical=None, dense=DenseConfig(preset=preset), encoder=source)
    facts = build_collection(DOCUMENTS, tmp_path / "c", config)["dense"].facts

    assert facts["exact"] is (preset == "exact")
    assert ("self_recall_at_10" in facts) is (preset == "hnsw")
    assert facts.get("self_recall_at_10", 1.0) > 0.9
    # One token a letter, 32 at most: long texts are cut, and it is said.
    assert facts["truncated_texts"] > 0
    assert facts["truncated_tokens"] > 0
    assert facts["empty_documents"] == 1


def test_a_corpus_without_any_text_can_not_be_encoded(tmp_path: Path, bert: Path) -> None:
    source = EncoderSource("sentence-transformers", {"model": str(bert)})

    with pytest.raises(InputError, match="no document has a text to encode"):
        build_collection([Document("a", "")], tmp_path / "c", BuildConfig(name="x", lexical=None, encoder=source))
    assert list(tmp_path.iterdir()) == []


class Written(Silent):
    """Keeps the names of the steps."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def start(self, label: str, total: int | None) -> None:  # noqa: ARG002
        self.steps.append(label)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (DenseConfig(preset="ivf-fastscan"), "ivf-fastscan needs at least 1,000 documents to train on, found 23"),
        (DenseConfig(factory="IVFnonsense"), "FAISS does not know the factory string 'IVFnonsense' in 16 dimensions"),
    ],
)
def test_vectors_that_can_not_be_indexed_are_told_of_before_anything_is_encoded(
    tmp_path: Path, bert: Path, config: DenseConfig, sentence: str
) -> None:
    source = EncoderSource("sentence-transformers", {"model": str(bert)})
    written = Written()

    with pytest.raises(ConfigError, match=sentence):
        build_collection(
            DOCUMENTS,
            tmp_path / "c",
            BuildConfig(name="c", lexical=None, dense=config, encoder=source),
            progress=written,
        )
    assert written.steps == ["reading documents"]
    assert list(tmp_path.iterdir()) == []


def test_a_repeated_id_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="'a' occurs more than once"):
        build_collection([Document("a", "x"), Document("a", "y")], tmp_path / "c", BuildConfig(name="x", dense=None))
    assert list(tmp_path.iterdir()) == []


def test_a_chinese_collection_is_found_by_its_words(tmp_path: Path) -> None:
    documents = [Document("刑", "故意伤害他人身体"), Document("民", "合同纠纷")]
    config = BuildConfig(name="法", lexical=LexicalConfig(analyser="zh"), dense=None)
    build_collection(documents, tmp_path / "c", config)

    assert open_pipeline(tmp_path / "c").search(Queries.from_pairs([("q", "合同")])).doc_ids("q") == ["民"]


@settings(deadline=None, max_examples=100)
@given(text=st.text(st.characters(codec="utf-8"), max_size=10))
def test_any_name_and_description_survive_the_configuration_file(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "names.toml"
    file.write_text(_pipeline_toml(BuildConfig(name=text, description=text)), encoding="utf-8", newline="")

    table = read_toml(file)

    assert (table["name"], table["description"]) == (text, text)


@pytest.mark.parametrize("text", ["😀 emoji", "\x7f", 'a "quote" \\ and \n line', "\u0085\u2028", "tab\t"])
def test_awkward_names_survive_the_configuration_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.toml").write_text(_pipeline_toml(BuildConfig(name=text)), encoding="utf-8", newline="")

    assert read_toml(tmp_path / "x.toml")["name"] == text
