"""`periti serve --screen` as a process: what is acknowledged survives a kill."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import pytest

from periti.cli.serve_screening import dataset_reviews
from periti.datasets.dataset import load_dataset
from periti.errors import InputError
from periti.indexers.build import BuildConfig, build_collection
from periti.types import Document
from tests.cli.calling import periti
from tests.cli.test_serve import address, started

DOCUMENTS = [Document("a", "walking is good for the heart"), Document("b", "a tenant pays rent"), Document("c", "cats")]
WHO = {"review": "the-heart", "reviewer": "Ada"}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("screening") / "three"
    build_collection(DOCUMENTS, folder, BuildConfig("three"))
    return folder


@pytest.mark.slow
def test_a_killed_service_goes_on_where_it_was(collection: Path, tmp_path: Path) -> None:
    command = ("serve", str(collection), "--screen", str(tmp_path / "kept"), "--port", "0")
    with started(*command) as process:
        base = address(process)
        assert process.stdout is not None
        assert process.stdout.readline() == f"periti: screening at {base}/screening\n"
        httpx.post(f"{base}/v1/screening/reviews", json={"question": "the heart", "doc_ids": ["a", "b", "c"]})
        body = {**WHO, "doc_id": "a", "include": True}
        told = httpx.post(f"{base}/v1/screening/judgements", json=body, timeout=60).json()
        process.send_signal(signal.SIGKILL)
        process.wait()
    with started(*command) as process:
        base = address(process)
        again = httpx.post(f"{base}/v1/screening/next", json=WHO, timeout=60).json()
    assert again == told
    assert again["standing"]["judged"] == 1


def test_wrong_options_are_told_before_anything_is_opened(
    collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert periti("serve", str(collection), "--reviews", "cohen-screening") == 2
    assert "--reviews needs --screen" in capsys.readouterr().err
    assert periti("serve", str(collection), "--model", "x") == 2
    assert "--model needs --screen" in capsys.readouterr().err
    assert periti("serve", str(collection), "--screen", str(tmp_path), "--reviews", "demo") == 2
    assert "not for screening" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert periti("serve", str(collection), "--screen", str(tmp_path / "file"), "--port", "0") == 2
    assert "can not be used" in capsys.readouterr().err


def test_the_topics_of_a_dataset_are_reviews_without_their_judgements(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERITI_DATA", str(shared_data))
    reviews = {review.name: review for review in dataset_reviews("cohen-screening", ["cohen-screening", "other"])}
    judged = load_dataset("cohen-screening").qrels().frame
    assert len(reviews) == 10
    assert len(reviews["ADHD"].doc_ids) == 851
    assert sum(len(review.doc_ids) for review in reviews.values()) == judged.height
    assert {review.collection for review in reviews.values()} == {"cohen-screening"}
    assert dataset_reviews("cohen-screening", ["other"])[0].collection == "other"
    with pytest.raises(InputError, match="none of the collections is named 'cohen-screening'"):
        dataset_reviews("cohen-screening", ["other", "third"])
