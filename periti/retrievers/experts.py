"""An expert: a retriever and the card that says what it is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from periti.errors import ConfigError
from periti.protocols import Encoder, Retriever


@dataclass(frozen=True)
class Expert:
    """One member of the panel.

    `depth` is how many documents it is asked for, whatever the caller wants in the end, so that the fused list for a
    small k is always the beginning of the list for a larger one.
    """

    name: str
    retriever: Retriever
    depth: int = 1000
    weight: float = 1.0
    description: str = ""
    always: bool = False
    """Asked for every query with its own weight, beside whom the router chooses."""


def base_encoder(experts: Sequence[Expert]) -> Encoder:
    """The encoder whose query vectors a router sees: what the panel's dense experts share, without any adapter.

    Raises:
        ConfigError: no expert of the panel encodes queries.
    """
    for expert in experts:
        encoder = getattr(expert.retriever, "encoder", None)
        if isinstance(encoder, Encoder):
            general = getattr(encoder, "general", encoder)
            return general if isinstance(general, Encoder) else encoder
    names = ", ".join(repr(expert.name) for expert in experts) or "none"
    raise ConfigError(
        f"the router reads query vectors, but no expert of the panel has an encoder (experts: {names}); "
        "add a dense expert or choose the constant router"
    )
