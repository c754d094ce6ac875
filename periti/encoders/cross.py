"""A cross-encoder: query and document in one sequence, one logit a pair; beside `sentence`, the home of transformers.

Texts are tokenised once each, however many pairs they are in, and joined by the tokenizer's own template. Truncation
takes from the document; a query is cut only to its budget, and both are counted. Batches hold pairs of similar length
within one token budget, so that little is padding; a BERT classifier on a processor scores them without any
(`unpadded_pairs`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from periti.encoders.beginnings import first_ids
from periti.encoders.products import tell_of_slow_bfloat16
from periti.encoders.sentence import Tokens, batches
from periti.encoders.unpadded_pairs import fits, unpadded_logits
from periti.errors import EncoderError

CLASSIFIER, SEGMENTS, LATE_JOIN = "classifier", "segments", "late-join"
HEADS = (CLASSIFIER, SEGMENTS, LATE_JOIN)
SEGMENTS_FILE, LATE_JOIN_FILE = "segments.safetensors", "late-join.safetensors"
FLOAT32, BFLOAT16 = "float32", "bfloat16"
PRECISIONS = (FLOAT32, BFLOAT16)
PAIR_TOKENS = 1024
"""Tokens a forward pass over pairs may hold: activations of more do not stay in a core's caches."""


@dataclass(frozen=True)
class PairTokens(Tokens):
    """Token ids of one pair; `cut` counts what of the document was left out, of a long one only in its beginning.

    Attributes:
        second: index of the first token of the second segment.
        query_cut: tokens of the query that were left out, counted likewise.
    """

    second: int
    query_cut: int


@dataclass(frozen=True)
class Template:
    """The special tokens that a tokenizer puts around a pair: prefix query middle document suffix."""

    prefix: tuple[int, ...]
    middle: tuple[int, ...]
    suffix: tuple[int, ...]

    @property
    def length(self) -> int:
        """How many special tokens a pair has."""
        return len(self.prefix) + len(self.middle) + len(self.suffix)


