"""Experts that are whole models: a sentence-transformers folder with a card, for experts that move documents too.

    modules.json, config.json, model.safetensors, tokenizer   what sentence-transformers reads
    README.md                                                 the model card of the Hugging Face hub
    card.json                                                 data, licence, command, dev curve, SHA-256 of the weights

Such an expert shares no index with others: the documents have to be encoded by it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from periti.encoders.adapters import CARD
from periti.encoders.sentence import SentenceEncoder, load_sentence_transformer
from periti.errors import EncoderError
from periti.files import sha256_file

MODEL = "model.safetensors"
README = "README.md"


@dataclass(frozen=True)
class ModelExpert:
    """A whole model that was trained from a base encoder, whole on disk.

    Attributes:
        folder: of its files.
        card: everything that is known of it.
    """

    folder: Path
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the file of its weights."""
        return str(self.card["weights_sha256"])

    def encoder(self) -> SentenceEncoder:
        """The model as an encoder, with the length and the prompts that it was trained with."""
        query, document = self.card["prompts"]
        return load_sentence_transformer(
            str(self.folder),
            max_length=int(self.card["max_length"]),
            query_prompt=query,
            document_prompt=document,
        )


def write_model(model: Any, card: Mapping[str, Any], folder: Path) -> ModelExpert:
    """Write a sentence-transformers model and its cards into an existing, empty folder.

    Args:
        model: the model, with merged weights.
        card: what is known of it; `base`, `base_name`, `prompts` and `max_length` are needed to open it.
        folder: where to write (`periti.indexers.storage.building` makes it whole).
    """
    model.save(str(folder), create_model_card=False, safe_serialization=True)
    facts = {**card, "weights_sha256": sha256_file(folder / MODEL)}
    (folder / CARD).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / README).write_text(readme(facts), encoding="utf-8")
    return ModelExpert(folder, facts)


def read_model(folder: Path) -> ModelExpert:
    """The expert of a folder that `write_model` filled.

    Raises:
        EncoderError: the folder holds no such expert, or a file is truncated or altered.
    """
    for path in (folder / CARD, folder / MODEL):
        if not path.is_file():
            raise EncoderError(f"no model at {folder} ({path.name} is missing); train it with `periti train expert`")
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        claimed = card["weights_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise EncoderError(
            f"{folder / CARD} is not the card of a model; restore it or train the expert again"
        ) from error
    if sha256_file(folder / MODEL) != claimed:
        raise EncoderError(f"{folder / MODEL} is truncated or was altered; restore it or train the expert again")
    return ModelExpert(folder, card)


def readme(card: Mapping[str, Any]) -> str:
    """The model card: front matter as the hub reads it, then what the expert is, learnt from, and reached on dev."""
    sources = "\n".join(f"* {one['name']}: {one['queries']:,} queries" for one in card.get("sources", []))
    documents = "\n".join(f"* {line}" for line in card.get("dev_documents", []))
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
base_model: {card.get("base_name", "")}
license: other
license_name: {json.dumps(card.get("licence", ""), ensure_ascii=False)}
tags:
- sentence-transformers
- sentence-similarity
---
# {card.get("name", "")}

{card.get("description", "")}

Trained by periti from {card.get("base_name", "")} ({card.get("trained", "")}), seed {card.get("seed", "")}. Queries and
documents are encoded by these weights, so documents need an index of their own.

{how_it_came_about(card, sources, documents)}"""


def how_it_came_about(card: Mapping[str, Any], sources: str, dev: str) -> str:
    """The end of every model card: command, data, licence, dev curve, and the digest of the weights.

    Args:
        card: the facts.
        sources: lines on what it learnt from.
        dev: lines on what the measure was taken over.
    """
    curve = "\n".join(f"| {int(step)} | {value:.4f} | {loss:.4f} |" for step, value, loss in card.get("dev_curve", []))
    steps = f"| step | dev | mean loss |\n|---:|---:|---:|\n{curve}\n\n" if curve else ""
    return f"""Command: `{card.get("command", "")}`

## Data

{sources}

Licence of the data: {card.get("licence", "")}

## Dev

{card.get("measure", "")}

{dev}

{steps}Weights (`{MODEL}`): SHA-256 {card["weights_sha256"]}
"""
