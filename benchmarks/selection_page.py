"""The page of data selection, written of the figures that `selection.py` and its like keep; no command of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from measuring import RESULTS, machine
from selection_effect import LENGTH, ORACLE, RANDOM, Effect

DSIR, BETR, QUALITY, BOTH = "DSIR", "BETR", "quality", "DSIR + quality"
MATCHED, ONCE = "DSIR + BETR", "DSIR + BETR, a document once"
DSIR_ONCE, SPLIT = "DSIR, a document once", "DSIR, by chance above the split"
CANDIDATES = (DSIR_ONCE, SPLIT)
"""Tried on held-out queries beside MATCHED and ONCE, and not taken to the test."""
CONTESTANTS = (DSIR, BETR, QUALITY, BOTH, MATCHED, ONCE)
SELECTORS = (RANDOM, LENGTH, *CONTESTANTS, ORACLE)
RATERS = ("ukpconvarg1", "onestop-english")


def page() -> str:
    """The page, from the figures that are kept."""
    facts = machine()
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    parts = [
        (
            "# Data selection\n\nPrinted by `python -m benchmarks.selection`; figures in "
            f"`benchmarks/results/selection_*.json`. Machine: {facts['processor']}, {facts['cores']} cores; "
            f"{versions}.\n"
        )
    ]
    for part in (_bakeoff_part, _of(_effect_part, "selection_effect"), _raters_part, _costs_part):
        parts += filter(None, [part()])
    return "\n".join(parts)


def kept_figures(name: str) -> Mapping[str, Any] | None:
    """The figures of a part, None where it was not run."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _of(part: Callable[[Mapping[str, Any]], str], name: str) -> Callable[[], str]:
    """The part, empty where it was not run."""

    def written() -> str:
        kept = kept_figures(name)
        return part(kept) if kept else ""

    return written


