"""A study small enough to check by hand: law and medicine are seen, news is not."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from periti.evaluation.routing.results import POINTS, RoutingStudy, StudiedCollection, StudiedSystem
from periti.evaluation.significance import Design, Scores, compare

LONG = "a name that goes on " * 12 + "to its end"
HOSTILE = ("<b>bold</b>", "$x_1$", LONG)


def _values(law: float, medicine: float, news: float) -> dict[str, float]:
    return {"law": law, "medicine": medicine, "news": news}


def _compared() -> Scores:
    """Eight topics: the base loses every one, .1 and .2 in turn; the control wins four and loses four by .1."""
    router = [0.6] * 8
    base = [0.5, 0.4] * 4
    control = [0.7, 0.5] * 4
    topics = [f"q{number}" for number in range(8)]
    frame = pl.DataFrame({"query_id": topics, "base": base, "all domains": control, "argmax": router})
    return Scores.of(frame, "nDCG@10", collection="law")


SHARES = {"law": {"lex": 0.9, "med": 0.1}, "medicine": {"med": 1.0}, "news": {"lex": 0.25, "med": 0.25, "base": 0.5}}

STUDY = RoutingStudy(
    measure="nDCG@10",
    seeds=(1, 2),
    collections=(
        StudiedCollection("law", "law", "lex", 1200),
        StudiedCollection("medicine", "medicine", "med", 50),
        StudiedCollection("news", "", "", 30),
    ),
    systems=(
        StudiedSystem("base", "base", _values(0.5, 0.3, 0.4), regret=0.06),
        StudiedSystem("lex", "expert", _values(0.6, 0.25, 0.35), regret=0.05, gap=(0.25, -0.1, 0.6)),
        StudiedSystem("med", "expert", _values(0.45, 0.4, 0.3), regret=0.05),
        StudiedSystem("all domains", "control", _values(0.55, 0.35, 0.4), regret=0.04, gap=(0.5, 0.2, 0.8)),
        StudiedSystem(
            "argmax", "router", _values(0.6, 0.38, 0.4), 1.02, SHARES, 0.02, (0.9, 0.7, 1.1), "chosen on dev"
        ),
        StudiedSystem("top-2", "router", _values(0.58, 0.4, 0.41), 2.02, SHARES, -0.00001, (0.9, 0.65, 1.15)),
        StudiedSystem("oracle", "oracle", _values(0.6, 0.4, 0.41)),
    ),
    experts=("lex", "med"),
    studies={"law: router": compare([_compared()], Design("randomization", baseline="argmax", bootstrap=0))},
    points=pl.DataFrame(
        [(0.0, 0.0, "law", "lex"), (1.0, 0.5, "medicine", "med"), (0.3, 0.9, "news", "base")],
        schema=POINTS,
        orient="row",
    ),
    stability={"argmax": {"typo": 0.95, "paraphrase": 0.9}, "top-2": {"typo": 1.0}},
    seconds={"encode": 0.01, "route": 0.0002},
    facts={"table tie rate": "12 %", "command": "periti router evaluate small.toml"},
)

BARE = replace(
    STUDY,
    systems=tuple(one for one in STUDY.systems if one.name in ("base", "argmax")),
    studies={},
    points=POINTS.to_frame(),
    stability={},
    seconds={},
    facts={},
)
"""One router, no comparison, no point, nothing measured beside."""


def renamed(collection: str, expert: str, router: str) -> RoutingStudy:
    """The study with other names for law, its expert and the first router."""
    names = {"law": collection, "lex": expert, "argmax": router}

    def call(name: str) -> str:
        return names.get(name, name)

    systems = tuple(
        replace(
            one,
            name=call(one.name),
            values={call(name): value for name, value in one.values.items()},
            shares={call(name): {call(e): s for e, s in own.items()} for name, own in one.shares.items()},
        )
        for one in STUDY.systems
    )
    frame = pl.DataFrame({"query_id": ["1", "2"], router: [0.1, 0.3], expert: [0.4, 0.2]})
    compared = compare([Scores.of(frame, "nDCG@10", collection=collection)], Design(bootstrap=0))
    return replace(
        STUDY,
        collections=tuple(replace(one, name=call(one.name), home=call(one.home)) for one in STUDY.collections),
        systems=systems,
        experts=tuple(call(name) for name in STUDY.experts),
        studies={f"{collection}: {router}": compared},
        points=STUDY.points.with_columns(pl.col("collection", "expert").replace(names)),
        stability={router: {"typo": 0.5}},
        facts={collection: router},
    )
