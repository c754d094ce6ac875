"""Texts to vectors: sentence-transformers models, and adapters that make many experts of one of them.

`sentence` loads and runs a model, `adapters` reads and writes adapter files, `lora` hangs them into a model, `panel`
encodes a batch in which every query has an adapter of its own.
"""

from periti.encoders.sentence import (
    MINILM,
    MINILM_SHA256,
    SentenceEncoder,
    load_sentence_transformer,
    minilm,
    minilm_path,
)

__all__ = [
    "MINILM",
    "MINILM_SHA256",
    "SentenceEncoder",
    "load_sentence_transformer",
    "minilm",
    "minilm_path",
]
