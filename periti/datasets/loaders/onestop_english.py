"""OneStopEnglish (Vajjala and Lucic 2018): 189 news articles, each at three levels of difficulty."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from periti.datasets.reading import BOM, tar_members
from periti.datasets.selection.quality.judgments import Judgments, Verdict
from periti.errors import DatasetError, FormatError

ARTICLES = 189
LEVELS = ("ele", "int", "adv")
"""From easy to difficult."""


@dataclass(frozen=True)
class Levelled:
    """One article.

    Attributes:
        name: of the article.
        texts: elementary, intermediate, advanced.
    """

    name: str
    texts: tuple[str, str, str]

    def verdicts(self) -> tuple[Verdict, ...]:
        """Its three pairs; the more difficult text is the "better" one."""
        return tuple(
            Verdict(self.texts[j], self.texts[i], 1.0, 1, self.name) for i in range(3) for j in range(i + 1, 3)
        )


def read_onestop_english(folder: Path) -> tuple[Levelled, ...]:
    """The articles by name.

    A few bytes of one file are Windows-1252 instead of UTF-8 and are read as such.

    Raises:
        FormatError: the file is missing or can not be read, or an article lacks a level.
        DatasetError: there are more or fewer articles than published.
    """
    path = folder / "Texts-SeparatedByReadingLevel.tar.gz"
    found: dict[str, dict[str, str]] = {}
    for member, raw in tar_members(path):
        name, _, level = PurePosixPath(member).stem.rpartition("-")
        found.setdefault(name.strip(), {})[level] = _text(raw)
    articles = []
    for name, levels in sorted(found.items()):
        if levels.keys() != {*LEVELS}:
            raise FormatError(f"{path}: {name!r} has the levels {', '.join(sorted(levels))}; fetch the file again")
        articles.append(Levelled(name, (levels["ele"], levels["int"], levels["adv"])))
    if len(articles) != ARTICLES:
        raise DatasetError(f"onestop-english: {len(articles)} articles, published are {ARTICLES}; fetch the file again")
    return tuple(articles)


def difficulty(articles: tuple[Levelled, ...]) -> Judgments:
    """Three pairs an article, one group each; the criterion is difficulty."""
    return Judgments.of([verdict for article in articles for verdict in article.verdicts()], "difficulty")


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("windows-1252", "replace")
    return text.removeprefix(BOM).strip()
