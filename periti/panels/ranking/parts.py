"""A ranker of parts: each learns from its own collections, and what they have learnt is added up.

Parts start from the same weights s and end at t_1 ... t_n; the ranker is s + share * sum(t_i - s) (task arithmetic,
Ilharco et al., ICLR 2023), with the share that is best on dev, or none of it. Collections of very different sizes need
not be mixed: a part stops by its own dev queries, where one training over all stops when the smallest is learnt by
heart.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from periti.config import digest
from periti.encoders.cross import CrossEncoder, load_cross_encoder, weights_digest
from periti.indexers.storage import building
from periti.panels.ranking.config import RankerConfig
from periti.progress import Progress, tracked
from periti.training.course import require_course
from periti.training.ranking.card import read_card, write_ranker
from periti.training.ranking.trainer import Score


@dataclass(frozen=True)
class Parts:
    """Parts that are trained, and what the card of their sum shall say.

    Attributes:
        config: of the ranker.
        seed: of the parts.
        cards: folder of a part -> its card.
        card: description, licences, command.
        dev: digest of the dev queries and their lists, which decide the share.
    """

    config: RankerConfig
    seed: int
    cards: Mapping[Path, Mapping[str, Any]]
    card: Mapping[str, Any]
    dev: str

    def fingerprint(self, start: CrossEncoder) -> str:
        """Digest of everything that determines the sum's weights."""
        learnt = [card["course"] for card in self.cards.values()]
        return digest([self.config.name, learnt, list(self.config.shares), weights_digest(start.model), self.dev])


def parts_of(config: RankerConfig) -> list[RankerConfig]:
    """The configuration of each part: a ranker of its own, named after the whole and the part."""
    return [
        replace(config, name=f"{config.name}-{part}", sources=names, parts={}) for part, names in config.parts.items()
    ]


def add_parts(start: CrossEncoder, parts: Parts, score: Score, folder: Path, *, progress: Progress) -> dict[str, Any]:
    """The ranker of trained parts, written to `folder`; the card of one that is there already is read and returned.

    Args:
        start: where the parts started; it is not changed.
        parts: their folders and cards.
        score: how good a ranker is on dev.
        folder: where it shall be.
        progress: told of the shares that are tried.

    Raises:
        InputError: the folder holds another ranker.
        EncoderError: a part is damaged.
    """
    fingerprint = parts.fingerprint(start)
    if folder.exists():
        card = read_card(folder)
        require_course(card, fingerprint, folder)
        return card
    trained = [open_part(one, start) for one in parts.cards]
    shares = parts.config.shares
    tried = tracked((0.0, *shares), progress, f"adding up {parts.config.name}", len(shares) + 1)
    values = {share: score(added(start, trained, share)) for share in tried}
    share = max(values, key=lambda one: values[one])  # the start, if no share is better
    card = {
        **_card(parts, start),
        "share": share,
        "shares": [[one, values[one]] for one in shares],
        "dev": values[share],
        "dev_of_start": values[0.0],
        "course": fingerprint,
    }
    with building(folder) as scratch:
        return write_ranker(added(start, trained, share), card, scratch)


def added(start: CrossEncoder, trained: Sequence[CrossEncoder], share: float) -> CrossEncoder:
    """`start`, and `share` of everything that was learnt from there on; nothing that is given is changed."""
    found = copy.copy(start)
    found.model = copy.deepcopy(start.model)
    if share == 0:
        return found
    learnt = [dict(one.model.named_parameters()) for one in trained]
    first = dict(start.model.named_parameters())
    for name, parameter in found.model.named_parameters():
        steps = [one[name].data - first[name].data for one in learnt]
        # Adding 0 to -0 would change the bytes of a frozen layer, and the digest that states of texts are kept under.
        if any(step.any() for step in steps):
            parameter.data.add_(sum(steps), alpha=share)
    found.model.eval()
    return found


def open_part(folder: Path, start: CrossEncoder) -> CrossEncoder:
    """A trained part, which reads what its start does; raises EncoderError where it is damaged."""
    read_card(folder)
    return load_cross_encoder(folder, max_length=start.max_length, query_budget=start.query_budget)


def _card(parts: Parts, start: CrossEncoder) -> dict[str, Any]:
    """What the card says of the sum."""
    cards = list(parts.cards.values())
    kept = ("name", "weights_sha256", "steps", "best_step", "dev", "dev_of_start", "dev_curve", "seconds")
    return {
        "name": parts.config.name,
        **parts.card,
        "sources": [source for card in cards for source in card["sources"]],
        "parts": [
            {**{key: card[key] for key in kept}, "learns": list(names)}
            for card, names in zip(cards, parts.config.parts.values(), strict=True)
        ],
        "options": parts.config.training.told(),
        "seed": parts.seed,
        "start_name": start.name,
        "start_sha256": weights_digest(start.model),
        "max_length": start.max_length,
        "query_budget": start.query_budget,
    }
