"""Over TLS: a certificate that is not trusted gets no key, one that is gets an answer under the same deadline."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from periti.errors import EndpointError
from periti.rankers.llm import transport
from periti.rankers.llm.endpoint import Endpoint, Session
from tests.endpoint import Fault, ModelServer
from tests.rankers.llm.asking import KEY, VARIABLE, settings_of
from tests.rankers.llm.test_endpoint import QUESTION


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a self-signed certificate for 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "own")]
    subprocess.run([*made.split(), *files], check=True, capture_output=True)
    (folder / "both").write_bytes((folder / "key").read_bytes() + (folder / "own").read_bytes())
    return folder / "both"


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[ModelServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ModelServer(context)
    yield server
    server.close()


@pytest.fixture
def trusting(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """OpenSSL's own variable, as an administrator would set it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    transport._trust.cache_clear()
    yield
    transport._trust.cache_clear()


def test_a_certificate_that_is_not_trusted_gets_no_key(
    tls_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)

    with pytest.raises(EndpointError, match="has a certificate that is not trusted; check the URL"):
        Session(Endpoint(settings_of(tls_server, key_variable=VARIABLE))).ask(QUESTION)
    assert tls_server.seen == []


@pytest.mark.usefixtures("trusting")
def test_a_trusted_one_answers(tls_server: ModelServer) -> None:
    assert Session(Endpoint(settings_of(tls_server))).ask(QUESTION).text == " no"


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("fault", [Fault(hang=True), Fault(drip=True)], ids=["hangs", "drips"])
def test_the_deadline_holds_over_tls(tls_server: ModelServer, fault: Fault) -> None:
    tls_server.always(fault)

    with pytest.raises(EndpointError, match=r"gave no whole answer within 0\.5 s"):
        Session(Endpoint(settings_of(tls_server, timeout_s=0.5, retries=0))).ask(QUESTION)


def test_a_server_without_tls_is_told(server: ModelServer) -> None:
    plain = settings_of(server)
    settings = type(plain)(plain.url.replace("http:", "https:"), "words", retries=0)

    with pytest.raises(EndpointError, match=r"can not be reached \((SSL\w*Error|ConnectionResetError)\)"):
        Session(Endpoint(settings)).ask(QUESTION)
