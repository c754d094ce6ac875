"""Judgments from people, files and judges: what is counted, what is discarded, who is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from periti.datasets.selection.quality.judged_files import read_judged
from periti.datasets.selection.quality.judging import (
    Answer,
    Asked,
    Candidate,
    Criterion,
    Judge,
    Pair,
    judge_pairs,
)
from periti.datasets.selection.quality.judgments import Judgments, Verdict
from periti.errors import FormatError, InputError

CLEAR = Criterion("clarity", "which is clearer?")
PAIRS = [Candidate(f"text {number}", f"text {number + 1}", "t") for number in range(12)]


def judge_of(answer: Sequence[Answer] | None = None) -> Judge:
    """A judge that prefers the text with the larger number, or answers the same to everything."""

    def judge(criterion: Criterion, pairs: Sequence[Pair]) -> Sequence[Sequence[Answer]]:  # noqa: ARG001
        if answer is not None:
            return [answer] * len(pairs)
        return [[float(int(first.split()[1]) > int(second.split()[1]))] for first, second in pairs]

    return judge


def test_texts_are_kept_once_and_a_pair_keeps_its_probability() -> None:
    judgments = Judgments.of([Verdict("x", "y", 0.8, 5, "g"), Verdict("z", "x", 0.5), Verdict("y", "z", 0.1)])

    assert len(judgments) == 3
    assert sorted(judgments.texts) == ["x", "y", "z"]
    assert [judgments.texts[row] for row in judgments.first] == ["x", "z", "y"]
    assert [judgments.texts[row] for row in judgments.second] == ["y", "x", "z"]
    assert judgments.preference.tolist() == [1, 0, -1]
    np.testing.assert_allclose(judgments.confidence, [0.6, 0.0, 0.8])
    assert judgments.groups == ("g", "", "")


@pytest.mark.parametrize(
    ("verdicts", "says"),
    [
        ([], "no judged pair"),
        ([Verdict("a", "b", 1.2)], "pair 1 has the probability 1.2"),
        ([Verdict("a", "b", float("nan"))], "pair 1 has the probability nan"),
        ([Verdict("a", "b", 1), Verdict("a", "a", 1)], "pair 2 is of a text with itself"),
    ],
)
def test_what_is_no_judgment_is_refused(verdicts: list[Verdict], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Judgments.of(verdicts)


def test_a_consistent_judge_is_believed_and_both_orders_are_asked() -> None:
    judgments, counts = judge_pairs(judge_of(), CLEAR, PAIRS)

    assert judgments.p.tolist() == [0.0] * 12
    assert judgments.votes.tolist() == [2] * 12
    assert (counts.answers, counts.both, counts.always_first, counts.always_second) == (24, 12, 0, 0)
    assert judgments.criterion == "clarity"
    assert set(judgments.groups) == {"t"}


@pytest.mark.parametrize(("answer", "place"), [(1.0, "first"), (0.0, "second"), (0.9, "first")])
def test_a_judge_that_goes_by_position_is_refused_with_counts(answer: float, place: str) -> None:
    with pytest.raises(InputError, match=rf"goes by position: of 12 pairs .* preferred whatever stood {place} in 12"):
        judge_pairs(judge_of([answer]), CLEAR, PAIRS)


def test_a_judge_that_leans_to_a_position_but_knows_better_is_not_refused() -> None:
    def leaning(criterion: Criterion, pairs: Sequence[Pair]) -> Sequence[Sequence[Answer]]:
        known = judge_of()(criterion, pairs)
        return [[0.5 * float(one[0] or 0) + 0.3] for one in known]

    judgments, counts = judge_pairs(leaning, CLEAR, PAIRS)

    # 0.8 where the better text stands first, 0.3 where second: the mean of the orders is (0.3 + 0.2) / 2.
    np.testing.assert_allclose(judgments.p, 0.25)
    assert counts.always_first == 0


def test_chance_is_not_taken_for_position() -> None:
    rng = np.random.default_rng(3)

    def tossing(criterion: Criterion, pairs: Sequence[Pair]) -> Sequence[Sequence[Answer]]:  # noqa: ARG001
        return [[float(rng.integers(2))] for _ in pairs]

    many = [Candidate(f"a{number}", f"b{number}") for number in range(400)]
    _, counts = judge_pairs(tossing, CLEAR, many)

    assert 60 < counts.always_first < 140
    assert 60 < counts.always_second < 140


def test_one_sided_answers_about_few_pairs_prove_nothing() -> None:
    judgments, _ = judge_pairs(judge_of([1.0]), CLEAR, PAIRS[:4])

    assert judgments.p.tolist() == [0.5] * 4


@pytest.mark.parametrize(
    ("forward", "backward", "usable"),
    [
        ((1.0, 1.0), (1.0, None), True),
        ((1.0, None), (1.0, None), False),  # half
        ((1.0, 1.0), (None, None), False),
        ((1.0, 1.0, 1.0), (None,), False),  # one order was not heard at all
        ((None,), (), False),
        ((0.0,), (), True),
        ((), (), False),
    ],
)
def test_a_pair_needs_more_than_half_of_its_answers(
    forward: tuple[Answer, ...], backward: tuple[Answer, ...], usable: bool
) -> None:
    assert Asked(forward, backward).usable is usable


def test_orders_count_the_same_however_many_answers_each_has() -> None:
    assert Asked((1.0, 1.0, 1.0, None), (0.0,)).p == 0.5


def test_unreadable_answers_are_counted_and_nothing_readable_is_an_error() -> None:
    def partly(criterion: Criterion, pairs: Sequence[Pair]) -> Sequence[Sequence[Answer]]:
        known = judge_of()(criterion, pairs)
        return [[None] if "text 3" in pair else one for pair, one in zip(pairs, known, strict=True)]

    judgments, counts = judge_pairs(partly, CLEAR, PAIRS)

    assert (len(judgments), counts.discarded, counts.unreadable, counts.pairs) == (10, 2, 4, 12)
    with pytest.raises(InputError, match=r"none of the 12 pairs has answers enough .*24 of 24 answers"):
        judge_pairs(judge_of([None]), CLEAR, PAIRS)


@pytest.mark.parametrize(("answers", "says"), [([1.5], "answered 1.5 to ordered pair 1"), ([float("nan")], "nan")])
def test_an_answer_that_is_no_preference_is_refused(answers: list[float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        judge_pairs(judge_of(answers), CLEAR, PAIRS)


def test_a_judge_that_forgets_pairs_is_refused() -> None:
    with pytest.raises(InputError, match="1 lists of answers for 24 ordered pairs"):
        judge_pairs(lambda criterion, pairs: [[1.0]], CLEAR, PAIRS)  # noqa: ARG005


# files


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_file_s_answers_probabilities_votes_topics_and_criteria_are_read(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"a": "x", "b": "y", "answer": "A", "topic": "t", "criterion": "one"},
        {"a": "y", "b": "x", "answer": "b", "topic": "t", "criterion": "one"},
        {"a": "x", "b": "z", "p": 0.25, "votes": 4, "criterion": "one"},
        {"a": "x", "b": "z", "answer": "tie", "criterion": "two"},
    ]
    found = read_judged(write(tmp_path / "pairs.jsonl", rows))

    assert list(found.judgments) == ["one", "two"]
    one = found.judgments["one"]
    assert one.p.tolist() == [1.0, 0.25]
    assert one.votes.tolist() == [2, 4]
    assert one.groups == ("t", "")
    assert found.judgments["two"].p.tolist() == [0.5]
    assert found.counts["one"].both == 1


def test_a_csv_reads_like_json(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("a,b,probability,votes\nx,y,0.75,3\n")

    judgments = read_judged(path).judgments["quality"]

    assert (judgments.p.tolist(), judgments.votes.tolist()) == ([0.75], [3])


def test_unreadable_answers_of_a_file_are_counted(tmp_path: Path) -> None:
    rows = [{"a": f"x{i}", "b": "y", "answer": "A" if i else "well, it depends"} for i in range(6)]
    found = read_judged(write(tmp_path / "pairs.jsonl", rows))

    assert len(found.judgments["quality"]) == 5
    assert found.counts["quality"].unreadable == 1


def test_a_file_of_a_judge_that_always_said_a_is_refused(tmp_path: Path) -> None:
    rows = [{"a": x, "b": y, "answer": "A"} for i in range(8) for x, y in ((f"x{i}", f"y{i}"), (f"y{i}", f"x{i}"))]
    with pytest.raises(InputError, match=r"pairs.jsonl: quality: the judge goes by position: of 8 pairs"):
        read_judged(write(tmp_path / "pairs.jsonl", rows))


def test_a_file_that_puts_the_better_text_first_is_no_biased_judge(tmp_path: Path) -> None:
    rows = [{"a": f"x{i}", "b": f"y{i}", "answer": "A"} for i in range(8)]

    assert read_judged(write(tmp_path / "pairs.jsonl", rows)).judgments["quality"].p.tolist() == [1.0] * 8


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"a": "x", "answer": "A"}, "no text under 'b'"),
        ({"a": "x", "b": "y"}, "neither p nor answer"),
        ({"a": "x", "b": "y", "p": "high"}, "probability is 'high'"),
        ({"a": "x", "b": "y", "p": 2}, "probability is 2"),
        ({"a": "x", "b": "y", "p": "nan"}, "probability is 'nan'"),
        ({"a": "x", "b": "y", "p": 1, "votes": 1.5}, "votes is 1.5"),
        ({"a": "x", "b": "y", "p": 1, "votes": None}, "votes is None"),
        ({"a": " ", "b": "y", "p": 1}, "no text under 'a'"),
    ],
)
def test_a_bad_record_is_named_with_its_line(tmp_path: Path, row: dict[str, object], says: str) -> None:
    path = write(tmp_path / "pairs.jsonl", [{"a": "x", "b": "y", "p": 1}, row])
    with pytest.raises(FormatError, match=rf"pairs.jsonl:2: .*{says}"):
        read_judged(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no judgment in it"):
        read_judged(write(tmp_path / "pairs.jsonl", []))
