"""The total-recall measures: by hand, and against what tar_eval printed for the systems of CLEF 2017 TAR."""

from __future__ import annotations

import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from periti.errors import InputError
from periti.evaluation import Policy, evaluate, parse, per_query
from periti.evaluation.own import DEFINITIONS
from periti.evaluation.ranking import Ranking
from periti.types import Run

from .trec_files import lines_of, qrels_from, qrels_of, run_from

TAR_EVAL = {
    "num_rels": "NumRel",
    "num_shown": "NumRet",
    "rels_found": "NumRet(rel=1)",
    "last_rel": "last_rel",
    "wss_100": "WSS@1",
    "wss_95": "WSS@0.95",
    "norm_area": "norm_area",
    "ap": "AP",
    "r": "SetR",
    "loss_e": "loss_e",
    "loss_r": "loss_r",
    "loss_er": "loss_er",
    **{f"NCG@{percent}": f"NCG@{percent}" for percent in range(10, 101, 10)},
}
# What follows from printed counts alone.
DERIVED: dict[str, tuple[str, dict[str, float]]] = {
    "wss_100": ("WSS", {"recall": 1.0}),
    "r": ("SetR", {}),
    "loss_r": ("loss_r", {}),
    "loss_e": ("loss_e", {}),
    "loss_er": ("loss_er", {}),
}
LEVELS = {"abstract": "abs", "document": "content"}
# Rankings that the data folder holds, and the name of their results. The abstract-level results of uos.sis.AL30Q_BM25
# are those of another ranking (it shows 1,923 documents of the first topic, the file 2,074).
RANKINGS = [
    ("AMC.clef-finals.amc.run.res", "amc.run", ("abstract", "document")),
    ("ECNU.run2.res.txt", "ecnu.run2", ("abstract", "document")),
    ("ECNU.run3.res.txt", "ecnu.run3", ("abstract", "document")),
    ("QUT.result_bool_es_test.txt", "qut.result_bool_es_test", ("abstract", "document")),
    ("QUT.result_pico_es_test.txt", "qut.result_pico_es_test", ("abstract", "document")),
    ("UOS.test.sis.AL30Q_BM25.res", "uos.sis.AL30Q_BM25", ("document",)),
    ("Waterloo.A-rank-normal.txt", "waterloo.A-rank-normal", ("abstract", "document")),
    ("Waterloo.A-thresh-normal.txt", "waterloo.A-thresh-normal", ("abstract", "document")),
    ("Waterloo.B-rank-normal.txt", "waterloo.B-rank-normal", ("abstract", "document")),
    ("Waterloo.B-thresh-normal.txt", "waterloo.B-thresh-normal", ("abstract", "document")),
]


def in_file_order(path: Path) -> Run:
    seen: Counter[str] = Counter()
    rows = []
    for topic, _, doc, *_ in lines_of(path):
        rows.append((topic, doc, float(-seen[topic])))
        seen[topic] += 1
    return run_from(rows, path.name)


def printed(archive: tarfile.TarFile, name: str) -> list[tuple[str, str, str]]:
    """Topic, measure and value of one results file; a line that says that a topic was left out has no value."""
    member = archive.extractfile(name)
    assert member is not None
    lines = [line.split("\t") for line in member.read().decode().splitlines()]
    return [(line[0], line[1], line[2]) for line in lines if len(line) == 3]


def with_counts(topics: dict[str, dict[str, float]]) -> Ranking:
    """A ranking of these topics whose relevant documents stand together, the last of them where it was."""
    counts = [
        {name: int(value) for name, value in measured.items() if value.is_integer()} for measured in topics.values()
    ]
    hits = [(q, c["last_rel"] - i) for q, c in enumerate(counts) for i in reversed(range(c["rels_found"]))]
    grades = [np.repeat([1, 0], [c["num_rels"], c["num_docs"] - c["num_rels"]]) for c in counts]
    return Ranking(
        query_ids=list(topics),
        query=np.array([q for q, _ in hits], dtype=np.int64),
        rank=np.array([rank for _, rank in hits], dtype=np.int64),
        grade=np.ones(len(hits), dtype=np.int64),
        retrieved=np.array([c["num_shown"] for c in counts], dtype=np.int64),
        judged_query=np.repeat(np.arange(len(counts)), [c["num_docs"] for c in counts]),
        judged_grade=np.concatenate(grades).astype(np.int64),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("ranking", "name", "levels"), RANKINGS, ids=[name for _, name, _ in RANKINGS])