class CrossEncoder:
    """A sequence classifier with one label, or two of which one is told to mean "relevant".

    Args:
        model: the loaded transformers model.
        tokenizer: its tokenizer.
        name: what reports call it.
        max_length: tokens of a pair, special ones included.
        query_budget: tokens a query may have; the document gets the rest.
        relevant_label: with two labels, the one that means relevant; the score is its logit less the other's.

    Attributes:
        precision: of matrix products, "float32" or "bfloat16": faster where the processor knows it, with scores that
            differ in the third digit and then depend a little on the batch.

    Raises:
        EncoderError: the budget leaves no room for a document, or the labels are not one, or two with one named.
    """

    precision: str = FLOAT32

    def __init__(  # noqa: PLR0913  (what a cross-encoder's scores depend on)
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        max_length: int,
        query_budget: int,
        relevant_label: int | None = None,
    ) -> None:
        self.model, self.name = model.eval(), name
        self.max_length, self.query_budget, self.relevant_label = max_length, query_budget, relevant_label
        self.tokenizer = tokenizer
        self._lock = threading.Lock()
        self._template = self._around()
        self._typed = "token_type_ids" in tokenizer.model_input_names
        if query_budget < 1 or max_length - self._template.length - query_budget < 1:
            raise EncoderError(
                f"cross-encoder {name!r}: max_length {max_length} less a query budget of {query_budget} tokens leaves "
                "no room for a document; raise max_length or lower query_budget"
            )
        labels = int(model.config.num_labels)
        keep_logits_whole(model, labels)
        if labels != 1 and not (labels == 2 and relevant_label in (0, 1)):
            raise EncoderError(
                f"cross-encoder {name!r} has {labels} labels and a ranker needs one score; take a model with one label"
                + (", or say which of the two means relevant (relevant_label = 0 or 1)" if labels == 2 else "")
            )

    @property
    def identity(self) -> Mapping[str, Any]:
        """What its scores depend on."""
        return {
            "model": self.name,
            "weights_sha256": weights_digest(self.model),
            "max_length": self.max_length,
            "query_budget": self.query_budget,
            "truncation": "document first",
            "dtype": str(self.model.dtype).removeprefix("torch."),
            **({} if self.precision == FLOAT32 else {"products": self.precision}),
        }

    def tokenise(self, queries: Sequence[str], documents: Sequence[str]) -> list[PairTokens]:
        """Token ids of the pairs (queries[i], documents[i]), each text tokenised once."""
        known = self._ids([*queries, *documents])
        return [
            self._pair(place, known[query], known[document])
            for place, (query, document) in enumerate(zip(queries, documents, strict=True))
        ]

    def logits(self, tokens: Sequence[PairTokens]) -> NDArray[np.float64]:
        """Logits of tokenised pairs, float64 (n,), in the order of their places 0..n-1.

        Pairs of the same tokens are read once: in float32 the last bits depend on the batch, and equal texts must tie.
        """
        import torch

        first: dict[tuple[int, ...], int] = {}
        same = [first.setdefault(tuple(pair.ids), pair.place) for pair in sorted(tokens, key=lambda pair: pair.place)]
        found = np.empty(len(tokens))
        low = self.precision == BFLOAT16
        if low and self.model.device.type == "cpu":
            tell_of_slow_bfloat16()
        with torch.inference_mode(), torch.autocast(self.model.device.type, torch.bfloat16, enabled=low):
            distinct = [pair for pair in tokens if same[pair.place] == pair.place]
            for batch in batches(distinct, padded=self._padded(), most=PAIR_TOKENS):
                pairs = cast("list[PairTokens]", batch)
                found[[pair.place for pair in pairs]] = self.forward(pairs).to("cpu", torch.float64).numpy()
        return found[same]

    def forward(self, batch: Sequence[PairTokens]) -> Any:
        """Scores of one batch, a tensor (b,), with gradients if those are on."""
        if self._padded():
            return self.scores(self.model(**self.features(batch)).logits)
        types = [int(place >= pair.second) for pair in batch for place in range(len(pair.ids))]
        return self.scores(unpadded_logits(self.model, batch, types if self._typed else None))

    def _padded(self) -> bool:
        """Whether batches go through the model as it stands: to learn, or if it can not be read without padding."""
        import torch

        return torch.is_grad_enabled() or self.model.training or not fits(self.model)

    def remember(self, size: int, folder: Path | None = None) -> None:
        """Allow bytes, and a folder, for what is computed of a text alone; there is nothing of the kind here."""

    def read_alone(self, documents: Sequence[str]) -> None:
        """Compute beforehand what is computed of a text alone; there is nothing of the kind here."""

    def scores(self, raw: Any) -> Any:
        """One score a pair of its labels' logits, a tensor (b,) of one (b, labels)."""
        label = self.relevant_label
        return raw[:, 0] if label is None else raw[:, label] - raw[:, 1 - label]

    def features(self, batch: Sequence[PairTokens]) -> dict[str, Any]:
        """A padded batch on the model's device."""
        import torch

        width = max(len(pair.ids) for pair in batch)
        ids = np.full((len(batch), width), self.tokenizer.pad_token_id, np.int64)
        mask, types = np.zeros_like(ids), np.zeros_like(ids)
        for row, pair in enumerate(batch):
            ids[row, : len(pair.ids)], mask[row, : len(pair.ids)] = pair.ids, 1
            types[row, pair.second : len(pair.ids)] = 1
        arrays = {"input_ids": ids, "attention_mask": mask} | ({"token_type_ids": types} if self._typed else {})
        return {key: torch.from_numpy(array).to(self.model.device) for key, array in arrays.items()}

    def _around(self) -> Template:
        """The special tokens of a pair."""
        return template_of(self.tokenizer, self.name)

    def _ids(self, texts: Sequence[str]) -> dict[str, list[int]]:
        distinct = list(dict.fromkeys(texts))
        with self._lock:  # the tokenizer keeps state between calls
            found = first_ids(self.tokenizer, distinct, self.max_length)
        return dict(zip(distinct, found, strict=True))

    def _pair(self, place: int, query: list[int], document: list[int]) -> PairTokens:
        one = self._template
        first = query[: self.query_budget]
        room = self.max_length - one.length - len(first)
        head = [*one.prefix, *first, *one.middle]
        return PairTokens(
            place=place,
            ids=[*head, *document[:room], *one.suffix],
            cut=max(0, len(document) - room),
            second=len(head),
            query_cut=len(query) - len(first),
        )


def keep_logits_whole(model: Any, labels: int) -> None:
    """Let the last layer of a classifier work in float32 under autocast: logits of 8 bits would tie by the dozen."""
    import torch

    def again(layer: Any, inputs: Any, output: Any) -> Any:
        if output.dtype == layer.weight.dtype:
            return None
        with torch.autocast(output.device.type, enabled=False):
            return torch.nn.functional.linear(inputs[0].to(layer.weight.dtype), layer.weight, layer.bias)

    heads = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == labels]
    if heads:
        heads[-1].register_forward_hook(again)


def template_of(tokenizer: Any, name: str) -> Template:
    """The special tokens around a pair, read off a sample.

    Raises:
        EncoderError: the tokenizer does not join two texts by special tokens alone.
    """
    first, second = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("law", "science"))
    whole = tokenizer("law", "science")["input_ids"]
    for start in range(len(whole) - len(first) + 1):
        for then in range(start + len(first), len(whole) - len(second) + 1):
            if whole[start : start + len(first)] == first and whole[then : then + len(second)] == second:
                middle, suffix = whole[start + len(first) : then], whole[then + len(second) :]
                return Template(tuple(whole[:start]), tuple(middle), tuple(suffix))
    raise EncoderError(f"cross-encoder {name!r}: its tokenizer does not join two texts by special tokens; take another")


