"""`periti demo`: build the demo collection once, then serve it with a web page."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti import __version__
from periti.cli.serve import add_address, serve_until_stopped
from periti.errors import ConfigError, IndexUnusable, InputError

if TYPE_CHECKING:
    from periti.datasets.dataset import Dataset
    from periti.pipeline import Pipeline

NAME = "demo"
WORDS = 0.1
"""Weight of BM25 beside the routed expert: the best of 1, .5, .25 and .1 on the demo's dev queries (nDCG@10 .587, .622,
.649, .667), whose passages were written so that their words mislead."""
EPILOG = """examples:
  periti demo
  periti demo --port 8080
  periti demo --index /tmp/demo --no-serve

The indexes go to $XDG_CACHE_HOME/periti (or ~/.cache/periti), under a name that tells this version and the texts; the
next start verifies and reuses them."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo",
        help="build the demo collection and serve it with a web page",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_address(parser)
    parser.add_argument("--index", type=Path, metavar="DIR", help="where the indexes are kept")
    parser.add_argument("--no-serve", action="store_true", help="build or verify the indexes, then end")
    parser.set_defaults(run=demo)


def demo(arguments: argparse.Namespace) -> int:
    """Build what is not there, verify what is, serve."""
    from periti.api.server import bind
    from periti.datasets.dataset import load_dataset

    # Bound before the build: a taken port is told now, not after the work.
    listener = None if arguments.no_serve else bind(arguments.host, arguments.port)
    dataset = load_dataset(NAME)
    folder = arguments.index or demo_folder(dataset)
    pipeline = ready_pipeline(dataset, folder, disposable=arguments.index is None)
    question = min(dataset.queries().texts, key=len)
    if listener is None:
        print(f'{folder}: ready; try  periti search {folder} "{question}"')
        return 0
    return serve_until_stopped({NAME: lambda: pipeline}, listener, lambda url: _announce(url, question))


def demo_folder(dataset: Dataset) -> Path:
    """Where the demo's indexes are kept: a name that tells this version, the texts and the experts."""
    return cache_folder() / f"{NAME}-{__version__}-{corpus_digest(dataset)[:12]}-{panel_digest()[:8]}"


def opened(config: Path) -> Pipeline:
    """The pipeline of a directory or TOML file; `demo`, where nothing has that name, is the demo, built at first use.

    Raises:
        ConfigError, IndexUnusable, UnknownName: as `periti.pipeline.open_pipeline`.
    """
    from periti.pipeline import open_pipeline

    if config != Path(NAME) or config.exists():
        return open_pipeline(config)
    from periti.datasets.dataset import load_dataset

    dataset = load_dataset(NAME)
    return ready_pipeline(dataset, demo_folder(dataset), disposable=True)


def cache_folder() -> Path:
    """Where periti keeps what it can make again: $XDG_CACHE_HOME/periti, else ~/.cache/periti."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says to ignore relative paths.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "periti"


def corpus_digest(dataset: Dataset) -> str:
    """The digest that the docstore of a dataset has."""
    from periti.indexers.docstore import record

    seen = hashlib.sha256()
    for document in dataset.documents():
        seen.update(record(document))
    return seen.hexdigest()


def panel_digest() -> str:
    """The digest of the shipped panel's utility table, which names its experts' weights."""
    from periti.files import sha256_file
    from periti.indexers.manifest import FILE
    from periti.panels.shipped import shipped_table

    return sha256_file(shipped_table() / FILE)


def ready_pipeline(dataset: Dataset, folder: Path, *, disposable: bool) -> Pipeline:
    """The demo's pipeline, from verified indexes; they are built where they are missing, outdated or damaged.

    Args:
        dataset: the demo collection.
        folder: where its indexes are kept.
        disposable: whether anything in the folder may be replaced, since nobody but this command writes there.

    Raises:
        InputError: the folder holds something else than the demo's indexes.
    """
    from periti.pipeline import open_pipeline

    if folder.exists() and not disposable:
        _require_demo(folder)
    if folder.exists():
        reason = ""
        try:
            pipeline = open_pipeline(folder)
            if _digest_of(pipeline) == corpus_digest(dataset):
                print(f"periti: the demo's indexes in {folder} are whole", file=sys.stderr)
                return pipeline
            reason = f"{folder} was built from other texts"
        except (IndexUnusable, ConfigError) as error:
            reason = str(error)
        print(f"periti: {reason}\nperiti: building the demo's indexes again", file=sys.stderr)
    else:
        print(f"periti: first start: building the demo's indexes in {folder}", file=sys.stderr)
    _build(dataset, folder, disposable=disposable)
    return open_pipeline(folder)


def _digest_of(pipeline: Pipeline) -> str:
    return str(getattr(pipeline.corpus, "corpus_digest", ""))


def _build(dataset: Dataset, folder: Path, *, disposable: bool) -> None:
    from periti.indexers.build import BuildConfig, build_collection
    from periti.indexers.lexical import LexicalConfig
    from periti.panels.shipped import shipped_panel
    from periti.progress import Terminal

    if disposable and folder.exists() and not (folder / "periti.toml").is_file():
        shutil.rmtree(folder)
    config = BuildConfig(
        name=NAME,
        description=dataset.facts.title,
        lexical=LexicalConfig(analyser=dataset.facts.language),
        panel=shipped_panel(WORDS),
        source={"dataset": NAME},
    )
    build_collection(dataset.documents(), folder, config, replace=True, progress=Terminal())


def _require_demo(folder: Path) -> None:
    """Refuse to touch a folder of somebody's that is not the demo's."""
    from periti.config import read_toml

    try:
        name = read_toml(folder / "periti.toml").get("name")
    except ConfigError as error:
        raise InputError(f"{folder} exists and does not hold the demo's indexes; choose another --index") from error
    if name != NAME:
        raise InputError(f"{folder} holds the collection {name!r}, not the demo; choose another --index")


def _announce(url: str, question: str) -> None:
    body = json.dumps({"query": question, "k": 3, "explain": True}, ensure_ascii=False).replace("'", r"\u0027")
    print(f"periti: ready at {url}  (Ctrl-C ends)\nperiti: open it in a browser, or ask by")
    print(f"  curl -s {url}/v1/search -H 'Content-Type: application/json' -d '{body}'", flush=True)
