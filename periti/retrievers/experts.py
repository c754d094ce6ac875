"""An expert: a retriever and the card that says what it is for."""

from __future__ import annotations

from dataclasses import dataclass

from periti.protocols import Retriever


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
