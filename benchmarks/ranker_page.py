"""The page docs/results/rankers.md, from the figures that `python -m benchmarks.rankers` has kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from measuring import RESULTS, machine
from ranker_curricula import START as UNTRAINED
from ranker_curricula import Effect
from ranker_gains import LEFT_OUT, Gain, adjusted
from ranker_lists import ADAPTED, BM25, DENSE, DEPTH, RANKER
from ranker_settings import ALL, ELSEWHERE, FUSION, MORE, RIVAL

Kept = Mapping[str, Any]
TESTS = (
    "| collection | ranker | system | against | difference | interval | p | Holm |",
    "|---|---|---|---|---:|---|---:|---:|",
)
SETTINGS = ("| collections | fusion | rule | weights | dev |", "|---|---|---|---|---:|")
SYSTEMS = (BM25, DENSE, FUSION, ADAPTED, RIVAL, RANKER, MORE, ALL)
JOINED = "joined"


def page(kept: Mapping[str, Kept], curricula: Kept | None) -> str:
    """The page.

    Args:
        kept: ranker -> the figures of its gains.
        curricula: the figures of the curriculum study.
    """
    facts = machine()
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    head = (
        "# Neural reranking\n\nPrinted by `python -m benchmarks.rankers` from benchmarks/ranker.toml, "
        "ranker_health.toml, ranker_law.toml and curricula.toml; figures in `benchmarks/results/ranker_gains_*.json` "
        f"and `ranker_curricula.json`. Machine: {facts['processor']}, {facts['cores']} cores; {versions}.\n"
    )
    parts = [head]
    if kept:
        parts.append(_gains_part(kept))
    if curricula is not None:
        parts.append(_curricula_part(curricula))
    parts.append(
        "## Screening\n\nThe screening table (leave-one-topic-out over `cohen-screening`, every method, with intervals "
        "and stopping rules) is in [screening.md](screening.md), printed by `python benchmarks/screening.py`.\n"
    )
    return "\n".join(parts)


def kept_figures() -> tuple[dict[str, Kept], Kept | None]:
    """Ranker -> what is kept of its gains, and what is kept of the curriculum study."""
    start = "ranker_gains_"
    gains = {path.stem.removeprefix(start): _read(path.stem) for path in sorted(RESULTS.glob(f"{start}*.json"))}
    study = _read("ranker_curricula") if (RESULTS / "ranker_curricula.json").exists() else None
    return dict(sorted(gains.items(), key=lambda one: -len(one[1]["means"]))), study


def _read(name: str) -> Kept:
    found: Kept = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _gains_part(kept: Mapping[str, Kept]) -> str:
    claim = _told(kept, "gains")
    others = _told(kept, "others")
    domains = {name: domain for one in kept.values() for name, domain in one["domains"].items()}
    lines = [
        "## Gains\n",
        (
            "Cross-encoders over all-MiniLM-L6-v2 that join query and document late: they add up the likeness of the "
            "two texts read alone, the same by a linear adapter, that of the texts read together, and how well the "
            f"document's tokens meet each of the query's. They rerank BM25's first {DEPTH}. *{RIVAL}* is the best "
            f"fusion without one: its adapter has learnt from the same collections, and dev may leave out any part. "
            f"*{ALL}* may add the ranker up as one list more, or let the documents that it has read exchange their "
            "places in the fusion of the others (`in-place`); dev chooses.\n"
        ),
        (
            "*reader* answers every collection; *health* and *law* have learnt from one each, and were judged before "
            "it was made of parts. *health* was meant for LiveQA's questions (`medquad`) as well, which ask about the "
            "same in other people's words: it does not serve there. All their rows count.\n"
        ),
        *(line for name, one in kept.items() for line in _of_ranker(name, one)),
        "### Tests\n",
        (
            f"*{ALL}* against BM25 and against *{RIVAL}*. Paired t-test, Holm over these {len(claim)} comparisons, "
            "95 % BCa intervals of each by itself. `*` marks significance at .05. What is compared was settled after a "
            "look at these queries, with earlier rankers: the last of them was *reader* without the part that has "
            "learnt from scifact and nfcorpus. Rules and weights are dev's.\n"
        ),
        *_tests(claim),
        "",
        *_verdicts(ALL, claim, domains, f"both BM25 and *{RIVAL}*"),
        "",
        "### Other comparisons\n",
        (
            f"The cross-encoder fused with BM25 alone, and *{ALL}* against the fusion without an adapter, which is "
            "often the better one on collections that no adapter learnt from. What *law* gains over *fusion* hangs on "
            "a close choice: its dev hardly prefers reciprocal ranks to a weighted sum, which test prefers clearly. "
            f"Holm over these {len(others)}.\n"
        ),
        *_tests(others),
        "",
        *_verdicts(MORE, others, domains, f"both BM25 and *{FUSION}*"),
        *_verdicts(ALL, others, domains, f"*{FUSION}*"),
        "",
        (
            "`medquad-whole` asks held-out questions of MedQuAD itself among all its 16,407 answers; `medquad` asks "
            "those of TREC LiveQA."
        ),
        "",
        f"Left out: {'; '.join(f'`{name}`, {why}' for name, why in LEFT_OUT.items())}.",
        "",
    ]
    return "\n".join(lines)


def _of_ranker(name: str, kept: Kept) -> list[str]:
    """How a ranker was made and judged, and the means."""
    lines = [f"### {name}\n", _made(kept)]
    lines += [*SETTINGS, *(line for where, chosen in _asked(kept) for line in _setting(where, chosen))]
    lines += ["", "nDCG@10; **bold**: the best of a row; above the line collections whose train part it learnt from.\n"]
    lines += [f"| collection | domain | queries | {' | '.join(SYSTEMS)} |", "|---|---|---:|" + "---:|" * len(SYSTEMS)]
    queries = {gain["collection"]: gain["queries"] for gain in kept["gains"]}
    seen, means = kept["seen"], kept["means"]
    for names in (seen, [name for name in means if name not in seen]):
        lines += [_row(name, kept["domains"][name], str(queries[name]), means[name]) for name in names]
        if len(names) > 1:
            mean = {system: sum(means[name][system] for name in names) / len(names) for system in SYSTEMS}
            lines.append(_row("macro mean, " + ("seen" if names is seen else "unseen"), "", "", mean))
    return [*lines, ""]


def _asked(kept: Kept) -> list[tuple[str, Kept]]:
    """Where settings are used, and the settings; where one source was learnt from they are the same everywhere."""
    chosen = dict(kept["settings"])
    if len(chosen) > len(kept["dev"]) == 1:
        return [("all", chosen[ELSEWHERE])]
    return list(chosen.items())


def _setting(where: str, chosen: Kept) -> list[str]:
    """Rows of a table of settings."""
    rows = []
    for fusion, one in chosen.items():
        weights = ", ".join(f"{part} {weight:.1f}" for part, weight in one["weights"].items())
        options = ", ".join(
            str(value) if key == "scaling" else f"{key}={value}"
            for key, value in one["options"].items()
            if key != "reader"
        )
        rows.append(f"| {where} | {fusion} | {one['rule']} ({options}) | {weights} | {one['dev']:.4f} |")
    return rows


def _made(kept: Kept) -> str:
    """How a ranker was trained and judged."""
    training = kept["training"]
    fitted = ", ".join(f"{name} ({share:.0%} of its train queries)" for name, share in kept["fitted"].items())
    learns = "the matrix that turns the query's tokens and the scales"
    if JOINED not in training["options"]["frozen"]:
        learns = "the layer that reads both texts, what is made of its states, and the scales"
    what = f"learnt are {learns}"
    begins = f"It starts from an adapter that is fitted to {fitted}; {what}, from others"
    if not kept["starts_there"]:
        begins = f"The adapter beside it is fitted to {fitted}. It starts without that adapter; {what}, from the same"
    taught = _of_parts(training) if "parts" in training else _best_step(training)
    steps = training.get("steps", training["options"]["steps"])
    each = "; settings of a collection that was learnt from are those of its own, of all others those of all together"
    if "parts" in training:
        each += ", each in the order of the ranker without the part that learnt from it"
    return (
        f"{begins} ({steps} steps of {training['options']['batch']} lists, loss {training['options']['loss']}, seed "
        f"{training['seed']}). {taught} Of a collection at most "
        f"{' or, if unseen, '.join(map(str, kept['most_queries']))} test queries are asked, by hash. Rules and weights "
        f"were chosen on {sum(kept['dev'].values())} held-out queries of train"
        f"{each if len(kept['dev']) > 1 else ''}:\n"
    )


def _of_parts(training: Kept) -> str:
    """How good the parts and their sum were on dev."""
    parts = ", ".join(
        f"*{one['name']}* from {' and '.join(one['learns'])}, kept at step {one['best_step']} "
        f"({one['dev_of_start']:.4f} before the first, then {one['dev']:.4f} on its own dev)"
        for one in training["parts"]
    )
    shares = ", ".join(f"{value:.4f} with {share:.2f} of it" for share, value in training["shares"])
    return (
        f"Parts learn that apart, and what they have learnt is added up: {parts}. Dev of all sources has "
        f"{training['dev_of_start']:.4f} before, {shares}: {training['share']:.2f} is taken."
    )


def _best_step(training: Kept) -> str:
    """Which step of the training was best on dev."""
    curve = ", ".join(f"{value:.4f} after {step}" for step, value, *_ in training["dev_curve"][1:])
    start = f"{training['dev_of_start']:.4f} before the first step, {curve}"
    if training["best_step"] == 0:
        return f"Dev says that this training does not help ({start}): what it began with is kept."
    return f"Kept is step {training['best_step']}, the best on dev ({start})."


def _row(name: str, domain: str, queries: str, means: Mapping[str, float]) -> str:
    best = max(means[system] for system in SYSTEMS)
    cells = [f"**{means[s]:.4f}**" if means[s] == best else f"{means[s]:.4f}" for s in SYSTEMS]
    return f"| {name} | {domain} | {queries} | {' | '.join(cells)} |"


Told = tuple[str, Gain, float]
"""Whose ranker, what it gained, Holm's p."""


