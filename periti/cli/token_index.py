"""`periti index tokens`: token vectors of a collection for the ranker late-interaction."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

EPILOG = """examples:
  periti index tokens indexes/scifact --nbits 2
  periti index tokens indexes/scifact --model models/colbert --nbits 0 --dtype float16
  periti index tokens indexes/scifact --out tokens/scifact --punctuation drop --seed 1"""


def add_action(actions: Any) -> None:
    """Add the action to `periti index`."""
    action = actions.add_parser(
        "tokens",
        help="add token vectors, for late interaction",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    action.add_argument("collection", type=Path, help="a collection that is built")
    action.add_argument("--out", type=Path, help="the directory to make (default: tokens in the collection)")
    action.add_argument("--force", action="store_true", help="replace a token index that is already there")
    action.add_argument("--model", default="", help="folder or hub name of the encoder (default: MiniLM)")
    action.add_argument("--max-length", type=int, default=0, help="tokens kept of a document (default: the model's)")
    action.add_argument("--special", default="model", help="special tokens: keep, drop or model (default: model)")
    action.add_argument("--punctuation", default="model", help="punctuation: keep, drop or model (default: model)")
    action.add_argument("--nbits", type=int, default=2, help="bits a dimension: 1, 2, 4, or 0 for whole vectors")
    action.add_argument("--dtype", default="float32", help="float32 or float16, with --nbits 0 (default: float32)")
    action.add_argument("--seed", type=int, default=0, help="of the centroids and samples (default: 0)")
    action.add_argument("--json", action="store_true", help="print the manifest as JSON")
    action.set_defaults(run=build)


def build(arguments: argparse.Namespace) -> int:
    """Build the index and say how large it is and how near its vectors are."""
    from periti.indexers.docstore import Docstore
    from periti.progress import Terminal
    from periti.rankers.late_interaction.build import build_token_index
    from periti.rankers.late_interaction.index import TokenIndexConfig
    from periti.rankers.late_interaction.ranker import TokenOptions

    config = TokenIndexConfig(arguments.nbits, arguments.dtype, arguments.seed)
    options = TokenOptions(
        arguments.model, arguments.max_length, special=arguments.special, punctuation=arguments.punctuation
    )
    docstore = Docstore.open(arguments.collection / "docstore")
    target = arguments.out or arguments.collection / "tokens"
    manifest = build_token_index(docstore, target, options.load(), config, replace=arguments.force, progress=Terminal())
    if arguments.json:
        print(json.dumps(asdict(manifest), indent=1))
        return 0
    size, facts = sum(file["bytes"] for file in manifest.files.values()), manifest.facts
    found = facts["reconstruction"]
    print(f"{target}: {manifest.documents:,} documents, {facts['tokens']:,} tokens, {size / 1e6:,.1f} MB")
    print(f"  cut: {facts['truncated_documents']:,} documents, {facts['truncated_tokens']:,} tokens")
    print(f"  without tokens: {facts['documents_without_tokens']:,} documents")
    print(
        f"  reconstruction over {found['tokens']:,} tokens: cosine {found['mean_cosine']:.4f} on average, "
        f"{found['least_cosine']:.4f} at worst, squared error {found['mean_squared_error']:.5f}"
    )
    return 0