def _bakeoff_part() -> str:
    kept = kept_figures("selection_bakeoff")
    if kept is None:
        return ""
    head = (
        f"## Bake-off\n\nMade-up pools of {kept['size']:,} documents of which everything is known "
        f"(`python -m benchmarks.selection_bakeoff` says what they are), {kept['seeds']} seeds; 5 % are chosen. "
        "*quality* is a planted judge. KL reduction is less that of a random choice; nDCG@10 is of a linear query "
        "adapter trained on the chosen pairs.\n\n"
    )
    lines = [
        "| examples | selector | precision | coverage | copies | KL reduction over random | words | nDCG@10 | sd |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for examples, selectors in kept["examples"].items():
        chance = np.mean([run["kl_reduction"] for run in selectors["random"]])
        for name, runs in selectors.items():
            of = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
            spread = float(np.std([run["ndcg"] for run in runs], ddof=1)) if len(runs) > 1 else 0.0
            lines.append(
                f"| {examples} | {name} | {of['precision']:.2f} | {of['coverage']:.2f} | {of['copies']:.1%} | "
                f"{of['kl_reduction'] - chance:+.3f} | {of['length']:.1f} | {of['ndcg']:.3f} | {spread:.3f} |"
            )
    return head + "\n".join(lines) + "\n"


def _raters_part() -> str:
    lines = [
        "## Raters\n",
        (
            "`periti train rater --pairs NAME --json`: accuracy on pairs of topics (articles) left out, 95 % bootstrap "
            "intervals over topics and pairs. *alike*: accuracy on pairs of nearly the same length; *r*: correlation "
            "of the rating with length; *triples*: share of articles whose three levels come out in order.\n"
        ),
        "| pairs | system | accuracy | interval | above length | interval | alike | r | triples |",
        "|---|---|---:|---|---:|---|---:|---:|---:|",
    ]
    for pairs in RATERS:
        for criterion in (kept_figures(f"rater_{pairs}") or {"criteria": []})["criteria"]:
            for name, one in criterion["systems"].items():
                ends, over = one["interval"], one["over_length_interval"]
                alike = f"{one['alike']:.3f}" if one["alike"] is not None else ""
                lines.append(
                    f"| {pairs} | {name} | {one['accuracy']:.3f} | [{ends[0]:.3f}, {ends[1]:.3f}] | "
                    f"{one['over_length']:+.3f} | [{over[0]:+.3f}, {over[1]:+.3f}] | {alike} | "
                    f"{one['length_correlation']:.2f} | {_triples(criterion, name)} |"
                )
    return "\n".join([*lines, ""])


def _triples(criterion: Mapping[str, Any], system: str) -> str:
    found = criterion.get("triples", {}).get(system)
    return f"{found['recovered']:.3f}" if found else ""


def _costs_part() -> str:
    speed, memory = kept_figures("selection_speed"), kept_figures("selection_memory")
    lines = ["## Cost\n"]
    for name, one in (speed or {}).items():
        if "package" in one:
            lines.append(
                f"* {name}, {one['documents']:,} documents: DSIR with the package's n-grams "
                f"{one['package']['cpu_s']:.1f} s of one core by `data-selection`, {one['periti']['cpu_s']:.2f} s here "
                f"({one['periti: times as fast, cpu_s']:.1f}x; weights differ by "
                f"{one['largest_difference_of_weights']:.0e}, "
                f"{'the same' if one['same_choice'] else 'another'} choice); "
                f"with our n-grams {one['periti, own n-grams: times as fast, cpu_s']:.1f}x."
            )
        elif "mb_per_s_of_two_whole_cores" in one:
            lines.append(f"* {name}: {one['mb_per_s_of_two_whole_cores']:.0f} MB/s of two whole cores (CPU time).")
    lines += [
        f"* Memory, {run['documents']:,} short documents: {run['peak_bytes'] / 1e6:.0f} MB in the main process, "
        f"{run['worker_peak_bytes'] / 1e6:.0f} MB in a worker."
        for run in (memory or {"runs": []})["runs"]
    ]
    if memory:
        grown = memory["largest_vs_smallest"]
        lines.append(
            f"* The largest pool takes {grown['peak_bytes']:.3f} times the memory of the smallest in the main process, "
            f"{grown['worker_peak_bytes']:.3f} times in a worker."
        )
    where = "`python -m benchmarks.selection_speed --data-selection PYTHON` and `python benchmarks/selection_memory.py`"
    return "\n".join([*lines, "", f"Printed by {where}.", ""])


def _effect_part(kept: Mapping[str, Any]) -> str:
    effects = [Effect(**{**one, "seeds": tuple(one["seeds"])}) for one in kept["effects"]]
    made_of = ", ".join(f"{count:,} of {name}" for name, count in kept["pool_by_domain"].items())
    lines = [
        "## The effect on experts\n",
        (
            f"A pool of {kept['pool']:,} pairs ({made_of}), shuffled; {kept['budget']} pairs chosen for a target of "
            f"{kept['examples']} examples; a linear expert trained on them, {kept['training']['steps']} steps; "
            f"{kept['seeds']} seeds (examples, draws and training differ). nDCG@10 on the domain's test, mean over "
            f"seeds with its standard deviation; differences from *{LENGTH}* topic by topic after averaging seeds, "
            "paired t, Holm over all; 95 % BCa intervals. *Of oracle*: share of the oracle's gain over that baseline. "
            "*Held out*: nDCG@10 on held-out queries of train, by which selectors may be chosen.\n"
        ),
        (
            f"Pairs are drawn by Gumbel top-k at temperature {kept['temperature']:g}, chosen on held-out queries of "
            f"train (mean nDCG@10 of {DSIR}, {BETR} and {BOTH} over domains and {kept['dev_seeds']} seeds: "
            f"{', '.join(f'{float(warm):g}: {value:.4f}' for warm, value in kept['dev'].items())}).\n"
        ),
        (
            "| domain (test queries) | selector | own pairs | documents | words | KL reduction | held out | nDCG@10 | "
            "sd | difference | interval | Holm | of oracle |"
        ),
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|---:|---:|",
    ]
    for domain in dict.fromkeys(one.domain for one in effects):
        own = {one.selector: one for one in effects if one.domain == domain}
        queries = kept["queries"][domain]
        lines.append(f"| {domain} ({queries}) | base, not trained | | | | | | {kept['base'][domain]:.4f} | | | | | |")
        held_out = kept["held_out"][domain]
        lines += [_effect_row(own[name], held_out[name], own[ORACLE]) for name in SELECTORS if name in own]
    lines += [
        "",
        *_findings(effects, kept["held_out"]),
        *_tried_part(kept["held_out"]),
        "",
        "### KL reduction against effect\n",
        _correlations(effects),
        "",
    ]
    return "\n".join(lines)


def _effect_row(one: Effect, held_out: float, oracle: Effect) -> str:
    start = (
        f"| {one.domain} | {one.selector} | {one.precision:.0%} | {one.documents:.0f} | {one.words:.0f} | "
        f"{one.reduction:.3f} | {held_out:.4f} | {np.mean(one.seeds):.4f} | {np.std(one.seeds, ddof=1):.4f} |"
    )
    if one.selector == LENGTH:
        return f"{start} | | | |"
    low, high = one.interval
    mark = " *" if one.adjusted <= 0.05 else ""
    share = f"{one.difference / oracle.difference:.0%}" if oracle.difference > 0 else "n/a"
    holm = f"{one.adjusted:.4f}" if one.adjusted >= 0.0001 else f"{one.adjusted:.0e}"
    return f"{start} {one.difference:+.4f} | [{low:+.4f}, {high:+.4f}] | {holm}{mark} | {share} |"


def _findings(effects: Sequence[Effect], held_out: Mapping[str, Mapping[str, float]]) -> list[str]:
    """For each domain the selector that is best on its test and the one that held-out queries choose."""
    lines = []
    for domain in dict.fromkeys(one.domain for one in effects):
        own = {one.selector: one for one in effects if one.domain == domain}
        best = max(CONTESTANTS, key=lambda name: own[name].difference)
        chosen = max(CONTESTANTS, key=held_out[domain].__getitem__)
        lines.append(f"* {domain}: the best selector, {_finding(own[best], own[ORACLE])}.")
        if chosen != best:
            lines.append(f"  The one that is best on held-out queries, {_finding(own[chosen], own[ORACLE])}.")
    names = [max(CONTESTANTS, key=lambda name: float(np.mean([own[name] for own in held_out.values()])))]
    shares = [f"{one.domain} {one.difference:+.4f}" for one in effects if one.selector == names[0]]
    lines.append(f"* Best on held-out queries of all domains: {names[0]} ({', '.join(shares)}).")
    return lines


def _tried_part(held_out: Mapping[str, Mapping[str, float]]) -> list[str]:
    """How the combined selectors came to be tested."""
    kept = kept_figures("selection_candidates")
    if kept is None:
        return []
    means = {
        name: float(np.mean([own[name] for own in found.values()]))
        for found in (held_out, kept["held_out"])
        for name in next(iter(found.values()))
        if name in (DSIR, BETR, MATCHED, ONCE, *CANDIDATES)
    }
    told = "; ".join(f"{name} {value:.4f}" for name, value in means.items())
    return [
        "",
        (
            f"*{MATCHED}* and *{ONCE}* were added when the other selectors had been tested already, since the pairs "
            f"that these choose share documents. Of four candidates *{MATCHED}* was taken beforehand, as the plain "
            f"combination, and *{ONCE}* as the best on held-out queries (means over domains and {kept['seeds']} seeds: "
            f"{told}); the other two were not tested."
        ),
    ]


def _finding(one: Effect, oracle: Effect) -> str:
    above = "significantly above" if one.adjusted <= 0.05 and one.difference > 0 else "not significantly above"
    near = "the oracle gains nothing over it, so that nothing can be reached"
    if oracle.difference > 0:
        within = "within 10 % of" if one.difference >= 0.9 * oracle.difference else "not within 10 % of"
        difference, low, high = one.from_oracle
        near = (
            f"{within} the oracle's gain ({one.difference:+.4f} of {oracle.difference:+.4f}; from the oracle "
            f"{difference:+.4f}, [{low:+.4f}, {high:+.4f}])"
        )
    return f"{one.selector}, is {above} *{LENGTH}*; {near}"


def _correlations(effects: Sequence[Effect]) -> str:
    rows = []
    for domain in dict.fromkeys(one.domain for one in effects):
        own = [one for one in effects if one.domain == domain]
        r = np.corrcoef([one.reduction for one in own], [float(np.mean(one.seeds)) for one in own])[0, 1]
        rows.append(f"{domain} {r:+.2f}")
    return (
        f"Correlation over the {len(SELECTORS)} selectors of KL reduction with nDCG@10: {', '.join(rows)} (Pearson's r "
        "of a few points each; Xie et al. report .89 with downstream accuracy)."
    )
