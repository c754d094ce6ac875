"""The tables of a routing study as words: what `text`, `markdown` and `page` print. The only place that rounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from periti.evaluation.reports.provenance import title
from periti.evaluation.routing.cells import NOTHING, Table, number, percent, plural, tidy
from periti.evaluation.routing.choices import expectations, luck, policies
from periti.evaluation.routing.results import RoutingStudy, StudiedSystem
from periti.evaluation.significance.results import Comparison, Study
from periti.evaluation.significance.text import p_text

PAPER_SHARE = 0.62
"""Share of the gap between base and dataset oracle that the paper's router closes: the line to be measured by."""


def lead(study: RoutingStudy) -> str:
    """What was measured, in a sentence."""
    seen = sum(one.seen for one in study.collections)
    told = ", ".join(map(str, study.seeds))
    seeds = {0: "no training seed", 1: f"training seed {told}"}
    return (
        f"{study.measure}, {seeds.get(len(study.seeds), f'training seeds {told} averaged per query')}; "
        f"{plural(len(study.collections), 'collection')} ({seen} seen by an expert in training, "
        f"{len(study.collections) - seen} unseen), {plural(len(study.experts), 'expert')}, "
        f"{plural(len(study.systems), 'system')}."
    )


def headline(study: RoutingStudy) -> str:
    """What the routers come to: what held-out train chose, and the highest macro mean; '' without a router."""
    told = []
    chosen = next((one for one in study.systems if one.name == study.chosen), None)
    if chosen is not None:
        told += [f"Policy chosen on held-out train: {chosen.name}", _beside(study, chosen, seen=True) + _closes(chosen)]
        told += [_beside(study, chosen, seen=False)] if math.isfinite(macro(study, chosen, seen=False)) else []
    best = best_router(study)
    if best is not None:
        routers = sum(one.kind == "router" for one in study.systems)
        said = _beside(study, best, seen=True) + _closes(best)
        if routers > 1:
            said += f". Picked as the highest of {routers} routers on these very queries, which favours it"
        told += [said] if best is not chosen else []
    return "".join(f"{one}. " for one in told).rstrip()


def _beside(study: RoutingStudy, system: StudiedSystem, *, seen: bool) -> str:
    """Its macro mean beside those of base and controls."""
    value = macro(study, system, seen=seen)
    told = f"Macro {study.measure} on {'seen' if seen else 'unseen'} collections: {system.name} {number(value)}"
    for kind in ("base", "control"):
        for other in study.systems:
            mean = macro(study, other, seen=seen)
            if other.kind == kind and math.isfinite(mean):
                told += f", {other.name} {number(mean)} ({number(100 * (value - mean), 1, sign=True)} points)"
    return told


def _closes(system: StudiedSystem) -> str:
    if system.gap is None or not math.isfinite(system.gap[0]):
        return ""
    return f"; it closes {gap_text(system.gap)} of the gap from base to dataset oracle"


def best_router(study: RoutingStudy) -> StudiedSystem | None:
    """The router with the highest macro mean on seen collections, the first of equals; None if there is none."""
    routers = [one for one in study.systems if one.kind == "router" and math.isfinite(macro(study, one, seen=True))]
    return max(routers, key=lambda one: macro(study, one, seen=True), default=None)


def macro(study: RoutingStudy, system: StudiedSystem, *, seen: bool | None = None) -> float:
    """Macro mean as the study has it; not a number where the system lacks a collection that counts."""
    names = [one.name for one in study.collections if seen is None or one.seen is seen]
    return study.macro(system, seen=seen) if all(name in system.values for name in names) else math.nan


def front(study: RoutingStudy) -> tuple[str, ...]:
    """Systems that no other beats at the same cost or less, by cost; oracles and chance are no choice to be made."""
    known = [
        (one.cost, -macro(study, one), one.name)
        for one in study.systems
        if one.kind not in ("oracle", "random") and math.isfinite(one.cost) and math.isfinite(macro(study, one))
    ]
    found: list[str] = []
    least = math.inf
    for _, loss, name in sorted(known):
        if loss < least:
            found.append(name)
            least = loss
    return tuple(found)


