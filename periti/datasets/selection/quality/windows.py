"""Long texts in windows: non-overlapping, of equal numbers of words, whose scores are averaged by their lengths.

QuRating rates what its model was trained on the length of, and no longer input (Wettig et al. 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.words import words_of
from periti.errors import InputError

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """Parts of n texts.

    Attributes:
        texts: the m parts, those of a text in order and side by side; a text without words has one.
        owner: which text each belongs to, ascending, int64 (m,).
        words: of each part, int64 (m,).
        size: n.
    """

    texts: tuple[str, ...]
    owner: Ints
    words: Ints
    size: int

    def mean(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean of the parts' scores by their words.

        Args:
            scores: float64 (m, k).

        Returns:
            float64 (n, k); NaN for a text without words.
        """
        starts = np.searchsorted(self.owner, np.arange(self.size))
        sums = np.add.reduceat(scores * self.words[:, None], starts, axis=0) if self.size else scores
        words = np.add.reduceat(self.words, starts) if self.size else self.words
        with np.errstate(invalid="ignore"):
            mean: NDArray[np.float64] = sums / words[:, None]
        return mean


def windowed(texts: Sequence[str], size: int) -> Windows:
    """Cut texts into windows.

    Args:
        texts: any.
        size: words of a window (`words_of`); the last one of a text may be shorter.

    Raises:
        InputError: size is less than 1.
    """
    if size < 1:
        raise InputError(f"windows of {size} words were asked for; give 1 or more, e.g. 512")
    found = words_of(texts)
    begins = np.cumsum([0, *(len(text) + 1 for text in texts)]).tolist()
    parts, owner, words = list[str](), list[int](), list[int]()
    bounds = found.indptr.tolist()
    for number, text in enumerate(texts):
        first, last = bounds[number], bounds[number + 1]
        cuts = found.starts[first + size : last : size].tolist() if last - first > size else []
        edges = [0, *(cut - begins[number] for cut in cuts), len(text)]
        parts += [text[start:end] for start, end in pairwise(edges)]
        owner += [number] * (len(edges) - 1)
        words += [size] * len(cuts) + [last - first - size * len(cuts)]
    return Windows(tuple(parts), np.array(owner, np.int64), np.array(words, np.int64), len(texts))
