"""One POST over HTTP under one deadline: whatever goes wrong comes back as a value that says whether to try again."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial

LARGEST_ANSWER = 8 << 20
"""Bytes; no ranking is that long."""


class Scope(Enum):
    """What a failure says about the next call."""

    MOMENT = "moment"  # the same call may succeed later
    QUESTION = "question"  # this call fails again, others need not
    ENDPOINT = "endpoint"  # every call fails until the configuration is changed


@dataclass(frozen=True)
class Trouble:
    """Why there is no answer: `what` follows the endpoint's name in a sentence, `remedy` ends it.

    `wait_s` is what the server asked to wait, in seconds.
    """

    what: str
    remedy: str
    scope: Scope
    wait_s: float | None = None


@dataclass(frozen=True)
class Reply:
    """What a server answered, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Reply | Trouble:
    """Send a request and read its answer.

    Proxies of the environment are used; redirects are not followed, since they would carry the key elsewhere. When the
    time is over the socket is shut, so a server that sends a byte now and then does not hold the call.
    """
    sockets: list[socket.socket] = []
    over = threading.Event()
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310  (the settings allow http(s) only)
    watch = threading.Timer(timeout_s, partial(_end, sockets, over))
    watch.daemon = True
    watch.start()
    try:
        with _opener(sockets).open(request, timeout=timeout_s) as response:
            reply = Reply(response.status, response.headers, response.read(LARGEST_ANSWER + 1))
    except (OSError, http.client.HTTPException) as error:
        return _slow(timeout_s) if over.is_set() else _failed(error, timeout_s)
    finally:
        watch.cancel()
    if over.is_set():
        return _slow(timeout_s)
    if len(reply.body) > LARGEST_ANSWER:
        return Trouble(
            f"answered with more than {LARGEST_ANSWER >> 20} MiB",
            "check that it serves a language model",
            Scope.QUESTION,
        )
    return reply


def _end(sockets: list[socket.socket], over: threading.Event) -> None:
    over.set()
    for opened in sockets:
        with suppress(OSError):  # closed already
            opened.shutdown(socket.SHUT_RDWR)


def _slow(timeout_s: float) -> Trouble:
    return Trouble(f"gave no whole answer within {timeout_s:g} s", "raise timeout_s or ask a faster one", Scope.MOMENT)


def _failed(error: Exception, timeout_s: float) -> Trouble:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return _slow(timeout_s)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Trouble("has a certificate that is not trusted", "check the URL or install its issuer", Scope.ENDPOINT)
    kind = type(reason).__name__ if isinstance(reason, Exception) else "no connection"
    return Trouble(f"can not be reached ({kind})", "start it or check the URL", Scope.MOMENT)


class _Http(urllib.request.HTTPHandler):
    """Opens connections that tell their sockets."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._sockets = sockets

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Connection, self._sockets), req)


class _Https(urllib.request.HTTPSHandler):
    """The same over TLS."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._sockets = sockets

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_TlsConnection, self._sockets), req, context=_trust())


class _Connection(http.client.HTTPConnection):
    def __init__(self, sockets: list[socket.socket], host: str, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        self._sockets = sockets

    def connect(self) -> None:
        super().connect()
        self._sockets.append(self.sock)


class _TlsConnection(http.client.HTTPSConnection):
    def __init__(self, sockets: list[socket.socket], host: str, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, timeout=timeout, context=context)
        self._sockets = sockets

    def connect(self) -> None:
        super().connect()
        self._sockets.append(self.sock)


@cache
def _trust() -> ssl.SSLContext:
    """Reading the machine's certificates takes tens of milliseconds, so it is done once."""
    return ssl.create_default_context()


def _opener(sockets: list[socket.socket]) -> urllib.request.OpenerDirector:
    """Only what is wanted: no redirects, no cookies, no files, and statuses as they come."""
    opener = urllib.request.OpenerDirector()
    for part in (urllib.request.ProxyHandler(), _Http(sockets), _Https(sockets)):
        opener.add_handler(part)
    return opener
