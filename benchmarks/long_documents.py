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
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from measuring import ROOT, record
from numpy.typing import NDArray

from periti.datasets import load_dataset
from periti.encoders import SentenceEncoder, minilm
from periti.evaluation import parse
from periti.evaluation.significance import Design, compare, from_runs
from periti.evaluation.significance.text import as_json, markdown
from periti.indexers.dense import DenseConfig, DenseIndex, build_faiss, config_facts, normalised, write_dense
from periti.indexers.docstore import Docstore
from periti.indexers.manifest import Manifest, read_manifest, write_manifest
from periti.indexers.passages import KIND, PassageIndex
from periti.passages.aggregation import Aggregation
from periti.passages.lengths import LengthCorrelation, length_correlation
from periti.passages.splitting import PassageConfig, Splitter
from periti.pipeline import open_pipeline
from periti.rankers.fusion import ReciprocalRankFusion
from periti.retrievers.runs import run_of_arrays
from periti.types import PLAN, Document, Plan, Queries, Run

COLLECTION = "aila-2019-cases"
CONFIG = PassageConfig(length=254)
RULES = {
    "truncation": Aggregation("first"),
    "max": Aggregation("max"),
    "mean": Aggregation("mean"),
    "sum": Aggregation("sum"),
    "top-mean": Aggregation("top-mean", k=2),
    "decayed": Aggregation("decayed", k=3, decay=0.5),
}
MEASURES = ("nDCG@10", "AP", "R@100")
DEPTH = 1000
PAGE = ROOT / "docs" / "results" / "long-documents.md"
Levels = list[list[tuple[int, str]]]
"""By number of a passage within its document: ordinals of the documents and the passages' texts."""
BLOCK = 256
"""Documents split, and passages encoded, at a time."""
CHARACTERS = 1500
"""A passage has fewer than so many characters, as a rule; where it has more, the document loses its last passages."""


