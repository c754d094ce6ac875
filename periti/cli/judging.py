"""`periti adjudicate page`: judge in a web page."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from periti.cli.serve import add_address
from periti.errors import InputError, UnknownName

if TYPE_CHECKING:
    from periti.api.desk import Texts
    from periti.evaluation.adjudication.session import Session
    from periti.types import Document

_LOCAL = ("127.0.0.1", "localhost", "::1")


def add_page_options(part: argparse.ArgumentParser) -> None:
    """Add what the page needs besides a session: texts, grades, an address."""
    part.add_argument("--queries", required=True, metavar="FILE|DATASET", help="the queries' texts")
    source = part.add_mutually_exclusive_group(required=True)
    source.add_argument("--collection", type=Path, metavar="CONFIG", help="texts: an indexed collection or its TOML")
    source.add_argument("--documents", metavar="FILE|DATASET", help="texts: documents, read into memory")
    part.add_argument("--grades", nargs="+", metavar="WORDS", help="what 0, 1, ... mean; default: four grades")
    add_address(part)


def serve_page(session: Session, arguments: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C or SIGTERM: status 0."""
    from periti.api.desk import GRADES, Desk
    from periti.api.judging import create_judging_app
    from periti.api.server import bind, url, uvicorn_server
    from periti.datasets.references import open_queries

    queries = open_queries(arguments.queries)
    texts = dict(zip(queries.ids, queries.texts, strict=True))
    desk = Desk(session, texts, _texts(arguments, session), arguments.grades or GRADES)
    listener = bind(arguments.host, arguments.port)
    host = listener.getsockname()[0]
    if host not in _LOCAL:
        print(f"periti: warning: listening on {host}; whoever reaches this port can judge", file=sys.stderr)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with listener:
            print(f"periti: judging at {url(listener)}  (Ctrl-C ends; the log keeps everything)", flush=True)
            uvicorn_server(create_judging_app(desk)).run(sockets=[listener])
    except KeyboardInterrupt:
        print("periti: stopped", file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _texts(arguments: argparse.Namespace, session: Session) -> Texts:
    """Where documents are looked up."""
    if arguments.collection is not None:
        from periti.config import read_pipeline_config
        from periti.indexers.docstore import Docstore

        return Docstore.open(read_pipeline_config(arguments.collection).docstore)
    from periti.datasets.references import open_documents

    pooled = {doc_id for topic in session.pool.topics for doc_id in topic.doc_ids}
    found = {one.doc_id: one for one in open_documents(arguments.documents) if one.doc_id in pooled}
    if not found:
        raise InputError(f"{arguments.documents} has none of the {len(pooled)} pooled documents; give their collection")
    return _Held(found)


@dataclass(frozen=True)
class _Held:
    """Documents in memory, by id."""

    documents: dict[str, Document]

    def get(self, doc_ids: Sequence[str], /) -> list[Document]:
        """The documents of these ids; UnknownName if one is absent."""
        absent = [doc_id for doc_id in doc_ids if doc_id not in self.documents]
        if absent:
            raise UnknownName(f"there is no document {absent[0]!r} among those given; give the whole collection")
        return [self.documents[doc_id] for doc_id in doc_ids]
