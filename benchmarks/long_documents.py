"""Whole judgments (aila-2019-cases, test): the first tokens of a document against all of its passages.

    python benchmarks/long_documents.py encode --indexes DIRECTORY --cache DIRECTORY [--levels N]
    python benchmarks/long_documents.py compare --indexes DIRECTORY --cache DIRECTORY

`encode` makes vectors of passages level by level: the first passage of every document, then the second, and so on. It
may be killed and started again; whole levels are kept. `compare` works with the levels that are there, says what they
leave out, and writes docs/results/long-documents.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from periti.encoders import SentenceEncoder, minilm
from periti.indexers.dense import DenseIndex, normalised
from periti.indexers.docstore import Docstore
from periti.passages.splitting import PassageConfig, Splitter
from periti.types import Document

COLLECTION = "aila-2019-cases"
CONFIG = PassageConfig(length=254)
BLOCK = 256
"""Documents split, and passages encoded, at a time."""
CHARACTERS = 1500
"""A passage has fewer than so many characters, as a rule; where it has more, the document loses its last passages."""


def passages_by_level(docstore: Docstore, splitter: Splitter, levels: int) -> list[list[str]]:
    """Texts of the first passages of all documents, of the second, and so on; documents too short are left out.

    Only so many characters of a document are split as hold its first passages: the last passage of a piece that was
    cut off is not one of the document's, so that it is left out too.
    """
    texts: list[list[str]] = [[] for _ in range(levels)]
    for start in range(0, len(docstore), BLOCK):
        documents = [docstore.at(ordinal) for ordinal in range(start, min(start + BLOCK, len(docstore)))]
        limit = CHARACTERS * levels
        pieces = [Document(d.doc_id, d.text[:limit], d.title) for d in documents]
        found = splitter.split(pieces)
        last = np.append(found.owners[1:] != found.owners[:-1], [True])
        for text, owner, number, final in zip(found.texts, found.owners, numbered(found.owners), last, strict=True):
            if number < levels and not (final and len(documents[owner].text) > limit):
                texts[number].append(text)
    return texts


def numbered(owners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of each passage within its document, int64 (p,); owners ascend."""
    _, first, counts = np.unique(owners, return_index=True, return_counts=True)
    numbers: NDArray[np.int64] = np.arange(len(owners)) - np.repeat(first, counts)
    return numbers


def encode(indexes: Path, cache: Path, levels: int, dtype: str) -> None:
    """Encode passages, BLOCK of them a file; a file that is there is not made again.

    The first passage of a document is what the index of whole documents read of it: that vector is taken.
    """
    import torch

    cache.mkdir(parents=True, exist_ok=True)
    docstore = Docstore.open(indexes / COLLECTION / "docstore")
    whole = DenseIndex(indexes / COLLECTION / "dense", docstore.ids, docstore.corpus_digest)
    base = minilm()
    model = copy.deepcopy(base.model).to(getattr(torch, dtype))
    encoder = SentenceEncoder(model, base.identity)
    kept = cache / "passages.json"
    if not kept.exists():
        kept.write_text(json.dumps(passages_by_level(docstore, Splitter(model.tokenizer, CONFIG), levels)))
    texts: list[list[str]] = json.loads(kept.read_text())
    for level, own in enumerate(texts[:levels]):
        for part, start in enumerate(range(0, len(own), BLOCK)):
            target = cache / f"level-{level:03d}-{part:03d}.npy"
            if target.exists():
                continue
            chosen = slice(start, start + BLOCK)
            vectors = normalised(encoder.encode_documents(own[chosen]).vectors) if level else whole.stored()[1][chosen]
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
    parser.add_argument("--dtype", default="bfloat16", help="of the weights while passages are encoded")
    arguments = parser.parse_args()
    if arguments.action == "encode":
        encode(arguments.indexes, arguments.cache, arguments.levels, arguments.dtype)


if __name__ == "__main__":
    main()
