"""The encoder of methods that compare meanings: named on the command line, loaded where and when it is first used."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Embedding:
    """Texts to unit vectors by an encoder, as documents; can be sent to other processes, which load their own.

    Attributes:
        encoder: a registered encoder's name, or a model of sentence-transformers.
    """

    encoder: str = "minilm"

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, float32 (n, d)."""
        import numpy as np

        vectors = _loaded(self.encoder).encode_documents(list(texts)).vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = vectors / np.maximum(lengths, np.float32(1e-12))
        return unit


@cache
def _loaded(name: str) -> Any:
    """The encoder, once a process."""
    from periti.registry import ENCODERS

    if name in ENCODERS and name != "sentence-transformers":
        return ENCODERS.load(name)()
    return ENCODERS.load("sentence-transformers")(model=name)


def add_encoder_option(parser: Any) -> None:
    """Add --encoder."""
    parser.add_argument(
        "--encoder",
        default="minilm",
        metavar="NAME",
        help="minilm, or a folder or name of a sentence-transformers model (default: minilm)",
    )


def embed_of(arguments: argparse.Namespace) -> Embedding:
    """The encoder of the command line, not loaded yet."""
    return Embedding(arguments.encoder)
