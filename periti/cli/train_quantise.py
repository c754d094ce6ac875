"""`periti train quantise`: the int8 form of a trained cross-encoder, and how near it is to the whole one."""

from __future__ import annotations

import argparse
import json
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from periti.encoders.cross import CrossEncoder

QUERY_BUDGET = 64
EPILOG = """examples:
  periti train quantise rankers/reader/none/seed-1                      write its int8 graph, compare on demo texts
  periti train quantise rankers/reader/none/seed-1 --dataset scifact    compare on texts of a collection
  periti train quantise rankers/reader/none/seed-1 --dataset scifact --queries 20 --documents 100 --json

The graph lies beside the weights as model.int8.onnx and is used by  precision = "int8"  of the ranker "cross-encoder".
It is compared on pairs: of every query, how the order of the same documents agrees. Needs the extra "onnx"."""


def add_quantise_parser(kinds: Any) -> None:
    """Add the command."""
    command = kinds.add_parser(
        "quantise",
        help="an int8 form of a cross-encoder, faster on processors with VNNI",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("folder", type=Path, help="the cross-encoder's folder")
    command.add_argument("--dataset", default="demo", metavar="NAME", help="whose texts are compared (default: demo)")
    command.add_argument("--split", metavar="NAME", help="of its queries (default: its official one)")
    command.add_argument("--queries", type=int, default=5, metavar="N", help="so many of its queries (default: 5)")
    command.add_argument("--documents", type=int, default=50, metavar="N", help="with so many documents each")
    command.add_argument("--max-length", type=int, metavar="N", help="tokens of a pair (default: as it was trained)")
    command.add_argument("--query-budget", type=int, metavar="N", help="tokens of a query (default: as it was trained)")
    command.add_argument("--json", action="store_true", help="print the comparison as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the graph and compare."""
    from periti.encoders.cross import load_cross_encoder
    from periti.encoders.quantised import FILE, QuantisedCrossEncoder, quantise

    if min(arguments.queries, arguments.documents) < 1:
        raise InputError("--queries and --documents must be at least 1")
    queries, documents = _texts(arguments)
    length, budget = (_length(name, arguments) for name in ("max_length", "query_budget"))
    whole = load_cross_encoder(arguments.folder, max_length=length, query_budget=budget or QUERY_BUDGET)
    quantise(whole, arguments.folder / FILE)
    small = QuantisedCrossEncoder(whole, arguments.folder / FILE)
    found = {"file": str(arguments.folder / FILE), **_compared(whole, small, queries, documents)}
    print(json.dumps(found) if arguments.json else _told(found))
    return 0


def _length(name: str, arguments: argparse.Namespace) -> int | None:
    """A length as given, else as the ranker's card says; None where neither does."""
    try:
        card = json.loads((arguments.folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        card = {}
    given: int | None = getattr(arguments, name)
    found: int | None = card.get(name) if given is None else given
    return found


def _texts(arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
    from periti.datasets import load_dataset

    dataset = load_dataset(arguments.dataset)
    queries = dataset.queries(arguments.split) if arguments.split else dataset.queries()
    documents = [document.default_text() for document in islice(dataset.documents(), arguments.documents)]
    return queries.texts[: arguments.queries], documents


def _compared(whole: CrossEncoder, small: CrossEncoder, queries: list[str], documents: list[str]) -> dict[str, Any]:
    import numpy as np

    pairs = [(query, document) for query in queries for document in documents]
    tokens = whole.tokenise(*map(list, zip(*pairs, strict=True)))
    scores, speed = [], []
    for model in (whole, small):
        model.logits(model.tokenise(queries[:1], documents[:1]))  # warm
        began = time.process_time()
        scores.append(model.logits(tokens).reshape(len(queries), len(documents)))
        speed.append(len(tokens) / (time.process_time() - began))
    gap = np.abs(scores[0] - scores[1])
    return {
        "pairs": len(tokens),
        "rank_correlation": round(float(np.mean([_agreement(a, b) for a, b in zip(*scores, strict=True)])), 4),
        "top_10_shared": round(float(np.mean([_shared(a, b) for a, b in zip(*scores, strict=True)])), 3),
        "largest_difference": round(float(gap.max()), 4),
        "spread_of_scores": round(float(scores[0].std()), 4),
        "pairs_per_cpu_second": {"float32": round(speed[0], 1), "int8": round(speed[1], 1)},
    }


def _agreement(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Spearman's rho of two orders without ties to speak of."""
    import numpy as np

    first, second = (np.argsort(np.argsort(-scores, kind="stable"), kind="stable") for scores in (one, other))
    return float(np.corrcoef(first, second)[0, 1]) if len(one) > 1 else 1.0


def _shared(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Share of the first ten that both have."""
    import numpy as np

    top = [set(np.argsort(-scores, kind="stable")[:10].tolist()) for scores in (one, other)]
    return len(top[0] & top[1]) / len(top[0])


def _told(found: dict[str, Any]) -> str:
    speed = found["pairs_per_cpu_second"]
    return (
        f"{found['file']}: on {found['pairs']:,} pairs Spearman's rho with float32 is {found['rank_correlation']:.4f}, "
        f"{found['top_10_shared']:.0%} of the first ten are shared; scores differ by {found['largest_difference']:.4f} "
        f"at most (their standard deviation: {found['spread_of_scores']:.4f})\n"
        f"{speed['float32']:.0f} pairs a CPU second in float32, {speed['int8']:.0f} in int8\n"
        'a collection uses it by  [ranker] name = "cross-encoder", precision = "int8"'
    )