def _told(kept: Mapping[str, Kept], which: str) -> list[Told]:
    """All rankers' comparisons, corrected together."""
    found = [
        (name, Gain(**{**gain, "interval": tuple(gain["interval"])}))
        for name, one in kept.items()
        for gain in one[which]
    ]
    return [(*one, p) for one, p in zip(found, adjusted([gain for _, gain in found]), strict=True)]


def _tests(told: Sequence[Told]) -> list[str]:
    return [*TESTS, *(_test(*one) for one in told)]


def _test(ranker: str, gain: Gain, p: float) -> str:
    mark = " *" if p <= 0.05 else ""
    low, high = gain.interval
    return (
        f"| {gain.collection} | {ranker} | {gain.system} | {gain.baseline} | {gain.difference:+.4f} | "
        f"[{low:+.4f}, {high:+.4f}] | {_p(gain.p)} | {_p(p)}{mark} |"
    )


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else f"{value:.0e}"


def _verdicts(system: str, told: Sequence[Told], domains: Mapping[str, str], rivals: str) -> list[str]:
    """Where a system is significantly better than all rivals, and worse than any, a line for each ranker."""
    lines = []
    for ranker in dict.fromkeys(ranker for ranker, _, _ in told):
        own = [(gain, p) for whose, gain, p in told if whose == ranker and gain.system == system]
        names = list(dict.fromkeys(gain.collection for gain, _ in own))
        lost = {gain.collection for gain, p in own if p > 0.05 or gain.difference <= 0}
        worse = {gain.collection for gain, p in own if p <= 0.05 and gain.difference < 0}
        better = [name for name in names if name not in lost]
        inside = f"; domains: {', '.join(sorted({domains[name] for name in better}))}" if better else ""
        lines.append(
            f"* *{system}* of *{ranker}*: significantly above {rivals} on {len(better)} of {len(names)} collections "
            f"({', '.join(better) or 'none'}{inside}), significantly below on {len(worse)} "
            f"({', '.join(sorted(worse)) or 'none'})."
        )
    return lines


