"""A fusion rule with everything that was tuned of it on held-out queries, kept in one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import polars as pl

from periti.config import parse
from periti.errors import ConfigError, IndexDamaged, IndexMismatch, InputError
from periti.protocols import Fusion
from periti.rankers.fitted import Source, read_document, write_document
from periti.rankers.fusion.learned import METHODS, Learned, LearnedOptions
from periti.registry import FUSIONS, nearest
from periti.types import Plan, Run

KIND = "fusion settings"
REMEDY = "tune the fusion with `periti fuse RUN RUN --method M --tune QRELS --save FILE`"
NOT_TUNED = ("tuned", "calibrated", "gated")


@dataclass(frozen=True)
class FusionSettings:
    """What to do with the lists of certain experts.

    Attributes:
        method: a registered fusion rule, or one of `learned.METHODS`.
        options: the rule's options.
        weights: expert -> weight, at least 0, one of them positive; 0 leaves the expert out.
        tables: of a learned rule, expert -> what its ranks are worth.
        source: the held-out queries.
        found: what tuning saw: measure, its value there, that of equal weights, trials.
    """

    method: str
    options: Mapping[str, Any]
    weights: Mapping[str, float]
    source: Source
    tables: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    found: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_weights(self.weights)

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an expert of positive weight returned, once; weights multiply those of the plan.

        Raises:
            InputError: no runs, or one of an expert that the settings do not know.
        """
        for name in runs:
            if name not in self.weights:
                raise InputError(f"the fusion was tuned without {name!r}; {nearest(name, self.weights)}; {REMEDY}")
        return rule(self).fuse(runs, weighted(plan, self.weights))

    def write(self, path: Path) -> None:
        """Write them as JSON, whole or not at all; raises StorageError."""
        body = {
            "method": self.method,
            "options": dict(self.options),
            "weights": dict(self.weights),
            "tables": {name: list(table) for name, table in self.tables.items()},
            "source": asdict(self.source),
            "found": dict(self.found),
        }
        write_document(path, KIND, body)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The settings of a file; raises IndexMissing, IndexDamaged or IndexMismatch."""
        body = read_document(path, KIND, REMEDY)
        try:
            tables = {name: tuple(table) for name, table in body.pop("tables").items()}
            return cls(**{**body, "tables": tables, "source": Source(**body["source"])})
        except (KeyError, TypeError, AttributeError) as error:
            raise IndexDamaged(f"{path} does not hold readable {KIND}; {REMEDY}") from error


def rule(settings: FusionSettings) -> Fusion:
    """The fusion rule that settings describe; raises ConfigError for options that the rule has not."""
    if settings.method in METHODS:
        options = parse(LearnedOptions, settings.options, f"fusion {settings.method!r}")
        return Learned(settings.method, settings.tables, options)
    return made(settings.method, settings.options)


def made(method: str, options: Mapping[str, Any]) -> Fusion:
    """A registered rule with these options; raises UnknownName and ConfigError."""
    if method in NOT_TUNED:
        raise ConfigError(
            f"fusion: {method!r} reads a file of its own and is configured in periti.toml; choose another"
        )
    kind = FUSIONS.load(method)
    known = {f.name for f in fields(kind.Options)}
    for name in options:
        if name not in known:
            raise ConfigError(f"fusion {method!r} has no option {name!r}; {nearest(name, known)}")
    rule: Fusion = kind.open(parse(kind.Options, options, f"fusion {method!r}"))
    return rule


def weighted(plan: Plan, weights: Mapping[str, float]) -> Plan:
    """The plan with every expert's weight multiplied; rows of weight 0 are left out."""
    factor = pl.DataFrame(
        {"expert": list(weights), "factor": list(weights.values())}, schema_overrides={"factor": pl.Float64}
    )
    rows = plan.frame.join(factor, on="expert", maintain_order="left")
    product = (pl.col("weight") * pl.col("factor")).cast(pl.Float32)
    return Plan(rows.with_columns(weight=product).filter(pl.col("weight") > 0).drop("factor"))


def check_weights(weights: Mapping[str, float]) -> None:
    """Raise InputError unless all weights are finite and at least 0 and one is positive."""
    wrong = [name for name, weight in weights.items() if not 0 <= weight < float("inf")]
    if wrong or not any(weights.values()):
        what = f"the weight of {wrong[0]!r} is {weights[wrong[0]]}" if wrong else "no weight is positive"
        raise InputError(f"fusion: {what}; give weights of at least 0, one of them above")


@dataclass(frozen=True)
class TunedOptions:
    """`settings` is the file that `periti fuse --tune ... --save` wrote; its runs must be named as the experts are."""

    settings: Path = Path("fusion.json")


class TunedFusion:
    """A rule as it was tuned on runs of the experts, by their names."""

    Options = TunedOptions

    def __init__(self, settings: FusionSettings, where: str = "the fusion settings") -> None:
        self.settings, self.where = settings, where

    @classmethod
    def open(cls, options: TunedOptions) -> Self:
        """The fusion rule; raises IndexUnusable if the file is missing, damaged or holds something else."""
        return cls(FusionSettings.read(options.settings), str(options.settings))

    def require(self, experts: Mapping[str, Mapping[str, str]]) -> None:
        """Raise IndexMismatch unless every expert has a weight."""
        for name in experts:
            if name not in self.settings.weights:
                raise IndexMismatch(
                    f"{self.where} was tuned without the expert {name!r}; "
                    f"{nearest(name, self.settings.weights)}; {REMEDY}"
                )

    def fuse(self, runs: Mapping[str, Run], plan: Plan) -> Run:
        """Every document that an expert of positive weight returned, once; raises InputError without runs."""
        return self.settings.fuse(runs, plan)
