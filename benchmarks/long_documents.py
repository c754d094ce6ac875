"""Whole judgments (aila-2019-cases, test): the first tokens of a document against all of its passages.

    python benchmarks/long_documents.py encode --indexes DIRECTORY --cache DIRECTORY [--levels N]
    python benchmarks/long_documents.py compare --indexes DIRECTORY --cache DIRECTORY

`encode` makes vectors of passages level by level: the first passage of every document, then the second, and so on. It
may be killed and started again; whole levels are kept. `compare` works with the levels that are there, says what they
leave out, and writes docs/results/long-documents.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from periti.encoders import minilm
from periti.indexers.dense import normalised
from periti.indexers.docstore import Docstore
from periti.passages.splitting import PassageConfig, Passages, Splitter

COLLECTION = "aila-2019-cases"
CONFIG = PassageConfig(length=254)
BLOCK = 256
"""Documents split, and passages encoded, at a time."""


def split_all(docstore: Docstore, splitter: Splitter) -> Iterator[tuple[int, Passages]]:
    """Passages of blocks of documents, with the ordinal of the first."""
    for start in range(0, len(docstore), BLOCK):
        documents = [docstore.at(ordinal) for ordinal in range(start, min(start + BLOCK, len(docstore)))]
        yield start, splitter.split(documents)


def numbered(owners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of each passage within its document, int64 (p,); owners ascend."""
    _, first, counts = np.unique(owners, return_index=True, return_counts=True)
    return np.arange(len(owners)) - np.repeat(first, counts)


def encode(indexes: Path, cache: Path, levels: int) -> None:
    """Encode passages, one file a level and 2,048 of them a part; a part that is there is not made again."""
    docstore = Docstore.open(indexes / COLLECTION / "docstore")
    encoder = minilm()
    splitter = Splitter(encoder.model.tokenizer, CONFIG)
    cache.mkdir(parents=True, exist_ok=True)
    texts: list[list[str]] = [[] for _ in range(levels)]
    for _, found in split_all(docstore, splitter):
        for text, number in zip(found.texts, numbered(found.owners), strict=True):
            if number < levels:
                texts[number].append(text)
    for level, own in enumerate(texts):
        for part, start in enumerate(range(0, len(own), BLOCK)):
            target = cache / f"level-{level:03d}-{part:03d}.npy"
            if target.exists():
                continue
            vectors = normalised(encoder.encode_documents(own[start : start + BLOCK]).vectors)
            scratch = target.with_suffix(".tmp")
            with scratch.open("wb") as file:
                np.save(file, vectors)
            scratch.replace(target)
        print(f"level {level}: {len(own)} passages", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("encode", "compare"))
    parser.add_argument("--indexes", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--levels", type=int, default=10, help="passages of a document that are encoded")
    arguments = parser.parse_args()
    if arguments.action == "encode":
        encode(arguments.indexes, arguments.cache, arguments.levels)


if __name__ == "__main__":
    main()
