"""Names of measures to numbers per query: the only import of ir_measures.

ir-measures gives the language of names (`nDCG@10`, `AP(rel=2)@100`, `nDCG(dcg='exp-log2')@10`). The common families
are computed by `periti.evaluation.exact`; the others by ir-measures' engines, which get strictly decreasing scores
made from the ranks, so that no engine's own tie rule can matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from inspect import signature
from io import StringIO
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from periti.errors import InputError, MissingDependency
from periti.evaluation.own import AVERAGES, DEFINITIONS, SPELLINGS, Average, read_own
from periti.evaluation.policy import Policy
from periti.evaluation.ranking import Mask, Ranking, Values, judge
from periti.evaluation.sampled import SAMPLED_ONLY
from periti.evaluation.ties import bounds, expected, tied
from periti.registry import nearest
from periti.types import Qrels, Run

DEFAULTS = ("nDCG@10", "AP@1000", "R@1000", "RR@10", "P@5", "judged@10")
"""What `periti evaluate` prints when no measure is named."""

PER_QUERY = pl.Schema({"query_id": pl.String, "measure": pl.String, "value": pl.Float64})

MAX_DEPTH = 2**24
"""Ranks beyond this have no distinct float32 score, and engines compare scores as float32."""

COUNTS = frozenset(family for family, average in AVERAGES.items() if average == "sum")
"""Families whose value over all queries is the sum, not the mean."""


@dataclass(frozen=True)
class Measure:
    """One measure with its parameters.

    Args:
        name: canonical spelling, unique; parameters at their default are left out.
        family: what is computed, e.g. "AP".
        parameters: keyword arguments of the definition.
        rel: the lowest grade that is relevant to this measure; 1 for graded measures.
        engine: the parsed measure of ir-measures, None for measures that only periti has.
    """

    name: str
    family: str
    parameters: Mapping[str, Any] = field(compare=False)
    rel: int = field(default=1, compare=False)
    engine: Any = field(default=None, compare=False, repr=False)

    @property
    def average(self) -> Average:
        """How queries become one number."""
        return AVERAGES.get(self.family, "mean")

    @property
    def summed(self) -> bool:
        """Whether queries add up instead of being averaged."""
        return self.family in COUNTS

    @property
    def of_relevance(self) -> bool:
        """Whether the value says anything about relevance; counts and judged shares do not."""
        return self.family not in COUNTS | {"judged", "judged_micro"}

    @property
    def binary(self) -> bool:
        """Whether grades only count as relevant or not, from `rel` on."""
        definition = DEFINITIONS.get(self.family)
        known = {} if definition is None else signature(definition).parameters
        return isinstance(self.parameters.get("rel", known["rel"].default if "rel" in known else None), int)

    @property
    def cutoff(self) -> int | None:
        """The last rank that is looked at, if there is one."""
        cutoff: int | None = self.parameters.get("cutoff")
        return cutoff


def parse(names: Iterable[str], min_rel: int | None = None) -> tuple[Measure, ...]:
    """The measures of these names, in order, each once.

    Args:
        names: as ir-measures spells them, or as `periti.evaluation.own` does those that it lacks.
        min_rel: the lowest relevant grade of binary measures whose name does not give `rel`.

    Raises:
        InputError: no such measure or parameter (the nearest is named), or no measure at all.
        MissingDependency: known, but an engine that is not installed computes it.
    """
    if min_rel is not None and min_rel < 1:
        raise InputError(f"min_rel is {min_rel}; give the lowest relevant grade, 1 or more")
    measures = dict.fromkeys(_parse_one(name.strip(), min_rel) for name in names)
    if not measures:
        raise InputError("no measure is named; name at least one, e.g. nDCG@10")
    return tuple(measures)


def per_query(
    run: Run, qrels: Qrels, measures: Sequence[Measure], policy: Policy | None = None, *, engines: bool = False
) -> pl.DataFrame:
    """One row for every measure and every judged query, sorted in that order.

    Args:
        run: the ranking to judge; its queries without judgements are left aside.
        qrels: the judgements.
        measures: from `parse`.
        policy: what missing queries and queries without relevant documents count as.
        engines: compute all but counts by ir-measures' engines where there is one; slower, to check the definitions.

    Returns:
        Columns query_id, measure (String), value (Float64); null where the policy leaves the query out.

    Raises:
        InputError: an engine fails, or a measure does not fit the grades.
    """
    return values_of(judge(run, qrels), (run, qrels), measures, policy or Policy(), engines=engines)


def values_of(
    ranking: Ranking, inputs: tuple[Run, Qrels], measures: Sequence[Measure], policy: Policy, *, engines: bool = False
) -> pl.DataFrame:
    """As `per_query`, for a run that is already seen through its judgements."""
    _require_sampled(measures, policy)
    if policy.order == "expected":
        tie = tied(*inputs, ranking)
        answers = {measure: expected(tie, measure.family, measure.parameters) for measure in measures}
    else:
        theirs = [m for m in measures if m.family not in DEFINITIONS or (engines and _has_engine(m))]
        answers = _by_engines(inputs, ranking.query_ids, theirs) if theirs else {}
    condensed = ranking.condensed() if any(m.parameters.get("judged_only") for m in measures) else ranking
    columns = []
    for measure in measures:
        seen = condensed if measure.parameters.get("judged_only") else ranking
        values = answers[measure] if measure in answers else _exact(seen, measure)
        columns.append(_column(ranking, measure, values, policy))
    return pl.concat(columns).match_to_schema(PER_QUERY)


def bounds_of(
    ranking: Ranking, inputs: tuple[Run, Qrels], measures: Sequence[Measure], policy: Policy
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """As `values_of`, but the least and the greatest values over all orders of tied documents."""
    tie = tied(*inputs, ranking)
    least, greatest = [], []
    for measure in measures:
        low, high = bounds(tie, DEFINITIONS[measure.family], measure.parameters)
        least.append(_column(ranking, measure, low, policy))
        greatest.append(_column(ranking, measure, high, policy))
    return pl.concat(least).match_to_schema(PER_QUERY), pl.concat(greatest).match_to_schema(PER_QUERY)


def _require_sampled(measures: Sequence[Measure], policy: Policy) -> None:
    """Refuse an estimate from sampled judgements where nobody said that they are sampled."""
    for measure in measures:
        if measure.family in SAMPLED_ONLY and not policy.sampled:
            raise InputError(
                f"{measure.name} estimates AP from judgements of a random sample of the pool, and these are not "
                "declared to be one; say that they are sampled, or use AP or Bpref"
            )


def _column(ranking: Ranking, measure: Measure, values: Values, policy: Policy) -> pl.DataFrame:
    """One measure's rows: null where the policy leaves the query out."""
    counted = _counted(ranking, measure, policy)
    column = pl.DataFrame({"query_id": ranking.query_ids, "value": values, "counted": counted})
    value = pl.when("counted").then("value").alias("value")
    return column.select("query_id", pl.lit(measure.name).alias("measure"), value)


