"""A document to its passages: windows of tokens, as the encoder at hand counts them, cut out of the text itself.

A passage is a piece of the document's own text, found by the tokenizer's character offsets, so that nothing is changed
by decoding. It begins and ends between words wherever a word is not longer than the window: a tokenizer that splits
words gives a passage the very tokens that it had inside the document. Together the passages hold every token.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periti.errors import ConfigError, EncoderError
from periti.types import Document


@dataclass(frozen=True)
class PassageConfig:
    """How documents are split.

    Attributes:
        length: tokens of a passage at most, special tokens and title not counted.
        stride: tokens from the beginning of one passage to the next; smaller than `length`, passages overlap. 0 takes
            `length`: no overlap.
        most: passages kept of a document, from its beginning; 0 keeps all. What is left out is counted.
        title_tokens: tokens of the title that are put before every passage; 0 reads the title once, as the beginning
            of the document.

    Raises:
        ConfigError: a value out of range, or a stride that leaves gaps.
    """

    length: int = 200
    stride: int = 0
    most: int = 0
    title_tokens: int = 0

    def __post_init__(self) -> None:
        for name, least in (("length", 1), ("stride", 0), ("most", 0), ("title_tokens", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"passages: {name} is {getattr(self, name)}; it must be at least {least}")
        if self.stride > self.length:
            raise ConfigError(
                f"passages: a stride of {self.stride} tokens over passages of {self.length} would leave tokens out; "
                "lower stride or raise length"
            )

    @property
    def step(self) -> int:
        """Tokens from one passage to the next."""
        return self.stride or self.length

    def require_room(self, room: int, reader: str) -> None:
        """Refuse passages that their reader would cut.

        Args:
            room: tokens that the reader has for a passage and its title.
            reader: who that is, for the message.

        Raises:
            ConfigError: they are longer.
        """
        if self.length + self.title_tokens > room:
            raise ConfigError(
                f"passages: {self.length} tokens and {self.title_tokens} of the title, but {reader} has room for "
                f"{room}; lower length or title_tokens"
            )


@dataclass(frozen=True)
class Passages:
    """Passages of some documents, those of one document together and in its order.

    Attributes:
        texts: what an encoder reads, title included.
        owners: int64 (p,), ascending: the place of the document that each is of. Every document has one at least.
        spans: int64 (p, 2): first character and the one past the last, in `default_text`, or in `text` where titles
            are put before every passage.
        tokens: int64 (p,): tokens of each passage, title not counted.
        notes: docs_capped, capped_tokens, titles_cut; zero counts left out.
    """

    texts: list[str]
    owners: NDArray[np.int64]
    spans: NDArray[np.int64]
    tokens: NDArray[np.int64]
    notes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Offsets:
    """Where a tokenizer sees tokens in a text.

    Attributes:
        spans: int64 (t, 2), characters of each token.
        words: int64 (t,), number of the word each token is of.
    """

    spans: NDArray[np.int64]
    words: NDArray[np.int64]


class Splitter:
    """Splits documents by the tokens of one tokenizer.

    Args:
        tokenizer: a fast tokenizer of transformers; it is copied, since tokenizers keep state between calls.
        config: how to split.

    Raises:
        EncoderError: the tokenizer gives no offsets.
    """

    def __init__(self, tokenizer: Any, config: PassageConfig) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise EncoderError(
                f"passages need a tokenizer that tells where its tokens stand, and {type(tokenizer).__name__} does "
                "not; take a model with a fast tokenizer"
            )
        self.config = config
        self._tokenizer = copy.deepcopy(tokenizer)
        self._lock = threading.Lock()

    @property
    def special_tokens(self) -> int:
        """Tokens that the tokenizer puts around one text."""
        return int(self._tokenizer.num_special_tokens_to_add(pair=False))

    def split(self, documents: Sequence[Document]) -> Passages:
        """The passages of the documents, in order; a document without a token is one passage."""
        titled = self.config.title_tokens > 0
        bodies = [document.text.strip() if titled else document.default_text() for document in documents]
        heads, cut = self._heads([document.title for document in documents] if titled else [""] * len(documents))
        texts: list[str] = []
        spans: list[tuple[int, int]] = []
        owners: list[int] = []
        tokens: list[int] = []
        capped, left_out = 0, 0
        for place, (body, offsets) in enumerate(zip(bodies, self.offsets(bodies), strict=True)):
            found = windows(offsets.words, self.config.length, self.config.step) or [(0, 0)]
            kept = found[: self.config.most or None]
            capped += len(kept) < len(found)
            left_out += found[-1][1] - kept[-1][1]
            for first, end in kept:
                span = (int(offsets.spans[first, 0]), int(offsets.spans[end - 1, 1])) if end else (0, len(body))
                texts.append(f"{heads[place]} {body[slice(*span)]}".strip())
                spans.append(span)
                owners.append(place)
                tokens.append(end - first)
        counts = {"docs_capped": capped, "capped_tokens": left_out, "titles_cut": cut}
        return Passages(
            texts,
            np.array(owners, np.int64),
            np.array(spans, np.int64).reshape(-1, 2),
            np.array(tokens, np.int64),
            {name: count for name, count in counts.items() if count},
        )

    def offsets(self, texts: Sequence[str]) -> list[Offsets]:
        """Characters and words of the tokens of each text, special tokens left out."""
        if not texts:
            return []
        with self._lock:
            found = self._tokenizer(
                list(texts), add_special_tokens=False, truncation=False, return_offsets_mapping=True, verbose=False
            )
        return [
            Offsets(
                np.array(spans, np.int64).reshape(-1, 2),
                np.array([-1 if word is None else word for word in found.word_ids(place)], np.int64),
            )
            for place, spans in enumerate(found["offset_mapping"])
        ]

    def _heads(self, titles: Sequence[str]) -> tuple[list[str], int]:
        """The beginnings of titles that are read, and how many titles are longer."""
        heads, cut = [], 0
        for title, offsets in zip(titles, self.offsets(titles), strict=True):
            whole = windows(offsets.words, max(1, self.config.title_tokens), max(1, self.config.title_tokens))
            heads.append(title[: int(offsets.spans[whole[0][1] - 1, 1])] if whole else "")
            cut += len(whole) > 1
        return heads, cut


def windows(words: NDArray[np.int64], length: int, stride: int) -> list[tuple[int, int]]:
    """First token and the one past the last of each passage.

    Args:
        words: int64 (t,): number of the word that each token is of; equal neighbours are one word.
        length: tokens of a passage at most.
        stride: tokens from one beginning to the next, 1..length.

    Returns:
        Windows that together hold all tokens, each beginning and ending after the one before it; the last ends at the
        last token. Both ends move back to a boundary of words, unless one word fills the window; a beginning that
        this would bring to a standstill moves on to the next boundary, not beyond the end of the window before it.
    """
    count = len(words)
    places = np.arange(count + 1)
    boundary = np.concatenate([[True], words[1:] != words[:-1], [True]]) if count else np.array([True])
    before = np.maximum.accumulate(np.where(boundary, places, 0))
    after = np.minimum.accumulate(np.where(boundary, places, count)[::-1])[::-1]
    found: list[tuple[int, int]] = []
    start = reached = 0
    while reached < count:
        limit = min(start + length, count)
        end = int(before[limit]) if before[limit] > start else limit
        if end <= reached and found:  # nothing new before the next word
            start = min(int(after[start + 1]), reached)
            continue
        found.append((start, end))
        following = min(start + stride, end)
        reached = end
        start = int(before[following]) if before[following] > start else min(int(after[following]), end)
    return found