def passages_by_level(docstore: Docstore, splitter: Splitter, levels: int) -> Levels:
    """Ordinals and texts of the first passages of all documents, of the second, and so on.

    Only so many characters of a document are split as hold its first passages: the last passage of a piece that was
    cut off is not one of the document's, so that it is left out too.
    """
    texts: Levels = [[] for _ in range(levels)]
    for start in range(0, len(docstore), BLOCK):
        documents = [docstore.at(ordinal) for ordinal in range(start, min(start + BLOCK, len(docstore)))]
        limit = CHARACTERS * levels
        pieces = [Document(d.doc_id, d.text[:limit], d.title) for d in documents]
        found = splitter.split(pieces)
        last = np.append(found.owners[1:] != found.owners[:-1], [True])
        for text, owner, number, final in zip(found.texts, found.owners, numbered(found.owners), last, strict=True):
            if number < levels and not (final and len(documents[owner].text) > limit):
                texts[number].append((start + int(owner), text))
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
    texts: Levels = json.loads(kept.read_text())
    for level, own in enumerate(texts[:levels]):
        for part, start in enumerate(range(0, len(own), BLOCK)):
            target = cache / f"level-{level:03d}-{part:03d}.npy"
            if target.exists():
                continue
            part_texts = [text for _, text in own[start : start + BLOCK]]
            first = whole.stored()[1][start : start + BLOCK]
            vectors = normalised(encoder.encode_documents(part_texts).vectors) if level else first
            scratch = target.with_suffix(".tmp")
            with scratch.open("wb") as file:
                np.save(file, vectors)
            scratch.replace(target)
        print(f"level {level}: {len(own)} passages", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Material:
    """Everything that the systems are made of, and how much of the documents it holds."""

    docstore: Docstore
    passages: DenseIndex
    levels: int
    tokens: int
    """Of all passages."""
    all_tokens: int
    """Of all documents."""
    truncated_tokens: int
    whole: int
    """Documents of which every passage is there."""


def material(indexes: Path, cache: Path, scratch: Path) -> Material:
    """The whole levels of the cache as a passage index, written to `scratch`."""
    docstore = Docstore.open(indexes / COLLECTION / "docstore")
    facts = read_manifest(indexes / COLLECTION / "dense", "dense").facts
    texts: Levels = json.loads((cache / "passages.json").read_text())
    owners, vectors, tokens = [], [], []
    splitter = Splitter(minilm().model.tokenizer, CONFIG)
    for level, own in enumerate(texts):
        parts = [cache / f"level-{level:03d}-{part:03d}.npy" for part in range(-(-len(own) // BLOCK))]
        if not all(part.exists() for part in parts):
            break
        owners += [ordinal for ordinal, _ in own]
        vectors.append(np.concatenate([np.load(part) for part in parts]))
        tokens += [len(offsets.words) for offsets in splitter.offsets([text for _, text in own])]
    order = np.argsort(owners, kind="stable")
    rows = np.array(owners)[order]
    stacked = np.ascontiguousarray(np.concatenate(vectors)[order])
    config = DenseConfig()
    scratch.mkdir()
    write_dense(build_faiss(iter([stacked]), config, dimension=stacked.shape[1], documents=len(rows)), rows, scratch)
    described = {
        "encoder": facts["encoder"],
        "exact": True,
        "largest_norm": float(np.linalg.norm(stacked, axis=1).max()),
    }
    write_manifest(scratch, Manifest(KIND, docstore.corpus_digest, len(docstore), config_facts(config), "", described))
    last = {ordinal: text for own in texts[: len(vectors)] for ordinal, text in own}
    return Material(
        docstore=docstore,
        passages=DenseIndex(scratch, docstore.ids, docstore.corpus_digest, kind=KIND),
        levels=len(vectors),
        tokens=sum(tokens),
        all_tokens=facts["tokens"] - 2 * facts["texts"],
        truncated_tokens=facts["truncated_tokens"],
        whole=sum(docstore.at(ordinal).default_text().endswith(text) for ordinal, text in last.items()),
    )


def runs_of(given: Material, indexes: Path, queries: Queries) -> list[Run]:
    """The runs that are compared; "truncation" is the first passage alone."""
    encoder = minilm(precision="float32")
    vectors = encoder.encode_queries(queries.texts).vectors
    found = []
    for name, rule in RULES.items():
        scores, ordinals = PassageIndex(given.passages, rule).search(vectors, DEPTH)
        found.append(run_of_arrays(queries, scores, ordinals, given.docstore.ids, name))
    found.append(_asked_whole(given, encoder, queries))
    words = open_pipeline(indexes / COLLECTION).only("bm25").search(queries, DEPTH)
    by_name = {run.name: run for run in found}
    for name in ("truncation", "max"):
        fused = ReciprocalRankFusion.open(ReciprocalRankFusion.Options())
        plan = Plan.of(
            pl.DataFrame([(q, e, 1.0) for q in queries.ids for e in ("bm25", name)], schema=PLAN, orient="row"), queries
        )
        found.append(fused.fuse({"bm25": words, name: by_name[name]}, plan).top(DEPTH).renamed(f"bm25 + {name}"))
    return [*found, words.renamed("bm25")]


def _asked_whole(given: Material, encoder: SentenceEncoder, queries: Queries) -> Run:
    """MaxP for each passage of the query, and the mean of these: nothing of a long question is cut."""
    split = Splitter(encoder.model.tokenizer, CONFIG).split(
        [Document(q, text) for q, text in queries.frame.iter_rows()]
    )
    vectors = encoder.encode_queries(split.texts).vectors
    index = PassageIndex(given.passages, Aggregation())
    every = np.arange(len(given.docstore))
    scores = np.stack([index.scored(vector, every) for vector in given.passages.check(vectors, 1)])
    means = np.stack([scores[split.owners == n].mean(axis=0) for n in range(len(queries))])
    ids = given.docstore.ids.take(every).to_list()
    rows = [
        pl.DataFrame({"query_id": q, "doc_id": ids, "score": own}) for q, own in zip(queries.ids, means, strict=True)
    ]
    return Run.of(pl.concat(rows), "max, whole query").top(DEPTH)


def compared(indexes: Path, cache: Path, scratch: Path) -> None:
    """Runs, their significance against truncation, their correlation with length; the page and its figures."""
    dataset = load_dataset(COLLECTION)
    queries, qrels = dataset.queries("test"), dataset.qrels("test")
    given = material(indexes, cache, scratch)
    runs = runs_of(given, indexes, queries)
    tables, evidence = from_runs(runs, qrels, parse(MEASURES, dataset.facts.min_rel))
    study = compare(tables, Design(baseline="truncation"), evidence)
    lengths = {document.doc_id: len(document.default_text()) for document in given.docstore}
    follows = {run.name: length_correlation(run.top(100), lengths) for run in runs}
    cut = minilm().query_coverage(queries.texts)
    facts = {
        "levels": given.levels,
        "passage_tokens": CONFIG.length,
        "documents": len(given.docstore),
        "documents_read_whole": given.whole,
        "share_of_tokens_read_by_truncation": round(1 - given.truncated_tokens / given.all_tokens, 4),
        "share_of_tokens_read_by_passages": round(given.tokens / given.all_tokens, 4),
        "queries": len(queries),
        "queries_truncated": cut.truncated_texts,
        "share_of_query_tokens_cut": round(cut.truncated_tokens / cut.tokens, 4),
    }
    PAGE.write_text(page(facts, follows, markdown(study)))
    correlation = {name: asdict(value) for name, value in follows.items()}
    record("long_documents", {**facts, "length_correlation": correlation, "study": json.loads(as_json(study))})


def page(facts: Mapping[str, Any], follows: Mapping[str, LengthCorrelation], study: str) -> str:
    """The results as Markdown."""
    size, levels, whole = facts["passage_tokens"], facts["levels"], facts["documents_read_whole"]
    lines: list[str] = [
        "# Long documents: truncation against passages on whole judgments",
        "",
        "Printed by `python benchmarks/long_documents.py compare --indexes DIRECTORY --cache DIRECTORY` after `encode`",
        "with the same; figures also in `benchmarks/results/long_documents.json`. Nothing is tuned.",
        "",
        f"`{COLLECTION}`, test: {facts['queries']} situations, {facts['documents']:,} judgments; MiniLM, exact search.",
        "",
        f"* *truncation* reads the first {size} tokens of a document:",
        f"  {facts['share_of_tokens_read_by_truncation']:.1%} of all tokens.",
        f"* The other rules read up to {levels} passages of {size} tokens from its beginning, without overlap:",
        f"  {facts['share_of_tokens_read_by_passages']:.1%} of all tokens. {whole:,} documents are read whole,",
        f"  {facts['documents'] - whole:,} are capped.",
        f"* {facts['queries_truncated']} of the situations are longer than the encoder reads, too:",
        f"  {facts['share_of_query_tokens_cut']:.0%} of all their tokens are cut.",
        "  *max, whole query* splits them as well and takes the mean of their MaxP.",
        "* BM25 reads everything.",
        "",
        "Passages after the first are encoded in bfloat16 to save time (cosine with float32 0.9999).",
        "",
        study,
        "## Do scores follow length?",
        "",
        "Correlation of a document's place among the first 100 with its length in characters, mean over queries;",
        "positive means that long documents stand first.",
        "",
        "| system | Spearman's rho | Kendall's tau-b |",
        "|---|---:|---:|",
        *(f"| {name} | {value.rho:+.3f} | {value.tau:+.3f} |" for name, value in follows.items()),
    ]
    return "\n".join(lines) + "\n"


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
        return
    with tempfile.TemporaryDirectory() as scratch:
        compared(arguments.indexes, arguments.cache, Path(scratch) / KIND)


if __name__ == "__main__":
    main()
