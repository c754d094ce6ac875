"""A tiny model as PyLate writes it: a transformer and a Dense layer of PyLate's, markers that are tokens, its keys."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periti.encoders.adapters import write_arrays

KEYS = {
    "model_type": "ColBERT",
    "similarity_fn_name": "MaxSim",
    "query_prefix": "[Q] ",
    "document_prefix": "[D] ",
    "query_length": 12,
    "document_length": 20,
    "attend_to_expansion_tokens": False,
    "do_query_expansion": True,
    "skiplist_words": [",", "."],
}
DIMENSION = 8


def save_colbert(bert: Path, folder: Path, **changes: Any) -> Path:
    """The transformer of `tests.tiny.save_bert` with tokens for markers and points, and a projection to 8 dimensions.

    Args:
        bert: folder of that model.
        folder: where to save.
        changes: keys that shall differ from KEYS.
    """
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(bert))
    tokenizer.add_tokens(["[Q] ", "[D] ", ",", "."])
    model = AutoModel.from_pretrained(str(bert))
    model.resize_token_embeddings(len(tokenizer))
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 19, "do_lower_case": False}))
    (folder / "config_sentence_transformers.json").write_text(json.dumps({**KEYS, **changes}))
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    dense = folder / "1_Dense"
    dense.mkdir()
    facts = {"in_features": 16, "out_features": DIMENSION, "bias": False}
    (dense / "config.json").write_text(json.dumps({**facts, "activation_function": "torch.nn.modules.linear.Identity"}))
    write_arrays(dense / "model.safetensors", {"linear.weight": projection()}, {"format": "pt"})
    return folder


def projection() -> NDArray[np.float32]:
    """The matrix (8, 16) of the Dense layer."""
    return np.random.default_rng(3).normal(size=(DIMENSION, 16)).astype(np.float32)