def _exact(ranking: Ranking, measure: Measure) -> Values:
    """Values by the definition; a missing query is 0 whatever an empty list would give."""
    keywords = {key: value for key, value in measure.parameters.items() if key != "judged_only"}
    return DEFINITIONS[measure.family](ranking, **keywords)


def _counted(ranking: Ranking, measure: Measure, policy: Policy) -> Mask:
    """Which queries enter the mean of this measure, bool (q,)."""
    counted = np.ones(len(ranking.query_ids), dtype=np.bool_)
    if policy.missing == "skip":
        counted &= ranking.answered
    if policy.no_relevant == "exclude" and measure.of_relevance:
        counted &= ranking.relevant(measure.rel) > 0
    return counted


def _parse_one(name: str, min_rel: int | None) -> Measure:
    """One measure by name."""
    own = read_own(name, min_rel)
    if own is not None:
        shown, family, parameters = own
        return Measure(shown, family, MappingProxyType(parameters), int(parameters.get("rel", 1)))
    import ir_measures

    try:
        parsed = ir_measures.parse_measure(name)
        parsed.validate_params()
    except NameError:
        raise InputError(f"no measure named {name!r}; {_nearest_measure(name)}") from None
    except (ValueError, AssertionError, TypeError, KeyError) as error:
        # An absent parameter is an anonymous object in ir-measures' own message.
        absent = re.search(r"invalid param (\w+)=<object", str(error))
        reason = f"it needs {absent[1]}" if absent else str(error)
        raise InputError(
            f"measure {name!r} can not be read: {reason}; write it like nDCG@10, P(rel=2)@5 or RBP(p=0.8,rel=1)"
        ) from None
    if min_rel is not None and "rel" not in parsed.params:
        accepted = parsed.SUPPORTED_PARAMS.get("rel")
        # Only binary measures have a default level; graded ones (RBP, NumRet) mean something else without it.
        if accepted is not None and isinstance(accepted.default, int):
            parsed = parsed(rel=min_rel)
    return _from_engine(parsed, name)


def _from_engine(parsed: Any, name: str) -> Measure:
    """Ours for a parsed measure of ir-measures, once it is sure that something here computes it."""
    parameters = dict(parsed.params)
    if parameters.get("cutoff") is not None:
        _positive(parameters["cutoff"], name)
    persistence = parameters.get("p")
    if persistence is not None and not 0 < persistence < 1:
        raise InputError(f"measure {name!r}: p is {persistence}; it lies between 0 and 1")
    family, shown = str(parsed.NAME), repr(parsed)
    if family == "Judged":
        family, shown = "judged", shown.replace("Judged", "judged")
    if family not in DEFINITIONS:
        require_engine(parsed, name)
    rel = parameters.get("rel")
    return Measure(shown, family, MappingProxyType(parameters), rel if isinstance(rel, int) else 1, parsed)


