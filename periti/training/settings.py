"""How an expert is trained, as data: every value is in the expert's card."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from periti.errors import ConfigError

METHODS = ("lora", "linear")
POSITIVES = ("sample", "all")
KEEPS = ("best", "last")

_LATER = {"keep": "best"}
"""Options that came later, and the value that means what was done before there was a choice."""

_RULES: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (("rank", "batch", "steps", "max_length", "evaluate_every", "patience"), lambda x: x >= 1, "at least 1"),
    (("alpha", "learning_rate", "temperature"), lambda x: 0 < x < math.inf, "positive"),
    (("corpus_negatives", "hard_negatives", "gain_power", "mix", "margin"), lambda x: 0 <= x < math.inf, "0 or more"),
    (("warmup", "dropout"), lambda x: 0 <= x < 1, "at least 0 and below 1"),
)


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of one training.

    Attributes:
        method: "lora" (matrices inside the model) or "linear" (one matrix on the finished query vector).
        rank: r of LoRA; alpha: its scale is alpha / r; dropout: on LoRA's input, while training; targets: layer names.
        learning_rate: of AdamW without weight decay, warmed up over `warmup` of the steps, then linear to zero.
        batch: queries a step; steps: at most so many.
        temperature: of InfoNCE, scores are cosines divided by it.
        max_length: tokens of a query that training reads; shorter than the encoder's own for speed.
        corpus_negatives: documents drawn from the corpus a step; 0 takes the whole corpus, an exact softmax.
        hard_negatives: of every query's nearest documents by the base that are not known to be relevant, so many join.
        margin: a document whose base score exceeds that of the best known positive by more than -margin is taken for an
            unjudged positive, and is no hard negative.
        positives: "sample" draws one positive a query by gain; "all" spreads the target over all of them by gain.
        gain_power: a positive of grade g weighs g ** gain_power.
        mix: with several sources, one of n queries is drawn with probability proportional to n ** mix.
        evaluate_every: steps between evaluations on dev, and between checkpoints; patience: evaluations without a gain
            after which it stops.
        keep: "best" keeps the state that was best on dev; "last" trains all the steps and keeps their end, for sources
            whose dev queries say little and whose steps were chosen otherwise (by cross-validation on train, say).
    """

    method: str = "lora"
    rank: int = 8
    alpha: float = 32.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ("query", "value")
    learning_rate: float = 5e-4
    warmup: float = 0.1
    batch: int = 48
    steps: int = 400
    temperature: float = 0.05
    max_length: int = 128
    corpus_negatives: int = 0
    hard_negatives: int = 0
    margin: float = 0.05
    positives: str = "sample"
    gain_power: float = 1.0
    mix: float = 0.5
    evaluate_every: int = 50
    patience: int = 4
    keep: str = "best"

    def __post_init__(self) -> None:
        for name, known in (("method", METHODS), ("positives", POSITIVES), ("keep", KEEPS)):
            if getattr(self, name) not in known:
                raise ConfigError(f"training: no {name} {getattr(self, name)!r}; known: {', '.join(known)}")
        for names, fits, rule in _RULES:
            for name in names:
                if not fits(getattr(self, name)):
                    raise ConfigError(f"training: {name} is {getattr(self, name)}; it must be {rule}")

    def facts(self) -> dict[str, Any]:
        """What a fingerprint holds; an option added later is left out at its old value, so that experts keep theirs."""
        return {name: value for name, value in asdict(self).items() if _LATER.get(name, ...) != value}