def columns(study: RoutingStudy, system: StudiedSystem) -> tuple[str, ...]:
    """Experts of its routing matrix: those of the study, then whoever else was asked, such as a fall-back."""
    others = {name: None for shares in system.shares.values() for name in shares if name not in study.experts}
    return (*study.experts, *others)


def routed(study: RoutingStudy) -> tuple[StudiedSystem, ...]:
    """Systems that have a routing matrix, routers before oracles and others, in the order of the study."""
    return tuple(sorted((one for one in study.systems if one.shares), key=lambda one: one.kind != "router"))


def tables(study: RoutingStudy) -> list[Table]:
    """All of them, in the order in which they are printed."""
    parts = [overall(study), *_filled(policies(study), luck(study)), *by_collection(study), collections(study)]
    parts += [matrix(study, one) for one in routed(study)]
    return parts + _filled(expectations(study), stability(study), seconds(study), significance(study))


def _filled(*tables: Table) -> list[Table]:
    return [one for one in tables if one.rows]


def overall(study: RoutingStudy) -> Table:
    """A row a system: macro means, gap closed, regret, cost."""
    rows = []
    for place, one in enumerate(study.systems, 1):
        means = [number(macro(study, one, seen=seen)) for seen in (True, False, None)]
        told = (gap_text(one.gap), number(one.regret), number(one.cost, 2))
        rows.append((str(place), one.name, one.kind, *means, *told))
    head = ("#", "system", "kind", "seen", "unseen", "all", "gap closed (95 %)", "regret", "cost")
    rule = (
        f"Macro means of {study.measure}: every collection counts the same. Gap closed: share of the way from the base "
        f"to the dataset oracle on seen collections; the paper's router closes {100 * PAPER_SHARE:.0f} %. Regret: what "
        "is lost to the best expert of each query. Cost: query encodings a query."
    )
    words = (rule, *(f"{one.name}: {one.note}" for one in study.systems if one.note))
    return Table("Systems over collections", head, tuple(rows), 3, _best(study, rows, range(3, 6)), words)


def by_collection(study: RoutingStudy) -> list[Table]:
    """Means on every collection, seen and unseen ones apart, a row a system."""
    found = []
    for seen, title_ in ((True, "Seen collections"), (False, "Unseen collections")):
        names = [one.name for one in study.collections if one.seen is seen]
        if not names:
            continue
        rows = [
            (one.name, *(number(one.values.get(name)) for name in names), number(macro(study, one, seen=seen)))
            for one in study.systems
        ]
        best = _best(study, rows, range(1, len(names) + 2))
        found.append(Table(f"{title_}: {study.measure}", ("system", *names, "macro"), tuple(rows), 1, best))
    return found


def collections(study: RoutingStudy) -> Table:
    """What was judged: domain, the expert at home, queries."""
    rows = [(one.name, one.domain or NOTHING, one.home or NOTHING, f"{one.queries:,}") for one in study.collections]
    return Table("Collections", ("collection", "domain", "expert at home", "queries"), tuple(rows), 3)


def matrix(study: RoutingStudy, system: StudiedSystem) -> Table:
    """Share of every collection's queries that each expert got, in percent."""
    experts = columns(study, system)
    rows = []
    for one in study.collections:
        shares = system.shares.get(one.name)
        told = [NOTHING if shares is None else percent(shares.get(expert, 0.0)) for expert in experts]
        rows.append((one.name, one.home or NOTHING, *told))
    head = ("collection", "expert at home", *experts)
    return Table(f"Who is asked by {system.name}, in % of each collection's queries", head, tuple(rows), 2)


def stability(study: RoutingStudy) -> Table:
    """Share of queries whose expert stays when the query is disturbed."""
    kinds = list(dict.fromkeys(kind for shares in study.stability.values() for kind in shares))
    rows = [
        (name, *(percent(shares[kind]) if kind in shares else NOTHING for kind in kinds))
        for name, shares in study.stability.items()
    ]
    words = ("Share of the queries, in %, that still go to the same expert after the disturbance.",)
    return Table("Stability of routing", ("system", *kinds), tuple(rows), words=words)