def load_cross_encoder(
    model: str | Path,
    *,
    max_length: int | None = None,
    query_budget: int = 64,
    relevant_label: int | None = None,
    precision: str = FLOAT32,
) -> CrossEncoder:
    """A cross-encoder with safetensors weights: a folder, or a name on the model hub; no code of a model is run.

    Args:
        model: folder or hub name, as sentence-transformers' CrossEncoder takes it.
        max_length: tokens of a pair; the model's own maximum by default.
        query_budget: tokens of a query that are read at most.
        relevant_label: see `CrossEncoder`.
        precision: see `CrossEncoder`.

    Raises:
        EncoderError: it can not be loaded, or is no ranker.
    """
    found = _opened(str(model), 0, _Reading(max_length, query_budget, relevant_label))
    found.precision = precision
    return found


@dataclass(frozen=True)
class Joint:
    """Where a late-join model starts.

    Attributes:
        apart: the first layers, which read query and document apart.
        matrix: W float32 (d, d) of a linear adapter; zero by default.
    """

    apart: int = 4
    matrix: NDArray[np.float32] | None = None


def untrained_cross_encoder(  # noqa: PLR0913  (what a start is made of)
    model: str | Path,
    seed: int,
    *,
    max_length: int | None = None,
    query_budget: int = 64,
    head: str = CLASSIFIER,
    joint: Joint | None = None,
) -> CrossEncoder:
    """The encoder in a folder under a new head of one label: where training starts.

    Args:
        model: the folder.
        seed: of a classifier's weights.
        max_length: see `CrossEncoder`.
        query_budget: see `CrossEncoder`.
        head: "classifier" on [CLS], drawn by chance; "segments", see `periti.encoders.segments`; or "late-join", see
            `periti.encoders.late_join`.
        joint: of "late-join".

    Raises:
        EncoderError: it can not be loaded.
    """
    return _opened(str(model), seed, _Reading(max_length, query_budget), head=head, joint=joint)


@dataclass(frozen=True)
class _Reading:
    """How pairs are read; see `load_cross_encoder`."""

    max_length: int | None
    query_budget: int
    relevant_label: int | None = None


def _opened(path: str, seed: int, reading: _Reading, *, head: str = "", joint: Joint | None = None) -> CrossEncoder:
    import torch
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # says nothing to a reader
    quiet = transformers_logging.get_verbosity()
    head_read = head or _head_of(Path(path))
    extra = {"num_labels": 1} if head == CLASSIFIER else {}
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if head:
                transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it warns of a head without weights, which is meant
            tokenizer = AutoTokenizer.from_pretrained(path)
            kind = AutoModelForSequenceClassification if head_read == CLASSIFIER else AutoModel
            loaded = kind.from_pretrained(path, use_safetensors=True, trust_remote_code=False, **extra)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EncoderError(f"the cross-encoder {path!r} can not be loaded: {reason}") from error
    finally:
        transformers_logging.set_verbosity(quiet)
    if head_read != CLASSIFIER:
        loaded = _under_head(loaded, head_read, None if head else Path(path), joint or Joint())
    own = min(tokenizer.model_max_length, int(getattr(loaded.config, "max_position_embeddings", 1 << 30)))
    return _kind(head_read)(
        loaded,
        tokenizer,
        name=Path(path).name if Path(path).is_dir() else path,
        max_length=min(reading.max_length or own, own),
        query_budget=reading.query_budget,
        relevant_label=reading.relevant_label,
    )


def _head_of(folder: Path) -> str:
    """The head of a saved cross-encoder."""
    files = {SEGMENTS: SEGMENTS_FILE, LATE_JOIN: LATE_JOIN_FILE}
    return next((head for head, file in files.items() if (folder / file).is_file()), CLASSIFIER)


def _under_head(encoder: Any, head: str, folder: Path | None, joint: Joint) -> Any:
    """The encoder under one of our heads, a new one or that of a folder."""
    if head == SEGMENTS:
        from periti.encoders.segments import segment_cross_encoder

        return segment_cross_encoder(encoder, folder)
    from periti.encoders.late_join import late_join_model

    return late_join_model(encoder, joint.apart, joint.matrix, folder)


def _kind(head: str) -> type[CrossEncoder]:
    if head != LATE_JOIN:
        return CrossEncoder
    from periti.encoders.late_join import LateJoinEncoder

    return LateJoinEncoder


def save_cross_encoder(model: CrossEncoder, folder: Path) -> None:
    """Write weights (safetensors), configuration and tokenizer as transformers and sentence-transformers read them."""
    model.model.save_pretrained(folder, safe_serialization=True)
    model.tokenizer.save_pretrained(folder)


def weights_digest(model: Any) -> str:
    """SHA-256 over names, shapes and bytes of all parameters: the revision of a model, whichever file it came from."""
    import hashlib

    seen = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        seen.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        seen.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return seen.hexdigest()
