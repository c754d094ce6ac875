"""`periti mesh`: headings for the clauses of Boolean queries."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.errors import InputError

if TYPE_CHECKING:
    from periti.mesh.suggest import Method, Suggester

EPILOG = """examples:
  periti mesh index data/mesh/mtrees2019.bin.gz --out indexes/mesh
  periti mesh suggest "heart attack* OR myocard* infarct*" --index indexes/mesh --method fragment --k 10
  periti mesh rebuild query.txt --index indexes/mesh --k 3
  periti mesh evaluate --index indexes/mesh

methods: atm (exact names), atomic (one search a keyword), semantic (one search a group of near keywords), fragment (one
search a keyword, lists added); all but atm search vectors, or words with `atomic:words`; fragment adds both with
`fragment:both`. A query is in PubMed's notation or in Ovid's numbered lines; rebuild prints PubMed's."""


def add_parser(commands: Any) -> None:
    """Add the command and its four actions."""
    parser = commands.add_parser(
        "mesh",
        help="suggest MeSH headings for Boolean queries",
        description="Suggest MeSH headings for clauses, rebuild Boolean queries with them, measure how many are found.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    index = actions.add_parser("index", help="make a vocabulary searchable")
    index.add_argument("vocabulary", type=Path, help="NLM's mtrees20NN.bin (headings) or d20NN.bin (entry terms too)")
    index.add_argument("--out", type=Path, required=True, metavar="DIR", help="the directory to make")
    index.add_argument("--dense", default="names", help="vectors of names, all (entry terms too) or none")
    index.add_argument("--force", action="store_true", help="replace a directory already there")
    index.set_defaults(run=_index)
    suggest = actions.add_parser("suggest", help="headings for one clause")
    suggest.add_argument("clause", help="the clause; its own headings are not read")
    _asking(suggest, "fragment")
    suggest.set_defaults(run=_suggest)
    rebuild = actions.add_parser("rebuild", help="a query with suggested headings in place of its own")
    rebuild.add_argument("query", type=Path, help="file of a Boolean query")
    _asking(rebuild, "fragment")
    rebuild.set_defaults(run=_rebuild)
    evaluate = actions.add_parser("evaluate", help="recall of known headings, by method")
    evaluate.add_argument("--clef-tar", type=Path, metavar="DIR", help="folder of CLEF-TAR (default: in PERITI_DATA)")
    evaluate.add_argument("--bioasq", type=Path, metavar="FILE", help="questions with text and concepts, instead")
    evaluate.add_argument("--methods", nargs="+", metavar="METHOD", default=DEFAULT_METHODS, help="methods to compare")
    _asking(evaluate, None)
    evaluate.set_defaults(run=_evaluate)


DEFAULT_METHODS = ["atm", "atomic:words", "fragment:words", "atomic", "semantic", "fragment", "fragment:both"]


def _asking(parser: Any, method: str | None) -> None:
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="what `periti mesh index` made")
    parser.add_argument("--k", type=int, default=10, help="headings a clause (default: 10); ties with the last stay")
    parser.add_argument("--json", action="store_true", help="print JSON")
    if method:
        parser.add_argument("--method", default=method, help=f"how (default: {method})")


def _index(arguments: argparse.Namespace) -> int:
    from periti.mesh.index import MeshConfig, build_vocabulary
    from periti.mesh.vocabulary import read_vocabulary
    from periti.progress import Terminal

    vocabulary = read_vocabulary(arguments.vocabulary)
    config = MeshConfig(dense=arguments.dense, source={"file": arguments.vocabulary.name})
    build_vocabulary(vocabulary, arguments.out, config, replace_it=arguments.force, progress=Terminal())
    print(f"{arguments.out}: {len(vocabulary):,} headings, {vocabulary.entry_terms:,} entry terms")
    return 0


def _opened(arguments: argparse.Namespace, *methods: str) -> tuple[Suggester, list[Method]]:
    """A suggester, and the methods, which are read first: their mistakes shall not wait for an index to open."""
    from periti.mesh.index import MeshIndex
    from periti.mesh.suggest import Method, Suggester

    chosen = [Method.of(method) for method in methods]
    return Suggester(MeshIndex.open(arguments.index)), chosen


def _suggest(arguments: argparse.Namespace) -> int:
    from periti.mesh.cases import read_query
    from periti.mesh.clauses import Clause

    clause = Clause.of(read_query(arguments.clause))
    if not clause.keywords:
        raise InputError("the clause has no words to search with; write at least one that is no heading")
    suggester, (method,) = _opened(arguments, arguments.method)
    hits = suggester.suggest([clause.keywords], method, arguments.k)[0]
    if arguments.json:
        found = [{"rank": n, "heading": heading, "score": score} for n, (heading, score) in enumerate(hits, 1)]
        print(json.dumps({"method": str(method), "keywords": clause.keywords, "headings": found}))
        return 0
    if not hits:
        print("nothing found")
    for rank, (heading, score) in enumerate(hits, 1):
        print(f"{rank:>3}  {score:.4f}  {heading}")
    return 0


def _rebuild(arguments: argparse.Namespace) -> int:
    from periti.datasets.reading import decoded, read_bytes
    from periti.mesh.cases import read_query
    from periti.mesh.clauses import clauses, rebuilt
    from periti.mesh.ovid import limits
    from periti.mesh.syntax import for_pubmed, proximities, pubmed_text

    written = decoded(read_bytes(arguments.query), arguments.query)
    query = read_query(written)
    suggester, (method,) = _opened(arguments, arguments.method)
    own = clauses(query)
    found = suggester.suggest([clause.keywords for clause in own], method, arguments.k)
    headings = [[heading for heading, _ in hits] for hits in found]
    whole = rebuilt(query, headings)
    text = pubmed_text(for_pubmed(whole))
    notes = {
        "proximity operators became AND, which finds more": proximities(whole),
        "groups of words near each other were searched word by word": sum(clause.unjoined for clause in own),
        "lines with a limit were left out": len(limits(written)),
    }
    notes = {what: count for what, count in notes.items() if count}
    if arguments.json:
        told = [{"own": clause.headings, "suggested": names} for clause, names in zip(own, headings, strict=True)]
        print(json.dumps({"query": text, "clauses": told, "notes": notes}))
        return 0
    print(text)
    for what, count in notes.items():
        print(f"{count} {what}", file=sys.stderr)
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from periti.datasets.dataset import data_folder
    from periti.mesh.cases import bioasq, clef_tar
    from periti.mesh.evaluate import assess
    from periti.mesh.report import as_json, text

    suggester, methods = _opened(arguments, *arguments.methods)
    vocabulary = suggester.index.vocabulary
    if arguments.bioasq:
        cases = bioasq(arguments.bioasq, vocabulary)
    else:
        cases = clef_tar(arguments.clef_tar or data_folder() / "clef-tar", vocabulary)
    assessment = assess(suggester, cases, methods, arguments.k)
    print(json.dumps(as_json(cases, assessment)) if arguments.json else text(cases, assessment))
    return 0
