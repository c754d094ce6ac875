"""`periti serve`: collections as a web service with a search page."""

from __future__ import annotations

import argparse
import functools
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.cli.serve_screening import add_screening, screening_of
from periti.errors import ConfigError

if TYPE_CHECKING:
    import socket

    from periti.api.collections import Opener
    from periti.api.screening import Screening
    from periti.pipeline import Pipeline

EPILOG = """examples:
  periti serve indexes/scifact
  periti serve indexes/scifact my/periti.toml --port 8080
  periti serve indexes/cohen-screening --screen judgements --reviews cohen-screening

  curl -s http://127.0.0.1:8000/v1/search -H 'Content-Type: application/json' -d '{"query": "your question", "k": 5}'

The service answers /healthz at once and /readyz when every collection is open; /docs lists its routes. It has no access
control: whoever reaches the port can search. Ctrl-C ends it.

With --screen there is a page for reviewers of citations at /screening; each judgement is on disk in that folder before
it is acknowledged. docs/screening.md tells more."""
_LOCAL = ("127.0.0.1", "localhost", "::1")


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "serve",
        help="serve collections over HTTP, with a search page",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "configs", nargs="+", type=Path, metavar="CONFIG", help="a collection's directory or a TOML file"
    )
    add_address(parser)
    add_screening(parser)
    parser.set_defaults(run=serve)


def add_address(parser: argparse.ArgumentParser) -> None:
    """Add --host and --port."""
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="the port; 0 takes any free one (default: 8000)")


def serve(arguments: argparse.Namespace) -> int:
    """Open the collections and serve them until Ctrl-C."""
    from periti.api.server import bind

    openers = _openers(arguments.configs)
    screening = screening_of(arguments, sorted(openers))
    announce = _announce if screening is None else _announce_screening
    return serve_until_stopped(openers, bind(arguments.host, arguments.port), announce, screening)


def serve_until_stopped(
    pipelines: Mapping[str, Pipeline | Opener],
    listener: socket.socket,
    announce: Callable[[str], None],
    screening: Screening | None = None,
) -> int:
    """Serve until Ctrl-C or SIGTERM, which are the ordinary ways to end it: status 0."""
    from periti.api.server import serve

    host = listener.getsockname()[0]
    if host not in _LOCAL:
        what = "search" if screening is None else "search and judge"
        print(f"periti: warning: listening on {host}; whoever reaches this port can {what}", file=sys.stderr)
    # uvicorn stops gracefully at either signal and then raises it again for us.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(pipelines, listener, announce, screening)
    except KeyboardInterrupt:
        print("periti: stopped", file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _openers(configs: Sequence[Path]) -> dict[str, Opener]:
    """How to open each collection, by name.

    Raises:
        ConfigError: a configuration is not acceptable, or two have one name.
    """
    from periti.api.collections import check_name
    from periti.config import read_pipeline_config
    from periti.pipeline import open_pipeline

    openers: dict[str, Opener] = {}
    homes: dict[str, Path] = {}
    for path in configs:
        config = read_pipeline_config(path)
        name = check_name(config.name)
        if name in homes:
            raise ConfigError(f"{homes[name]} and {path} are both named {name!r}; change `name` in one of them")
        homes[name] = path
        openers[name] = functools.partial(open_pipeline, config)
    return openers


def _announce(url: str) -> None:
    print(f"periti: ready at {url}  (Ctrl-C ends)", flush=True)


def _announce_screening(url: str) -> None:
    _announce(url)
    print(f"periti: screening at {url}/screening", flush=True)
