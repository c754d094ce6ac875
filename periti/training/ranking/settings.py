"""How a ranker is trained, as data: every value is in the ranker's card."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from periti.errors import ConfigError

LOSSES = ("bce", "ranknet", "listnet", "lambda", "margin-mse")
HEURISTICS = ("recip", "norm", "kde")
NO_CURRICULUM = "none"
CONTROLS = ("anti", "random")
CURRICULA = (NO_CURRICULUM, *HEURISTICS, *CONTROLS)
WEIGHTINGS = ("sample", "batch")
KEEPS = ("best", "last")
PRECISIONS = ("float32", "bfloat16")
ALL_POSITIVES, LISTED_POSITIVES = "all", "listed"
POSITIVES = (ALL_POSITIVES, LISTED_POSITIVES)

_COUNTS = (
    "batch", "negatives", "positives", "steps", "max_length", "query_budget", "depth", "evaluate_every", "patience",
    "curriculum_end", "dev_queries", "dev_depth",
)  # fmt: skip
_WEIGHTS = ("random_negatives", "gain_power", "mix", "pos_weight", "mu", "first_stage")
_RULES: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (_COUNTS, lambda x: x >= 1, "at least 1"),
    (("learning_rate",), lambda x: 0 < x < math.inf, "positive"),
    (_WEIGHTS, lambda x: 0 <= x < math.inf, "0 or more"),
    (("warmup",), lambda x: 0 <= x < 1, "at least 0 and below 1"),
    (("margin",), lambda x: -1 <= x <= 1, "between -1 and 1"),
)


@dataclass(frozen=True)
class RankingOptions:
    """Settings of one training.

    Attributes:
        loss: "bce" (each document for itself), "ranknet" (pairs), "listnet" (lists), "lambda" (NDCG-Loss2++ of
            LambdaLoss) or "margin-mse" (differences of a teacher's scores).
        learning_rate: of AdamW without weight decay, warmed up over `warmup` of the steps, then linear to zero.
        frozen: parameters that stay as they are, by how their names begin: of a late join "joined", "matrix", "tokens",
            "weight", "scales", "bias".
        batch: queries a step, one list each; steps: at most so many.
        positives: relevant documents of a list, drawn by grade ** gain_power; fewer where a query has fewer.
        negatives: documents of a list that are not known to be relevant; random_negatives of them are drawn from
            outside the first stage's list, the others from inside it.
        positives_from: "all" relevant documents, or the "listed" ones, which are what a reranker meets: where the first
            stage misses most, learning from the missed teaches that sharing words with the query is a bad sign.
        depth: documents of the first stage's list.
        margin: false-negative guard. Scores of a list are normalised to 0..1; an unjudged document that exceeds the
            best known positive of the list by more than -margin is taken for an unjudged positive and left out. -1
            keeps all; a list without any known positive has no bound.
        first_stage: the loss and dev see the logit plus so many times the first stage's score, which is normalised to
            0..1 within its list: the ranker learns what the first stage does not know, for a fusion with it.
        pos_weight: of "bce", how much a positive counts; 0 takes negatives / positives of a list.
        mu: of "lambda", the weight of delta beside rho.
        mix: with several sources, a query is drawn from one of n queries with probability proportional to n ** mix.
        max_length: tokens of a pair, special ones included; query_budget: tokens of a query, the document has the rest.
        precision: of matrix products in training and on dev, "float32" or "bfloat16", faster where the processor knows
            it; weights stay float32.
        dropout: whether the model's own dropout is on while training.
        curriculum: "none", a heuristic of difficulty ("recip", "norm", "kde"), or a control over `heuristic`: "anti"
            weighs by 1 - w, "random" by the weights of other queries.
        heuristic: of the controls.
        weighting: "sample" weighs each sample's loss; "batch" the batch's mean loss by its mean weight.
        curriculum_end: after so many iterations of `evaluate_every` steps all weights are 1.
        evaluate_every: steps between evaluations on dev, and between checkpoints; patience: evaluations without a gain
            after which it stops.
        dev_queries: of a source, at most so many, chosen by hash; dev_depth: documents of a list that are reranked.
        keep: "best" keeps the state that was best on dev; "last" trains all the steps and keeps their end.
    """

    loss: str = "bce"
    learning_rate: float = 3e-5
    frozen: tuple[str, ...] = ()
    warmup: float = 0.1
    batch: int = 8
    steps: int = 1000
    positives: int = 1
    negatives: int = 7
    random_negatives: int = 1
    positives_from: str = ALL_POSITIVES
    gain_power: float = 1.0
    depth: int = 100
    margin: float = -0.5
    first_stage: float = 0.0
    pos_weight: float = 0.0
    mu: float = 10.0
    mix: float = 0.5
    max_length: int = 192
    query_budget: int = 64
    precision: str = "float32"
    dropout: bool = True
    curriculum: str = NO_CURRICULUM
    heuristic: str = "kde"
    weighting: str = "sample"
    curriculum_end: int = 20
    evaluate_every: int = 50
    patience: int = 5
    dev_queries: int = 40
    dev_depth: int = 30
    keep: str = "best"

    def __post_init__(self) -> None:
        known = {
            "loss": LOSSES, "curriculum": CURRICULA, "heuristic": HEURISTICS, "weighting": WEIGHTINGS, "keep": KEEPS,
            "precision": PRECISIONS, "positives_from": POSITIVES,
        }  # fmt: skip
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise ConfigError(f"training: no {name} {getattr(self, name)!r}; known: {', '.join(values)}")
        for names, fits, rule in _RULES:
            for name in names:
                if not fits(getattr(self, name)):
                    raise ConfigError(f"training: {name} is {getattr(self, name)}; it must be {rule}")
        if self.random_negatives > self.negatives:
            raise ConfigError(
                f"training: random_negatives is {self.random_negatives} of {self.negatives} negatives; lower it"
            )
        if self.dev_depth > self.depth:
            raise ConfigError(
                f"training: dev_depth is {self.dev_depth}, but lists hold {self.depth} documents; lower it"
            )
        if self.teacher and self.random_negatives:
            raise ConfigError(
                "training: a teacher's scores are known for the documents of its run only; "
                "set random_negatives = 0 with loss 'margin-mse'"
            )

    @property
    def rate(self) -> float:
        """The learning rate, as optimisers ask for it."""
        return self.learning_rate

    @property
    def teacher(self) -> bool:
        """Whether a teacher's scores are needed."""
        return self.loss == "margin-mse"

    @property
    def difficulty(self) -> str:
        """The heuristic that weighs samples; empty without a curriculum."""
        if self.curriculum == NO_CURRICULUM:
            return ""
        return self.heuristic if self.curriculum in CONTROLS else self.curriculum

    def told(self) -> dict[str, Any]:
        """All settings."""
        return asdict(self)
