"""A cross-encoder whose lower layers read query and document apart, and whose upper layers read them together.

The first layers see one text each, as an encoder of texts does, so that their states are computed once a text however
many pairs it is in, and need no gradient where only the upper layers are trained (PreTTR, MacAvaney et al., SIGIR 2020,
with DeFormer's split of the layers). The last layers see both. The logit is

    scale * cos(q + W q, d) + w . state of [CLS] + b

with q and d the means of the two texts' token states and w, b zero at first. Each text has its own [CLS] and [SEP] and
counts its positions from 0, so that with no joined layer this is the encoder's own similarity, and W a linear adapter
(`periti.encoders.adapters`), which training may start from.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.encoders.adapters import read_arrays, write_arrays
from periti.encoders.cross import LATE_JOIN_FILE as FILE
from periti.encoders.cross import CrossEncoder, PairTokens, Template, template_of
from periti.encoders.passes import Tokens, batches
from periti.encoders.segments import Logits, load_head, mean_of, segments_kind
from periti.errors import EncoderError

if TYPE_CHECKING:
    from torch import Tensor

HEAD = ("scale", "weight", "bias", "matrix")
STATES_BYTES = 256 << 20
"""States of texts that are remembered: about 1,300 documents of 128 tokens."""
Ids = tuple[int, ...]


def late_join_model(encoder: Any, apart: int, matrix: Any = None, folder: Path | None = None) -> Any:
    """An encoder under such a head; stands where a sequence classifier of one label does.

    Args:
        encoder: the transformers model, BERT; its config is told that there is one label.
        apart: how many of its layers read the texts apart; they are not trained.
        matrix: W float32 (d, d); zero by default.
        folder: whose head it gets instead.

    Raises:
        EncoderError: its layers are not BERT's, there are not so many, or the folder's head is another encoder's.
    """
    layers = getattr(getattr(encoder, "encoder", None), "layer", None)
    if layers is None or not hasattr(encoder, "embeddings"):
        kind = type(encoder).__name__
        raise EncoderError(f"late-join splits the layers of BERT, and this model is a {kind}; take head 'segments'")
    if folder is not None:
        arrays, facts = read_arrays(folder / FILE)
        apart = int(facts.get("apart", "-1"))
    if not 0 < apart < len(layers):
        raise EncoderError(
            f"late-join: {apart} of {len(layers)} layers read apart; there must be at least one before and one after"
        )
    found = _kind()(encoder, apart)
    if folder is not None:
        load_head(found, arrays, HEAD, folder / FILE)
    elif matrix is not None:
        load_head(found, {"matrix": matrix}, ("matrix",), "the adapter")
    return found


@cache
def _kind() -> Any:
    """The class, defined when torch is wanted: importing this module loads nothing."""
    import torch
    from torch import nn

    class LateJoin(segments_kind()):  # type: ignore[misc]  # its kind is made when torch is wanted, too
        """See the module; `config`, `device` and `dtype` are as transformers has them."""

        def __init__(self, encoder: Any, apart: int) -> None:
            super().__init__(encoder)
            self.apart = apart
            self.matrix = nn.Parameter(torch.zeros(encoder.config.hidden_size, encoder.config.hidden_size))
            for part in _frozen(self):
                part.requires_grad_(requires_grad=False)

        def train(self, mode: bool = True) -> Any:
            """Dropout is for what is trained only."""
            super().train(mode)
            for part in _frozen(self):
                part.eval()
            return self

        def lower(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            """States of single texts after the first layers, (b, n, d)."""
            states = self.encoder.embeddings(input_ids=input_ids)
            return _through(self.encoder.encoder.layer[: self.apart], states, attention_mask[:, None, None, :])

        def upper(self, states: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
            """Logits (b, 1) of joined states (b, n, d); types are 0 for the query's tokens and 1 for the document's."""
            states = _through(self.encoder.encoder.layer[self.apart :], states, attention_mask[:, None, None, :])
            with torch.autocast(states.device.type, enabled=False):
                whole = states.to(self.dtype)
                query, document = (mean_of(whole, attention_mask * (token_type_ids == side)) for side in (0, 1))
                query = query + nn.functional.linear(query, self.matrix)
                likeness = nn.functional.cosine_similarity(query, document)[:, None]
                found: Tensor = self.scale * likeness + nn.functional.linear(whole[:, 0], self.weight, self.bias)
                return found

        def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Logits:
            """Logits of pairs from one sequence each, everything in one pass: what `LateJoinEncoder` is checked by."""
            places = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
            second = (attention_mask * (1 - token_type_ids)).sum(dim=1, keepdim=True)
            states = self.encoder.embeddings(input_ids=input_ids, position_ids=places - second * token_type_ids)
            alike = token_type_ids[:, :, None] == token_type_ids[:, None, :]
            seen = (alike & attention_mask[:, None, :].bool())[:, None]
            states = _through(self.encoder.encoder.layer[: self.apart], states, seen)
            return Logits(self.upper(states, attention_mask, token_type_ids))

        def save_pretrained(self, folder: Path, **options: Any) -> None:
            self.encoder.save_pretrained(folder, **options)
            arrays = {name: getattr(self, name).detach().cpu().numpy() for name in HEAD}
            write_arrays(Path(folder) / FILE, arrays, {"apart": str(self.apart)})

    return LateJoin


def _frozen(model: Any) -> list[Any]:
    """The parts that are not trained."""
    pooler = [] if model.encoder.pooler is None else [model.encoder.pooler]
    return [model.encoder.embeddings, *model.encoder.encoder.layer[: model.apart], *pooler]


def _through(layers: Sequence[Any], states: Tensor, seen: Tensor) -> Tensor:
    """The states after some layers; `seen` broadcasts to (b, heads, n, n), zero where a token is not seen."""
    import torch

    mask = torch.zeros(seen.shape, dtype=states.dtype, device=states.device)
    mask = mask.masked_fill(seen == 0, torch.finfo(states.dtype).min)
    for layer in layers:
        states = layer(states, mask)
    return states


class LateJoinEncoder(CrossEncoder):
    """A cross-encoder over `late_join_model` that computes and remembers the lower states of each text once.

    Attributes:
        states: what is remembered; its budget may be raised where many pairs of few documents are scored.
    """

    states: States

    def __init__(self, model: Any, tokenizer: Any, **options: Any) -> None:
        super().__init__(model, tokenizer, **options)
        self.states = States(self._lower, STATES_BYTES)

    def forward(self, batch: Sequence[PairTokens]) -> Any:
        """Scores of one batch, a tensor (b,), with gradients of the upper layers if those are on."""
        import torch

        texts = [tuple(ids) for pair in batch for ids in (pair.ids[: pair.second], pair.ids[pair.second :])]
        known = self.states.of(texts)
        halves = zip(texts[::2], texts[1::2], strict=True)
        pairs = [torch.cat([known[first], known[second]]) for first, second in halves]
        features = self.features(batch)
        states = torch.nn.utils.rnn.pad_sequence(pairs, batch_first=True)
        return self.model.upper(states, features["attention_mask"], features["token_type_ids"])[:, 0]

    def remember(self, size: int) -> None:
        """Allow so many bytes for the states of texts."""
        self.states.budget = size

    def _around(self) -> Template:
        """Each text has its own special tokens."""
        one = template_of(self.tokenizer, self.name)
        return Template(one.prefix, (*one.middle, *one.prefix), one.suffix)

    def _pair(self, place: int, query: list[int], document: list[int]) -> PairTokens:
        found = super()._pair(place, query, document)
        return replace(found, second=found.second - len(self._template.prefix))

    def _lower(self, texts: Sequence[Ids]) -> list[Tensor]:
        """States of texts, (n, d) each, without gradients."""
        import torch

        found: dict[int, Tensor] = {}
        with torch.inference_mode(mode=False), torch.no_grad():
            for batch in batches([Tokens(place, list(ids), 0) for place, ids in enumerate(texts)]):
                pairs = [PairTokens(one.place, one.ids, 0, len(one.ids), 0) for one in batch]
                features = self.features(pairs)
                states = self.model.lower(features["input_ids"], features["attention_mask"])
                for row, pair in enumerate(pairs):
                    found[pair.place] = states[row, : len(pair.ids)].clone()
        return [found[place] for place in range(len(texts))]


class States:
    """The states of the texts that were asked for last, within a budget of bytes.

    Args:
        compute: texts to states, (n, d) each.
        budget: bytes that are kept.
    """

    def __init__(self, compute: Callable[[Sequence[Ids]], list[Tensor]], budget: int) -> None:
        self._compute, self.budget = compute, budget
        self._known: OrderedDict[Ids, Tensor] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def of(self, texts: Sequence[Ids]) -> dict[Ids, Tensor]:
        """The states of texts, computed where they are not remembered."""
        wanted = list(dict.fromkeys(texts))
        with self._lock:
            found = {ids: self._known[ids] for ids in wanted if ids in self._known}
            for ids in found:
                self._known.move_to_end(ids)
        missing = [ids for ids in wanted if ids not in found]
        if missing:
            fresh = dict(zip(missing, self._compute(missing), strict=True))
            found |= fresh
            self._keep(fresh)
        return found

    def _keep(self, fresh: dict[Ids, Tensor]) -> None:
        with self._lock:
            for ids, states in fresh.items():
                if ids not in self._known:
                    self._known[ids] = states
                    self._bytes += states.nbytes
            while self._bytes > self.budget and self._known:
                _, oldest = self._known.popitem(last=False)
                self._bytes -= oldest.nbytes
