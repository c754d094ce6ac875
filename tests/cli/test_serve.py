from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from periti.cli import main
from periti.indexers.build import BuildConfig, build_collection
from periti.types import Document

DOCUMENTS = [Document("a", "walking is good for the heart"), Document("b", "a tenant pays rent")]
PERITI = (sys.executable, "-c", "import sys; from periti.cli import main; sys.exit(main())")


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve") / "two"
    build_collection(DOCUMENTS, folder, BuildConfig("two", dense=None))
    return folder


@pytest.fixture
def copy(collection: Path, tmp_path: Path) -> Path:
    """A copy of the collection that a test may change."""
    return Path(shutil.copytree(collection, tmp_path / "copy"))


def rename(folder: Path, name: str) -> None:
    file = folder / "periti.toml"
    file.write_text(file.read_text().replace('name = "two"', f'name = "{name}"', 1))


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([*PERITI, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def address(process: subprocess.Popen[str]) -> str:
    """The address that the service prints when it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, line
    return found[0]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_several_collections_are_served_until_a_signal_ends_it_with_status_0(
    collection: Path, copy: Path, stop: signal.Signals
) -> None:
    rename(copy, "twin")
    with started("serve", str(collection), str(copy / "periti.toml"), "--port", "0") as process:
        base = address(process)
        listed = httpx.get(f"{base}/v1/collections").json()["collections"]
        assert [(one["name"], one["documents"]) for one in listed] == [("twin", 2), ("two", 2)]
        answer = httpx.post(f"{base}/v1/search", json={"collection": "twin", "query": "rent"}, timeout=60).json()
        assert [hit["doc_id"] for hit in answer["results"][0]["hits"]] == ["b"]
        process.send_signal(stop)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0
        assert errors == "periti: stopped\n"


def test_it_is_alive_before_it_is_ready_and_ctrl_c_does_not_wait_for_the_opening(collection: Path) -> None:
    port = free_port()
    with started("serve", str(collection), "--port", str(port)) as process:
        ends = time.monotonic() + 60
        while True:
            assert time.monotonic() < ends
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=10).json() == {"status": "ok"}
                break
            except httpx.ConnectError:
                time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0
        assert errors == "periti: stopped\n"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence of a command that ends with status 2."""
    assert main(["serve", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    *_, last = captured.err.splitlines()
    return last


def test_two_configurations_of_one_name_are_refused(
    collection: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, str(collection), str(copy))
    assert message == f"periti: {collection} and {copy} are both named 'two'; change `name` in one of them"


@pytest.mark.parametrize("name", ["irds:beir/x", "My Index", "../up", ".dot", "x" * 64])
def test_a_name_that_could_not_travel_in_requests_is_refused(
    copy: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rename(copy, name)
    assert "can not be served; use 1 to 63 of a-z, 0-9" in refused(capsys, str(copy))


def test_a_port_in_use_is_refused(collection: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = refused(capsys, str(collection), "--port", str(port))
    assert message == f"periti: port {port} on 127.0.0.1 is in use; stop what runs there or choose another --port"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "65536"), "the port is 65536; it must be between 1 and 65,535"),
        (("--port", "-1"), "the port is -1"),
        (("--host", "no.such.host.invalid"), "'no.such.host.invalid' is not known"),
        (("--host", "192.0.2.1"), "192.0.2.1 is not an address of this machine"),
    ],
)
def test_an_address_that_can_not_be_bound_is_refused(
    collection: Path, arguments: tuple[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refused(capsys, str(collection), *arguments)


def test_a_missing_configuration_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no configuration at" in refused(capsys, str(tmp_path / "nothing.toml"))


def test_a_damaged_index_ends_the_service_with_its_sentence(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = copy / "docstore" / "records.jsonl"
    records.write_bytes(records.read_bytes().replace(b"heart", b"hearT"))
    message = refused(capsys, str(copy), "--port", "0")
    assert message.startswith("periti: index ")
    assert "the bytes of records.jsonl were altered" in message


def test_listening_for_other_machines_gives_a_warning(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "docstore" / "manifest.json").unlink()  # so that the service ends by itself
    assert main(["serve", str(copy), "--host", "0.0.0.0", "--port", "0"]) == 2
    warning = capsys.readouterr().err.splitlines()[0]
    assert warning == "periti: warning: listening on 0.0.0.0; whoever reaches this port can search"