def _positive(cutoff: int, name: str) -> int:
    """The cutoff, if there is a rank to look at."""
    if cutoff < 1:
        raise InputError(f"measure {name!r}: the cutoff is {cutoff}; it counts documents from 1")
    return cutoff


def _nearest_measure(name: str) -> str:
    """A half-sentence that names the measure probably meant; trec_eval's spellings are known."""
    import ir_measures

    stem = re.split(r"[(@]", name)[0]
    known = known_measures()
    try:
        # It prints what it skips when the name stands for several measures.
        with redirect_stdout(StringIO()):
            spelled = [repr(measure) for measure in ir_measures.parse_trec_measure(name)]
    except (ValueError, TypeError, KeyError):
        folded = {other.lower(): other for other in known}
        return nearest(folded.get(stem.lower(), stem), known)
    return f"trec_eval's {name} is spelled {' '.join(spelled)} here"


def _has_engine(measure: Measure) -> bool:
    """Whether an engine can be asked.

    Engines leave missing queries out of counts, and pytrec_eval takes SetF's beta for its square: not these.
    """
    import ir_measures

    if measure.engine is None or measure.family in COUNTS or measure.parameters.get("beta", 1) != 1:
        return False
    return any(e.supports(measure.engine) and e.is_available() for e in ir_measures.DefaultPipeline.providers)


def require_engine(parsed: Any, name: str) -> None:
    """Refuse a measure that no engine on this machine computes, naming the one that would."""
    import ir_measures

    engines = [e for e in ir_measures.DefaultPipeline.providers if e.supports(parsed)]
    if any(engine.is_available() for engine in engines) and not _needs_subtopics(parsed):
        return
    if _needs_subtopics(parsed):
        raise InputError(f"measure {name!r} needs judgements per sub-topic, which qrels here do not hold; leave it out")
    advice = [text for e in engines if (text := e.install_instructions())]
    if not advice:
        raise InputError(f"measure {name!r}: no engine computes it with these parameters; leave a parameter out")
    raise MissingDependency(f"measure {name!r} needs another engine; install it: {' or '.join(advice)}")


def _by_engines(inputs: tuple[Run, Qrels], query_ids: list[str], measures: Sequence[Measure]) -> dict[Measure, Values]:
    """Values of each measure by ir-measures' engines, float64 (q,) in the order of query_ids."""
    import ir_measures

    run, qrels = inputs
    wanted = {measure.engine: measure for measure in measures}
    place = {query_id: number for number, query_id in enumerate(query_ids)}
    values = {measure: np.zeros(len(query_ids)) for measure in measures}
    # pytrec_eval never returns for a query whose judgements are all negative (pooled, not judged): it is 0 anyway.
    judgements = qrels.frame.filter(pl.col("relevance").max().over("query_id") >= 0)
    try:
        for metric in ir_measures.iter_calc(list(wanted), _grades(judgements), _surrogates(run, judgements)):
            values[wanted[metric.measure]][place[metric.query_id]] = metric.value
    except (ValueError, RuntimeError, AssertionError, TypeError) as error:
        names = ", ".join(m.name for m in measures)
        raise InputError(
            f"an engine of ir-measures fails on run {run.name!r} with {names}: {error}; leave the measure out"
        ) from error
    return values


def _surrogates(run: Run, judgements: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Judged queries of the run as {query: {document: score}}; scores fall by 1 from one rank to the next."""
    judged = run.frame.join(judgements, on="query_id", how="semi", maintain_order="left")
    lengths = judged.group_by("query_id", maintain_order=True).len()
    deepest = int(lengths["len"].max() or 0)  # type: ignore[arg-type]
    if deepest > MAX_DEPTH:
        raise InputError(
            f"run {run.name!r} has {deepest} documents for one query; engines tell {MAX_DEPTH} apart, cut it"
        )
    descending = [float(score) for score in range(deepest, 0, -1)]
    doc_ids, start, surrogates = judged["doc_id"].to_list(), 0, {}
    for query_id, length in lengths.iter_rows():
        surrogates[query_id] = dict(zip(doc_ids[start : start + length], descending, strict=False))
        start += length
    return surrogates


def _grades(judgements: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Judgements as {query: {document: grade}}."""
    groups = judgements.group_by("query_id", maintain_order=True).agg("doc_id", "relevance")
    return {query: dict(zip(documents, grades, strict=True)) for query, documents, grades in groups.iter_rows()}


def known_measures() -> tuple[str, ...]:
    """Every family that `parse` knows, aliases included, sorted; those that need sub-topics are not."""
    import ir_measures

    families = ir_measures.measures.registry.items()
    return tuple(sorted({*(name for name, family in families if not _needs_subtopics(family)), *SPELLINGS}))


def _needs_subtopics(parsed: Any) -> bool:
    """Whether it is a diversity measure: those need more than Qrels holds."""
    return type(parsed).__module__.endswith(".diversity")
