"""Filters that look at one text: its length, its language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from periti.datasets.selection.languages import LANGUAGES, UNKNOWN, language_of
from periti.datasets.selection.stages import Keep
from periti.datasets.selection.tokens import count_tokens
from periti.errors import ConfigError
from periti.registry import nearest


@dataclass(frozen=True)
class LengthFilter:
    """Texts of `fewest` to `most` tokens, both included, as budgets count them.

    Attributes:
        fewest: tokens; 0 for no bound.
        most: tokens; None for no bound.
    """

    fewest: int = 0
    most: int | None = None

    def __post_init__(self) -> None:
        if self.fewest < 0 or (self.most is not None and self.most < max(self.fewest, 1)):
            raise ConfigError(
                f"texts of {self.fewest} to {self.most} tokens are asked for; the fewest must be at least 0, the most "
                "at least 1 and not below the fewest"
            )

    @property
    def name(self) -> str:
        """What it takes out."""
        short = [f"shorter than {self.fewest}"] if self.fewest else []
        long = [f"longer than {self.most}"] if self.most is not None else []
        return " or ".join(short + long) + " tokens" if short or long else "of no length (no bound given)"

    def keep(self, texts: Sequence[str]) -> Keep:
        """Which of n texts stay, bool (n,)."""
        tokens = np.fromiter(map(count_tokens, texts), np.int64, len(texts))
        return (tokens >= self.fewest) & (tokens <= (np.inf if self.most is None else self.most))


@dataclass(frozen=True)
class LanguageFilter:
    """Texts whose language is one of some, as guessed from script and stop-words (`languages`, with its limits).

    Attributes:
        languages: ISO 639-1 codes.
        keep_unknown: whether texts stay whose language can not be told, such as titles and queries of few words.
    """

    languages: tuple[str, ...] = ("en",)
    keep_unknown: bool = True

    def __post_init__(self) -> None:
        if not self.languages:
            raise ConfigError("no language is named; name at least one")
        for language in self.languages:
            if language not in LANGUAGES:
                raise ConfigError(f"language {language!r} can not be told; {nearest(language, LANGUAGES)}")

    @property
    def name(self) -> str:
        """What it takes out."""
        return f"not in {' or '.join(self.languages)}" + (" or unknown" if self.keep_unknown else "")

    def keep(self, texts: Sequence[str]) -> Keep:
        """Which of n texts stay, bool (n,)."""
        wanted = {*self.languages, *([UNKNOWN] if self.keep_unknown else [])}
        return np.fromiter((language_of(text) in wanted for text in texts), bool, len(texts))
