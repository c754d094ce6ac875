"""An application on a port: binding with a clear refusal, and serving until told to stop."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping

import uvicorn
from fastapi import FastAPI

from periti.api.app import create_app
from periti.api.collections import Opener
from periti.api.screening import Screening
from periti.errors import InputError
from periti.pipeline import Pipeline

_GRACE = 5
"""Seconds that answers under way get when the server stops."""


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens, so that whoever connects from now on waits instead of being refused.

    Args:
        host: an address of this machine or a name of one.
        port: 1 to 65535, or 0 for any free one.

    Raises:
        InputError: the port is taken, not allowed or out of range, or the host is not this machine's.
    """
    if not 0 <= port <= 65_535:
        raise InputError(f"the port is {port}; it must be between 1 and 65,535 (0 takes any free one)")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise InputError(f"the host {host!r} is not known; give an address of this machine, e.g. 127.0.0.1") from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise InputError(_refusal(error, host, port)) from error
    return listener


def _refusal(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; stop what runs there or choose another --port"
    if error.errno == errno.EACCES:
        return f"port {port} is not allowed for this user; choose a --port above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine; use 127.0.0.1, or 0.0.0.0 for all of them"
    return f"can not listen on {host} port {port}: {error.strerror}; choose another --host or --port"


def url(listener: socket.socket) -> str:
    """The address to open in a browser."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (compared, not bound)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def uvicorn_server(app: FastAPI) -> uvicorn.Server:
    """A uvicorn server of our settings: quiet, no websockets, no advertisement, a bounded farewell."""
    return uvicorn.Server(
        uvicorn.Config(
            app, log_level="warning", ws="none", server_header=False, timeout_graceful_shutdown=_GRACE, lifespan="on"
        )
    )


def serve(
    pipelines: Mapping[str, Pipeline | Opener],
    listener: socket.socket,
    announce: Callable[[str], None],
    screening: Screening | None = None,
) -> None:
    """Serve until interrupted.

    Args:
        pipelines: an open pipeline, or a function that opens one, by collection name.
        listener: from `bind`.
        announce: told the address once every collection is open.
        screening: where reviewers' judgements are kept, if screening is offered.

    Raises:
        PeritiError: a collection can not be opened; the server has stopped.
        KeyboardInterrupt: Ctrl-C; the server has stopped.
    """
    failures: list[Exception] = []

    def opened(error: Exception | None) -> None:
        if error is None:
            announce(url(listener))
        else:
            failures.append(error)
            server.should_exit = True

    with listener:
        server = uvicorn_server(create_app(pipelines, opened=opened, screening=screening))
        server.run(sockets=[listener])
    if failures:
        raise failures[0]
