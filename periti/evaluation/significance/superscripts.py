"""What stands beside a mean: the systems it is significantly better than, by their numbers."""

from __future__ import annotations

from collections.abc import Sequence

from periti.evaluation.significance.results import ComparisonTable

BETTER, WORSE = "▲", "▼"


def superscripts(table: ComparisonTable) -> dict[str, str]:
    """System to what stands beside its mean, after correction.

    Between all pairs these are the numbers of the systems that it beats, counted from 1 in the order of means; with a
    baseline ▲ or ▼ says better or worse than the baseline.
    """
    number = {standing.system: place for place, standing in enumerate(table.standings, 1)}
    if table.standings[0].best is None:
        signs = {c.a: BETTER if c.difference > 0 else WORSE for c in table.comparisons if c.significant}
        return {system: signs.get(system, "") for system in number}
    beaten: dict[str, list[int]] = {system: [] for system in number}
    for comparison in table.comparisons:
        if comparison.significant:
            winner, loser = comparison.a, comparison.b
            if comparison.difference < 0:
                winner, loser = loser, winner
            beaten[winner].append(number[loser])
    return {system: ranges(sorted(found)) for system, found in beaten.items()}


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers with stretches of three and more drawn together: 2,4–6,8."""
    stretches: list[list[int]] = []
    for number in numbers:
        if stretches and number == stretches[-1][-1] + 1:
            stretches[-1].append(number)
        else:
            stretches.append([number])
    return ",".join(
        f"{stretch[0]}–{stretch[-1]}" if len(stretch) > 2 else ",".join(map(str, stretch)) for stretch in stretches
    )


def groups(letters: str) -> str:
    """Letters of tied groups, which always follow one another, with three and more drawn together: a–d."""
    names = letters.split()
    return f"{names[0]}–{names[-1]}" if len(names) > 2 else " ".join(names)


def legend(table: ComparisonTable) -> str:
    """The sentence that explains the superscripts."""
    if table.standings[0].best is None:
        return f"{BETTER} and {WORSE}: significantly better and worse than the baseline, after correction."
    return "Superscripts: the numbers of the systems that this one is significantly better than, after correction."
