"""Where token encoders come from: any sentence-transformers model, and folders that PyLate wrote, without PyLate.

A folder is read by its `modules.json`: a Transformer, then Dense layers up to a Pooling. These belong to tokens and are
applied; what comes after pooling belongs to whole texts. Any other module before pooling is refused: a model whose
projection is left out still gives vectors, and wrong ones.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from periti.encoders.adapters import read_arrays
from periti.encoders.sentence import SentenceEncoder, load_sentence_transformer, minilm
from periti.encoders.token_texts import TokenSettings
from periti.encoders.tokens import ACTIVATIONS, Projection, TokenEncoder, TokenParts
from periti.errors import EncoderError

PUNCTUATION = tuple(string.punctuation)
_AFTER = ("Pooling", "Normalize")
"""Modules that end the token part of a model."""
_COLBERT = ("query_prefix", "document_prefix", "query_length", "document_length", "do_query_expansion")


def load_token_encoder(
    model: str = "",
    *,
    max_length: int | None = None,
    query_budget: int | None = None,
    keep_special: bool | None = None,
    skip: Sequence[str] | None = None,
) -> TokenEncoder:
    """A token encoder; what is None is as the model says.

    Args:
        model: folder of a sentence-transformers or PyLate model, or a name on the model hub of the former; "" takes
            MiniLM. No code of a model is run.
        max_length: tokens of a document, special ones and marker included.
        query_budget: tokens of a query, likewise.
        keep_special: whether special tokens are compared.
        skip: tokens of documents that are not compared.

    Raises:
        EncoderError: it can not be loaded, or has modules whose effect on tokens is not known.
    """
    if not model:
        parts = parts_of(minilm())
    elif Path(model).is_dir():
        parts = read_parts(Path(model))
    else:
        parts = parts_of(load_sentence_transformer(model))
    given = {"max_length": max_length, "query_budget": query_budget, "keep_special": keep_special}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    changes |= {} if skip is None else {"skip": tuple(skip)}
    settings = replace(parts.settings, **changes)
    most = _positions(parts.transformer, parts.tokenizer)
    for name in ("max_length", "query_budget"):
        if getattr(settings, name) > most:
            raise EncoderError(
                f"token encoder {parts.name!r}: {name} is {getattr(settings, name)}; it reads {most} tokens"
            )
    return TokenEncoder(replace(parts, settings=settings))


def parts_of(encoder: SentenceEncoder) -> TokenParts:
    """The token part of a loaded sentence encoder; raises EncoderError as `load_token_encoder`."""
    modules = list(encoder.model)
    if not hasattr(modules[0], "auto_model"):
        raise EncoderError(
            f"the encoder {encoder.identity.name!r} has no transformer, so no token vectors; take another"
        )
    layers = []
    for module in _of_tokens(modules[1:], [type(m).__name__ for m in modules[1:]], encoder.identity.name):
        weights = {name: tensor.detach().cpu().float().numpy() for name, tensor in module.state_dict().items()}
        layers.append(_projection(weights, module.get_config_dict(), "Identity", encoder.identity.name))
    transformer, tokenizer = modules[0].auto_model, encoder.model.tokenizer
    _require_projection(transformer, encoder.identity.name)
    most = _positions(transformer, tokenizer)
    settings = TokenSettings(min(encoder.identity.max_length, most), min(64, most), prompts=encoder.identity.prompts)
    return TokenParts(transformer, tokenizer, tuple(layers), encoder.identity.name, settings)


def read_parts(folder: Path) -> TokenParts:
    """The token part of a model in a folder; raises EncoderError as `load_token_encoder`."""
    if not (folder / "modules.json").is_file():
        raise EncoderError(
            f"{folder} has no modules.json, so what comes behind its transformer is not known; save the model with "
            "sentence-transformers or PyLate"
        )
    modules = _json(folder / "modules.json")
    kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
    if not kinds or kinds[0] != "Transformer":
        raise EncoderError(
            f"{folder}: its first module is {kinds[:1]} and not a Transformer, so it has no token vectors"
        )
    place = folder / modules[0]["path"]
    transformer, tokenizer = _transformer(place, folder.name)
    _require_projection(transformer, folder.name)
    layers = []
    for module in _of_tokens(modules[1:], kinds[1:], folder.name):
        part = folder / module["path"]
        # sentence-transformers' own layer ends in tanh unless its file says otherwise, PyLate's in nothing.
        silent = "Identity" if str(module["type"]).startswith("pylate.") else "Tanh"
        weights = {name: array.astype(np.float32) for name, array in read_arrays(part / "model.safetensors")[0].items()}
        layers.append(_projection(weights, _json(part / "config.json"), silent, folder.name))
    config = _json(folder / "config_sentence_transformers.json")
    if not layers and any(key in config for key in _COLBERT):
        raise EncoderError(
            f"token encoder {folder.name!r} is a ColBERT model without its projection; restore its files"
        )
    most = _positions(transformer, tokenizer)
    own = _json(place / "sentence_bert_config.json").get("max_seq_length") or most
    settings = _settings(config, min(own, most), most)
    return TokenParts(transformer, tokenizer, tuple(layers), folder.name, settings)


def _settings(config: Mapping[str, Any], max_length: int, most: int) -> TokenSettings:
    """As PyLate's keys say, with PyLate's defaults; a model without any of them compares words only."""
    if not any(key in config for key in _COLBERT):
        return TokenSettings(max_length, min(64, most))
    own = {key: value for key, value in config.items() if value is not None}
    skip = own.get("skiplist_words", PUNCTUATION)
    return TokenSettings(
        max_length=min(int(own.get("document_length", 180)), most),
        query_budget=min(int(own.get("query_length", 32)), most),
        keep_special=True,
        skip=tuple(skip),
        markers=(str(own.get("query_prefix", "[Q] ")), str(own.get("document_prefix", "[D] "))),
        expand=bool(own.get("do_query_expansion", True)),
        attend=bool(own.get("attend_to_expansion_tokens", False)),
    )


def _of_tokens(modules: Sequence[Any], kinds: Sequence[str], name: str) -> list[Any]:
    """The Dense layers before pooling."""
    found = []
    for module, kind in zip(modules, kinds, strict=True):
        if kind in _AFTER:
            break
        if kind != "Dense":
            raise EncoderError(
                f"token encoder {name!r} has a module {kind} behind its transformer, which is not known for tokens; "
                "take a model of Transformer and Dense, as PyLate writes it"
            )
        found.append(module)
    return found


def _projection(weights: Mapping[str, Any], config: Mapping[str, Any], silent: str, name: str) -> Projection:
    activation = str(config.get("activation_function", silent)).rpartition(".")[2]
    if activation not in ACTIVATIONS or "linear.weight" not in weights:
        raise EncoderError(
            f"token encoder {name!r}: a projection has the activation {activation!r} and the arrays "
            f"{sorted(weights)}; known are {', '.join(ACTIVATIONS)} over linear.weight"
        )
    return Projection(
        weight=weights["linear.weight"],
        bias=weights.get("linear.bias"),
        activation=activation,
        residual=bool(config.get("use_residual", False)),
        shortcut=weights.get("residual.weight"),
    )


def _transformer(folder: Path, name: str) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # says nothing to a reader
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
        model = AutoModel.from_pretrained(str(folder), use_safetensors=True, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EncoderError(f"the token encoder {name!r} can not be loaded: {reason}") from error
    return model.float(), tokenizer


def _require_projection(transformer: Any, name: str) -> None:
    """Stanford's ColBERT keeps the projection beside the transformer, where loading the transformer leaves it out."""
    if "HF_ColBERT" in (transformer.config.architectures or []):
        raise EncoderError(
            f"token encoder {name!r} is a checkpoint of Stanford's ColBERT, whose projection is no module of its own; "
            "convert it with PyLate first"
        )


def _positions(transformer: Any, tokenizer: Any) -> int:
    """Tokens that the transformer can read at most."""
    return int(min(tokenizer.model_max_length, getattr(transformer.config, "max_position_embeddings", 1 << 30)))


def _json(path: Path) -> Any:
    """What a file of the model says; nothing where it is absent."""
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EncoderError(f"{path} is not JSON ({error}); restore the model's files") from error
