"""`periti adjudicate page` as a process."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from periti.evaluation.adjudication.log import Log

PAGE = """
import argparse, sys
from periti.cli import adjudicate
parser = argparse.ArgumentParser()
adjudicate.add_parser(parser.add_subparsers())
parsed = parser.parse_args(["adjudicate", "page", *sys.argv[1:]])
try:
    sys.exit(parsed.run(parsed))
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "a.run").write_text("q1 Q0 d1 1 2.0 a\nq1 Q0 d2 2 1.0 a\n")
    (tmp_path / "b.run").write_text("q1 Q0 d2 1 2.0 b\nq1 Q0 d1 2 1.0 b\n")
    (tmp_path / "queries.tsv").write_text("q1\twhat falls\n")
    (tmp_path / "docs.jsonl").write_text('{"_id": "d1", "text": "one"}\n{"_id": "d2", "text": "two"}\n')
    runs = [str(tmp_path / "a.run"), str(tmp_path / "b.run")]
    return [
        "--log",
        str(tmp_path / "log.db"),
        "--queries",
        str(tmp_path / "queries.tsv"),
        "--port",
        "0",
        "--runs",
        *runs,
    ]


def test_the_page_is_served_until_it_is_told_to_stop_and_the_log_keeps_what_was_judged(
    files: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", PAGE, *files, "--documents", str(tmp_path / "docs.jsonl"), "--grades", "no", "yes"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        task = httpx.post(f"{found[0]}/v1/next", json={"assessor": "ada"}).json()["next"]
        assert (task["query"], task["text"] in ("one", "two")) == ("what falls", True)
        judged = {"assessor": "ada", "query_id": "q1", "doc_id": task["doc_id"], "grade": 1}
        assert httpx.post(f"{found[0]}/v1/judgements", json=judged).status_code == 200
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0
    assert complaints == "periti: stopped\n"
    assert [event.doc_id for event in Log(tmp_path / "log.db").events()] == [task["doc_id"]]


def test_a_collection_without_the_pooled_documents_is_refused(files: list[str], tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text('{"_id": "x", "text": "other"}\n')
    command = [sys.executable, "-c", PAGE, *files, "--documents", str(tmp_path / "other.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "has none of the 2 pooled documents; give their collection" in done.stderr
