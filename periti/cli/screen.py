"""`periti screen`: which citations of a review to read first, and when to stop."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.errors import InputError, UnknownName
from periti.registry import nearest

if TYPE_CHECKING:
    from periti.datasets.dataset import Dataset
    from periti.pipeline import Pipeline
    from periti.rankers.reranking import PairScorer

EPILOG = """examples:
  periti screen --dataset cohen-screening --topic ADHD
  periti screen --dataset cohen-screening --all --index indexes/cohen-screening
  periti screen --dataset cohen-screening --all --method bm25 dense criteria+active --stop
  periti screen --dataset cohen-screening --topic ADHD --method cross-encoder --model my/ranker --json
  periti screen --dataset cohen-screening --all --method criteria+active criteria+cross-encoder+active --model my/ranker

A topic's candidates are all its judged documents; each method puts all of them in order. What is learned from other
topics never sees the topic that is ordered, nor a document that is a candidate of both. Methods with feedback read the
judgements of the documents they have asked for, so their rows are no one-shot rankings. docs/screening.md tells more.

Without --index the indexes go to $XDG_CACHE_HOME/periti (or ~/.cache/periti) and are reused; building them takes
minutes."""
DEFAULT = ("bm25", "dense", "fusion", "criteria", "active", "criteria+active")


def add_parser(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "screen",
        help="order the citations of a systematic review, and say when to stop",
        description="Screening prioritisation: AP, recall after 1 to 20 % read, work saved, with intervals.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--dataset", required=True, metavar="NAME", help="a collection whose queries are reviews")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--topic", nargs="+", metavar="TOPIC", help="topics to order; others are learned from")
    which.add_argument("--all", action="store_true", help="every topic")
    add_methods(command)
    command.add_argument("--index", type=Path, metavar="DIR", help="a built collection; its texts are read")
    command.add_argument(
        "--text", choices=("abstract", "title"), default="abstract", help="title and abstract (default), or title only"
    )
    command.add_argument("--seed", type=int, default=1, help="of bootstrap samples (default 1)")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, unrounded")
    form.add_argument("--markdown", action="store_true", help="print Markdown")
    command.set_defaults(run=run)


def add_methods(command: argparse.ArgumentParser) -> None:
    """Add what orders the candidates, and what stops."""
    command.add_argument(
        "--method",
        nargs="+",
        default=list(DEFAULT),
        metavar="METHOD",
        help=f"{', '.join(DEFAULT)} (all of them by default); with --model also cross-encoder, criteria+cross-encoder "
        "and criteria+bm25+cross-encoder, and each of them with +active",
    )
    command.add_argument("--model", metavar="MODEL", help="the cross-encoder, e.g. a folder of periti train ranker")
    command.add_argument(
        "--max-length", type=int, default=0, metavar="N", help="tokens of a pair that it reads (default: its own limit)"
    )
    command.add_argument(
        "--min-rel", type=int, default=1, metavar="N", help="lowest grade that counts as included (default 1)"
    )
    command.add_argument("--stop", action="store_true", help="also where each stopping rule stops, and how it errs")
    command.add_argument("--recall", type=float, default=0.95, help="recall that --stop wants (default .95)")
    command.add_argument("--alpha", type=float, default=0.05, help="error that --stop accepts (default .05)")


def run(arguments: argparse.Namespace) -> int:
    """Order, measure, print."""
    from periti.datasets.dataset import load_dataset
    from periti.progress import Terminal
    from periti.screening import read_topics, report, study
    from periti.screening.methods import METHODS, Orderer, uses_feedback, uses_model
    from periti.screening.stopping import Target
    from periti.screening.study import stop

    for method in arguments.method:
        if method not in METHODS:
            raise InputError(f"no screening method {method!r}; give one of {', '.join(METHODS)}")
    target = Target(arguments.recall, arguments.alpha)
    model = _model(arguments.model, arguments.max_length) if any(map(uses_model, arguments.method)) else None
    dataset = load_dataset(arguments.dataset)
    if dataset.facts.kind != "screening":
        raise InputError(
            f"dataset {dataset.name!r} is for {dataset.facts.kind}, not for screening; its judgements do not cover "
            "all candidates of a topic"
        )
    learns = any("criteria" in method for method in arguments.method)
    topics = read_topics(
        _collection(dataset, arguments),
        dataset.queries(),
        dataset.qrels(),
        () if learns else tuple(arguments.topic or ()),
    )
    by_name = {topic.name: topic for topic in topics}
    for name in arguments.topic or ():
        if name not in by_name:
            raise UnknownName(f"there is no topic {name!r}; {nearest(name, by_name)}")
    chosen = [by_name[name] for name in dict.fromkeys(arguments.topic or by_name)]
    orderer = Orderer(topics, arguments.min_rel, model)
    measured = study(orderer, arguments.method, topics=chosen, seed=arguments.seed, progress=Terminal())
    stops = {
        method: stop(measured, method, rel=arguments.min_rel, target=target)
        for method in arguments.method
        if arguments.stop and uses_feedback(method)
    }
    form = report.as_json if arguments.json else report.markdown if arguments.markdown else report.text
    print(form(measured, orderer, stops), end="")
    return 0


def _model(folder: str | None, max_length: int) -> PairScorer:
    """The cross-encoder that scores pairs."""
    from periti.rankers.cross_encoder import CrossEncoderRanker

    if folder is None:
        raise InputError("the method cross-encoder needs a model; give its folder with --model")
    return CrossEncoderRanker.open(CrossEncoderRanker.Options(folder, max_length=max_length)).scorer


def _collection(dataset: Dataset, arguments: argparse.Namespace) -> Pipeline:
    """The collection given, or the one in the cache, built if it is not there.

    Raises:
        InputError: --text title with a collection whose texts are settled.
    """
    from periti import __version__
    from periti.cli.demo import cache_folder, corpus_digest
    from periti.indexers.build import BuildConfig, build_collection
    from periti.pipeline import open_pipeline
    from periti.progress import Terminal

    if arguments.index is not None:
        if arguments.text == "title":
            raise InputError("--text title needs indexes of titles alone; leave --index out and they are built")
        return open_pipeline(arguments.index)
    folder = cache_folder() / f"{dataset.name}-{arguments.text}-{__version__}-{corpus_digest(dataset)[:12]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        documents = (
            document._replace(text="") if arguments.text == "title" else document for document in dataset.documents()
        )
        source = {"dataset": dataset.name, "text": arguments.text}
        build_collection(documents, folder, BuildConfig(name=dataset.name, source=source), progress=Terminal())
    return open_pipeline(folder)