def test_every_per_topic_value_of_tar_eval_is_reproduced(
    shared_data: Path, ranking: str, name: str, levels: tuple[str, ...]
) -> None:
    folder = shared_data / "clef-tar"
    run = in_file_order(folder / "2017-runs" / f"{ranking}.gz")
    measures = parse(TAR_EVAL.values())
    with tarfile.open(folder / "2017-participant-results.tar.gz") as archive:
        for level in levels:
            qrels = qrels_of(folder / f"2017.qrel_{LEVELS[level]}_test.txt.gz")
            frame = per_query(run, qrels, measures)
            ours = {(topic, measure): round(value, 3) for topic, measure, value in frame.iter_rows()}
            lines = printed(archive, f"participant-results-{level}/{name}.results")
            theirs = [line for line in lines if line[0] != "ALL" and line[1] in TAR_EVAL]
            wrong = [line for line in theirs if ours[line[0], TAR_EVAL[line[1]]] != float(line[2])]
            topics = 30 if level == "abstract" else 29
            assert (len(theirs), wrong) == (topics * len(TAR_EVAL), [])


def test_work_saved_and_loss_of_all_52_systems_follow_from_their_counts(shared_data: Path) -> None:
    # Most rankings are not to be had; a ranking with the printed counts has the printed values all the same.
    found, wrong, systems = 0, [], set()
    with tarfile.open(shared_data / "clef-tar" / "2017-participant-results.tar.gz") as archive:
        for path in sorted(member.name for member in archive if member.name.endswith(".results")):
            topics: dict[str, dict[str, float]] = {}
            for topic, measure, value in printed(archive, path):
                if measure != "topic_id" and topic.startswith("CD"):
                    topics.setdefault(topic, {})[measure] = float(value)
            known = {t: m for t, m in topics.items() if m["num_rels"] and m["rels_found"] <= m["num_rels"]}
            ranking = with_counts(known)
            for name, (family, parameters) in DERIVED.items():
                values = DEFINITIONS[family](ranking, **parameters).tolist()
                found += len(values)
                pairs = zip(known, values, strict=True)
                wrong += [(path, topic, name) for topic, ours in pairs if round(ours, 3) != known[topic][name]]
            systems.add(path.rpartition("/")[2])
    assert (len(systems), found, wrong) == (52, 15220, [])


@pytest.mark.parametrize(
    ("rounding", "rank"), [("half_even", 28), ("half_up", 29), ("ceil", 29)], ids=["half_even", "half_up", "ceil"]
)
def test_95_percent_of_30_is_28_or_29_by_the_rounding(rounding: str, rank: int) -> None:
    docs = [f"d{i:02}" for i in range(40)]
    qrels = qrels_from([("q", doc, int(i < 30)) for i, doc in enumerate(docs)])
    run = run_from([("q", doc, float(-i)) for i, doc in enumerate(docs)])
    evaluation = evaluate(run, qrels, parse([f"WSS(rounding='{rounding}')@0.95"]))
    assert next(iter(evaluation.values.values())) == pytest.approx((40 - rank) / 40 - 0.05)


def test_work_is_not_saved_where_the_recall_is_never_reached() -> None:
    qrels = qrels_from([("q", "a", 1), ("q", "b", 1), ("q", "c", 0), ("q", "d", 0)])
    run = run_from([("q", "a", 1.0)])
    evaluation = evaluate(run, qrels, parse(["WSS@1", "WSS@0.5", "norm_area"]))
    # a at rank 1 of 4: half the recall saves 3/4 - 1/2; the area is 3.5 of 2 * 4 - 2.
    assert list(evaluation.values.values()) == pytest.approx([0.0, 0.25, 3.5 / 6])


def test_a_topic_without_relevant_documents_is_0_or_left_out() -> None:
    qrels = qrels_from([("q1", "a", 0), ("q2", "a", 1), ("q2", "b", 0)])
    run = run_from([("q1", "a", 1.0), ("q2", "a", 1.0)])
    measures = parse(["WSS@1", "last_rel"])
    assert list(evaluate(run, qrels, measures).values.values()) == [0.25, 0.5]
    left = evaluate(run, qrels, measures, policy=Policy(no_relevant="exclude"))
    assert list(left.values.values()) == [0.5, 1.0]


@pytest.mark.parametrize(("name", "reason"), [("NCG@15", "tenths"), ("NCG@10", "has 2 judged documents")])
def test_a_gain_that_tar_eval_does_not_print_is_refused(name: str, reason: str) -> None:
    qrels = qrels_from([("q", "a", 1), ("q", "b", 0)])
    with pytest.raises(InputError, match=reason):
        evaluate(run_from([("q", "a", 1.0)]), qrels, parse([name]))
