"""`periti adjudicate`: simulate cheap judging, or do it: hand out documents, keep a log, say what is still open."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.errors import InputError

if TYPE_CHECKING:
    from periti.evaluation.adjudication.log import Log
    from periti.evaluation.adjudication.session import Session, Terms
    from periti.types import Run

EPILOG = """examples:
  periti adjudicate simulate --dataset clef-tar-2017 --budget 0.1 --seeds 5 --json
  periti adjudicate simulate --dataset trec-covid-round1 --budget 0.05 0.1 0.25 --methods depth mtf hedge ts-ns
  periti adjudicate simulate --runs *.run --qrels qrels.txt --measure nDCG@10 --mode per_topic_fixed --budget 50
  periti adjudicate simulate --dataset clef-tar-2017 --leave-out --html judging.html --curves curves.csv
  periti adjudicate next --log judging.db --runs *.run --queries topics.xml --assessor ada
  periti adjudicate record --log judging.db --query 12 --doc PMC4011 --grade 2 --assessor ada
  periti adjudicate undo --log judging.db --assessor ada
  periti adjudicate page --log judging.db --runs *.run --queries topics.xml --collection indexes/scifact
  periti adjudicate status --log judging.db
  periti adjudicate export --log judging.db --out judged.qrels

A log keeps every judgement with assessor and time, remembers runs and terms of the first `next`, and may be used by
several assessors and by the service at once."""

REMEMBERED = ("method", "seed", "level", "double", "batch", "settle", "measure", "test", "alpha")
"""Terms that the log keeps, so that later commands need not repeat them."""
INTEGERS, NUMBERS = {"seed", "level", "batch"}, {"double", "alpha"}


def add_parser(commands: Any) -> None:
    """Add the command and its parts to argparse's sub-parsers."""
    command = commands.add_parser(
        "adjudicate",
        help="judge documents, or simulate judging them cheaply",
        description="Simulate low-cost judging, or judge: which document next, a log, and what is still open.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = command.add_subparsers(title="parts", metavar="PART", required=True)
    _add_simulate(parts)
    _add_next(parts)
    _add_record(parts)
    _add_status(parts)
    _add_undo(parts)
    _add_export(parts)
    _add_page(parts)


def _part(parts: Any, name: str, text: str) -> argparse.ArgumentParser:
    """One part's parser; the examples are the command's."""
    examples = [line for line in EPILOG.splitlines() if f" adjudicate {name} " in line]
    parser: argparse.ArgumentParser = parts.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog="\n".join(["examples:", *examples]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _add_simulate(parts: Any) -> None:
    from periti.cli.simulate import add_options, simulate_judging

    part = _part(parts, "simulate", "what would cheap judgements have shown?")
    add_options(part)
    part.set_defaults(run=simulate_judging)


def _add_terms(part: argparse.ArgumentParser) -> None:
    """Where the runs come from, and how the session is run."""
    part.add_argument("--log", required=True, type=Path, metavar="FILE", help="the judging log")
    part.add_argument("--runs", nargs="+", metavar="RUN", help="run files; default: those that the log remembers")
    part.add_argument("--depth", type=int, metavar="K", help="documents of each run in the pool; default 100")
    part.add_argument("--method", metavar="METHOD", help="default mtf")
    part.add_argument("--seed", type=int, help="of random choices; default 0")
    part.add_argument("--min-rel", type=int, dest="level", metavar="N", help="lowest relevant grade; default 1")
    part.add_argument("--double", type=float, metavar="SHARE", help="share judged by two assessors; default 0.1")
    part.add_argument("--batch", type=int, metavar="N", help="documents before the query may change; default 20")
    part.add_argument(
        "--settle", choices=("first", "highest", "majority"), help="several grades of a document; default first"
    )
    part.add_argument("--measure", metavar="MEASURE", help="what status compares runs by; default AP")
    part.add_argument("--test", metavar="TEST", help="t+holm (default), t+bh or hsd")
    part.add_argument("--alpha", type=float, help="its level; default 0.05")
    part.add_argument("--json", action="store_true", help="print JSON")


def _add_next(parts: Any) -> None:
    part = _part(parts, "next", "the document to judge next")
    _add_terms(part)
    part.add_argument("--assessor", default="assessor", metavar="NAME", help="who judges; default 'assessor'")
    part.add_argument("--query", metavar="ID", help="stay with this query")
    part.add_argument("--queries", metavar="FILE|DATASET", help="print the query's text from here")
    part.add_argument("--documents", metavar="FILE|DATASET", help="print the document's text from here")
    part.set_defaults(run=hand_out)


def _add_record(parts: Any) -> None:
    part = _part(parts, "record", "keep one judgement")
    part.add_argument("--log", required=True, type=Path, metavar="FILE", help="the judging log")
    part.add_argument("--query", required=True, metavar="ID")
    part.add_argument("--doc", required=True, metavar="ID")
    part.add_argument("--grade", required=True, type=int, metavar="G", help="0 for not relevant")
    part.add_argument("--assessor", default="assessor", metavar="NAME")
    part.add_argument("--unasked", action="store_true", help="accept a document that `next` did not hand out")
    part.set_defaults(run=record_judgement)


def _add_status(parts: Any) -> None:
    part = _part(parts, "status", "counts, agreement, separable pairs, and what the rest may need")
    _add_terms(part)
    part.add_argument("--counts-only", action="store_true", help="do not compare runs, which takes seconds")
    part.set_defaults(run=show_status)


def _add_undo(parts: Any) -> None:
    part = _part(parts, "undo", "take back an assessor's last judgement")
    part.add_argument("--log", required=True, type=Path, metavar="FILE", help="the judging log")
    part.add_argument("--assessor", default="assessor", metavar="NAME")
    part.set_defaults(run=undo_judgement)


def _add_export(parts: Any) -> None:
    part = _part(parts, "export", "the judgements that stand, as TREC qrels")
    part.add_argument("--log", required=True, type=Path, metavar="FILE", help="the judging log")
    part.add_argument("--out", required=True, type=Path, metavar="FILE", help="qrels file to write")
    part.add_argument("--settle", choices=("first", "highest", "majority"), help="several grades of a document")
    part.set_defaults(run=export_qrels)


def _add_page(parts: Any) -> None:
    from periti.cli.judging import add_page_options

    part = _part(parts, "page", "judge in a web page, with the keyboard")
    _add_terms(part)
    add_page_options(part)
    part.set_defaults(run=serve_judging)


def hand_out(arguments: argparse.Namespace) -> int:
    """Print the next document, or say that there is none."""
    session = _session(arguments)
    task = session.next(arguments.assessor, arguments.query)
    if arguments.json:
        print(json.dumps(None if task is None else {**vars(task), **_texts(arguments, task.query_id, task.doc_id)}))
        return 0
    if task is None:
        print(f"Nothing is left for {arguments.assessor}.")
        return 0
    print(f"query     {task.query_id}\ndocument  {task.doc_id}\nnumber    {task.number} of {task.pool}")
    for what, text in _texts(arguments, task.query_id, task.doc_id).items():
        print(f"\n{what}:\n{text}")
    if task.batch_ended:
        print("\nA batch is done.", *session.status().sentences, sep="\n")
    return 0


def _texts(arguments: argparse.Namespace, query_id: str, doc_id: str) -> dict[str, str]:
    """Texts of query and document, where they were asked for."""
    from periti.datasets.references import open_documents, open_queries

    texts = {}
    if arguments.queries is not None:
        queries = open_queries(arguments.queries)
        known = dict(zip(queries.ids, queries.texts, strict=True))
        if query_id not in known:
            raise InputError(f"{arguments.queries} has no query {query_id!r}; give the queries of these runs")
        texts["query_text"] = known[query_id]
    if arguments.documents is not None:
        document = next((one for one in open_documents(arguments.documents) if one.doc_id == doc_id), None)
        if document is None:
            raise InputError(f"{arguments.documents} has no document {doc_id!r}; give the collection of these runs")
        texts["document_text"] = document.default_text()
    return texts


def record_judgement(arguments: argparse.Namespace) -> int:
    """Keep one judgement and say so."""
    log = _existing(arguments.log)
    asked = {(one.query_id, one.doc_id) for one in log.handed() if one.assessor == arguments.assessor}
    if not arguments.unasked and (arguments.query, arguments.doc) not in asked:
        raise InputError(
            f"document {arguments.doc!r} of query {arguments.query!r} was not handed out to {arguments.assessor!r}; "
            "check the ids, or add --unasked"
        )
    event = log.judge(arguments.query, arguments.doc, arguments.grade, arguments.assessor)
    print(f"{event.number}: {event.assessor} gave {event.doc_id} of query {event.query_id} grade {event.grade}")
    return 0


def serve_judging(arguments: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    from periti.cli.judging import serve_page

    return serve_page(_session(arguments), arguments)


def show_status(arguments: argparse.Namespace) -> int:
    """Print the status."""
    _existing(arguments.log).close()
    status = _session(arguments).status(outlook=not arguments.counts_only)
    if arguments.json:
        print(json.dumps(status.as_data(), indent=1, ensure_ascii=False, allow_nan=False))
        return 0
    for sentence in status.sentences:
        print(sentence)
    for assessor in status.assessors:
        print(f"  {assessor.assessor}: {assessor.judged} judged, the last at {assessor.last}")
    if status.outlook is not None:
        for pair in status.outlook.of("separable") + status.outlook.of("open"):
            print(f"  {pair.state:<11} {pair.better} > {pair.worse}  +{pair.difference:.4f}  {100 * pair.share:.0f} %")
    return 0


def undo_judgement(arguments: argparse.Namespace) -> int:
    """Take one back and say which."""
    event = _existing(arguments.log).undo(arguments.assessor)
    if event is None:
        raise InputError(f"{arguments.assessor!r} has no judgement that stands; check the name")
    print(f"{event.number}: took back grade {event.grade} of {event.doc_id}, query {event.query_id}")
    return 0


def export_qrels(arguments: argparse.Namespace) -> int:
    """Write the judgements that stand."""
    from periti.datasets.trec import write_qrels
    from periti.evaluation.adjudication.judgements import to_qrels

    log = _existing(arguments.log)
    rule = arguments.settle or log.settings().get("settle", "first")
    qrels = to_qrels(log.events(), rule, arguments.log.name)  # type: ignore[arg-type]  # checked by settled
    write_qrels(qrels, arguments.out)
    print(f"{arguments.out}: {qrels.frame.height} judgements of {len(qrels.query_ids)} queries")
    return 0


def _existing(path: Path) -> Log:
    """The log, which must be there."""
    from periti.evaluation.adjudication.log import Log

    if not path.exists():
        raise InputError(f"{path}: there is no judging log; `periti adjudicate next` begins one")
    return Log(path)


def _session(arguments: argparse.Namespace) -> Session:
    """The session of the log, under the terms given now and, for the rest, those given before."""
    from periti.cli.runs import read_runs
    from periti.evaluation.adjudication.log import Log
    from periti.evaluation.adjudication.pool import build_pool
    from periti.evaluation.adjudication.session import Session

    if not arguments.log.exists() and not arguments.runs:
        raise InputError(f"{arguments.log}: a new log needs runs to pool; give --runs")
    # Runs and terms are checked before a new log is made.
    runs: list[Run] | None = read_runs(arguments.runs) if arguments.runs else None
    known = Log(arguments.log).settings() if arguments.log.exists() else {}
    terms = _terms(arguments, known)
    depth = arguments.depth or int(known.get("depth", 100))
    if runs is None:
        if "runs" not in known:
            raise InputError(f"{arguments.log}: the log remembers no runs; give --runs")
        runs = read_runs(json.loads(known["runs"]))
    pool = build_pool(runs, depth=depth)
    log = Log(arguments.log)
    settings = {**{name: str(getattr(terms, name)) for name in REMEMBERED}, "depth": str(depth)}
    if arguments.runs:
        settings["runs"] = json.dumps([str(Path(path).absolute()) for path in arguments.runs])
    for name, value in settings.items():
        if known.get(name) != value:
            log.remember(name, value)
    return Session(log, pool, terms)


def _terms(arguments: argparse.Namespace, known: dict[str, str]) -> Terms:
    """The terms: of the command line, else of the log, else the defaults."""
    from periti.evaluation.adjudication.session import Terms

    given: dict[str, Any] = {}
    for name in REMEMBERED:
        value = getattr(arguments, name)
        if value is None and name in known:
            value = int(known[name]) if name in INTEGERS else float(known[name]) if name in NUMBERS else known[name]
        if value is not None:
            given[name] = value
    return Terms(**given)
