"""How an expert is trained, as data: every value is in the expert's card."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from periti.errors import ConfigError

METHODS = ("lora", "linear", "full")
SIDES = ("", "query", "both")
POSITIVES = ("sample", "all")
KEEPS = ("best", "last")

_LATER = {"keep": "best", "sides": "", "dev_depth": 20}
"""Options that came later, and the value that means what was done before there was a choice."""

_RATES = {"lora": 5e-4, "linear": 5e-4, "full": 2e-5}
"""The learning rate of a method where none is set; that of full fine-tuning is the usual one of BERT."""
_NEGATIVES = 64
"""Documents drawn from the corpus where documents learn too and no number is set."""

_RULES: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (
        ("rank", "batch", "steps", "max_length", "evaluate_every", "patience", "dev_depth"),
        lambda x: x >= 1,
        "at least 1",
    ),
    (("alpha", "rate", "temperature"), lambda x: 0 < x < math.inf, "positive"),
    (("negatives", "hard_negatives", "gain_power", "mix", "margin"), lambda x: 0 <= x < math.inf, "0 or more"),
    (("warmup", "dropout"), lambda x: 0 <= x < 1, "at least 0 and below 1"),
)


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of one training.

    Attributes:
        method: "lora" (matrices inside the model), "linear" (one matrix on the finished query vector) or "full" (all
            weights of the model).
        sides: of LoRA, "query" (the default: documents stay frozen and experts share an index) or "both" (documents
            learn too, and the expert needs an index of its own); "linear" is of the query's side, "full" of both.
        rank: r of LoRA; alpha: its scale is alpha / r; dropout: on LoRA's input, while training; targets: layer names.
        learning_rate: of AdamW without weight decay, warmed up over `warmup` of the steps, then linear to zero; the
            method's own by default, 5e-4 or for "full" 2e-5.
        batch: queries a step; steps: at most so many.
        temperature: of InfoNCE, scores are cosines divided by it.
        max_length: tokens of a query that training reads, and of a document where documents learn too; shorter than the
            encoder's own for speed.
        corpus_negatives: documents drawn from the corpus a step; 0 takes the whole corpus, an exact softmax, and is the
            default where documents are frozen. Where they learn too the default is 64, and 0 is refused.
        hard_negatives: of every query's nearest documents by the base that are not known to be relevant, so many join.
        margin: a document whose base score exceeds that of the best known positive by more than -margin is taken for an
            unjudged positive, and is no hard negative.
        positives: "sample" draws one positive a query by gain; "all" spreads the target over all of them by gain.
        gain_power: a positive of grade g weighs g ** gain_power.
        mix: with several sources, one of n queries is drawn with probability proportional to n ** mix.
        evaluate_every: steps between evaluations on dev, and between checkpoints; patience: evaluations without a gain
            after which it stops.
        dev_depth: where documents learn too, dev is measured over its judged documents and so many of the nearest of
            every dev query by the base, encoded anew each time.
        keep: "best" keeps the state that was best on dev; "last" trains all the steps and keeps their end, for sources
            whose dev queries say little and whose steps were chosen otherwise (by cross-validation on train, say).
    """

    method: str = "lora"
    sides: str = ""
    rank: int = 8
    alpha: float = 32.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ("query", "value")
    learning_rate: float | None = None
    warmup: float = 0.1
    batch: int = 48
    steps: int = 400
    temperature: float = 0.05
    max_length: int = 128
    corpus_negatives: int | None = None
    hard_negatives: int = 0
    margin: float = 0.05
    positives: str = "sample"
    gain_power: float = 1.0
    mix: float = 0.5
    evaluate_every: int = 50
    patience: int = 4
    keep: str = "best"
    dev_depth: int = 20

    def __post_init__(self) -> None:
        for name, known in (("method", METHODS), ("sides", SIDES), ("positives", POSITIVES), ("keep", KEEPS)):
            if getattr(self, name) not in known:
                raise ConfigError(f"training: no {name} {getattr(self, name)!r}; known: {', '.join(known)}")
        for names, fits, rule in _RULES:
            for name in names:
                if not fits(getattr(self, name)):
                    told = {"rate": "learning_rate", "negatives": "corpus_negatives"}.get(name, name)
                    raise ConfigError(f"training: {told} is {getattr(self, name)}; it must be {rule}")
        self._check_sides()

    def _check_sides(self) -> None:
        if (self.method, self.sides) in (("linear", "both"), ("full", "query")):
            other = "query" if self.method == "linear" else "both"
            raise ConfigError(
                f"training: method {self.method!r} is of sides {other!r} by nature; leave sides out, or take "
                "method 'lora'"
            )
        if self.both_sides and self.corpus_negatives == 0:
            raise ConfigError(
                "training: corpus_negatives is 0, which asks for an exact softmax over the whole corpus, but documents "
                f"learn too and would all be encoded anew in every step; give a number, such as {_NEGATIVES}"
            )

    @property
    def both_sides(self) -> bool:
        """Whether documents learn too, so that the expert needs an index of its own."""
        return self.method == "full" or self.sides == "both"

    @property
    def rate(self) -> float:
        """The learning rate, or the method's own."""
        return _RATES[self.method] if self.learning_rate is None else self.learning_rate

    @property
    def negatives(self) -> int:
        """Documents drawn from the corpus a step; 0 is all of it."""
        own = _NEGATIVES if self.both_sides else 0
        return own if self.corpus_negatives is None else self.corpus_negatives

    def told(self) -> dict[str, Any]:
        """All settings, the method's own ones spelled out."""
        return {**asdict(self), "learning_rate": self.rate, "corpus_negatives": self.negatives}

    def facts(self) -> dict[str, Any]:
        """What a fingerprint holds; an option added later is left out at its old value, so that experts keep theirs."""
        return {name: value for name, value in self.told().items() if _LATER.get(name, ...) != value}
