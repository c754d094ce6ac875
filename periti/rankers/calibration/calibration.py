"""A calibration: one curve an expert, with digests of the model, the index and the queries it was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import polars as pl

from periti.errors import ConfigError, IndexDamaged, IndexMismatch, InputError
from periti.rankers.calibration import curves
from periti.rankers.calibration.curves import Curve, Mask, Values
from periti.rankers.fitted import Source, read_document, write_document
from periti.registry import nearest
from periti.types import Qrels, Run

KIND = "calibration"
METHODS = ("quantile", "platt", "isotonic")
REMEDY = "fit it with `periti calibrate COLLECTION --dataset D --split dev`"


@dataclass(frozen=True)
class Calibration:
    """Curves of the experts of one panel.

    Attributes:
        method: one of METHODS.
        curves: expert -> its curve.
        fingerprints: expert -> what it was when the curve was fitted: index, model, depth ...
        source: the held-out queries.
    """

    method: str
    curves: Mapping[str, Curve]
    fingerprints: Mapping[str, Mapping[str, str]]
    source: Source

    def values(self, expert: str, scores: Values) -> Values:
        """Calibrated values of an expert's scores, float64 (n,); raises IndexMismatch for one without a curve."""
        if expert not in self.curves:
            raise IndexMismatch(
                f"the calibration has no curve for the expert {expert!r}; {nearest(expert, self.curves)}; "
                "fit it again with `periti calibrate`"
            )
        return self.curves[expert](scores)

    def require(self, experts: Mapping[str, Mapping[str, str]], where: str = "the calibration") -> None:
        """Raise IndexMismatch unless it was fitted for these experts: name -> fingerprint."""
        for name, now in experts.items():
            if name not in self.curves:
                raise IndexMismatch(f"{where} has no curve for the expert {name!r}; {REMEDY}")
            then = self.fingerprints[name]
            changed = sorted(key for key in {*now, *then} if now.get(key) != then.get(key))
            if changed:
                told = ", ".join(f"{k} {_short(then.get(k))} then, {_short(now.get(k))} now" for k in changed)
                raise IndexMismatch(f"{where} was fitted when the expert {name!r} was another ({told}); {REMEDY}")

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all; raises StorageError."""
        body = {
            "method": self.method,
            "curves": {name: asdict(curve) for name, curve in self.curves.items()},
            "fingerprints": {name: dict(facts) for name, facts in self.fingerprints.items()},
            "source": asdict(self.source),
        }
        write_document(path, KIND, body)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The calibration of a file; raises IndexMissing, IndexDamaged or IndexMismatch."""
        body = read_document(path, KIND, REMEDY)
        try:
            read = {
                name: Curve(tuple(c["x"]), tuple(c["y"]), bool(c["logistic"])) for name, c in body["curves"].items()
            }
            return cls(body["method"], read, body["fingerprints"], Source(**body["source"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise IndexDamaged(f"{path} is not a readable {KIND}; {REMEDY}") from error


@dataclass(frozen=True)
class Judged:
    """The judgements that a chance of relevance is fitted to; documents without one count as not relevant."""

    qrels: Qrels
    level: int = 1

    def relevant(self, run: Run) -> Mask:
        """Whether each row of the run is relevant, bool (n,)."""
        good = self.qrels.frame.filter(pl.col("relevance") >= self.level).with_columns(hit=pl.lit(value=True))
        rows = run.frame.join(good, on=["query_id", "doc_id"], how="left", maintain_order="left")
        return rows["hit"].fill_null(value=False).to_numpy()


def fit(
    method: str,
    runs: Mapping[str, Run],
    fingerprints: Mapping[str, Mapping[str, str]],
    source: Source,
    judged: Judged | None = None,
) -> Calibration:
    """One curve for every expert.

    Args:
        method: one of METHODS.
        runs: expert -> what it retrieved for the held-out queries.
        fingerprints: expert -> what it is.
        source: the held-out queries.
        judged: needed by platt and isotonic. Queries without judgements are left out there.

    Raises:
        ConfigError: no such method.
        InputError: no runs, an expert that found nothing, or one whose scores no rising curve fits.
    """
    if method not in METHODS:
        raise ConfigError(f"calibration: method is {method!r}; {nearest(method, METHODS)}")
    if not runs:
        raise InputError("calibration got no runs; give at least one expert")
    made = {}
    for name in sorted(runs):
        try:
            made[name] = _curve(method, runs[name], judged)
        except InputError as error:
            raise InputError(f"calibration of the expert {name!r}: {error}") from error
    return Calibration(method, MappingProxyType(made), fingerprints, source)


def _curve(method: str, run: Run, judged: Judged | None) -> Curve:
    if method == "quantile":
        return curves.quantile(_scores(run))
    if judged is None:
        raise InputError(f"the method {method} needs judgements; give some, or use quantile")
    asked = run.frame["query_id"].is_in(judged.qrels.query_ids)
    kept = Run(run.name, run.frame.filter(asked))
    rule = curves.platt if method == "platt" else curves.isotonic
    return rule(_scores(kept), judged.relevant(kept))


def _scores(run: Run) -> Values:
    return run.frame["score"].to_numpy().astype(np.float64)


def _short(value: Any) -> str:
    return "none" if value is None else str(value)[:12]
