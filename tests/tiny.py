"""A collection small enough to know by heart, and builders of small indexes for the tests of the core."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periti.indexers.approximate import SearchSettings
from periti.indexers.build import BuildConfig, build_collection
from periti.indexers.dense import (
    DenseConfig,
    DenseIndex,
    build_faiss,
    config_facts,
    is_exact,
    write_dense,
)
from periti.indexers.docstore import Docstore, write_docstore
from periti.indexers.lexical import LexicalConfig, LexicalIndex
from periti.indexers.manifest import Manifest, write_manifest
from periti.pipeline import Pipeline
from periti.protocols import EncoderIdentity, Vectors
from periti.types import Document, Queries

TEXTS = {
    "med": [
        "Aspirin lowers the risk of a second heart attack.",
        "Vitamin D did not prevent falls in older adults.",
        "Statins may cause muscle pain in some patients.",
        "A heart attack needs aspirin and quick transport.",
        "Antibiotics do not help against a viral cold.",
        "Insulin lowers the sugar in the blood of diabetic patients.",
    ],
    "law": [
        "The seller is liable for a breach of warranty.",
        "A contract signed under duress is voidable.",
        "The tenant may withhold rent until repairs are made.",
        "Breach of contract entitles the buyer to damages.",
        "The court dismissed the appeal for lack of standing.",
        "A witness must tell the truth under oath.",
    ],
    "zoo": [
        "The cat sleeps on the warm wall all day.",
        "Dogs bark when a stranger passes the gate.",
        "A cat and a dog can share one house.",
        "Horses run faster than dogs over long ground.",
        "Whales sing songs that travel far under water.",
        "The wall of the zoo keeps the lions inside.",
    ],
}
TWINS = ("twin-a", "twin-b", "twin-c", "twin-d")
"""Documents of one and the same text, so that every index ties them."""

DOCUMENTS = [
    *(
        Document(f"{topic}-{i}", text, title=text.split()[1].capitalize() if i % 2 else "", metadata={"topic": topic})
        for topic, texts in TEXTS.items()
        for i, text in enumerate(texts)
    ),
    *(Document(doc_id, "Four twins tell the same story of a heart.") for doc_id in (TWINS[2], TWINS[0])),
    Document("empty", ""),
    *(Document(doc_id, "Four twins tell the same story of a heart.") for doc_id in (TWINS[3], TWINS[1])),
    Document("é-1", "Crème brûlée is a dessert of cream and burnt sugar.", title="Crème"),
]
QUERIES = Queries.from_pairs(
    [
        ("q-heart", "aspirin after a heart attack"),
        ("q-breach", "breach of contract damages"),
        ("q-cat", "cats and dogs in one house"),
        ("q-twins", "the same story of four twins"),
        ("q-none", "zzzz qqqq"),
        ("q-sugar", "sugar in blood or dessert"),
        ("q-a", "who is liable under a warranty?"),
    ]
)
IDENTITY = EncoderIdentity("given vectors", "0" * 64, 0, "none", normalised=False, max_length=0)


@dataclass(frozen=True)
class Tiny:
    """The tiny collection, built and opened once a session; nobody may write to its folder."""

    folder: Path
    docstore: Docstore
    pipeline: Pipeline
    queries: Queries = QUERIES


def lexical_index(documents: list[Document], folder: Path, config: LexicalConfig | None = None) -> LexicalIndex:
    """A lexical index of the documents, built in `folder` as users build it."""
    build_collection(documents, folder, BuildConfig(name="words", lexical=config or LexicalConfig(), dense=None))
    docstore = Docstore.open(folder / "docstore")
    return LexicalIndex(folder / "lexical", docstore.ids, docstore.corpus_digest)


def dense_index(
    vectors: Vectors,
    doc_ids: list[str],
    folder: Path,
    config: DenseConfig | None = None,
    settings: SearchSettings | None = None,
) -> DenseIndex:
    """A dense index of given vectors, one for each id, in `folder`."""
    config = config or DenseConfig(metric="ip")
    (folder / "docstore").mkdir(parents=True)
    (folder / "dense").mkdir()
    write_docstore((Document(doc_id, "text") for doc_id in doc_ids), folder / "docstore", {})
    docstore = Docstore.open(folder / "docstore")
    index = build_faiss(iter([vectors]), config, dimension=vectors.shape[1], documents=len(vectors))
    write_dense(index, np.arange(len(vectors), dtype=np.int64), folder / "dense")
    facts = {
        "encoder": {**asdict(IDENTITY), "dimension": vectors.shape[1]},
        "exact": is_exact(index),
        "largest_norm": float(np.linalg.norm(vectors, axis=1).max()),
    }
    write_manifest(
        folder / "dense",
        Manifest("dense", docstore.corpus_digest, len(doc_ids), config_facts(config), "", facts),
    )
    return DenseIndex(folder / "dense", docstore.ids, docstore.corpus_digest, settings)


def ranked_ids(index: DenseIndex | LexicalIndex, ordinals: NDArray[np.int64]) -> list[list[str]]:
    """The ids of each query's hits, best first, padding left out."""
    return [index.ids.take(row[row >= 0]).to_list() for row in ordinals]


def ranker_file(folder: Path, text: str) -> Path:
    """A ranker's file in a folder, beside the encoder `bert` that it may start from."""
    save_bert(folder / "x", max_length=64, spread=0.3)
    (folder / "x" / "bert").rename(folder / "bert")
    found = folder / "ranker.toml"
    found.write_text(text, encoding="utf-8")
    return found


def save_bert(folder: Path, *, max_length: int = 32, spoil: bool = False, spread: float = 0.02) -> Path:
    """A sentence-transformers model with random weights: two layers, 16 dimensions, one token a letter.

    Args:
        folder: where to save it.
        max_length: tokens it keeps, special ones included.
        spoil: whether to put NaN into its weights.
        spread: standard deviation of its weights; BERT's own makes all texts nearly alike.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast  # type: ignore[attr-defined]

    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    bert = folder / "bert"
    bert.mkdir(parents=True)
    (bert / "vocab.txt").write_text("\n".join(words) + "\n")
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    config = BertConfig(vocab_size=len(words), max_position_embeddings=64, initializer_range=spread, **sizes)
    model = BertModel(config)
    if spoil:
        with torch.no_grad():
            model.embeddings.word_embeddings.weight[words.index("x")] = float("nan")
    model.save_pretrained(bert)
    BertTokenizerFast(str(bert / "vocab.txt"), model_max_length=64).save_pretrained(bert)
    modules = [Transformer(str(bert), max_seq_length=max_length), Pooling(16, "mean"), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / "model"))
    return folder / "model"


def save_cross(bert: Path) -> Path:
    """A cross-encoder over the model of `save_bert`, its head drawn at random; made once."""
    from periti.encoders.cross import save_cross_encoder, untrained_cross_encoder

    folder = bert.parent / "cross"
    if not folder.exists():
        save_cross_encoder(untrained_cross_encoder(bert, 1, query_budget=16), folder)
    return folder