def seconds(study: RoutingStudy) -> Table:
    """Time of each step, and beside it its share of encoding the query."""
    encode = study.seconds.get("encode", math.nan)
    rows = []
    for name, value in study.seconds.items():
        share = 100 * value / encode if encode > 0 else math.nan
        rows.append((name, number(1000 * value, 3), f"{number(share, 1)} %" if math.isfinite(share) else NOTHING))
    return Table("Time a query", ("step", "ms", "of encoding"), tuple(rows))


def significance(study: RoutingStudy) -> Table:
    """Differences with their corrected p, a row a pair; below it how they were tested and what to know of them."""
    pairs = [
        (name if len(one.tables) == 1 and table.measure == study.measure else f"{name} ({title(table)})", pair)
        for name, one in study.studies.items()
        for table in one.tables
        for pair in table.comparisons
    ]
    found = sum(pair.significant for _, pair in pairs)
    words = [f"{found} of {plural(len(pairs), 'comparison')} {'is' if found == 1 else 'are'} significant (*)."]
    words += _of_studies({name: [_designed(one)] for name, one in study.studies.items()})
    words += _of_studies({name: _cautions(one) for name, one in study.studies.items()}, "warning, ")
    words += _of_studies({name: _friedman(one) for name, one in study.studies.items()})
    head = ("study", "comparison", "difference", "p corrected", "", "interval", "won/tied/lost")
    return Table("Significance", head, tuple(_pair(name, pair) for name, pair in pairs), 2, words=tuple(words))


def gap_text(gap: tuple[float, float, float] | None) -> str:
    """Share of the gap closed, in percent, with its interval where that is known."""
    if gap is None or not math.isfinite(gap[0]):
        return NOTHING
    value, low, high = (f"{tidy(100 * one, 0):.0f}" if math.isfinite(one) else NOTHING for one in gap)
    return f"{value} % [{low}, {high}]" if math.isfinite(gap[1]) or math.isfinite(gap[2]) else f"{value} %"


def _best(study: RoutingStudy, rows: Sequence[Sequence[str]], places: Iterable[int]) -> frozenset[tuple[int, int]]:
    """The cells of these columns that print the best value of those systems that need no judgements to run."""
    found = set()
    usable = [row for row, one in enumerate(study.systems) if one.kind != "oracle"]
    for column in places:
        values = {row: float(rows[row][column]) for row in usable if rows[row][column] != NOTHING}
        found |= {(row, column) for row, value in values.items() if value == max(values.values())}
    return frozenset(found)


def _of_studies(said: Mapping[str, Sequence[str]], before: str = "") -> list[str]:
    """Sentences, each once, with the studies that it is about unless that is every one."""
    about: dict[str, list[str]] = {}
    for name, sentences in said.items():
        for sentence in dict.fromkeys(sentences):
            about.setdefault(sentence, []).append(name)
    told = []
    for sentence, names in about.items():
        where = "every study" if len(names) == len(said) else ", ".join(names)
        told.append(f"{before}{where}: {sentence}")
    return told


def _designed(one: Study) -> str:
    """How it was tested."""
    names = ("test", "sides", "correction", "family")
    told = [one.sentences[name] for name in names if name in one.sentences]
    return "; ".join([*told, f"alpha {one.design.alpha:g}, intervals {100 * (1 - one.design.alpha):g} %"])


def _cautions(one: Study) -> list[str]:
    """What must be known of its tables."""
    return [caution.sentence for table in one.tables for caution in table.cautions]


def _friedman(one: Study) -> list[str]:
    """Its tables together, each collection one observation."""
    return [
        f"{over.measure} over {len(over.collections)} collections, each one observation: Friedman chi-square "
        f"{over.chi_square:.3f}, p {p_text(over.p)}; Iman-Davenport F {over.f:.3f}, p {p_text(over.f_p)}"
        for over in one.over_collections
    ]


def _pair(name: str, pair: Comparison) -> tuple[str, ...]:
    """A row of a comparison."""
    interval = pair.interval("bca") or pair.interval("t")
    span = NOTHING
    if interval is not None:
        span = f"[{number(interval.low, sign=True)}, {number(interval.high, sign=True)}]"
    return (
        name,
        f"{pair.a} - {pair.b}",
        number(pair.difference, sign=True),
        p_text(pair.adjusted),
        "*" * pair.significant,
        span,
        f"{pair.wins}/{pair.ties}/{pair.losses}",
    )
