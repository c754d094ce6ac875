"""A study as tidy frames, and as Parquet: every number in full."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from periti.errors import InputError
from periti.evaluation.reports.provenance import Provenance, facts
from periti.evaluation.significance.results import Comparison, ComparisonTable, Standing, Study

METHODS = ("t", "bca")
Schema = Mapping[str, pl.DataType | type[pl.DataType]]

_KEYS: dict[str, Any] = {"measure": pl.String, "collection": pl.String}
_SYSTEMS = _KEYS | {
    "system": pl.String, "number": pl.Int64, "mean": pl.Float64, "deviation": pl.Float64, "best_place": pl.Int64,
    "worst_place": pl.Int64, "groups": pl.List(pl.String), "judged_at_10": pl.Float64, "absent": pl.Int64,
    "seeds": pl.List(pl.String), "topics": pl.Int64,
}  # fmt: skip
_COMPARISONS = _KEYS | {
    "a": pl.String, "b": pl.String, "mean_a": pl.Float64, "mean_b": pl.Float64, "difference": pl.Float64,
    "statistic": pl.Float64, "p": pl.Float64, "p_corrected": pl.Float64, "significant": pl.Boolean,
    "t_low": pl.Float64, "t_high": pl.Float64, "bca_low": pl.Float64, "bca_high": pl.Float64, "d_z": pl.Float64,
    "hedges_g": pl.Float64, "by_error": pl.Float64, "wins": pl.Int64, "ties": pl.Int64, "losses": pl.Int64,
    "detectable": pl.Float64, "topics_needed": pl.Int64, "margin": pl.Float64, "tost_p": pl.Float64,
    "tost_p_corrected": pl.Float64, "equivalent": pl.Boolean, "cautions": pl.List(pl.String),
}  # fmt: skip
_TOPICS = _KEYS | {"query_id": pl.String, "system": pl.String, "value": pl.Float64}
_CAUTIONS = _KEYS | {"kind": pl.String, "sentence": pl.String, "systems": pl.List(pl.String)}
_OVER = {"measure": pl.String, "better": pl.String, "worse": pl.String, "p": pl.Float64, "significant": pl.Boolean}


def frames(study: Study, provenance: Provenance | None = None) -> dict[str, pl.DataFrame]:
    """Name to frame: systems, comparisons, topics (a row a topic and system), cautions, facts, and over_collections.

    Columns that do not apply (places with a baseline, TOST without a margin) are null, never left out. Other tests'
    p-values are columns p_NAME.
    """
    tables = study.tables
    others = sorted({name for table in tables for one in table.comparisons for name in one.other_p})
    comparisons = _COMPARISONS | {f"p_{name}": pl.Float64 for name in others}
    said = facts(study, provenance or Provenance())
    pairs = [
        (over.measure, better, worse, p, p <= over.alpha)
        for over in study.over_collections
        for (better, worse), p in over.pairs.items()
    ]
    return {
        "systems": _frame([_system(t, s, n) for t in tables for n, s in enumerate(t.standings, 1)], _SYSTEMS),
        "comparisons": _frame([_comparison(t, c, others) for t in tables for c in t.comparisons], comparisons),
        "topics": pl.concat([_topics(table) for table in tables]),
        "cautions": _frame(
            [(t.measure, t.collection, c.kind, c.sentence, list(c.systems)) for t in tables for c in t.cautions],
            _CAUTIONS,
        ),
        "facts": _frame(list(said.items()), {"name": pl.String, "sentence": pl.String}),
        "over_collections": _frame(pairs, _OVER),
    }


def parquet(study: Study, target: Path | str, *, provenance: Provenance | None = None) -> list[Path]:
    """The written files: `target` itself if it ends with .parquet (the comparisons), else a frame a file in the folder.

    The footer's facts go along in every file, as JSON under the key "periti".

    Raises:
        InputError: the folder can not be made or written.
    """
    target = Path(target)
    written = frames(study, provenance)
    told = {"periti": json.dumps(dict(written["facts"].iter_rows()), ensure_ascii=False)}
    if target.suffix == ".parquet":
        places = {target: written["comparisons"]}
    else:
        places = {target / f"{name}.parquet": frame for name, frame in written.items()}
    try:
        if target.suffix != ".parquet":
            target.mkdir(parents=True, exist_ok=True)
        for path, frame in places.items():
            frame.write_parquet(path, metadata=told)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{target}: Parquet can not be written there ({reason}); name another folder or file"
        ) from error
    return list(places)


def _frame(rows: Sequence[tuple[object, ...]], schema: Schema) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


def _system(table: ComparisonTable, one: Standing, number: int) -> tuple[object, ...]:
    """One row of the systems."""
    return (
        table.measure, table.collection, one.system, number, one.mean, one.deviation, one.best, one.worst,
        one.groups.split(), one.judged, one.absent, list(one.seeds), table.topics,
    )  # fmt: skip


def _comparison(table: ComparisonTable, one: Comparison, others: list[str]) -> tuple[object, ...]:
    """One row of the comparisons."""
    found = [one.interval(method) for method in METHODS]
    ends = [end for i in found for end in ((None, None) if i is None else (i.low, i.high))]
    tost = one.equivalence
    return (
        table.measure, table.collection, one.a, one.b, one.mean_a, one.mean_b, one.difference, one.statistic, one.p,
        one.adjusted, one.significant, *ends, one.effect.d_z, one.effect.hedges, one.effect.by_error,
        one.wins, one.ties, one.losses, one.detectable, one.topics_needed,
        *((None,) * 4 if tost is None else (tost.margin, tost.p, tost.adjusted, tost.equivalent)),
        [caution.sentence for caution in one.cautions], *(one.other_p.get(name) for name in others),
    )  # fmt: skip


def _topics(table: ComparisonTable) -> pl.DataFrame:
    """A row a topic and system."""
    scores = table.scores
    wide = pl.DataFrame({"query_id": scores.query_ids}).with_columns(
        pl.Series(str(place), scores.values[:, place]) for place in range(len(scores.systems))
    )
    names = {str(place): name for place, name in enumerate(scores.systems)}
    return (
        wide.unpivot(index="query_id", variable_name="system", value_name="value")
        .with_columns(
            pl.col("system").replace_strict(names, return_dtype=pl.String),
            pl.lit(table.measure).alias("measure"),
            pl.lit(table.collection).alias("collection"),
        )
        .select(*_TOPICS)
    )
