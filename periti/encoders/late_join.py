"""A cross-encoder whose lower layers read query and document apart, and whose upper layers read them together.

The first layers see one text each, as an encoder of texts does, so that their states are computed once a text however
many pairs it is in, and need no gradient where only what is above is trained (PreTTR, MacAvaney et al., SIGIR 2020,
with DeFormer's split of the layers). A copy of the last layers sees both; the layers themselves finish each text alone,
so that the encoder's own similarity is not forgotten. The logit is

    a * cos(q, d) + b * cos(q + W q, d) + c * cos(q' + W q', d') + t * MaxSim(V) + w . state of [CLS] + bias

with q and d the means of the token states of the two texts read alone, q' and d' read together, and MaxSim(V) the mean
over the query's tokens x of the greatest cosine of x + V x with a token of the document, both read alone, special
tokens left out (ColBERT, Khattab and Zaharia, SIGIR 2020); a, b, c and t are equal, w and V zero at first. Each text
has its own [CLS] and [SEP] and counts its positions from 0, so that the first two cosines are those of a dense search,
the second by a linear adapter W (`periti.encoders.adapters`), which training may start from. A document is cut as if
the query had spent its budget, so that its states do not depend on the query.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from periti.encoders.adapters import read_arrays, write_arrays
from periti.encoders.cross import LATE_JOIN_FILE as FILE
from periti.encoders.cross import CrossEncoder, PairTokens, Template, template_of, weights_digest
from periti.encoders.passes import Tokens, batches
from periti.encoders.segments import SCALE, Logits, headed, load_head, mean_of
from periti.encoders.states import STATES_BYTES, Ids, Read, States
from periti.errors import EncoderError

if TYPE_CHECKING:
    from torch import Tensor

HEAD = ("scales", "weight", "bias", "matrix", "tokens")
JOINED = "joined."
READ_AT_ONCE = 64


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
        _load_joined(found, arrays, folder / FILE)
    elif matrix is not None:
        load_head(found, {"matrix": matrix}, ("matrix",), "the adapter")
    return found


def _load_joined(model: Any, arrays: Mapping[str, NDArray[Any]], where: Path) -> None:
    """Let the joined layers be those of a file."""
    import torch

    own = {name.removeprefix(JOINED): array for name, array in arrays.items() if name.startswith(JOINED)}
    try:
        model.joined.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in own.items()})
    except RuntimeError as error:
        raise EncoderError(f"{where} does not fit this encoder (joined layers); train it again") from error


@cache
def _apart() -> Any:
    """What is trained, and how texts are read alone; defined when torch is wanted: importing this loads nothing."""
    import torch
    from torch import nn

    class Apart(headed()):  # type: ignore[misc]  # its kind is made when torch is wanted, too
        """The parts of a late join; `config` is as transformers has it."""

        def __init__(self, encoder: Any, apart: int) -> None:
            super().__init__()
            self.encoder, self.config, self.apart = encoder, encoder.config, apart
            self.config.num_labels = 1
            self.joined = copy.deepcopy(encoder.encoder.layer[apart:])
            wide = encoder.config.hidden_size
            self.scales = nn.Parameter(torch.full((4,), SCALE / 2))
            self.weight = nn.Parameter(torch.zeros(1, wide))
            self.bias = nn.Parameter(torch.zeros(1))
            self.matrix = nn.Parameter(torch.zeros(wide, wide))
            self.tokens = nn.Parameter(torch.zeros(wide, wide))
            encoder.requires_grad_(requires_grad=False)

        def train(self, mode: bool = True) -> Any:
            """Dropout is for what is trained only."""
            super().train(mode)
            self.encoder.eval()
            return self

        def alone(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
            """Of single texts (b, n): states after the first layers and after all, (b, n, d) each."""
            seen = attention_mask[:, None, None, :]
            states = self.encoder.embeddings(input_ids=input_ids)
            states = _through(self.encoder.encoder.layer[: self.apart], states, seen)
            return states, _through(self.encoder.encoder.layer[self.apart :], states, seen)

    return Apart


@cache
def _kind() -> Any:
    """The class, defined when torch is wanted."""
    import torch
    from torch import nn

    class LateJoin(_apart()):  # type: ignore[misc]  # its kind is made when torch is wanted, too
        """See the module; `save_pretrained` is as transformers has it."""

        def upper(self, states: Tensor, finished: Tensor, mask: Tensor, types: Tensor) -> Tensor:
            """Logits (b, 1) of query and document side by side: their states below the join and finished alone.

            `states` and `finished` are (b, n, d); `mask` (b, n) has 0 for padding; `types` (b, n) has 0 for the query's
            tokens and 1 for the document's.
            """
            states = _through(self.joined, states, mask[:, None, None, :])
            with torch.autocast(states.device.type, enabled=False):
                whole, finished = states.to(self.dtype), finished.to(self.dtype)
                sides = [mask * (types == side) for side in (0, 1)]
                alone, together = ([mean_of(some, side) for side in sides] for some in (finished, whole))
                turned = [one + nn.functional.linear(one, self.matrix) for one in (alone[0], together[0])]
                pairs = ((alone[0], alone[1]), (turned[0], alone[1]), (turned[1], together[1]))
                cosines = [nn.functional.cosine_similarity(q, d) for q, d in pairs]
                met = _met(finished, self.tokens, *map(_inner, sides))
                likeness = torch.stack([*cosines, met], dim=1)
                known = (likeness * self.scales).sum(dim=1, keepdim=True)
                found: Tensor = known + nn.functional.linear(whole[:, 0], self.weight, self.bias)
                return found

        def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Logits:
            """Logits of pairs from one sequence each, everything in one pass: what `LateJoinEncoder` is checked by."""
            places = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
            second = (attention_mask * (1 - token_type_ids)).sum(dim=1, keepdim=True)
            states = self.encoder.embeddings(input_ids=input_ids, position_ids=places - second * token_type_ids)
            alike = token_type_ids[:, :, None] == token_type_ids[:, None, :]
            seen = (alike & attention_mask[:, None, :].bool())[:, None]
            states = _through(self.encoder.encoder.layer[: self.apart], states, seen)
            finished = _through(self.encoder.encoder.layer[self.apart :], states, seen)
            return Logits(self.upper(states, finished, attention_mask, token_type_ids))

        def save_pretrained(self, folder: Path, **options: Any) -> None:
            self.encoder.save_pretrained(folder, **options)
            tensors = {name: getattr(self, name) for name in HEAD}
            tensors |= {f"{JOINED}{name}": one for name, one in self.joined.state_dict().items()}
            arrays = {name: one.detach().cpu().numpy() for name, one in tensors.items()}
            write_arrays(Path(folder) / FILE, arrays, {"apart": str(self.apart)})

    return LateJoin


def _through(layers: Sequence[Any], states: Tensor, seen: Tensor) -> Tensor:
    """The states after some layers; `seen` broadcasts to (b, heads, n, n), zero where a token is not seen."""
    import torch

    mask = torch.zeros(seen.shape, dtype=states.dtype, device=states.device)
    mask = mask.masked_fill(seen == 0, torch.finfo(states.dtype).min)
    for layer in layers:
        states = layer(states, mask)
    return states


def _inner(side: Tensor) -> Tensor:
    """The tokens of one text, marked in (b, n), without its first and last: [CLS] and [SEP]."""
    import torch

    edges = torch.nn.functional.pad(side, (1, 1))
    return side * edges[:, :-2] * edges[:, 2:]


def _met(states: Tensor, turn: Tensor, query: Tensor, document: Tensor) -> Tensor:
    """MaxSim (b,) within rows of states (b, n, d), of tokens marked in (b, n); 0 where either text has none."""
    from torch.nn.functional import linear, normalize

    end = int(query.sum(dim=1).max()) + 1  # queries come first, after [CLS]
    asked = states[:, :end]
    cosines = normalize(asked + linear(asked, turn), dim=-1) @ normalize(states, dim=-1).transpose(1, 2)
    best = cosines.masked_fill(document[:, None, :] == 0, -1.0).amax(dim=2)
    found: Tensor = (best * query[:, :end]).sum(dim=1) / query.sum(dim=1).clamp(min=1)
    return found * (document.sum(dim=1) > 0)


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
        pairs = [(known[query], known[document]) for query, document in zip(texts[::2], texts[1::2], strict=True)]
        states, finished = (
            torch.nn.utils.rnn.pad_sequence([torch.cat([q[level], d[level]]) for q, d in pairs], batch_first=True)
            for level in (0, 1)
        )
        features = self.features(batch)
        return self.model.upper(states, finished, features["attention_mask"], features["token_type_ids"])[:, 0]

    def remember(self, size: int, folder: Path | None = None) -> None:
        """Allow so many bytes for the states of texts, and keep all of them in a folder, if one is named."""
        self.states.budget = size
        if folder is not None:
            # What reads texts alone is not trained: every ranker over this encoder finds the same states.
            self.states.folder = folder / f"{weights_digest(self.model.encoder)[:16]}-{self.model.apart}"

    def read_alone(self, documents: Sequence[str]) -> None:
        """Read documents beforehand, a few at a time, so that their states are remembered."""
        pairs = self.tokenise([""] * len(documents), documents)
        for start in range(0, len(pairs), READ_AT_ONCE):
            self.states.of([tuple(pair.ids[pair.second :]) for pair in pairs[start : start + READ_AT_ONCE]])

    def _around(self) -> Template:
        """Each text has its own special tokens."""
        one = template_of(self.tokenizer, self.name)
        return Template(one.prefix, (*one.middle, *one.prefix), one.suffix)

    def _pair(self, place: int, query: list[int], document: list[int]) -> PairTokens:
        """The document is cut as if the query had spent its budget: its states must not depend on the query."""
        room = self.max_length - self._template.length - self.query_budget
        found = super()._pair(place, query, document[:room])
        second = found.second - len(self._template.prefix)
        return replace(found, second=second, cut=max(0, len(document) - room))

    def _lower(self, texts: Sequence[Ids]) -> list[Read]:
        """Texts read alone, without gradients."""
        import torch

        found: dict[int, Read] = {}
        with torch.inference_mode(mode=False), torch.no_grad():
            for batch in batches([Tokens(place, list(ids), 0) for place, ids in enumerate(texts)]):
                pairs = [PairTokens(one.place, one.ids, 0, len(one.ids), 0) for one in batch]
                features = self.features(pairs)
                levels = self.model.alone(features["input_ids"], features["attention_mask"])
                for row, pair in enumerate(pairs):
                    found[pair.place] = Read(*(level[row, : len(pair.ids)].clone() for level in levels))
        return [found[place] for place in range(len(texts))]