def _curricula_part(kept: Mapping[str, Any]) -> str:
    effects = [Effect(**{**one, "seeds": tuple(one["seeds"])}) for one in kept["effects"]]
    seeds = len(effects[0].seeds)
    lines = [
        "## Curricula\n",
        (
            "A cross-encoder over all-MiniLM-L6-v2 that starts from the likeness of query and document within one "
            f"sequence (*start*), {kept['steps']} steps, {seeds} seeds each, the last state kept; BM25's first "
            f"{kept['depth']} reranked, at most {kept['most_queries']} test queries of a collection. Means over "
            "seeds of nDCG@10 with their standard deviation; differences from no curriculum topic by topic after "
            "averaging seeds, paired t, Holm over all comparisons. *anti* and *random* are the controls of *kde* "
            f"(`--part curricula --seeds {seeds} --study-most {kept['most_queries']}`).\n"
        ),
        "| collection | BM25 | start | curriculum | nDCG@10 | sd over seeds | difference | interval | p | Holm |",
        "|---|---:|---:|---|---:|---:|---:|---|---:|---:|",
    ]
    for one in effects:
        bm25, start = (kept["beside"][system][one.collection] for system in (BM25, UNTRAINED))
        low, high = one.interval
        mark = " *" if one.adjusted <= 0.05 else ""
        cells = f"{one.difference:+.4f} | [{low:+.4f}, {high:+.4f}] | {_p(one.p)} | {_p(one.adjusted)}{mark}"
        if one.curriculum == "none":
            cells = " | | | "
        lines.append(
            f"| {one.collection} | {bm25:.4f} | {start:.4f} | {one.curriculum} | {one.mean:.4f} | {one.spread:.4f} "
            f"| {cells} |"
        )
    return "\n".join([*lines, ""])
