"""`periti index` as a user calls it: a corpus in, a checksummed directory out, one sentence for what can not be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from periti.datasets.jsonl import write_documents
from periti.indexers.manifest import open_verified
from periti.pipeline import open_pipeline
from tests.cli.calling import periti
from tests.tiny import DOCUMENTS, QUERIES


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    write_documents(DOCUMENTS, path)
    return path


def model(bert: Path) -> tuple[str, ...]:
    return ("--encoder", "sentence-transformers", "--model", str(bert))


def test_a_corpus_is_built_inspected_verified_and_searched(
    corpus: Path, bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "c"
    assert periti("index", "build", "--corpus", corpus, "--out", out, *model(bert), "--max-length", 20) == 0
    said = capsys.readouterr()
    assert "docstore: 24 documents" in said.out
    assert f"{out}: ready; try  periti search {out}" in said.out
    assert "encoding documents: 24/24" in said.err

    assert periti("index", "inspect", out) == 0
    shown = capsys.readouterr().out
    for part in (
        "analyser: en",
        "metric: cosine",
        "factory: Flat",
        "max_length=20",
        "pooling=mean",
        "truncated_texts: ",
    ):
        assert part in shown
    assert periti("index", "inspect", out / "dense", "--json") == 0
    facts = json.loads(capsys.readouterr().out)["dense"]
    assert facts["facts"]["encoder"]["name"] == "model"
    assert len(facts["facts"]["encoder"]["weights_sha256"]) == len(facts["corpus_digest"]) == 64
    assert (facts["facts"]["empty_documents"], facts["facts"]["texts"]) == (1, 23)

    assert periti("index", "verify", out) == 0
    assert capsys.readouterr().out.startswith("ok: docstore 4 files, lexical ")
    assert open_pipeline(out).search(QUERIES, 3).doc_ids("q-breach")


@pytest.mark.parametrize(
    ("options", "factory"),
    [
        (("--storage", "fp16"), "SQfp16"),
        (("--storage", "sq8", "--metric", "ip"), "SQ8"),
        (("--preset", "hnsw"), "HNSW32,Flat"),
        (("--preset", "hnsw", "--storage", "sq8"), "HNSW32,SQ8"),
        (("--factory", "SQbf16"), "SQbf16"),
    ],
)
def test_every_way_to_store_vectors_builds_and_finds_a_document_by_its_own_text(
    corpus: Path, bert: Path, tmp_path: Path, options: tuple[str, ...], factory: str
) -> None:
    assert (
        periti("index", "build", "--corpus", corpus, "--out", tmp_path / "c", "--no-lexical", *model(bert), *options)
        == 0
    )

    assert open_verified(tmp_path / "c" / "dense", "dense").facts["factory"] == factory
    pipeline = open_pipeline(tmp_path / "c")
    assert pipeline.search(QUERIES, 24).frame.height == 23 * len(QUERIES)


def test_the_language_of_a_dataset_chooses_the_analyser(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERITI_DATA", str(shared_data))
    assert periti("index", "build", "--dataset", "stard-relevant-statutes", "--no-dense", "--out", tmp_path / "c") == 0

    manifest = open_verified(tmp_path / "c" / "lexical", "lexical")
    assert (manifest.config["analyser"], manifest.documents) == ("zh", 1445)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["docstore", "lexical", "periti.toml"]


def test_a_collection_is_replaced_only_when_asked_to(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = ("index", "build", "--corpus", corpus, "--out", tmp_path / "c", "--no-dense")
    assert periti(*build) == 0
    capsys.readouterr()

    assert periti(*build) == 2
    assert capsys.readouterr().err == (
        f"periti: {tmp_path / 'c'} exists already; choose another place or ask to replace it (--force)\n"
    )
    assert periti(*build, "--force", "--language", "en-unstemmed", "--json") == 0
    assert json.loads(capsys.readouterr().out)["lexical"]["config"] == {"analyser": "en-unstemmed"}


def test_a_flipped_bit_and_a_cut_file_are_named(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert periti("index", "build", "--corpus", corpus, "--out", tmp_path / "c", "--no-dense") == 0
    records = tmp_path / "c" / "docstore" / "records.jsonl"
    whole = records.read_bytes()
    for damaged, what in (
        (whole[:100] + bytes([whole[100] ^ 1]) + whole[101:], "altered"),
        (whole[:-1], "bytes instead"),
    ):
        records.write_bytes(damaged)
        for command in (("index", "verify", tmp_path / "c"), ("search", tmp_path / "c", "aspirin")):
            capsys.readouterr()
            assert periti(*command) == 2
            said = capsys.readouterr()
            assert "records.jsonl" in said.err
            assert what in said.err
            assert said.out == ""


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--preset", "hnws"), "no preset 'hnws'; known: exact, hnsw, ivf-fastscan"),
        (("--storage", "fp8"), "no storage 'fp8'; known: fp32, fp16, sq8"),
        (("--metric", "l2"), "no metric 'l2'; known: cosine, ip"),
        (("--language", "english"), "no analyser 'english'; known: ar, bn"),
        (("--no-lexical", "--no-dense"), "nothing to build"),
        (("--model", "x"), "--model and --max-length go with --encoder sentence-transformers"),
        (("--factory", "Flatt"), "FAISS does not know the factory string 'Flatt' in 384 dimensions"),
        (("--encoder", "minilmm"), "did you mean 'minilm'"),
    ],
)
def test_what_can_not_be_built_is_one_sentence_and_leaves_nothing(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], sentence: str
) -> None:
    assert periti("index", "build", "--corpus", corpus, "--out", tmp_path / "c", *options) == 2

    said = capsys.readouterr().err.splitlines()
    assert sentence in said[-1]
    assert said[-1].startswith("periti: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"_id": "1", "text": "a"}\n{"_id": "2"\n', "corpus.jsonl:2: not JSON"),
        (b'{"_id": "1", "text": "a"}\n{"_id": "2", "text": "\xe9"}\n', "corpus.jsonl:2: byte 0xe9 is not UTF-8"),
        (b'{"_id": "1", "text": "a"}\n{"_id": "1", "text": "b"}\n', "the document id '1' occurs more than once"),
        (b'{"_id": "1 2", "text": "a"}\n', "document 0 has the id '1 2'"),
        (b"", "the corpus has no documents"),
    ],
)
def test_a_bad_corpus_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, sentence: str
) -> None:
    (tmp_path / "corpus.jsonl").write_bytes(content)
    assert periti("index", "build", "--corpus", tmp_path / "corpus.jsonl", "--out", tmp_path / "c", "--no-dense") == 2

    assert sentence in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.jsonl"]


def test_what_is_not_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused: list[tuple[tuple[str | Path, ...], str]] = [
        (("inspect", tmp_path), f"no finished index at {tmp_path}"),
        (("verify", tmp_path / "nowhere"), "no finished index at"),
        (
            ("build", "--dataset", "scifct", "--out", tmp_path / "c"),
            "no dataset named 'scifct'; did you mean 'scifact'?",
        ),
        (("build", "--corpus", tmp_path / "no.jsonl", "--out", tmp_path / "c"), "no.jsonl: there is no such file"),
    ]
    for command, sentence in refused:
        assert periti("index", *command) == 2
        assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
